"""What every inference runtime offers, and what they share."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edged.errors import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edged.types import Floats

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A network's input or output; None in the shape stands for a size that may vary."""

    name: str
    shape: Shape

    @property
    def fixed(self) -> bool:
        return None not in self.shape


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """What runs a network, and why that.

    Attributes:
        device: what is really used, as the runtime calls it; after a plus sign what takes
            over the operations that the first does not know.
        input: the one input; float32.
        outputs: in the order in which `Runner.run` returns them; float32.
        reason: why this runtime and this device.
    """

    runtime: str
    version: str
    device: str
    input: TensorInfo
    outputs: tuple[TensorInfo, ...]
    reason: str


class Runner(Protocol):
    """One network with one input on one device, used from one thread.

    The constructor touches nothing; `open` loads; `close` may be called at any time and twice.
    """

    def open(self) -> None:
        """Load and compile the network.

        Raises:
            RuntimeFault: the runtime or device is missing, or the network is unusable.
        """

    def run(self, image: Floats) -> tuple[Floats, ...]:
        """Run the network once.

        Args:
            image: float32, C-contiguous or it is copied, of the input's shape. It is read in
                place where the runtime can, and is not needed once this returns.

        Returns:
            One float32 array for each output asked for, in that order. They are the caller's:
            no later run changes them.

        Raises:
            RuntimeFault: not open, an image of another shape, or the runtime failed; in the
                last case the runner must be reopened.
        """

    def close(self) -> None:
        """Let go of the network and the device."""

    def describe(self) -> RunnerInfo:
        """What was opened; raises RuntimeFault before `open`."""


@dataclass(frozen=True, slots=True)
class RuntimeReport:
    """What `edged doctor` says about a runtime.

    Attributes:
        problem: why it cannot be used; empty when it can.
        hint: what to do about that; empty when there is nothing to do.
    """

    name: str
    installed: bool
    version: str
    devices: tuple[str, ...]
    problem: str
    hint: str


def vendor(name: str) -> Any:
    """Import a vendor's package of that name, which is also the name of the extra.

    Raises:
        RuntimeFault: not installed, or installed and broken; the text says what to install.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        if fault.name != name:
            raise RuntimeFault(f"{name}: installed, but cannot be loaded: {fault}") from fault
        raise RuntimeFault(f"{name}: not installed; pip install 'edged[{name}]'") from fault
    except (ImportError, OSError) as fault:
        raise RuntimeFault(f"{name}: installed, but cannot be loaded: {fault}") from fault


def readable(network: Path) -> None:
    """Raises RuntimeFault unless the network is a file that holds something."""
    try:
        with network.open("rb") as file:
            if not file.read(1):
                raise RuntimeFault(f"{network}: the file is empty; copy the network again")
    except OSError as fault:
        raise RuntimeFault(f"{network}: cannot be read: {fault.strerror}") from fault


def chosen(
    network: Path, inputs: Sequence[TensorInfo], found: Sequence[TensorInfo], wanted: Sequence[str]
) -> tuple[TensorInfo, tuple[TensorInfo, ...]]:
    """The one input and the wanted outputs of a network.

    Raises:
        RuntimeFault: there is not exactly one input, or an output is missing.
    """
    if len(inputs) != 1:
        names = ", ".join(tensor.name for tensor in inputs) or "none"
        raise RuntimeFault(f"{network}: inputs: expected exactly one (got {names})")
    by_name = {tensor.name: tensor for tensor in found}
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise RuntimeFault(
            f"{network}: outputs: no {', '.join(missing)} (the network has {', '.join(by_name)})"
        )
    return inputs[0], tuple(by_name[name] for name in wanted)


@contextmanager
def opening(
    network: Path, on: str, errors: tuple[type[Exception], ...], close: Callable[[], None]
) -> Iterator[None]:
    """What a vendor refuses is a RuntimeFault, and nothing stays half open.

    Args:
        on: the runtime and its device, for the text.
        errors: what the vendor raises.
        close: lets go of what was opened so far.
    """
    try:
        yield
    except errors as fault:
        close()
        raise RuntimeFault(f"{network}: {on} refuses it: {brief(fault)}") from fault
    except RuntimeFault:
        close()
        raise


def check_shape(network: Path, expected: TensorInfo, got: tuple[int, ...]) -> None:
    """Raises RuntimeFault when an array of shape `got` does not fit the input."""
    fits = len(got) == len(expected.shape) and all(
        size > 0 and want in (None, size) for size, want in zip(got, expected.shape, strict=True)
    )
    if not fits:
        shape = ", ".join("?" if size is None else str(size) for size in expected.shape)
        raise RuntimeFault(f"{network}: {expected.name}: expected shape ({shape}), got {got}")


def brief(fault: BaseException) -> str:
    """The last line of a vendor's error, which is where the cause stands."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    text = lines[-1] if lines else type(fault).__name__
    return text if len(text) <= 300 else text[:299] + "…"


def missing_device(runtime: str, device: str, present: Sequence[str]) -> RuntimeFault:
    """The error for a device that was asked for and is not there."""
    return RuntimeFault(
        f"model.device: {runtime} has no {device} here; present: {', '.join(present)}"
    )
