"""What a real terminal tells of its decisions is enough to explain them, and no more."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.main import main
from tests.service.kit import PERSON

if TYPE_CHECKING:
    import pytest

    from tests.service.kit import Door, Views

PAGE = Path(__file__).parents[2] / "docs" / "explain.md"
NEW = ("rule", "policy", "review_threshold", "minimum_quality", "seen", "defects")


def explained(door: Door, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    capsys.readouterr()
    assert main(["explain", *argv, "-c", str(door.terminal.config)]) == 0
    return capsys.readouterr().out


def form(text: str) -> list[str]:
    """An explanation without its values."""
    certain = [line for line in text.splitlines() if "clock was not known" not in line]
    lines = [re.sub(r"[0-9a-f]{12,}|[0-9][0-9.,:TZ-]*", "0", line) for line in certain]
    return [re.sub(r"(model|quality|policy) \S+", r"\1 0", line) for line in lines]


def test_who_was_let_in_and_who_was_asked_to_come_closer_can_be_told_why(
    door: Door, views: Views, capsys: pytest.CaptureFixture[str]
) -> None:
    door.terminal.enrol(views)
    door.people(2)
    seq = door.site.seq
    door.stage.show("near")
    granted = door.site.event("access.granted", after=seq)
    text = explained(door, capsys, granted["id"][:10])
    assert "why:  the best person was similar enough, and far enough ahead of the next" in text
    assert f"what: access was granted ({PERSON})" in text
    assert added(granted["data"]) <= 150
    assert re.fullmatch("[0-9a-f]{12}", granted["data"]["policy"])
    example = re.search(
        r"^```\n(access\.granted.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert example is not None
    assert form(example[1]) == form(text.replace(PERSON, "E1042"))

    door.leave()
    door.stage.show("far")
    retake = door.site.event("capture.retake", after=granted["seq"])
    assert retake["data"]["rule"] in ("no_usable_view", "weak_evidence")
    assert retake["data"]["defects"].get("too_far")
    assert added(retake["data"]) <= 150
    text = explained(door, capsys, "--seq", str(retake["seq"]))
    assert "a clearer view" in text
    assert retake["data"]["policy"] == granted["data"]["policy"]


def added(data: dict[str, Any]) -> int:
    """Bytes of an event that are there to explain it."""
    return len(json.dumps({name: data[name] for name in NEW}, separators=(",", ":")))
