"""kill -9 at random moments of whatever changes a gallery: the old state or the new one is left.

    def add(folder):                            # runs in a process of its own, and is killed
        with opened(folder) as gallery: ...

    def judge(folder, finished):                # after each kill; `finished`: it was too late
        with opened(folder) as gallery:
            assert contents(gallery) in ((NEW,) if finished else (OLD, NEW))

    kill_often(20, add, prepare, judge, tmp_path)   # prepare(folder) makes the state before

Children are forked by a process that has everything imported, so a kill costs about as much as
the operation. What runs in them must be a function of a module.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.gallery.store import Gallery
from edged.vault.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

KEY = Secret(bytes(range(32)))
_PATIENCE_S = 60.0
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "__main__",
        "hypothesis.strategies",
        "pytest",
        "sqlcipher3.dbapi2",
        "edged.gallery.restore",
        "edged.gallery.store",
    ]
)


@contextmanager
def opened(folder: Path, key: Secret = KEY, **settings: Any) -> Iterator[Gallery]:
    """The gallery in a folder, for a block."""
    gallery = Gallery(folder / "gallery.db", key, **settings)
    gallery.open()
    try:
        yield gallery
    finally:
        gallery.close()


def contents(gallery: Gallery) -> dict[str, Any]:
    """What a gallery holds, fit to be compared: not with which keys, nor the revision."""
    people = {
        one.person_id: (
            one.profile.model_dump_json(),
            one.origin,
            {
                model: [(k.embedding.round(3).tolist(), k.quality, k.source) for k in kept]
                for model, kept in one.templates.items()
            },
        )
        for one in gallery.everything()
    }
    with gallery._read() as book:
        facts = dict(book.connection.execute("SELECT name, value FROM facts").fetchall())
        erased = book.connection.execute("SELECT tag, reason FROM erased ORDER BY tag").fetchall()
    pairs = {tuple(sorted(pair)): round(s, 4) for pair, s in gallery.lookalikes().items()}
    return {"people": people, "facts": facts, "erased": erased, "lookalikes": pairs}


def run(
    operate: Callable[..., None], *args: Any, kill_after_s: float | None = None
) -> float | None:
    """Run it in a process of its own, and kill that so long after it began.

    Returns:
        How long it took, in seconds; None: it was killed before its end.
    """
    ear, mouth = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_begin, args=(mouth, operate, args), daemon=True)
    process.start()
    mouth.close()
    try:
        assert ear.poll(_PATIENCE_S), "the process does not begin"
        ear.recv()
        began = time.perf_counter()
        process.join(_PATIENCE_S if kill_after_s is None else kill_after_s)
        if process.exitcode is None:
            assert kill_after_s is not None, "it does not end"
            process.kill()
            process.join()
        assert process.exitcode in (0, -9), "it failed by itself; its traceback is on stderr"
        return time.perf_counter() - began if process.exitcode == 0 else None
    finally:
        process.kill()
        process.join()
        process.close()
        ear.close()


def kill_often(
    times: int,
    operate: Callable[[Path], None],
    prepare: Callable[[Path], object],
    judge: Callable[[Path, bool], None],
    folder: Path,
    seed: int = 0,
) -> None:
    """Kill an operation at so many moments, spread evenly at random over how long it takes.

    Args:
        folder: anywhere; memory serves instead where there is a file system in it, because a
            kill loses nothing that was written, and no disk makes the test slow then.
        operate: done in a process of its own, in a new folder each time.
        prepare: fills the folder, in this process.
        judge: looks at what is left, in this process; told whether the operation finished.
    """
    with _in_memory(folder) as place:
        _kill_often(times, operate, prepare, judge, place, random.Random(seed))


@contextmanager
def _in_memory(folder: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="edged-test-") as place:
        yield Path(place)


def _kill_often(
    times: int,
    operate: Callable[[Path], None],
    prepare: Callable[[Path], object],
    judge: Callable[[Path, bool], None],
    folder: Path,
    dice: random.Random,
) -> None:
    lengths = []
    for number in range(3):
        place = _folder(folder, f"whole-{number}")
        prepare(place)
        took_s = run(operate, place)
        assert took_s is not None
        lengths.append(took_s)
        judge(place, True)
    length_s = statistics.median(lengths)
    killed = number = 0
    # evenly, one in each share of the length; a machine that is less busy by now gets a few more
    while number < times or (killed < times / 2 and number < 4 * times):
        place = _folder(folder, f"kill-{number}")
        prepare(place)
        moment_s = (number % times + dice.random()) / times * length_s
        took_s = run(operate, place, kill_after_s=moment_s)
        if took_s is None:
            killed += 1
        else:
            length_s = min(length_s, took_s)
        judge(place, took_s is not None)
        number += 1
    assert killed >= times / 2, "nothing was put to the test"


def _folder(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir(mode=0o700)
    return place


def _begin(mouth: Connection, operate: Callable[..., None], args: tuple[Any, ...]) -> None:
    mouth.send(None)
    mouth.close()
    operate(*args)
