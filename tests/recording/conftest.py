"""A recording in a folder of its own, and a recorder for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from edged.recording.file import RecordingFile
from edged.recording.recorder import Recorder
from edged.service.replay import Replay, replay
from edged.vault.secret import Secret
from tests.recording.lobby import Lobby

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

KEY = Secret(bytes(range(32)))
NOW = 1_800_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "day.rec"


@pytest.fixture
def file(path: Path) -> Iterator[RecordingFile]:
    """An open recording."""
    file = RecordingFile(path, KEY)
    file.open(make=True)
    yield file
    file.close()


def recorder_for(file: RecordingFile, lobby: Lobby, **changes: object) -> Recorder:
    settings: dict[str, object] = {
        "floor": 0.35,
        "index": lobby.index,
        "enrolled": lobby.index.ids,
        "keep_s": 86_400.0,
        "largest_bytes": 100 << 20,
        "clock": lambda: NOW + lobby.t_s,
        "room_bytes": 0,
    }
    return Recorder(file, lobby.about, **(settings | changes))  # type: ignore[arg-type]


@pytest.fixture
def recording(file: RecordingFile) -> Callable[..., AbstractContextManager[Lobby]]:
    """A lobby of this kind whose decisions are recorded, for a block."""

    @contextmanager
    def run(lobby: Lobby | None = None, **changes: object) -> Iterator[Lobby]:
        lobby = lobby or Lobby()
        lobby.recorder = recorder_for(file, lobby, **changes)
        lobby.recorder.open()
        try:
            yield lobby
        finally:
            lobby.recorder.close()

    return run


@pytest.fixture
def replayed(file: RecordingFile) -> Callable[..., Replay]:
    """The recording, decided again."""

    def run(**how: object) -> Replay:
        with file.reading() as reader:
            return replay(reader, **how)  # type: ignore[arg-type]

    return run
