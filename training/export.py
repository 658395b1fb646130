"""torch to ONNX: opset 17, static batch 1."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch
from torch import nn

if TYPE_CHECKING:
    from pathlib import Path

OPSET = 17


def export(network: nn.Module, path: Path, outputs: list[str]) -> None:
    """Write `network` for one face: input `image`, float32 (1, 3, 112, 112)."""
    network.eval()
    with warnings.catch_warnings():
        # The newer exporter needs one more package and renames every node with each release.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 112, 112),),
            str(path),
            input_names=["image"],
            output_names=outputs,
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
