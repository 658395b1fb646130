"""The recorder stands in nobody's way, and says what it could not write."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from edged.decision.presentation import Phase, Step
from edged.errors import DiskFull
from edged.recording import recorder as module
from edged.recording.file import RecordingFile
from edged.recording.items import Gap
from edged.testing.builders import face
from edged.types import Observation
from tests.recording.conftest import KEY, recorder_for
from tests.recording.lobby import SIZE, Lobby
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edged.recording.recorder import Recorder
    from edged.service.replay import Replay

    Recording = Callable[..., AbstractContextManager[Lobby]]
    Replayed = Callable[..., Replay]

ALICE, BOB, STRANGER = 1, 4, 8


def unasked(t_s: float, seq: int, track: int | None = 1) -> Observation:
    return Observation(t_s, seq, 1, track, face(), ())


def frames_in(file: RecordingFile) -> int:
    return file.contents().frames


def test_frames_are_on_the_disk_soon(file: RecordingFile, recording: Recording) -> None:
    with recording() as lobby:
        lobby.enrol(alice=ALICE)
        lobby.stands(ALICE, 5)
        until(lambda: frames_in(file) == 5)


def test_a_slow_disk_costs_frames_but_never_the_door(
    file: RecordingFile,
    path: Path,
    recording: Recording,
    replayed: Replayed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_WAITING", 100)
    lost = Gap(0)
    with recording() as lobby:
        lobby.enrol(alice=ALICE, bob=BOB)
        lobby.comes(ALICE, track=1)
        until(lambda: frames_in(file) == 32)
        with closing(RecordingFile(path, KEY)) as other:
            other.open(make=False)
            with other._database.transaction():  # the disk is busy for as long as this lasts
                lobby.comes(ALICE, track=2, frames=150)
                lobby.comes(BOB, track=3)
        recorder = lobby.recorder
        assert recorder is not None
        until(lambda: not recorder._waiting)
        lobby.comes(BOB, track=4)
        lobby.comes(ALICE, track=5)
        lost = Gap(recorder.dropped)
    assert lost.frames > 0
    result = replayed()
    assert result.lost_frames == lost.frames
    assert result.compared()[3] is None
    # the presentation during which it recovered is lost, too; the next is there
    assert [one.track_id for one in result.own] == [1, 2, 5]


def test_the_vision_thread_never_waits_for_the_disk(
    file: RecordingFile, path: Path, recording: Recording
) -> None:
    with recording() as lobby, closing(RecordingFile(path, KEY)) as other:
        other.open(make=False)
        with other._database.transaction():
            feeding = threading.Thread(target=lobby.stands, args=(ALICE, 3000))
            feeding.start()
            feeding.join(20)
            assert not feeding.is_alive()


def test_too_little_room_ends_the_recording_and_is_told_once(
    file: RecordingFile, recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[str] = []
    with recording(on_fault=faults.append) as lobby:
        lobby.enrol(alice=ALICE)
        lobby.comes(ALICE, track=1)
        until(lambda: frames_in(file) == 32)
        assert lobby.recorder is not None
        lobby.recorder._room_bytes = 1 << 60
        lobby.comes(ALICE, track=2)
        until(lambda: faults)
        lobby.comes(ALICE, track=3)
    assert len(faults) == 1
    assert "are kept for the events; free some" in faults[0]
    assert caplog.text.count("nothing is recorded any more") == 1
    assert len(lobby.outcomes) == 3
    assert frames_in(file) == 32


def test_without_room_no_recording_begins(file: RecordingFile) -> None:
    recorder = recorder_for(file, Lobby(), room_bytes=1 << 60)
    with pytest.raises(DiskFull):
        recorder.open()
    recorder.close()
    recorder.close()


def test_a_full_disk_ends_the_recording_and_the_file_stays_readable(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path / "day.rec")],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said, frames, same, total = ran.stdout.split("|")
    assert "no room left on its disk" in said or "disk I/O error" in said
    assert int(frames) > 0
    assert same.strip() == total.strip()


_FULL = """
import resource, signal, sys
from pathlib import Path
from edged.recording.file import RecordingFile
from edged.service.replay import replay
from tests.recording.conftest import KEY, recorder_for
from tests.recording.lobby import Lobby
from tests.wait import until

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = RecordingFile(Path(sys.argv[1]), KEY)
file.open(make=True)
lobby, faults = Lobby(), []
lobby.enrol(alice=1)
lobby.recorder = recorder_for(file, lobby, on_fault=faults.append)
lobby.recorder.open()
lobby.comes(1, track=1)
until(lambda: file.contents().frames)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
n = 1
while not faults and n < 2000:
    n += 1
    lobby.comes(1, track=n)
    until(lambda: faults or len(lobby.recorder._waiting) < 200)
until(lambda: faults)
lobby.recorder.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.close()
file.open(make=False)
with file.reading() as reader:
    result = replay(reader)
total, same = result.compared()[:2]
print(faults[0], result.frames, same, total, sep="|")
"""


def test_a_killed_recorder_leaves_a_readable_file(
    path: Path, file: RecordingFile, replayed: Replayed
) -> None:
    file.close()
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "three visits are written\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    file.open(make=False)
    result = replayed()
    assert result.visits >= 3
    total, same, _, difference = result.compared()
    assert total == same >= 3
    assert difference is None


_ENDLESS = """
import itertools, sys
from pathlib import Path
from edged.recording.file import RecordingFile
from tests.recording.conftest import KEY, recorder_for
from tests.recording.lobby import Lobby
from tests.wait import until

file = RecordingFile(Path(sys.argv[1]), KEY)
file.open(make=False)
lobby = Lobby()
lobby.enrol(alice=1)
lobby.recorder = recorder_for(file, lobby)
lobby.recorder.open()
said = False
for n in itertools.count(1):
    lobby.comes(1, track=n)
    until(lambda: len(lobby.recorder._waiting) < 200)
    if not said and file.contents().visits > 3:
        print("three visits are written", flush=True)
        said = True
"""


def feed(recorder: Recorder, frames: int, phase: Phase = Phase.GRANTED) -> None:
    """Somebody who was served stays for very long."""
    for n in range(frames):
        recorder.step(unasked(n / 15, n), None, Step(phase))
        if n % 500 == 0:
            until(lambda: len(recorder._waiting) < 300)


def test_an_endless_presentation_stays_within_its_bounds(
    file: RecordingFile, monkeypatch: pytest.MonkeyPatch, replayed: Replayed
) -> None:
    monkeypatch.setattr(module, "_LONGEST_VISIT", 1000)
    monkeypatch.setattr(module, "_TIDY_S", 0.0)
    monkeypatch.setattr(module, "_BATCH_S", 0.0)
    lobby = Lobby()
    recorder = recorder_for(file, lobby, largest_bytes=150_000)
    recorder.open()
    feed(recorder, 20_000)
    recorder.close()
    assert recorder.dropped == 0
    assert file.contents().bytes <= 150_000
    assert file.path.stat().st_size < 1_000_000
    result = replayed()
    assert (
        result.cut_visits == file.contents().visits > 0
    )  # its beginning is gone, and that is said
    assert result.frames == 0


def test_a_long_presentation_in_parts_is_one_to_the_replay(
    file: RecordingFile,
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
    replayed: Replayed,
) -> None:
    monkeypatch.setattr(module, "_LONGEST_VISIT", 4)
    with recording() as lobby:
        lobby.enrol(alice=ALICE)
        lobby.comes(STRANGER, track=1, frames=40)
        lobby.comes(ALICE, track=2)
    assert file.contents().visits > 4
    result = replayed()
    assert result.compared()[:2] == (2, 2)
    assert result.cut_visits == 0


def test_who_leaves_the_gallery_leaves_the_recording(
    file: RecordingFile, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIDY_S", 0.0)
    with recording() as lobby:
        lobby.enrol(alice=ALICE, bob=BOB)
        lobby.comes(ALICE, track=1)
        lobby.comes(BOB, track=2)
        until(lambda: frames_in(file) == 64)
        assert file.people() == {"alice", "bob"}
        lobby.index.remove(["alice"])
        lobby.comes(BOB, track=3)
        until(lambda: file.people() == {"bob"})
        until(lambda: frames_in(file) == 64)


def test_who_is_removed_while_standing_there_leaves_at_once(
    file: RecordingFile, recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        lobby.enrol(alice=ALICE, bob=BOB)
        lobby.stands(ALICE, 5)
        until(lambda: frames_in(file) == 5)
        assert file.forget("alice") == 1
        lobby.index.remove(["alice"])
        lobby.stands(ALICE, 5)
        lobby.empty(20)
        lobby.comes(BOB, track=2)
    result = replayed()
    assert result.cut_visits == 1
    assert [one.outcome.person_id for one in result.own] == ["bob"]
    assert result.compared()[3] is None


def test_a_template_is_written_again_when_it_changes(
    file: RecordingFile, recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        lobby.comes(ALICE, track=1)  # nobody is enrolled
        lobby.enrol(alice=ALICE, bob=BOB)
        lobby.comes(ALICE, track=2)
        lobby.enrol(alice=5)  # enrolled anew, as somebody else
        lobby.comes(ALICE, track=3)
        lobby.comes(5, track=4)
    result = replayed()
    assert result.compared()[:2] == (4, 4)
    kinds = [one.outcome.kind.value for one in result.own]
    assert kinds == ["access.denied", "access.granted", "access.denied", "access.granted"]
    with file.reading() as reader:
        templates = reader.sessions()[0].templates
    assert sorted(t.person_id for t in templates) == ["alice", "alice", "bob"]


def test_what_else_changes_the_judges_mind_is_recorded(
    recording: Recording, replayed: Replayed
) -> None:
    with recording() as lobby:
        lobby.enrol(alice=ALICE)
        lobby.stands(ALICE, 5, track=1)
        lobby.judge.forget()  # the camera was lost meanwhile
        lobby.stands(ALICE, 5, track=1)
        lobby.judge.hold(lobby.t_s)  # the door did not open
        lobby.stands(ALICE, 5, track=1)
        lobby.empty(20)
        lobby.judge.hold(lobby.t_s, "alice")  # was just enrolled
        lobby.comes(ALICE, track=2)
        lobby.comes(ALICE, track=3)
    assert len(lobby.outcomes) == 3
    result = replayed()
    assert [one.outcome for one in result.own] == lobby.outcomes
    assert result.compared()[:2] == (3, 3)


def test_numbers_that_are_none_harm_nothing(recording: Recording, replayed: Replayed) -> None:
    nan = float("nan")
    with recording() as lobby:
        lobby.enrol(alice=ALICE)
        for _ in range(10):
            lobby.see(Observation(lobby.t_s, lobby.seq, 1, 1, face(), (), None, nan, nan, (nan,)))
        lobby.see(Observation(nan, lobby.seq, 1, 1, face(), (), None, nan, nan))
        lobby.comes(ALICE, track=2)
    assert replayed().compared()[:2] == (1, 1)


def test_the_size_of_a_presentation_is_as_the_documentation_says(
    file: RecordingFile, recording: Recording
) -> None:
    with recording() as lobby:
        lobby.enrol(alice=ALICE)
        until(lambda: file.contents().visits == 0)
        before = file.contents().bytes
        for n in range(30):
            lobby.comes(ALICE, track=n + 1, frames=40)
            until(lambda: lobby.recorder is not None and len(lobby.recorder._waiting) < 300)
    each = (file.contents().bytes - before) / 30
    overhead = each - 40 * 4 * SIZE
    assert overhead < 12_000


def test_closing_twice_or_unopened_does_no_harm(file: RecordingFile) -> None:
    recorder = recorder_for(file, Lobby())
    recorder.close()
    recorder = recorder_for(file, Lobby())
    recorder.open()
    recorder.close()
    recorder.close()
