"""In which line a setting stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.config.load import Lines, lines_of
from edged.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """site: hq
schedules:
  office.hours: {days: {mon: []}}
  "7": {days: {}}
access:
  rules:
    - name: one
      groups:
        - a
        - b
    - {name: two,
       when: "7"}
"""


def test_every_setting_has_its_line() -> None:
    lines = Lines("edged.yaml", TEXT)
    for path, line in {
        "site": 1,
        "schedules": 2,
        "schedules.7.days": 4,
        "access.rules.0": 7,
        "access.rules.0.name": 7,
        "access.rules.0.groups.1": 10,
        "access.rules.1": 11,
        "access.rules.1.when": 12,
    }.items():
        assert lines.line(path) == line, path
    assert lines.line(("schedules", "office.hours", "days")) == 3
    assert lines.line(("access", "rules", 0, "groups", 0)) == 9
    assert lines.quote(3) == "office.hours: {days: {mon: []}}"


def test_what_is_not_there_has_its_parent_s_line_or_none() -> None:
    lines = Lines("edged.yaml", TEXT)
    assert lines.line("access.rules.1.factors.0") == 11
    assert lines.line("access.rules.9") == 6
    assert lines.line("door.pulse_s") is None
    assert lines.told("access.rules.1.factors.0", "no") == (
        "edged.yaml:11:7: access.rules.1.factors.0: no"
    )
    assert lines.told("door.pulse_s", "no") == "edged.yaml:1:1: door.pulse_s: no"
    assert (lines.quote(0), lines.quote(99)) == ("", "")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "edged.yaml").write_text(TEXT)
    assert lines_of(tmp_path / "edged.yaml").line("access") == 5
    with pytest.raises(ConfigError):
        lines_of(tmp_path / "none.yaml")
    assert Lines("edged.yaml", "{").line("site") is None
