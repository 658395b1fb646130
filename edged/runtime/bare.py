"""The yardstick: a runtime's own call in a plain loop, nothing of ours around it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from edged.runtime.base import vendor
from edged.runtime.onnxruntime import WEIGHTS_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from edged.types import Floats

Call = tuple[str, "Floats"]


def bare_times_s(
    runtime: str, networks: Mapping[str, tuple[Path, int]], calls: Sequence[Call]
) -> list[float]:
    """Seconds that each call takes in the runtime alone, on the CPU in float32.

    Args:
        runtime: "openvino" or "onnxruntime".
        networks: by role: the file, and how many threads (0: the runtime decides).
        calls: role and input, in the order in which they are to run. Every shape is compiled
            for itself, and the whole order is run once before the clock starts.
    """
    make = _openvino if runtime == "openvino" else _onnxruntime
    run: dict[tuple[str, tuple[int, ...]], Callable[[Any], Any]] = {}
    for role, array in calls:
        if (role, array.shape) not in run:
            run[role, array.shape] = make(*networks[role], array.shape)
    for role, array in calls:
        run[role, array.shape](array)
    times = []
    for role, array in calls:
        start = time.perf_counter()
        run[role, array.shape](array)
        times.append(time.perf_counter() - start)
    return times


def _openvino(network: Path, threads: int, shape: tuple[int, ...]) -> Callable[[Any], Any]:
    module = vendor("openvino")
    core = module.Core()
    model = core.read_model(str(network))
    model.reshape(list(shape))
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(array: Any) -> None:
        request.set_input_tensor(module.Tensor(array, shared_memory=True))
        request.infer()

    return run


def _onnxruntime(network: Path, threads: int, _shape: tuple[int, ...]) -> Callable[[Any], Any]:
    module = vendor("onnxruntime")
    options = module.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for entry, value in WEIGHTS_ONLY.items():
        options.add_session_config_entry(entry, value)
    session = module.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda array: session.run(None, {name: array})
