"""The published RTS weights: read without running a line of them, and checked key by key."""

from __future__ import annotations

import pickle
import re
import warnings
from typing import TYPE_CHECKING, Any

from edged.errors import BundleError
from edged.importer.extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from edged.importer.irse import Head, Rts

Tensors = dict[str, "Tensor"]

_SHOWN = 6  # keys of a kind that an error names
_WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "network")
_BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,  # a seek beyond the end
    RuntimeError,
    TypeError,
    ValueError,
)


def read_weights(path: Path) -> Tensors:
    """A file of tensors by name; ``module.`` prefixes and wrapping dictionaries are taken off.

    Only tensors and plain containers are unpickled: a file that asks for anything else, which is
    how a pickle runs code, is refused before it does.

    Raises:
        BundleError: it cannot be read, is damaged, holds code, or holds no tensors.
        EdgedError: torch is not installed.
    """
    found = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    for _ in range(3):
        inner = [found[name] for name in _WRAPPERS if isinstance(found.get(name), dict)]
        if not inner:
            break
        found = inner[0]
    torch = extra("torch")
    tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BundleError(f"{path}: holds no weights; expected a dictionary of tensors by name")
    while all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def _torch(path: Path) -> dict[str, Any]:
    torch = extra("torch")
    _readable(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of old pickles, which are read or refused all the same
            found = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as fault:
        code = re.search(r"Unsupported (?:global|class|operand)\W+(?:GLOBAL )?([\w.]+)", str(fault))
        if code:
            raise BundleError(
                f"{path}: refused: loading it would run code ({code[1]}); ask for a file that "
                "holds tensors only, or for a .safetensors file"
            ) from fault
        raise BundleError(
            f"{path}: not a file of torch weights, or damaged or cut short; download it again"
        ) from fault
    if not isinstance(found, dict):
        raise BundleError(
            f"{path}: expected a dictionary of tensors by name, found {type(found).__name__}"
        )
    return found


def _safetensors(path: Path) -> dict[str, Any]:
    module = extra("safetensors.torch")
    errors = (extra("safetensors").SafetensorError, *_BROKEN)
    _readable(path)
    try:
        return dict(module.load_file(str(path)))
    except errors as fault:
        raise BundleError(
            f"{path}: not a safetensors file, or damaged or cut short; download it again"
        ) from fault


def _readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as fault:
        raise BundleError(f"{path}: cannot be read: {fault.strerror}") from fault
    if empty:
        raise BundleError(f"{path}: the file is empty; download it again")


def find_head(path: Path, tensors: Mapping[str, Tensor], wanted: Head | None = None) -> Head:
    """Which uncertainty head the weights were trained with.

    The published network always carries both and uses one. A head that was never trained shows:
    its norm has seen no batch, so its running statistics are still 0 and 1.

    Raises:
        BundleError: neither is there, or both are trained and `wanted` does not say which.
    """
    from edged.importer.irse import HEADS

    if wanted is not None:
        return wanted
    present = [head for head, name in HEADS.items() if f"{name}.0.weight" in tensors]
    trained = [head for head in present if _trained(tensors, HEADS[head])]
    found = trained or present
    if len(found) == 1:
        return found[0]
    if not found:
        return "plain"  # the check of the keys then lists everything that is missing
    state = "trained" if trained else "untrained"
    raise BundleError(
        f"{path}: holds two {state} uncertainty heads ({', '.join(HEADS[h] for h in found)}); "
        "say which one to use with --head plain or --head plus (rts_plus in the model's "
        "configuration.json)"
    )


def _trained(tensors: Mapping[str, Tensor], head: str) -> bool:
    mean, variance = (tensors.get(f"{head}.1.running_{name}") for name in ("mean", "var"))
    if mean is None or variance is None:
        return True
    return bool((mean != 0).any() or (variance != 1).any())


def load(path: Path, tensors: Tensors, head: Head) -> Rts:
    """The network with these weights, in float32, ready to be exported.

    Raises:
        BundleError: a weight is missing, unknown, of another shape, or no finite number; the
            text lists them, some of each kind.
    """
    from edged.importer.irse import HEADS, Rts

    key = f"{HEADS[head]}.0.weight"
    shape = tuple(tensors[key].shape) if key in tensors else ()
    components = shape[0] if len(shape) == 2 and 1 <= shape[0] <= 4096 else 1
    network = Rts(head, components)
    other = tuple(f"{name}." for kind, name in HEADS.items() if kind != head)
    given = {name: value for name, value in tensors.items() if not name.startswith(other)}
    expected = network.state_dict()
    problems = _problems(given, expected)
    if problems:
        raise BundleError(
            "\n".join(
                [f"{path}: these are not the weights of IR-SE-64 with the {head} RTS head"]
                + [f"{path}: {problem}" for problem in problems]
            )
        )
    network.load_state_dict({**expected, **{name: v.float() for name, v in given.items()}})
    return network


def _problems(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    counters = {name for name in expected if name.endswith(".num_batches_tracked")}
    both = [name for name in expected if name in given]
    torch = extra("torch")
    kinds = {
        "missing": [name for name in expected if name not in given and name not in counters],
        "unexpected": [name for name in given if name not in expected],
        "of another shape": [
            f"{name} is {_shape(given[name])}, must be {_shape(expected[name])}"
            for name in both
            if given[name].shape != expected[name].shape
        ],
        "not finite numbers": [
            name
            for name in both
            if name not in counters and not bool(torch.isfinite(given[name].float()).all())
        ],
    }
    return [f"{kind}: {_listed(names)}" for kind, names in kinds.items() if names]


def _shape(tensor: Tensor) -> str:
    return "(" + ", ".join(str(size) for size in tensor.shape) + ")"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} ({', '.join(names[:_SHOWN])}{more})"
