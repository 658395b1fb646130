"""What an import needs beyond what a terminal has, loaded late and named when it is missing."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edged.errors import EdgedError

if TYPE_CHECKING:
    from pathlib import Path


def official(file: Path) -> bool:
    """Whether a file holds the published RTS weights, by its name: everything but ONNX does."""
    return file.suffix.lower() != ".onnx"


def missing(file: Path, *, int8: bool) -> list[str]:
    """The packages that importing this file takes and that are not installed."""
    needed = ["scipy", "onnx"]
    if official(file):
        needed += ["torch", *(["safetensors"] if file.suffix == ".safetensors" else [])]
    if int8:
        needed += ["nncf", "onnxruntime"]
    return [name for name in needed if find_spec(name) is None]


def extra(name: str) -> Any:
    """Import a package of the extra ``import``.

    Raises:
        EdgedError: it is not installed, or broken; the text says what to install.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        if fault.name != name.partition(".")[0]:
            raise EdgedError(f"{name}: installed, but cannot be loaded: {fault}") from fault
        raise EdgedError(
            f"importing a model needs {name}, which is not installed; pip install 'edged[import]'"
        ) from fault
    except (ImportError, OSError) as fault:
        raise EdgedError(f"{name}: installed, but cannot be loaded: {fault}") from fault
