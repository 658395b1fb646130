"""A frame's way through the pipeline, stage by stage, against the bare networks."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.runtime.bare import bare_times_s
from edged.service.engine import Engine
from edged.types import Frame
from edged.vision.defects import find_defects
from edged.vision.pipeline import as_face

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edged.config.schema import Model, Vision
    from edged.runtime.bare import Call
    from edged.runtime.base import Runner, RunnerInfo
    from edged.types import Floats, Image

_ROUNDS = 5


class _Spy:
    """A runner that passes each call on and, when told to, keeps its input."""

    def __init__(self, role: str, runner: Runner, kept: list[Call]) -> None:
        self._role = role
        self._runner = runner
        self._kept = kept
        self.keep = False

    def open(self) -> None:
        self._runner.open()

    def close(self) -> None:
        self._runner.close()

    def describe(self) -> RunnerInfo:
        return self._runner.describe()

    def run(self, image: Floats) -> tuple[Floats, ...]:
        if self.keep:
            self._kept.append((self._role, image.copy()))
        return self._runner.run(image)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    p50, p95 = np.percentile(np.array(seconds) * 1e3, [50, 95])
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def measure_stages(model: Model, limits: Vision, images: Sequence[Image]) -> dict[str, Any]:
    """Times of whole frames and of each stage, and of the bare runtime on the same inputs.

    Whole frames and bare inferences alternate in rounds within one run, so that a drifting
    machine moves both.
    """
    engine = Engine(model, limits)
    engine.open()
    try:
        calls: list[Call] = []
        spies = engine.wrap_runners(lambda role, runner: _Spy(role, runner, calls))
        frames = [Frame(image, n / 15, n) for n, image in enumerate(images)]
        for keep in (False, False, True):  # first warm: every shape has been seen thrice
            for spy in spies.values():
                spy.keep = keep
            _observe(engine, frames)
        for spy in spies.values():
            spy.keep = False
        whole_rounds: list[list[float]] = []
        bare_rounds: list[list[float]] = []
        for _ in range(_ROUNDS):
            whole_rounds.append(_observe(engine, frames))
            bare_rounds.append(_elsewhere(engine.runner_info.runtime, engine.placed(), calls))
        # Of each frame and each call the median round: what else the machine did drops out.
        whole = list(np.median(whole_rounds, axis=0))
        bare = list(np.median(bare_rounds, axis=0))
        ran = [role for role, _ in calls]
        return {
            "frames": len(frames),
            "runtime": f"{engine.runner_info.runtime} {engine.runner_info.version}",
            "device": engine.runner_info.device,
            "frame": percentiles_ms(whole),
            "frame_mean_ms": round(float(np.mean(whole)) * 1e3, 3),
            "bare_mean_ms": round(sum(bare) / len(whole) * 1e3, 3),
            "ratio": round(sum(whole) / sum(bare), 2),
            "networks": {
                role: {
                    "calls": ran.count(role),
                    **percentiles_ms([t for r, t in zip(ran, bare, strict=True) if r == role]),
                }
                for role in spies
                if role in ran
            },
            "stages": _stages(engine, frames, limits),
        }
    finally:
        engine.close()


def _elsewhere(
    runtime: str, networks: dict[str, tuple[Path, int]], calls: list[Call]
) -> list[float]:
    """The bare runtime in a process of its own, so that its threads do not disturb ours."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(bare_times_s, runtime, networks, calls).result()


def _observe(engine: Engine, frames: Sequence[Frame]) -> list[float]:
    """Seconds for each frame, through a fresh pipeline."""
    vision = engine.vision()
    times = []
    for frame in frames:
        start = time.perf_counter()
        vision.observe(frame, embed=True)
        times.append(time.perf_counter() - start)
    return times


def _stages(engine: Engine, frames: Sequence[Frame], limits: Vision) -> dict[str, dict[str, float]]:
    """Each step by itself, on every frame."""
    detector = engine.detector()
    times: dict[str, list[float]] = {
        name: [] for name in ("detect", "follow", "judge", "align", "embed")
    }
    for frame in frames:
        mark = time.perf_counter()
        found = detector.detect(frame.image)
        times["detect"].append(time.perf_counter() - mark)
        if not found:
            continue
        mark = time.perf_counter()
        detector.follow(frame.image, [found[0].box])
        times["follow"].append(time.perf_counter() - mark)
        mark = time.perf_counter()
        find_defects(frame.image, as_face(found[0]), limits)
        times["judge"].append(time.perf_counter() - mark)
        mark = time.perf_counter()
        chip = engine.embedder.chip(frame.image, found[0].landmarks)
        times["align"].append(time.perf_counter() - mark)
        mark = time.perf_counter()
        engine.embedder.embed(chip)
        times["embed"].append(time.perf_counter() - mark)
    return {name: percentiles_ms(values) for name, values in times.items() if values}
