"""``kill -9`` at any point: the gallery holds what one revision says, never between two."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from edged.gallery.profile import Profile
from edged.sync.entries import Entry
from tests.sync.parties import Site, Terminal, templates

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = 400
KILLS = int(os.environ.get("EDGED_KILLS", "12"))
"""At random points; of each kind."""
CHILD = """
import sys
from pathlib import Path
from tests.sync.parties import Site, Terminal

folder = Path(sys.argv[1])
site = Site(folder / "site.db", "door-1")
door = Terminal(folder / "door", shares=False)
print("ready", flush=True)
door.meet(site)
print("done", flush=True)
"""


def killed_while_following(folder: Path, after_s: float) -> bool:
    """Follow in a process that is killed; whether it had finished before."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    try:
        child.wait(after_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    finished = "done" in child.stdout.read()
    child.stdout.close()
    child.wait()
    return finished


def test_a_half_taken_log_is_held_up_to_a_revision_and_goes_on(tmp_path: Path) -> None:
    site = Site(tmp_path / "site.db", "door-1")
    for start in range(0, PEOPLE, 20):
        names = [f"p{n:04}" for n in range(start, start + 20)]
        site.append([Entry(0, who, Profile(), templates(who)) for who in names])
        site.remove(names[0])
    site.close()
    lottery = random.Random()
    for _ in range(KILLS):
        if killed_while_following(tmp_path, lottery.uniform(0, 0.4)):
            break
        door = Terminal(tmp_path / "door", shares=False)
        log: dict[str, bool] = {}
        held = door.held
        for revision in range(1, held + 1):
            place, turn = divmod(revision - 1, 21)
            gone = turn == 20
            log[f"p{place * 20 + (0 if gone else turn):04}"] = not gone
        assert door.people == sorted(who for who, there in log.items() if there)
        door.gallery.close()
    site.open()
    door = Terminal(tmp_path / "door", shares=False).meet(site)
    assert len(door.people) == PEOPLE - PEOPLE // 20
    door.gallery.close()
    site.close()


def test_a_half_taken_snapshot_goes_on_where_it_was(tmp_path: Path) -> None:
    site = Site(tmp_path / "site.db", "door-1")
    site.append([Entry(0, f"p{n:04}", Profile(), templates(n)) for n in range(PEOPLE)])
    site.make_snapshot(10)
    site.compact(keep=0)
    site.close()
    lottery = random.Random()
    taken = 0
    for _ in range(KILLS):
        if killed_while_following(tmp_path, lottery.uniform(0, 0.3)):
            break
        door = Terminal(tmp_path / "door", shares=False)
        status = door.follower.status
        chunk = status.get("snapshot", {}).get("chunk", 0) if status["revision"] == 0 else 40
        assert len(door.people) == chunk * 10
        assert chunk >= taken
        taken = chunk
        door.gallery.close()
    site.open()
    door = Terminal(tmp_path / "door", shares=False).meet(site)
    assert len(door.people) == PEOPLE
    assert door.held == PEOPLE
    door.gallery.close()
    site.close()
