"""Networks on OpenVINO: CPU, GPU, NPU, AUTO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edged.errors import RuntimeFault
from edged.runtime.base import (
    RunnerInfo,
    TensorInfo,
    brief,
    check_shape,
    chosen,
    missing_device,
    opening,
    readable,
    vendor,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edged.config.schema import Model
    from edged.types import Floats

_NAME = "openvino"
# Devices made of others; OpenVINO accepts them although it does not list them.
_COMPOSITE = ("AUTO", "HETERO", "MULTI", "BATCH")
# A network compiled for one shape runs up to 1.6 times as fast as the same one compiled for
# any shape, but compiling takes some 50 ms. So a shape must come back before it gets its own.
_SEEN_OFTEN = 3
_SHAPES_KEPT = 2


def version() -> str:
    """OpenVINO's version; raises RuntimeFault when it cannot be imported."""
    return str(vendor(_NAME).get_version()).split("-", maxsplit=1)[0]


def devices() -> tuple[str, ...]:
    """Devices that are really here, such as ("CPU", "GPU"); raises RuntimeFault."""
    module = vendor(_NAME)
    try:
        return tuple(module.Core().available_devices)
    except RuntimeError as fault:
        raise RuntimeFault(f"openvino: cannot list its devices: {brief(fault)}") from fault


def resolve(device: str, present: Sequence[str]) -> str:
    """The device's name as OpenVINO spells it.

    Raises:
        RuntimeFault: it is not here; the text lists what is.
    """
    name = device.upper()
    kind, _, members = name.partition(":")
    if kind in _COMPOSITE:
        for member in filter(None, members.split(",")):
            resolve(member.strip("-").split("(")[0], present)
        return name
    # "GPU" stands for "GPU.0" where there are several, and the other way round.
    spellings = {*present, *(spelt.split(".")[0] for spelt in present)}
    if name in spellings or (name.endswith(".0") and name[:-2] in spellings):
        return name
    raise missing_device(_NAME, device, present)


def placement(device: str, fixed: bool) -> tuple[str, str]:
    """Where a network goes, and what is to be said about it.

    An NPU compiles fixed shapes only. A network of varying shape (a detector) then runs on
    the CPU beside it: that is where it would be put by hand.
    """
    if device.startswith("NPU") and not fixed:
        return "CPU", "the NPU needs fixed shapes and this network's vary, so the CPU runs it"
    return device, ""


class OpenVINORunner:
    """A network on OpenVINO. Options are OpenVINO properties and win over what is set here.

    Computes in float32 on the CPU unless ``options`` say otherwise (INFERENCE_PRECISION_HINT):
    left alone, OpenVINO picks bfloat16 where the CPU knows it, and the same face would get
    another embedding on another machine.

    Shapes that vary: the network is compiled once for any shape; a shape that was seen three
    times is compiled again for itself, for two shapes: a camera has one size of frame.
    """

    def __init__(
        self, network: Path, outputs: Sequence[str], settings: Model, device: str, reason: str
    ) -> None:
        self._network = network
        self._wanted = tuple(outputs)
        self._settings = settings
        self._device = device
        self._reason = reason
        self._forget()

    def _forget(self) -> None:
        self._ov: Any = None
        self._core: Any = None
        self._any_shape: Any = None
        self._info: RunnerInfo | None = None
        self._positions: tuple[int, ...] = ()
        self._requests: dict[tuple[int, ...], Any] = {}
        self._seen: dict[tuple[int, ...], int] = {}

    def open(self) -> None:
        self.close()
        readable(self._network)
        self._ov = vendor(_NAME)
        with opening(self._network, f"{_NAME} on {self._device}", (RuntimeError,), self.close):
            self._open()

    def _open(self) -> None:
        self._core = self._ov.Core()
        device = resolve(self._device, tuple(self._core.available_devices))
        model = self._core.read_model(str(self._network))
        found = [_tensor(port) for port in model.outputs]
        # A port can carry several names; the one asked for is the one that counts.
        for index, port in enumerate(model.outputs):
            asked = [name for name in self._wanted if name in port.get_names()]
            if asked:
                found[index] = TensorInfo(asked[0], found[index].shape)
        inputs = [_tensor(port) for port in model.inputs]
        network_input, outputs = chosen(self._network, inputs, found, self._wanted)
        if model.inputs[0].get_element_type() != self._ov.Type.f32:
            raise RuntimeFault(f"{self._network}: {network_input.name}: expected float32")
        device, remark = placement(device, network_input.fixed)
        self._placed = device
        compiled = self._compile(model)
        self._any_shape = compiled.create_infer_request()
        self._positions = tuple(found.index(output) for output in outputs)
        self._info = RunnerInfo(
            runtime=_NAME,
            version=version(),
            device="+".join(compiled.get_property("EXECUTION_DEVICES")),
            input=network_input,
            outputs=outputs,
            reason="; ".join(filter(None, (self._reason, remark))),
        )

    def _compile(self, model: Any) -> Any:
        return self._core.compile_model(model, self._placed, self._properties())

    def _properties(self) -> dict[str, str | int | float | bool]:
        properties: dict[str, str | int | float | bool] = {"PERFORMANCE_HINT": "LATENCY"}
        if self._placed == "CPU":
            properties["INFERENCE_PRECISION_HINT"] = "f32"
            if self._settings.threads:
                properties["INFERENCE_NUM_THREADS"] = self._settings.threads
        if self._settings.cache_dir is not None:
            properties["CACHE_DIR"] = str(self._settings.cache_dir)
        return properties | self._settings.options

    def _request(self, shape: tuple[int, ...]) -> Any:
        """The infer request for a shape, compiled for it alone when it keeps coming back."""
        request = self._requests.get(shape)
        if request is not None:
            return request
        if self.describe().input.fixed or len(self._requests) >= _SHAPES_KEPT:
            return self._any_shape
        seen = self._seen.get(shape, 0) + 1
        if seen < _SEEN_OFTEN:
            if len(self._seen) > 1000:  # shapes without end must not fill the memory
                self._seen.clear()
            self._seen[shape] = seen
            return self._any_shape
        model = self._core.read_model(str(self._network))
        model.reshape(list(shape))
        self._requests[shape] = self._compile(model).create_infer_request()
        return self._requests[shape]

    def run(self, image: Floats) -> tuple[Floats, ...]:
        info = self.describe()
        check_shape(self._network, info.input, image.shape)
        image = np.ascontiguousarray(image, dtype=np.float32)
        try:
            request = self._request(image.shape)
            request.set_input_tensor(self._ov.Tensor(image, shared_memory=True))
            request.infer()
            return tuple(
                np.array(request.get_output_tensor(position).data, dtype=np.float32)
                for position in self._positions
            )
        except RuntimeError as fault:
            raise RuntimeFault(
                f"{self._network}: openvino failed on {info.device}: {brief(fault)}"
            ) from fault

    def close(self) -> None:
        self._forget()

    def describe(self) -> RunnerInfo:
        if self._info is None:
            raise RuntimeFault(f"{self._network}: the runner is not open")
        return self._info


def _tensor(port: Any) -> TensorInfo:
    names = sorted(port.get_names())
    shape = port.get_partial_shape()
    sizes = tuple(size.get_length() if size.is_static else None for size in shape)
    return TensorInfo(names[0] if names else "(unnamed)", sizes)
