"""Searching a gallery, against numpy, faiss and the time it takes to read that memory once.

    python -m bench.search [--sizes 192x10000 512x100000] [--rounds 200] [--processor]
        [--embeddings FILE.npz]

One thread. In each round everything runs once, in turn, so that a drifting machine moves all of
them and each finds the caches as the others left them. With --processor the clock is the thread's
own: time put aside for other programs does not count. Rows are random directions; FILE.npz holds
real ones, `embedding` (n, d) and `people` (n,), to compare outcomes on. Needs faiss-cpu.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # read when numpy is imported

import numpy as np  # noqa: E402

from edged.gallery.compact import numkong  # noqa: E402
from edged.gallery.rotation import rotation, turn  # noqa: E402
from edged.gallery.search import Index  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.types import Floats

SIZES = [f"{size}x{people}" for size in (192, 512) for people in (1000, 10_000, 100_000)]
MOVED = 10_000  # people changed at once while others search


def directions(rows: int, size: int, seed: int) -> Floats:
    found = np.random.default_rng(seed).standard_normal((rows, size), np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def resident() -> int:
    """Bytes of this process in memory now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def told(ms: list[float]) -> str:
    p50, p95, p99 = np.percentile(ms, [50, 95, 99])
    return f"p50 {p50:7.3f}  p95 {p95:7.3f}  p99 {p99:7.3f} ms"


def taken(size: int, people: int) -> float:
    """Bytes a person that an index with its ids adds to a process; in one of its own."""
    rows = [directions(min(5000, people), size, n) for n in range(0, people, 5000)]
    index = Index("bench", size)
    index.put("first", rows[0][0])
    before = resident()
    for n, some in enumerate(rows):
        index.put_many([f"person-{n}-{m}" for m in range(len(some))], some)
    return (resident() - before) / people


def timed(
    runs: dict[str, Callable[[Floats], Any]], probes: Floats, clock: Callable[[], float]
) -> dict[str, list[float]]:
    ms: dict[str, list[float]] = {name: [] for name in runs}
    for probe in probes:
        for name, run in runs.items():
            began = clock()
            run(probe)
            ms[name].append(1e3 * (clock() - began))
    return {name: times[3:] for name, times in ms.items()}


def compare(size: int, people: int, rounds: int, clock: Callable[[], float]) -> None:
    import faiss

    faiss.omp_set_num_threads(1)
    rows = directions(people, size, 0)
    index = Index("bench", size)
    began = time.perf_counter()
    index.put_many([f"person-{n}" for n in range(people)], rows)
    filled = time.perf_counter() - began
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        grown = pool.apply(taken, (size, people))
    flat = faiss.IndexFlatIP(size)
    flat.add(rows)
    memory = np.ones(index.compact_nbytes // 8 * 8, np.int8)
    words = memory.view(np.int64)
    probes = directions(rounds + 3, size, 1)
    wrong = sum(
        index.search(probe, 1).candidates[0].person_id != f"person-{(rows @ probe).argmax()}"
        for probe in probes
    )
    ms = timed(
        {
            "ours": lambda probe: index.search(probe, 2),
            "read, maximum": lambda _: memory.max(),
            "read, sum": lambda _: words.sum(),
            "numpy float32": lambda probe: np.argpartition(rows @ probe, people - 2)[-2:],
            "faiss flat": lambda probe: flat.search(probe[np.newaxis], 2),
        },
        probes,
        clock,
    )
    print(f"\n{people} people x {size} numbers, {len(ms['ours'])} rounds")
    for name, times in ms.items():
        print(f"  {name:14} {told(times)}  {np.median(times) / np.median(ms['ours']):5.2f} x ours")
    ours = np.median(ms["ours"])
    shares = [f"{np.median(ms[f'read, {how}']) / ours:.0%} ({how})" for how in ("sum", "maximum")]
    print(
        f"  reading the {index.compact_nbytes / 1e6:.1f} MB of the first pass once takes "
        f"{', '.join(shares)} of a search\n"
        f"  rows {index.nbytes / people:.0f} bytes a person, "
        f"{index.nbytes / people / size / 4:.2f} x float32; "
        f"process {grown:.0f} bytes a person with ids, {grown / size / 4:.2f} x float32\n"
        f"  filled in {filled:.2f} s; another first than float32: {wrong} of {len(probes)}"
    )


def while_changing(size: int, people: int, seconds: float = 4) -> None:
    """How long searches take while 10,000 people at a time are changed, added and removed."""
    rows = directions(people + MOVED, size, 0)
    ids = [f"person-{n}" for n in range(people + MOVED)]
    index = Index("bench", size)
    index.put_many(ids[:people], rows[:people])
    probes = directions(64, size, 1)
    ended = threading.Event()
    changes: dict[str, list[float]] = {"change": [], "add": [], "remove": []}

    def change() -> None:
        while not ended.is_set():
            for name, run in (
                ("change", lambda: index.put_many(ids[:MOVED], rows[-MOVED:])),
                ("add", lambda: index.put_many(ids[-MOVED:], rows[-MOVED:])),
                ("remove", lambda: index.remove(ids[-MOVED:])),
            ):
                began = time.perf_counter()
                run()
                changes[name].append(1e3 * (time.perf_counter() - began))

    def searches() -> list[float]:
        ms: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.perf_counter()
            index.search(probes[len(ms) % len(probes)], 2)
            ms.append(1e3 * (time.perf_counter() - began))
        return ms

    print(f"\n{people} people x {size} numbers, {MOVED} of them changed at once in another thread")
    alone = searches()
    print(f"  alone          {told(alone)}  longest {max(alone):.1f}")
    changer = threading.Thread(target=change)
    changer.start()
    beside = searches()
    ended.set()
    changer.join()
    print(f"  while changing {told(beside)}  longest {max(beside):.1f}")
    for name, times in changes.items():
        print(f"    {name} {MOVED}: {np.median(times):.0f} ms, {len(times)} times")


def one_at_a_time(size: int, people: int) -> None:
    index = Index("bench", size)
    rows = directions(people + 50, size, 0)
    index.put_many([f"person-{n}" for n in range(people)], rows[:people])
    ms: dict[str, list[float]] = {"add": [], "change": [], "remove": []}
    for n in range(50):
        for name, run in (
            ("add", lambda n=n: index.put("new", rows[people + n])),
            ("change", lambda n=n: index.put(f"person-{n * 97 % people}", rows[people + n])),
            ("remove", lambda: index.remove(["new"])),
        ):
            began = time.perf_counter()
            run()
            ms[name].append(1e3 * (time.perf_counter() - began))
    print(f"\n{people} people x {size} numbers, one person at a time")
    for name, times in ms.items():
        print(f"  {name:7} {told(times)}")


def agreement(file: Path) -> None:
    """Outcomes on real faces, as the network gives them and turned by a key."""
    with np.load(file) as held:
        rows, people = held["embedding"].astype(np.float32), held["people"]
    _, first = np.unique(people, return_index=True)
    others = np.setdiff1d(np.arange(len(rows)), first)
    seconds = others[np.unique(people[others], return_index=True)[1]]
    print(f"\n{file.name}: {len(rows)} photos of {len(first)} people")
    size = rows.shape[1]
    for turned in (False, True):
        by = rotation(bytes(32), "bench", size) if turned else None
        for enrolled, there in (("first photos", first), ("all photos", np.arange(len(rows)))):
            own = rows[there] if by is None else turn(rows[there], by)
            index = Index("bench", size, by)
            index.put_many([str(n) for n in range(len(there))], own)
            for probing, which in (
                ("second photos", seconds),
                ("all photos", np.arange(len(rows))),
            ):
                same, equals = outcomes(index, rows[there], rows[which])
                print(
                    f"  {enrolled} enrolled, {probing} as probes{', turned' * turned}: the first "
                    f"as float32's {same[0]} of {len(which)}, first and second {same[1]}, "
                    f"others within float32's rounding {equals}"
                )


def outcomes(index: Index, rows: Floats, probes: Floats) -> tuple[list[int], int]:
    same, equals = [0, 0], 0
    for probe in probes:
        similarity = rows @ probe
        wanted = np.argsort(-similarity, kind="stable")[:2].tolist()
        found = [int(candidate.person_id) for candidate in index.search(probe, 2).candidates]
        same[0] += found[0] == wanted[0]
        same[1] += found == wanted
        if found != wanted:
            exact = rows.astype(np.float64)[[*found, *wanted]] @ probe.astype(np.float64)
            equals += bool(np.abs(exact[:2] - exact[2:]).max() < 2e-7)
    return same, equals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=SIZES, help="numbers x people")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--processor", action="store_true", help="time of this thread only")
    parser.add_argument("--embeddings", type=Path, help="real faces, to compare outcomes on")
    args = parser.parse_args()
    library = numkong()
    print(f"python {sys.version.split()[0]}, numpy {np.__version__}, numkong", end=" ")
    print("missing" if library is None else library.__version__)
    clock = time.thread_time if args.processor else time.perf_counter
    sizes = [tuple(map(int, text.split("x"))) for text in args.sizes]
    for size, people in sizes:
        compare(size, people, args.rounds, clock)
    if sizes:
        one_at_a_time(*sizes[-1])
        while_changing(*sizes[-1])
    if args.embeddings:
        agreement(args.embeddings)


if __name__ == "__main__":
    main()
