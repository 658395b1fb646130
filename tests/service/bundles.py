"""Bundles made of the shipped one, for tests of what changes with another."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from edged.resources import shared

if TYPE_CHECKING:
    from pathlib import Path

NAME = "mobilefacenet-rts"


def derived(folder: Path, *, size: int = 192, seed: int = 1, **changes: Any) -> Path:
    """The shipped recogniser whose embedding is turned, and cut to `size` numbers.

    Of the whole length all similarities stay as they are, and no number of it does. `changes`
    go into the manifest.
    """
    shutil.copytree(shared("models") / NAME, folder)
    (folder / "selftest.npz").unlink()
    model = onnx.load(str(folder / "model.onnx"))
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == "embedding":
                node.output[place] = "before"
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(192, 192)))
    matrix = numpy_helper.from_array(turn[:, :size].astype(np.float32), "turn")
    model.graph.initializer.append(matrix)
    model.graph.node.append(helper.make_node("MatMul", ["before", "turn"], ["embedding"]))
    outputs = [output for output in model.graph.output if output.name != "embedding"]
    del model.graph.output[:]
    made = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, size])
    model.graph.output.extend([made, *outputs])
    onnx.save(model, str(folder / "model.onnx"))
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    manifest |= {"name": "next-rts", "version": "2.0.0", "selftest": None} | changes
    manifest["outputs"]["embedding"]["size"] = size
    manifest["files"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "manifest.yaml"
    }
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder
