"""A file of the first kind becomes a log, and nothing that waited in it is lost."""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING

import pytest

from edged.errors import DiskFull, StorageError
from edged.events import migrate
from edged.events.chain import verify
from edged.events.outbox import Outbox
from edged.events.schema import V1
from edged.vault.database import Database
from tests.events.chains import KEY, checkpoint
from tests.gallery.killing import kill_often

if TYPE_CHECKING:
    from pathlib import Path

    from edged.vault.database import Connection

NAME = "events.db"
ODD = {"text": "\ud800 ü", "large": 1e300, "list": [1, None, {"a": -0.0}]}


def old_file(folder: Path, count: int, gone: set[int] | None = None) -> list[tuple[int, str]]:
    """Write one as the software before did; number and id of what waits in it."""
    database = Database(folder / NAME, KEY, "events", (V1,))
    database.open()
    made = []
    with database.transaction() as connection:
        for seq in range(1, count + 1):
            identity = uuid.uuid4().hex
            when = f"2026-01-01T00:00:{seq % 60:02d}.{seq:03d}Z"
            data = json.dumps({**ODD, "n": seq, "person_id": f"E{seq}"})
            connection.execute(
                "INSERT INTO events (id, type, time, clock, data) VALUES (?, ?, ?, ?, ?)",
                (identity, "access.granted", when, "synced", data),
            )
            made.append((seq, identity))
        connection.execute("INSERT INTO nonces VALUES ('used', 4e9)")
        for seq in gone or ():
            connection.execute("DELETE FROM events WHERE seq = ?", (seq,))
    database.close()
    return [(seq, identity) for seq, identity in made if seq not in (gone or ())]


def opened(folder: Path) -> Outbox:
    outbox = Outbox(folder / NAME, KEY, 1000)
    outbox.open()
    return outbox


@pytest.mark.parametrize(
    ("gone", "first"),
    [
        (set(), 1),
        ({1, 2, 3}, 4),  # acknowledged from the beginning, as it is nearly always
        ({2}, 13),  # a hole: numbered anew, so that no number means two events
        ({12}, 13),  # the last number was given to another one
        (set(range(1, 13)), 13),
    ],
)
def test_what_waited_keeps_its_order_its_ids_and_if_possible_its_numbers(
    tmp_path: Path, gone: set[int], first: int
) -> None:
    before = old_file(tmp_path, 12, gone)
    outbox = opened(tmp_path)
    events = outbox.pending()
    assert [event.id for event in events] == [identity for _, identity in before]
    assert [event.seq for event in events] == list(range(first, first + len(before)))
    assert outbox.depth == len(before)
    for (seq, _), event in zip(before, events, strict=True):
        assert event.time == f"2026-01-01T00:00:{seq:02d}.{seq:03d}Z"
        assert event.data == {**ODD, "text": "\ufffd ü", "n": seq, "person_id": f"E{seq}"}
    assert outbox.append("a.b", {}).seq == first + len(before)
    assert next(outbox.events()).prev == ""
    assert verify(outbox.events(), (), [checkpoint(outbox.head)]).whole
    assert not outbox.use_nonce("used", 4e9)
    for seq, _ in before[:1]:
        assert len(list(outbox.naming(f"E{seq}"))) == 1
    log = outbox.head.log
    outbox.close()
    outbox.open()
    assert outbox.head.log == log
    outbox.close()


def test_a_migration_without_room_leaves_the_old_file_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old_file(tmp_path, 5)

    def full(_connection: object) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "step", full)
        outbox = Outbox(tmp_path / NAME, KEY, 1000)
        with pytest.raises(DiskFull):
            outbox.open()
        with pytest.raises(StorageError, match="not open"):
            outbox.pending()
    outbox = opened(tmp_path)
    assert [event.id for event in outbox.pending()] == [identity for _, identity in before]
    outbox.close()


def test_a_long_migration_that_is_ended_again_and_again_gets_on_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old_file(tmp_path, 60, {1, 2, 3})
    monkeypatch.setattr(migrate, "_AT_ONCE", 5)
    step, starts = migrate.step, 0

    def slow(connection: Connection) -> None:
        if slow.done > 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        slow.done += 1  # type: ignore[attr-defined]
        step(connection)

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "step", slow)
        while True:
            slow.done, starts = 0, starts + 1  # type: ignore[attr-defined]
            assert starts < 10
            try:
                outbox = opened(tmp_path)
                break
            except KeyboardInterrupt:
                continue
    assert starts > 2
    events = outbox.pending(limit=1000)
    assert [(event.seq, event.id) for event in events] == before
    assert verify(outbox.events(), (), [checkpoint(outbox.head)]).whole
    outbox.close()


def migrate_and_append(folder: Path) -> None:
    migrate._AT_ONCE = 7
    outbox = opened(folder)
    outbox.append("a.b", {})
    outbox.close()


def test_a_migration_that_is_killed_is_done_by_the_next_start(tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        waiting = old_file(folder, 60)
        (folder / "ids").write_text(json.dumps([identity for _, identity in waiting]))

    def judge(folder: Path, finished: bool) -> None:
        outbox = opened(folder)
        ids = json.loads((folder / "ids").read_text())
        events = outbox.pending(limit=1000)
        assert [event.id for event in events][:60] == ids
        assert len(events) in ((61,) if finished else (60, 61))
        assert verify(outbox.events(), (), [checkpoint(outbox.head)]).whole
        outbox.close()

    kills = int(os.environ.get("EDGED_KILLS", "8"))
    kill_often(kills, migrate_and_append, prepare, judge, tmp_path)
