"""``edged check`` tells what the site has set over the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edged.cli.main import main
from edged.config.load import load
from edged.events.outbox import make_outbox
from edged.service.desired import NOTE, Stored, keep
from edged.vault.keys import load_key
from tests.service.kit import written

if TYPE_CHECKING:
    from pathlib import Path

STRICT = {"decision": {"profile": "high_security", "fpir": None}, "log_level": "warning"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = written(tmp_path)
    (tmp_path / "stage").mkdir()

    cv2.imwrite(str(tmp_path / "stage" / "0.jpg"), np.full((480, 640, 3), 90, np.uint8))
    return path


def desired(config: Path, **changes: Any) -> None:
    settings = load(config)
    outbox = make_outbox(settings.events, load_key(settings.key))
    outbox.open()
    try:
        stored = Stored(revision=7, settings=STRICT, key="site", stage="good")
        keep(outbox, stored.model_copy(update=changes))
    finally:
        outbox.close()


def told(config: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["check", "-c", str(config), *options]) == 0
    return capsys.readouterr().out


def test_nothing_is_told_where_nothing_is_desired(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "site" not in told(config, capsys)


def test_what_is_in_force_over_the_file_is_told_and_counted_with(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desired(config)
    text = told(config, capsys)
    assert "over this file the site has set (revision 7)" in text
    assert "decision.profile high_security, decision.fpir as by default" in text
    assert "profile high_security" in text
    document = json.loads(told(config, capsys, "--json"))
    assert document["decision"]["profile"] == "high_security"
    assert (document["desired"]["in_force"], document["desired"]["settings"]) == (7, STRICT)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"stage": "pending"}, "from the next start on: decision.profile"),
        ({"stage": "failed", "text": "no relay"}, "are not in force: no relay"),
        ({"settings": {"gallery": {"enrolment_confirm": "page"}}}, "page needs the section web"),
    ],
)
def test_what_is_not_in_force_is_told_with_the_reason(
    config: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], text: str
) -> None:
    desired(config, **changes)
    assert text in told(config, capsys)
    settings = load(config)
    outbox = make_outbox(settings.events, load_key(settings.key))
    outbox.open()
    note = outbox.note(NOTE)
    outbox.close()
    assert note is not None
    assert json.loads(note)["tries"] == 0  # looking is no try
