"""torch to ONNX: opset 17, static batch 1, one file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from edged.importer.extras import extra

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

OPSET = 17
INPUT = "image"


def export(network: nn.Module, path: Path, outputs: Sequence[str], side_px: int = 112) -> None:
    """Write `network` for one face: input ``image``, float32 (1, 3, side, side)."""
    torch, onnx = extra("torch"), extra("onnx")
    network.eval()
    with warnings.catch_warnings():
        # The newer exporter needs one more package and renames every node with each release.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, side_px, side_px),),
            str(path),
            input_names=[INPUT],
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
