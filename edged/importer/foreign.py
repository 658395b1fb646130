"""An ONNX file from anywhere: examined, stripped to what a recogniser needs, made batch 1."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from edged.bundle.inspect import refused
from edged.bundle.manifest import Input
from edged.errors import BundleError
from edged.importer.extras import extra
from edged.importer.graph import keep_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LARGEST = 1_500_000_000  # bytes; the format itself ends at two thousand million
_SIDES_PX = (32, 512)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What the user knows of a network's input: ``(x - mean) * scale`` on values of 0–255.

    ``size_px`` is asked for only where the file leaves height and width open.
    """

    colour: Literal["rgb", "bgr"] = "rgb"
    mean: float = 127.5
    scale: float = 1 / 127.5
    size_px: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A float network in ONNX, static batch 1, and how it is fed.

    Attributes:
        model: an ``onnx.ModelProto`` with the outputs `embedding` and, if it has one, `score`.
        score: the raw output that says how far to trust a view; None where there is none.
        logarithm: whether that is known to be a logarithm already.
    """

    model: Any
    input: Input
    embedding: str
    score: str | None
    logarithm: bool = False

    @property
    def outputs(self) -> list[str]:
        return [self.embedding, *filter(None, [self.score])]


def read_foreign(
    path: Path, embedding: str | None, score: str | None, preprocessing: Preprocessing
) -> Network:
    """Read and prepare a network.

    Args:
        embedding: name of the output; None where the file has only one.
        score: name of the output that says how far to trust a view; None: it has none.

    Raises:
        BundleError: no ONNX file, damaged, data in other files, not one image as input, no such
            output, or operations that no runtime here knows.
        EdgedError: onnx is not installed.
    """
    model = _load(path)
    entry = _entry(path, model)
    names = [item.name for item in model.graph.output]
    embedding = _chosen(path, model, "--embedding", embedding)
    if score is not None:
        score = _chosen(path, model, "--uncertainty", score)
        if score == embedding:
            raise BundleError(
                f"{path}: {score} cannot be both --embedding and --uncertainty; the file has "
                f"{', '.join(names)}"
            )
    side = _side(path, entry, preprocessing.size_px)
    model = keep_outputs(model, [embedding, *filter(None, [score])])
    _fix(model, entry.name, side)
    form = _form(entry.name, side, preprocessing)
    return Network(_inferred(path, model), form, embedding, score)


def _form(name: str, side: int, preprocessing: Preprocessing) -> Input:
    try:
        return Input(
            name=name,
            width_px=side,
            height_px=side,
            colour=preprocessing.colour,
            mean=preprocessing.mean,
            scale=preprocessing.scale,
        )
    except ValidationError as fault:
        first = fault.errors()[0]
        what = f"--{first['loc'][0]}: {first['msg'][:1].lower()}{first['msg'][1:]}"
        raise BundleError(f"{what} (got {first['input']!r})") from fault


def _load(path: Path) -> Any:
    onnx = extra("onnx")
    decode = extra("google.protobuf.message").DecodeError
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for
            raise BundleError(f"{path}: not a file")
        if about.st_size > _LARGEST:
            raise BundleError(f"{path}: {about.st_size} bytes; at most {_LARGEST} are read")
        model = onnx.load(str(path), load_external_data=False)
    except OSError as fault:
        raise BundleError(f"{path}: cannot be read: {fault.strerror}") from fault
    except (decode, ValueError, RuntimeError) as fault:
        raise BundleError(
            f"{path}: not an ONNX file, or damaged or cut short; export or copy it again"
        ) from fault
    if not model.graph.node:
        raise BundleError(f"{path}: not an ONNX file, or one that holds no network")
    if problems := refused(model):
        raise BundleError("\n".join(f"{path}: {problem}" for problem in problems))
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as fault:
        raise BundleError(f"{path}: not a valid ONNX network: {_first(fault)}") from fault
    return model


def _entry(path: Path, model: Any) -> Any:
    """The one input: an image, channels first, float32."""
    onnx = extra("onnx")
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(f"{item.name} {shape_text(item)}" for item in inputs) or "none"
        raise BundleError(f"{path}: expected one input, an image (the file has {names})")
    entry = inputs[0]
    kind = entry.type.tensor_type.elem_type
    if kind != onnx.TensorProto.FLOAT:
        name = onnx.TensorProto.DataType.Name(kind).lower()
        raise BundleError(f"{path}: input {entry.name}: expected float32 (got {name})")
    sizes = _sizes(entry)
    if len(sizes) != 4 or sizes[1] not in (3, None):
        why = " (channels come last here; export it channels first)" if sizes[3:] == [3] else ""
        raise BundleError(
            f"{path}: input {entry.name}: expected (1, 3, height, width), got "
            f"{shape_text(entry)}{why}"
        )
    return entry


def _side(path: Path, entry: Any, asked: int | None) -> int:
    height, width = _sizes(entry)[2:]
    side = height or width or asked
    if side is None:
        raise BundleError(
            f"{path}: input {entry.name} {shape_text(entry)} leaves height and width open; say "
            "which with --size"
        )
    if (height or side) != (width or side):
        raise BundleError(f"{path}: input {entry.name} {shape_text(entry)}: must be square")
    if asked is not None and side != asked:
        raise BundleError(f"{path}: input {entry.name} is {side} px wide (--size says {asked})")
    low, high = _SIDES_PX
    if not low <= side <= high:
        raise BundleError(f"{path}: input {entry.name}: must be {low} to {high} px (got {side})")
    return side


def _chosen(path: Path, model: Any, option: str, name: str | None) -> str:
    outputs = list(model.graph.output)
    listed = ", ".join(f"{item.name} {shape_text(item)}" for item in outputs)
    if name is None:
        if len(outputs) != 1:
            raise BundleError(f"{path}: has several outputs; name one with {option} ({listed})")
        return str(outputs[0].name)
    if name not in {item.name for item in outputs}:
        raise BundleError(f"{path}: {option}: no output {name!r}; the file has {listed}")
    return name


def _fix(model: Any, entry: str, side: int) -> None:
    """Make the input (1, 3, side, side) and forget every shape that followed from another."""
    onnx = extra("onnx")
    inputs = [item for item in model.graph.input if item.name == entry]
    del model.graph.input[:], model.graph.value_info[:], model.metadata_props[:]
    inputs[0].CopyFrom(
        onnx.helper.make_tensor_value_info(entry, onnx.TensorProto.FLOAT, [1, 3, side, side])
    )
    model.graph.input.extend(inputs)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")


def _inferred(path: Path, model: Any) -> Any:
    onnx = extra("onnx")
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as fault:
        raise BundleError(
            f"{path}: cannot be run on one face at a time: {_first(fault)}; export it with batch 1"
        ) from fault


def _sizes(item: Any) -> list[int | None]:
    return [dim.dim_value or None for dim in item.type.tensor_type.shape.dim]


def shape_text(item: Any) -> str:
    """ "(1, 512)"; a question mark for a size that is open."""
    sizes: Sequence[int | None] = _sizes(item)
    return "(" + ", ".join("?" if size is None else str(size) for size in sizes) + ")"


def _first(fault: BaseException) -> str:
    line = next((line.strip() for line in str(fault).splitlines() if line.strip()), "")
    return (line or type(fault).__name__)[:300]
