"""From the settings to an open runner: what was asked for, or the best that is really there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edged.errors import RuntimeFault
from edged.runtime.table import RUNTIMES, available

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edged.config.schema import Model
    from edged.runtime.base import Runner, RuntimeReport

log = logging.getLogger(__name__)

# Best first. A device of another kind (CoreML, QNN, …) is used only when it is named.
PREFERENCE: tuple[tuple[str, str], ...] = (
    ("onnxruntime", "TensorRT"),  # a Jetson, or a box with an NVIDIA card
    ("onnxruntime", "CUDA"),
    ("openvino", "NPU"),  # leaves the CPU to the rest of the terminal
    ("openvino", "GPU"),
    ("openvino", "CPU"),  # several times faster on the shipped networks than onnxruntime's
    ("onnxruntime", "OpenVINO"),
    ("onnxruntime", "CPU"),
)
_AUTO = "auto"  # in capitals it is a device of OpenVINO's
Candidate = tuple[str, str]


def candidates(settings: Model, reports: Sequence[RuntimeReport]) -> list[Candidate]:
    """Runtime and device of everything worth trying, best first.

    Args:
        settings: what the installer asked for.
        reports: what is really there, as `available` tells it.

    Raises:
        RuntimeFault: nothing is there, or not what was asked for.
    """
    usable = {report.name: report for report in reports if not report.problem}
    if settings.runtime != "auto":
        if settings.runtime not in usable:
            named = next(report for report in reports if report.name == settings.runtime)
            raise RuntimeFault(f"model.runtime: {named.name}: {named.problem}; {named.hint}")
        usable = {settings.runtime: usable[settings.runtime]}
    elif not usable:
        raise RuntimeFault(
            "model.runtime: no inference runtime can be used; install one: "
            + " or ".join(f"{report.hint} ({report.problem})" for report in reports)
        )
    elif settings.options:
        raise RuntimeFault(
            f"model.options: belong to one runtime; set model.runtime to "
            f"{' or '.join(RUNTIMES)} as well"
        )
    if settings.device != _AUTO:
        return _named(settings.device, list(usable.values()))
    return [
        (runtime, present)
        for runtime, kind in PREFERENCE
        if runtime in usable
        for present in usable[runtime].devices
        if present.split(".")[0] == kind
    ]


def _named(device: str, usable: list[RuntimeReport]) -> list[Candidate]:
    """The first runtime that has the device; there is no second choice."""
    for report in usable:
        try:
            RUNTIMES[report.name].resolve(device, report.devices)
        except RuntimeFault:
            continue
        return [(report.name, device)]
    present = "; ".join(f"{report.name}: {', '.join(report.devices)}" for report in usable)
    raise RuntimeFault(f"model.device: no {device} here; present: {present}")


def _reason(settings: Model, present: str) -> str:
    """What the choice rests on: what was named, and what was there."""
    asked = {"runtime": settings.runtime, "device": settings.device}
    named = [f"model.{field} is {name}" for field, name in asked.items() if name != _AUTO]
    if settings.device == _AUTO:
        named.append(f"auto: the best that is here ({present})")
    return "; ".join(named)


def open_runner(network: Path, outputs: Sequence[str], settings: Model) -> Runner:
    """Open a network on what the settings ask for.

    With ``runtime`` and ``device`` left at ``auto`` the best of `PREFERENCE` that really opens
    is taken, and `Runner.describe` says why. What is named is used or is an error.

    Args:
        network: an ONNX file with one input.
        outputs: names of the outputs wanted, in the order in which they are to come.
        settings: the ``model`` part of the configuration.

    Raises:
        RuntimeFault: no runtime, no such device, or a network that cannot be used; the text
            names file and field.
    """
    reports = available()
    wanted = candidates(settings, reports)
    present = "; ".join(
        f"{report.name} {', '.join(report.devices)}" for report in reports if not report.problem
    )
    refused: list[str] = []
    for place, (runtime, device) in enumerate(wanted):
        why = "; ".join([_reason(settings, present), *refused])
        runner = RUNTIMES[runtime].runner(network, outputs, settings, device, why)
        try:
            runner.open()
        except RuntimeFault as fault:
            if place == len(wanted) - 1:
                raise
            refused.append(f"{runtime} {device} was passed over: {fault}")
            log.info("%s", refused[-1])
        else:
            return runner
    raise RuntimeFault(f"model.device: nothing that auto may choose is here; present: {present}")
