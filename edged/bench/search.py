"""Search time against the time it takes to read that memory once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edged.bench.stages import percentiles_ms
from edged.gallery.search import Index


def measure_search(size: int, templates: int, rounds: int = 60) -> dict[str, Any]:
    """Search `templates` random unit vectors of `size`; both clocks run in turn."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((templates, size), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = Index("bench", size)
    index.put_many([f"p{n}" for n in range(templates)], rows)
    probes = random.standard_normal((rounds, size), dtype=np.float32)
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    index.search(probes[0], 2)
    memory = np.ones(index.compact_nbytes, np.int8)  # as much as a search reads of everybody
    search: list[float] = []
    read: list[float] = []
    for probe in probes:
        start = time.perf_counter()
        index.search(probe, 2)
        search.append(time.perf_counter() - start)
        start = time.perf_counter()
        memory.max()
        read.append(time.perf_counter() - start)
    ratio = round(float(np.median(search) / np.median(read)), 2)
    return {
        "templates": templates,
        "size": size,
        **percentiles_ms(search),
        "read_once": percentiles_ms(read),
        "ratio": ratio,
    }
