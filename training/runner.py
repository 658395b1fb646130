"""Run one exported network over many chips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov

from training.detect import Floats, Image, normalise

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def to_input(chip: Image) -> Floats:
    """The network's input for one chip: float32 (1, 3, 112, 112)."""
    return np.ascontiguousarray(normalise(chip).transpose(2, 0, 1)[None])


def run(
    network: Path, chips: NDArray[np.uint8], dtype: type[np.floating[Any]] = np.float32
) -> list[NDArray[Any]]:
    """Every output of `network` for every chip, stacked; OpenVINO on the CPU, never bfloat16.

    Args:
        network: an ONNX file with the static input (1, 3, 112, 112).
        chips: RGB, uint8 (n, 112, 112, 3).
        dtype: what to keep the outputs in.

    Returns:
        One array an output, in the file's order; row i belongs to chip i.
    """
    core = ov.Core()
    config = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": "2",
    }
    model = core.compile_model(str(network), "CPU", config)
    outputs = [np.empty((len(chips), *o.shape[1:]), dtype) for o in model.outputs]
    queue = ov.AsyncInferQueue(model)

    def keep(request: ov.InferRequest, row: int) -> None:
        for i, output in enumerate(outputs):
            output[row] = request.get_output_tensor(i).data[0]

    queue.set_callback(keep)
    for row, chip in enumerate(chips):
        queue.start_async({0: to_input(chip)}, row)
    queue.wait_all()
    return outputs
