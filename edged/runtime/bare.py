"""The yardstick: a runtime's own call in the tightest loop, nothing of ours around it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edged.runtime.base import vendor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edged.types import Floats


def bare_times_s(runtime: str, network: Path, inputs: Sequence[Floats]) -> list[float]:
    """Seconds that each input takes in the runtime alone, on the CPU in float32.

    Every shape is compiled for itself and run once before the clock starts.
    """
    if runtime == "openvino":
        return _openvino(network, inputs)
    return _onnxruntime(network, inputs)


def _openvino(network: Path, inputs: Sequence[Floats]) -> list[float]:
    module = vendor("openvino")
    core = module.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    requests = {}
    for shape in {array.shape for array in inputs}:
        model = core.read_model(str(network))
        model.reshape(list(shape))
        requests[shape] = core.compile_model(model, "CPU", settings).create_infer_request()
    tensors = [(requests[a.shape], module.Tensor(a, shared_memory=True)) for a in inputs]
    for request, tensor in tensors[:50]:
        request.set_input_tensor(tensor)
        request.infer()
    times = []
    for request, tensor in tensors:
        start = time.perf_counter()
        request.set_input_tensor(tensor)
        request.infer()
        times.append(time.perf_counter() - start)
    return times


def _onnxruntime(network: Path, inputs: Sequence[Floats]) -> list[float]:
    module = vendor("onnxruntime")
    session = module.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for array in inputs[:50]:
        session.run(None, {name: array})
    times = []
    for array in inputs:
        start = time.perf_counter()
        session.run(None, {name: array})
        times.append(time.perf_counter() - start)
    return times
