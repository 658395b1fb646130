"""Which runtimes there are, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.errors import RuntimeFault
from edged.runtime import onnxruntime, openvino
from edged.runtime.base import RuntimeReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edged.config.schema import Model
    from edged.runtime.base import Runner


@dataclass(frozen=True, slots=True)
class Runtime:
    """How to ask a runtime what it has, and how to make a runner on it."""

    name: str
    version: Callable[[], str]
    devices: Callable[[], tuple[str, ...]]
    resolve: Callable[[str, Sequence[str]], str]
    runner: Callable[[Path, Sequence[str], Model, str, str], Runner]


RUNTIMES: dict[str, Runtime] = {
    "openvino": Runtime(
        "openvino",
        openvino.version,
        openvino.devices,
        openvino.resolve,
        openvino.OpenVINORunner,
    ),
    "onnxruntime": Runtime(
        "onnxruntime",
        onnxruntime.version,
        onnxruntime.devices,
        onnxruntime.resolve,
        onnxruntime.OnnxRuntimeRunner,
    ),
}


def available() -> list[RuntimeReport]:
    """Every runtime that edged knows, installed or not."""
    return [_report(runtime) for runtime in RUNTIMES.values()]


def _report(runtime: Runtime) -> RuntimeReport:
    try:
        version = runtime.version()
        devices = runtime.devices()
    except RuntimeFault as fault:
        problem = str(fault).removeprefix(f"{runtime.name}: ").partition(";")[0]
        broken = problem.startswith("installed")
        return RuntimeReport(
            name=runtime.name,
            installed=broken,
            version="",
            devices=(),
            problem=problem,
            hint=f"pip install {'--force-reinstall ' if broken else ''}'edged[{runtime.name}]'",
        )
    return RuntimeReport(runtime.name, True, version, devices, problem="", hint="")
