"""kill -9 and a disk that fills up in the middle of a write: the log stays whole."""

from __future__ import annotations

import os
import random
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.errors import StorageError
from edged.events.chain import verify
from edged.events.outbox import Outbox
from edged.events.types import GAP
from tests.events.chains import KEY, checkpoint, visit
from tests.gallery.killing import kill_often, run

if TYPE_CHECKING:
    from pathlib import Path

NAME, TOLD, GONE = "events.db", "told", "gone"
KILLS = int(os.environ.get("EDGED_KILLS", "8"))


def opened(folder: Path, capacity: int = 30, days: int = 0) -> Outbox:
    outbox = Outbox(folder / NAME, KEY, capacity, keep_days=days)
    outbox.believe = lambda: "synced"
    outbox.open()
    return outbox


def note(folder: Path, name: str, seqs: list[int]) -> None:
    """Outlives a kill, not a power cut; before it returns."""
    with (folder / name).open("ab", buffering=0) as file:
        file.write("".join(f"{seq}\n" for seq in seqs).encode())


def noted(folder: Path, name: str) -> set[int]:
    path = folder / name
    return {int(line) for line in path.read_text().split()} if path.exists() else set()


def live(folder: Path) -> None:
    """Everything that changes a log, in one go: append, lose, deliver, prune, repeat, redact."""
    outbox = opened(folder)
    for turn in range(12):
        for number in range(8):
            event = outbox.append("access.granted", visit(number, f"E{number}"))
            note(folder, TOLD, [event.seq])
        if turn % 3 == 1:
            events = outbox.pending(limit=12)
            for told in (event.data for event in events if event.type == GAP):
                note(folder, GONE, list(range(told["from_seq"], told["to_seq"] + 1)))
            due = [event.seq for event in events]
            note(folder, GONE, due)
            outbox.acknowledge(due)
            outbox.again(due[0], due[5])
        if turn % 4 == 2:
            outbox.redact(f"E{turn % 8}")
        outbox.keep_note("turn", str(turn))
    outbox.close()


def judge(folder: Path, finished: bool) -> None:
    outbox = opened(folder)
    events = list(outbox.events())
    report = verify(events, (), [checkpoint(outbox.head)])
    assert report.whole, report.findings
    there = {event.seq for event in events}
    lost = [event.data for event in events if event.type == GAP]
    for seq in noted(folder, TOLD) - noted(folder, GONE) - there:
        assert any(gap["from_seq"] <= seq <= gap["to_seq"] for gap in lost), seq
    assert not finished or outbox.note("turn") == "11"
    assert outbox.depth == len(outbox.pending(limit=1000)) <= 30
    if noted(folder, TOLD):
        assert outbox.append("a.b", {}).seq > max(noted(folder, TOLD))
    outbox.close()


def test_a_kill_at_any_moment_leaves_a_whole_log(tmp_path: Path) -> None:
    kill_often(KILLS, live, lambda folder: None, judge, tmp_path)


def test_a_log_that_is_killed_again_and_again_is_whole(tmp_path: Path) -> None:
    dice = random.Random(1)
    for _ in range(4):
        run(live, tmp_path, kill_after_s=dice.uniform(0.02, 0.5))
        judge(tmp_path, False)


def write_into_a_full_disk(folder: Path, most: int) -> None:
    """Files that cannot grow beyond a size: the write that crosses it is done by half."""
    outbox = opened(folder, 1000, 30)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in (most, resource.RLIM_INFINITY):
        refused = 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        for number in range(60):
            try:
                event = outbox.append("access.granted", {"x": os.urandom(300).hex(), "n": number})
            except StorageError:
                refused += 1
                continue
            note(folder, TOLD, [event.seq])
            with suppress(StorageError):
                if number % 7 == 3:
                    outbox.acknowledge([event.seq - 1])
        note(folder, "refused", [refused])
    assert refused == 0  # there is room again
    outbox.close()


def test_a_write_that_the_disk_takes_by_half_leaves_a_whole_log(tmp_path: Path) -> None:
    dice = random.Random(2)
    refused = 0
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert run(write_into_a_full_disk, folder, dice.randrange(80_000, 200_000)) is not None
        outbox = opened(folder, 1000, 30)
        events = list(outbox.events())
        assert verify(events, (), [checkpoint(outbox.head)]).whole
        assert {event.seq for event in events} == noted(folder, TOLD)
        refused += max(noted(folder, "refused"))
        outbox.close()
    assert refused > 0, "nothing was put to the test"
