"""The file: what is in it, who can read it, what leaves it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edged.errors import StorageError, WrongKey
from edged.gallery.store import Gallery
from edged.recording.file import RecordingFile
from edged.recording.items import Seen
from edged.recording.reader import gone
from edged.vault.database import Database
from edged.vault.secret import Secret
from tests.recording.conftest import KEY, NOW
from tests.recording.lobby import SIZE, Lobby, header, person
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edged.service.replay import Replay

    Recording = Callable[..., AbstractContextManager[Lobby]]
    Replayed = Callable[..., Replay]

ALICE, BOB, STRANGER = 1, 4, 8


def a_day(lobby: Lobby, visits: int = 6) -> None:
    """Alice and Bob by turns."""
    lobby.enrol(alice=ALICE, bob=BOB)
    for n in range(visits):
        lobby.comes((ALICE, BOB)[n % 2], track=n + 1)
        until(lambda: lobby.recorder is not None and len(lobby.recorder._waiting) < 300)


def read(file: RecordingFile) -> list[list[Seen]]:
    """The frames of each visit."""
    with file.reading() as reader:
        return [
            [item for item in reader.items(visit, SIZE) if isinstance(item, Seen)]
            for session in reader.sessions()
            for visit in reader.visits(session.number)
        ]


def opened_and_read(path: Path) -> None:
    with closing(RecordingFile(path, KEY)) as file:
        file.open(make=False)
        read(file)


def test_what_was_seen_is_read_again(file: RecordingFile, recording: Recording) -> None:
    with recording() as lobby:
        a_day(lobby, 2)
    visits = read(file)
    assert [visit[0].wall for visit in visits] == [NOW + 100, pytest.approx(NOW + 100 + 32 / 15)]
    seen = [item.observation for visit in visits for item in visit]
    assert [one.seq for one in seen] == list(range(64))
    assert seen[0].embedding is not None
    assert float(seen[0].embedding @ person(ALICE)) > 0.9
    outcomes = [item.outcome for visit in visits for item in visit if item.outcome]
    assert outcomes == lobby.outcomes
    with file.reading() as reader:
        (session,) = reader.sessions()
    assert session.header == lobby.about
    assert {t.person_id for t in session.templates} == {"alice", "bob"}
    assert {t.since for t in session.templates} == {1, 2}


def test_nothing_in_the_file_can_be_read_without_the_key(
    file: RecordingFile, path: Path, recording: Recording
) -> None:
    with recording() as lobby:
        a_day(lobby)
    file.close()
    template = lobby.index.row("alice")
    assert template is not None
    for part in path.parent.iterdir():
        content = part.read_bytes()
        for secret in (b"alice", template[1].tobytes()[:16], b"SQLite format", b"access.granted"):
            assert secret not in content
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_key_opens_nothing_and_changes_nothing(
    file: RecordingFile, path: Path, recording: Recording
) -> None:
    with recording() as lobby:
        a_day(lobby)
    file.close()
    before = path.read_bytes()
    with pytest.raises(WrongKey, match="the key does not open it; it was left as it is"):
        RecordingFile(path, Secret(bytes(range(1, 33)))).open(make=False)
    assert path.read_bytes() == before


def test_a_gallery_is_no_recording(path: Path) -> None:
    with closing(Gallery(path, KEY)) as gallery:
        gallery.open()
    with pytest.raises(WrongKey):
        RecordingFile(path, KEY).open(make=False)


def test_a_missing_recording_is_not_made(path: Path) -> None:
    with pytest.raises(StorageError, match="there is no such recording; see `edged record`"):
        RecordingFile(path, KEY).open(make=False)
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "cut short, or no database of ours"),
        (b"a,b,c\n" * 100, "cut short, or no database of ours"),
        (b"SQLite format 3\0" + bytes(8176), "not encrypted, so none of ours"),
    ],
)
def test_a_foreign_file_is_refused(path: Path, content: bytes, problem: str) -> None:
    path.write_bytes(content)
    with pytest.raises(StorageError, match=problem):
        RecordingFile(path, KEY).open(make=False)


def test_a_truncated_recording_is_refused(
    file: RecordingFile, path: Path, recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        a_day(lobby)
    file.close()
    path.write_bytes(path.read_bytes()[: -5 * 4096])
    with pytest.raises(StorageError, match=r"damaged|cut short"):
        opened_and_read(path)


def test_a_recording_of_newer_software_is_refused(path: Path) -> None:
    with closing(Database(path, KEY, "recording", ("CREATE TABLE a (b)",) * 1)) as newer:
        newer.open()
        with newer.transaction() as connection:
            connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StorageError, match="written by newer software"):
        RecordingFile(path, KEY).open(make=False)


def test_what_is_too_old_leaves_with_its_templates(
    file: RecordingFile, recording: Recording
) -> None:
    with recording(enrolled=lambda: {"alice", "bob"}) as lobby:
        lobby.enrol(alice=ALICE, bob=BOB)
        lobby.comes(ALICE, track=1)
        later = lobby.t_s
        lobby.index.remove(["alice"])
        lobby.comes(BOB, track=2)
    assert file.prune(NOW + later, 1 << 40)
    assert [frames[0].observation.track_id for frames in read(file)] == [2]
    assert file.people() == {"bob"}
    with file.reading() as reader:
        (session,) = reader.sessions()
    assert {template.person_id for template in session.templates} == {"bob"}
    assert file.prune(NOW + 10_000, 1 << 40)
    assert file.contents().sessions == file.contents().people == file.contents().frames == 0
    assert not file.prune(NOW + 10_000, 1 << 40)


def test_what_is_too_much_leaves_from_the_oldest_by_whole_visits(
    file: RecordingFile, recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        a_day(lobby, 60)
    whole = file.contents()
    file.prune(0, whole.bytes // 2)
    left = read(file)
    assert file.contents().bytes <= whole.bytes // 2
    assert 5 < len(left) < 60
    assert [len(frames) for frames in left] == [32] * len(left)
    assert left[-1][-1].observation.seq == 60 * 32 - 1
    again = replayed()
    assert again.compared()[:2] == (len(left), len(left))


def test_who_is_forgotten_leaves_with_every_visit_of_theirs(
    file: RecordingFile, recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        a_day(lobby)
        lobby.comes(STRANGER, track=50)
    assert replayed().compared()[:3] == (7, 7, 0)
    assert file.forget("alice") == 3
    assert file.people() == {"bob"}
    with file.reading() as reader:
        (session,) = reader.sessions()
    assert {template.person_id for template in session.templates} == {"bob"}
    for frames in read(file):
        for one in frames:
            assert one.observation.embedding is None or (
                float(one.observation.embedding @ person(ALICE)) < 0.6
            )
    again = replayed()
    total, same, apart, difference = again.compared()
    assert (total, same + apart, difference) == (4, 4, None)
    assert apart >= 1  # she was a candidate of the stranger's
    assert file.forget("alice") == 0
    assert file.forget("nobody") == 0


def test_a_forgotten_candidate_is_a_number() -> None:
    assert gone("#7")
    assert not gone("7")


def test_two_sessions_lie_in_one_file(
    file: RecordingFile, recording: Recording, replayed: Replayed
) -> None:
    for about in (header(), header(evidence_frames=5)):
        with recording(Lobby(about), enrolled=lambda: {"alice", "bob"}) as lobby:
            a_day(lobby, 2)
    result = replayed()
    assert [one.outcome.frames for one in result.own] == [3, 3, 5, 5]
    assert result.compared()[:2] == (4, 4)


def test_a_piece_that_cannot_be_read_is_told(
    file: RecordingFile, path: Path, recording: Recording
) -> None:
    with recording() as lobby:
        a_day(lobby, 1)
    with closing(Database(path, KEY, "recording", ())) as other:
        other._schema = file._database._schema
        other.open()
        with other.transaction() as connection:
            connection.execute("UPDATE pieces SET items = x'00'")
    with pytest.raises(StorageError, match="a piece of visit 1 cannot be read; record anew"):
        read(file)


def test_embeddings_of_another_size_are_told(file: RecordingFile, recording: Recording) -> None:
    with recording() as lobby:
        a_day(lobby, 1)
    with file.reading() as reader:
        (session,) = reader.sessions()
        (visit,) = reader.visits(session.number)
        with pytest.raises(StorageError, match="cannot be read"):
            list(reader.items(visit, 7))


def test_rows_are_bit_for_bit(file: RecordingFile, recording: Recording) -> None:
    with recording() as lobby:
        a_day(lobby, 1)
    with file.reading() as reader:
        rows = {t.person_id: t.row for t in reader.sessions()[0].templates}
    live = lobby.index.row("alice")
    assert live is not None
    assert np.array_equal(rows["alice"], live[1])
