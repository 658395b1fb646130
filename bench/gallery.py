"""Opening a large gallery, adding one person to it, and what it takes on disk and in memory.

    python -m bench.gallery [--people 100000] [--size 192] [--folder /var/tmp]

Templates are random directions: how long reading and unsealing them takes does not depend on whose
they are. The folder should lie on the disk in question: a commit waits for it.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from edged.gallery.people import Stored
from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.gallery.store import Gallery
from edged.vault.secret import Secret

MODEL = "bench@1.0.0#000000000000"
AT_ONCE = 2000


def stored(numbers: range, templates: int, size: int) -> list[Stored]:
    rng = np.random.default_rng(numbers.start)
    faces = rng.standard_normal((len(numbers), templates, size)).astype(np.float32)
    faces /= np.linalg.norm(faces, axis=-1, keepdims=True)
    return [
        Stored(
            f"person-{n}",
            Profile(),
            {MODEL: [Kept(face, 0.9, "photo", "2026-01-01T00:00:00Z") for face in some]},
            "2026-01-01T00:00:00Z",
            1,
        )
        for n, some in zip(numbers, faces, strict=True)
    ]


def memory_mib() -> float:
    """Resident now, not at its highest."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def opening(path: Path, key: bytes, size: int) -> tuple[float, float]:
    """Seconds, and MiB that it left in memory."""
    Gallery(path.with_name("warm.db"), Secret(key)).open()  # what is imported late
    before, began = memory_mib(), time.perf_counter()
    gallery = Gallery(path, Secret(key))
    gallery.open()
    index = gallery.index(MODEL, size)
    took = time.perf_counter() - began
    assert index.people
    return took, memory_mib() - before


def in_a_process_of_its_own(path: Path, key: Secret, size: int) -> tuple[float, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(opening, path, key.reveal(), size).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--templates", type=int, default=1)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path, key = Path(folder) / "gallery.db", Secret(os.urandom(32))
        gallery = Gallery(path, key)
        gallery.open()
        began = time.perf_counter()
        for start in range(0, args.people, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, args.people))
            gallery.apply(stored(numbers, args.templates, args.size), [], {})
        print(f"filled with {args.people} people in {time.perf_counter() - began:.1f} s")
        gallery.close()
        opened, grown = zip(
            *(in_a_process_of_its_own(path, key, args.size) for _ in range(5)), strict=True
        )
        bytes_on_disk = sum(f.stat().st_size for f in Path(folder).iterdir())
        matrix_mib = args.people * args.size * 4 / 2**20
        print(f"opened in {min(opened):.2f}-{max(opened):.2f} s (five times)")
        print(f"memory: {min(grown):.0f} MiB, {min(grown) / matrix_mib:.2f} x the float32 matrix")
        print(f"disk: {bytes_on_disk / args.people:.0f} bytes a person")
        gallery.open()
        gallery.index(MODEL, args.size)
        took = []
        for one in stored(range(args.people, args.people + 100), 3, args.size):
            began = time.perf_counter()
            gallery.apply([one], [], {})
            took.append(1000 * (time.perf_counter() - began))
        print(
            f"adding one person, on the disk: p50 {np.percentile(took, 50):.1f} ms, "
            f"p95 {np.percentile(took, 95):.1f} ms"
        )
        gallery.close()


if __name__ == "__main__":
    main()
