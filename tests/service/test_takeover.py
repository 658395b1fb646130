"""The command line changes the gallery while the daemon runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.service.kit import PERSON

if TYPE_CHECKING:
    from tests.service.kit import Door, Views


def edged(door: Door, *words: str) -> None:
    argv = [sys.executable, "-m", "edged", *words, "-c", str(door.terminal.config)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_who_is_enrolled_or_removed_elsewhere_is_let_in_or_refused_without_a_restart(
    door: Door, views: Views
) -> None:
    photos = [str(path) for path in views.scenes["near"]]
    edged(door, "enrol", PERSON, *photos, "--name", "Eileen Canary")
    door.people(2)
    seq = door.site.seq
    door.stage.show("near")
    granted = door.site.event("access.granted", after=seq, person_id=PERSON)
    door.leave()
    edged(door, "gallery", "remove", PERSON)
    door.people(1)
    door.stage.show("near")
    door.site.event("access.denied", after=granted["seq"])
