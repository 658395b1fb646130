"""Latency of one face as ratios: both runtimes, float and INT8, taking turns in one run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import openvino as ov

from edged.runtime.onnxruntime import WEIGHTS_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS = 30
CALLS = 10
# As the daemon runs it.
ONNXRUNTIME_OPTIONS = WEIGHTS_ONLY | {
    # Spinning threads would slow whatever runs next in this comparison.
    "session.intra_op.allow_spinning": "0",
}


def measure(networks: dict[str, Path], threads: int = 2) -> dict[str, float]:
    """Median milliseconds of "<runtime> <network>", synchronous, static batch 1."""
    image = np.random.default_rng(0).normal(0, 0.5, (1, 3, 112, 112)).astype(np.float32)
    calls: dict[str, Callable[[], object]] = {}
    for name, path in networks.items():
        calls[f"OpenVINO {name}"] = _openvino(path, image, threads)
        calls[f"onnxruntime {name}"] = _onnxruntime(path, image, threads)
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(CALLS):
            call()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            for _ in range(CALLS):
                start = time.perf_counter()
                call()
                samples[name].append((time.perf_counter() - start) * 1e3)
    return {name: float(np.median(values)) for name, values in samples.items()}


def _openvino(path: Path, image: np.ndarray, threads: int) -> Callable[[], object]:
    config = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    request = ov.Core().compile_model(str(path), "CPU", config).create_infer_request()
    return lambda: request.infer({0: image})


def _onnxruntime(path: Path, image: np.ndarray, threads: int) -> Callable[[], object]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    for name, value in ONNXRUNTIME_OPTIONS.items():
        options.add_session_config_entry(name, value)
    session = ort.InferenceSession(path, options, ["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": image})
