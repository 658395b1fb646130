"""A frame's way through the pipeline, stage by stage, against the bare networks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.runtime.bare import bare_times_s
from edged.service.engine import Engine
from edged.types import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.config.schema import Model, Vision
    from edged.runtime.base import Runner, RunnerInfo
    from edged.types import Floats, Image


class _Spy:
    """A runner that times each call and keeps its input."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.keep = False
        self.inputs: list[Floats] = []

    def open(self) -> None:
        self._runner.open()

    def close(self) -> None:
        self._runner.close()

    def describe(self) -> RunnerInfo:
        return self._runner.describe()

    def run(self, image: Floats) -> tuple[Floats, ...]:
        if self.keep:
            self.inputs.append(image.copy())
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
        spies = engine.wrap_runners(_Spy)
        frames = [Frame(image, n / 15, n) for n, image in enumerate(images)]
        vision = engine.vision()
        for frame in frames:  # warm: every shape has been seen
            vision.observe(frame, embed=True)
        for spy in spies.values():
            spy.keep = True
        vision = engine.vision()
        for frame in frames:
            vision.observe(frame, embed=True)
        for spy in spies.values():
            spy.keep = False
        whole: list[float] = []
        bare: list[float] = []
        by_network: dict[str, list[float]] = {role: [] for role in spies}
        for _ in range(3):
            vision = engine.vision()
            for frame in frames:
                start = time.perf_counter()
                vision.observe(frame, embed=True)
                whole.append(time.perf_counter() - start)
            total = 0.0
            for role, spy in spies.items():
                times = bare_times_s(engine.runner_info.runtime, engine.networks[role], spy.inputs)
                by_network[role] += times
                total += sum(times)
            bare.append(total / len(frames))
        return {
            "frames": len(frames),
            "runtime": f"{engine.runner_info.runtime} {engine.runner_info.version}",
            "device": engine.runner_info.device,
            "frame": percentiles_ms(whole),
            "frame_mean_ms": round(float(np.mean(whole)) * 1e3, 3),
            "bare_mean_ms": round(float(np.mean(bare)) * 1e3, 3),
            "ratio": round(float(np.mean(whole) / np.mean(bare)), 2),
            "networks": {
                role: {"calls": len(spy.inputs), **percentiles_ms(by_network[role])}
                for role, spy in spies.items()
                if spy.inputs
            },
            "stages": _stages(engine, frames),
        }
    finally:
        engine.close()


def _stages(engine: Engine, frames: Sequence[Frame]) -> dict[str, dict[str, float]]:
    """Each step by itself, on every frame."""
    detector = engine.detector()
    times: dict[str, list[float]] = {name: [] for name in ("detect", "follow", "align", "embed")}
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
        chip = engine.embedder.chip(frame.image, found[0].landmarks)
        times["align"].append(time.perf_counter() - mark)
        mark = time.perf_counter()
        engine.embedder.embed(chip)
        times["embed"].append(time.perf_counter() - mark)
    return {name: percentiles_ms(values) for name, values in times.items() if values}
