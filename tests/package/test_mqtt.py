"""docs/mqtt.md shows what a terminal really sends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edged
from edged.decision.presentation import Kind
from tests.service.conftest import (  # fixtures
    engine,
    make_terminal,
    open_door,
    stage,
    views,
)
from tests.service.kit import wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.kit import Door, Views

__all__ = ["engine", "make_terminal", "open_door", "stage", "views"]
PAGE = Path(__file__).parents[2] / "docs" / "mqtt.md"


def examples() -> dict[str, dict[str, Any]]:
    """The JSON of each part of the page, by the part's title."""
    parts = re.split(r"^##+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for part in parts:
        if block := re.search(r"^```json\n(.*?)^```", part, re.MULTILINE | re.DOTALL):
            found[part.partition("\n")[0].lower()] = json.loads(block[1])
    return found


def shape(value: Any) -> Any:
    """A message without its values: the names, down to the leaves."""
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else 0


def test_the_examples_have_the_form_of_what_is_sent(
    open_door: Callable[..., Door], views: Views
) -> None:
    door = open_door(before=lambda terminal: terminal.enrol(views))
    reply = door.site.command("door.unlock")
    door.stage.show("near")
    event = door.site.event("access.granted")
    state = wait(lambda: door.site.state)
    sent = {
        "status": door.site.status("online"),
        "state": state,
        "events": event,
        "replies": reply,
    }
    shown = examples()
    assert list(shown) == list(sent)
    for part, message in sent.items():
        assert shape(shown[part]) == shape(message), json.dumps(message)
    assert (shown["replies"]["result"], shown["replies"]["reason"]) == ("ok", reply["reason"])


def test_the_page_lists_every_type_of_event() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Events")[2].partition("\n- ")[0]
    told = {t for line in table.splitlines() for t in re.findall(r"`([a-z]+\.[a-z_]+)`", line[:60])}
    package = Path(edged.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    recorded = re.findall(r"\b(?:record|append|append_once)\(\s*\"([a-z]+\.[a-z_]+)\"", source)
    assert told == {*recorded, *(kind.value for kind in Kind), "events.gap"}
