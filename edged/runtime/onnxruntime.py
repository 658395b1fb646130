"""Networks on onnxruntime: the CPU, CUDA, TensorRT, OpenVINO, or any other provider by name."""

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

_NAME = "onnxruntime"
_SUFFIX = "ExecutionProvider"
# The CPU provider's int8 kernels are slower than its float ones on face networks: between them it
# falls back to float at every PRelu. So the weights stay int8 on the disk and it computes in float.
WEIGHTS_ONLY = {
    "session.disable_quant_qdq": "1",
    "session.enable_quant_qdq_cleanup": "1",
}
_SPELLING = {"Tensorrt": "TensorRT"}  # as everybody but the provider's own name spells it
_ERRORS = (
    "EPFail",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoModel",
    "NoSuchFile",
    "NotImplemented",
    "RuntimeException",
)
_FATAL_ONLY = 4
Options = dict[str, str]


def version() -> str:
    """The version of onnxruntime; raises RuntimeFault when it cannot be imported."""
    return str(vendor(_NAME).__version__)


def devices() -> tuple[str, ...]:
    """Execution providers that this build has, without their suffix; raises RuntimeFault.

    A provider that is built in can still lack its driver; that shows when it is opened.
    """
    providers = vendor(_NAME).get_available_providers()
    names = (str(name).removesuffix(_SUFFIX) for name in providers)
    return tuple(_SPELLING.get(name, name) for name in names if name != "Azure")


def resolve(device: str, present: Sequence[str]) -> str:
    """The provider's full name for "cuda", "CUDA" or "CUDAExecutionProvider".

    Raises:
        RuntimeFault: it is not here; the text lists what is.
    """
    asked = device.lower().removesuffix(_SUFFIX.lower())
    back = {spelt: own for own, spelt in _SPELLING.items()}
    for name in present:
        if name.lower() == asked:
            return back.get(name, name) + _SUFFIX
    raise missing_device(_NAME, device, present)


def provider_options(provider: str, settings: Model, quantised: bool) -> Options:
    """What a provider is given: our defaults, and over them the installer's options.

    TensorRT builds an engine when it first sees a network, which takes minutes on a small
    board, so with a ``cache_dir`` the engine is kept. A network with quantisation nodes needs
    INT8 switched on; the scales come from the network, not from a calibration table.
    """
    options: Options = {}
    if provider.startswith("Tensorrt"):
        options["trt_fp16_enable"] = "true"
        if quantised:
            options["trt_int8_enable"] = "true"
        if settings.cache_dir is not None:
            cache = str(settings.cache_dir)
            options |= {
                "trt_engine_cache_enable": "true",
                "trt_engine_cache_path": cache,
                "trt_timing_cache_enable": "true",
                "trt_timing_cache_path": cache,
            }
    if provider.startswith("OpenVINO") and settings.cache_dir is not None:
        options["cache_dir"] = str(settings.cache_dir)
    return options | {name: _text(value) for name, value in settings.options.items()}


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def provider_list(provider: str, options: Options) -> list[tuple[str, Options]]:
    """The provider asked for, then those that may take what it does not know."""
    after = ["CUDA", "CPU"] if provider.startswith("Tensorrt") else ["CPU"]
    names = (name + _SUFFIX for name in after)
    return [(provider, options), *((name, Options()) for name in names if name != provider)]


class OnnxRuntimeRunner:
    """A network on onnxruntime; options go to the execution provider that ``device`` names.

    Threads never spin: a door where nobody stands burns no CPU. Shapes that vary need nothing:
    the CPU provider plans its memory per shape; TensorRT keeps one engine and widens it.
    """

    def __init__(
        self, network: Path, outputs: Sequence[str], settings: Model, device: str, reason: str
    ) -> None:
        self._network = network
        self._wanted = list(outputs)
        self._settings = settings
        self._device = device
        self._reason = reason
        self._session: Any = None
        self._info: RunnerInfo | None = None
        self._errors: tuple[type[Exception], ...] = ()

    def open(self) -> None:
        self.close()
        readable(self._network)
        module = vendor(_NAME)
        state = vendor("onnxruntime.capi.onnxruntime_pybind11_state")
        named = (getattr(state, name, None) for name in _ERRORS)
        self._errors = (*(error for error in named if error), RuntimeError, ValueError)
        with opening(self._network, f"{_NAME} on {self._device}", self._errors, self.close):
            self._open(module)

    def _open(self, module: Any) -> None:
        module.disable_telemetry_events()
        provider = resolve(self._device, devices())
        if provider == "CPU" + _SUFFIX and self._settings.options:
            raise RuntimeFault("model.options: onnxruntime's CPU provider takes none; remove them")
        options = provider_options(provider, self._settings, _quantised(self._network))
        session = module.InferenceSession(
            str(self._network),
            sess_options=self._session_options(module, provider),
            providers=provider_list(provider, options),
        )
        session.disable_fallback()  # a failing device is an error, not a slower door
        used = [str(name).removesuffix(_SUFFIX) for name in session.get_providers()]
        if used[0] != provider.removesuffix(_SUFFIX):
            raise RuntimeFault(
                f"model.device: onnxruntime cannot start {self._device} here (its driver or "
                f"libraries are missing); present: {', '.join(used)}"
            )
        inputs = [_tensor(port) for port in session.get_inputs()]
        found = [_tensor(port) for port in session.get_outputs()]
        network_input, outputs = chosen(self._network, inputs, found, self._wanted)
        if session.get_inputs()[0].type != "tensor(float)":
            raise RuntimeFault(f"{self._network}: {network_input.name}: expected float32")
        self._session = session
        self._info = RunnerInfo(
            runtime=_NAME,
            version=str(module.__version__),
            device="+".join(_SPELLING.get(name, name) for name in used),
            input=network_input,
            outputs=outputs,
            reason=self._reason,
        )

    def _session_options(self, module: Any, provider: str) -> Any:
        options = module.SessionOptions()
        options.intra_op_num_threads = self._settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY  # its errors reach us as exceptions
        for pool in ("intra_op", "inter_op"):
            options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
        if provider == "CPU" + _SUFFIX:
            for name, value in WEIGHTS_ONLY.items():
                options.add_session_config_entry(name, value)
        return options

    def run(self, image: Floats) -> tuple[Floats, ...]:
        info = self.describe()
        check_shape(self._network, info.input, image.shape)
        image = np.ascontiguousarray(image, dtype=np.float32)
        try:
            results = self._session.run(self._wanted, {info.input.name: image})
        except self._errors as fault:
            raise RuntimeFault(
                f"{self._network}: onnxruntime failed on {info.device}: {brief(fault)}"
            ) from fault
        return tuple(np.asarray(result, dtype=np.float32) for result in results)

    def close(self) -> None:
        self._session = None
        self._info = None

    def describe(self) -> RunnerInfo:
        if self._info is None:
            raise RuntimeFault(f"{self._network}: the runner is not open")
        return self._info


def _quantised(network: Path) -> bool:
    """Whether the network carries quantisation nodes; their type's name stands in the file."""
    return b"DequantizeLinear" in network.read_bytes()


def _tensor(port: Any) -> TensorInfo:
    sizes = tuple(size if isinstance(size, int) and size > 0 else None for size in port.shape)
    return TensorInfo(str(port.name), sizes)
