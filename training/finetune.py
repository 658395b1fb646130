"""Quantisation-aware fine-tuning: weights that say in int8 what the base says in float.

The network learns under the rounding that `quantise` gives it, from what the float base makes of
the same faces; no label is involved. Seeded, and goes on where it was interrupted.
"""

from __future__ import annotations

import copy
import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from edged.evaluation.degrade import random_degradation
from training.export import export
from training.network import PaddedConv
from training.quantise import LARGEST_INT8_KERNEL
from training.rewrite import equalise
from training.runner import to_input

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.align import Chips
    from training.network import Base

    Images = NDArray[np.uint8]

LARGEST_INT8 = 127
SAVE_EVERY = 25
WARM_UP = 0.05


@dataclass(frozen=True)
class Recipe:
    """Every number that shapes the fine-tuning.

    `learning_rate` is a share of a tensor's root mean square, so that every layer moves alike.
    `length_weight` and `map_weight` weigh squared errors, as shares of the float value, beside
    `1 - cosine` of the embeddings. One face in `damaged_one_in` is damaged.
    """

    seed: int = 20250102
    steps: int = 180
    batch: int = 16
    damaged_one_in: int = 3
    learning_rate: float = 2e-4
    length_weight: float = 0.1
    map_weight: float = 0.1
    calibration_faces: int = 96
    range_memory: float = 0.98


def finetune(base: Base, faces: Chips, recipe: Recipe, checkpoint: Path) -> Base:
    """A base whose weights `quantise` well; `base` itself stays as it is.

    Args:
        base: float; each PReLU reads a convolution, and convolutions alone read each PReLU.
        faces: people to train on.
        recipe: the numbers.
        checkpoint: where to go on from, if it is there, and to save to.
    """
    return Tuner(base, faces.images, recipe).run(checkpoint)


def round_activation(x: Tensor, largest: Tensor) -> Tensor:
    """What int8 leaves of `x` with one scale; gradients pass where nothing is cut off."""
    scale = largest / LARGEST_INT8
    zero = torch.zeros(1, dtype=torch.int32)
    return torch.fake_quantize_per_tensor_affine(
        x, scale.reshape(1), zero, -LARGEST_INT8 - 1, LARGEST_INT8
    )


def round_weight(weight: Tensor) -> Tensor:
    """What int8 leaves of (out, in, h, w) with one scale for each channel out."""
    largest = weight.detach().abs().flatten(1).amax(1).clamp_min(1e-12)
    zero = torch.zeros(len(weight), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(
        weight, largest / LARGEST_INT8, zero, 0, -LARGEST_INT8, LARGEST_INT8
    )


class RoundedConv(nn.Module):
    """A convolution as the INT8 file has it.

    The range of its input follows what calibration will see: the largest magnitude of an image,
    the mean over images. It is set by calls with `observing`, and follows those in training.
    """

    def __init__(self, conv: PaddedConv, memory: float) -> None:
        super().__init__()
        self.conv = conv
        self.observing = False
        self._memory = memory
        self.range: Tensor
        self.register_buffer("range", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        if self.observing or self.training:
            self._follow(x.detach().abs().flatten(1).amax(1).mean())
        if self.observing:
            return _convolve(conv, x, conv.weight)
        return _convolve(conv, round_activation(x, self.range), round_weight(conv.weight))

    def _follow(self, largest: Tensor) -> None:
        memory = 0.0 if self.observing else self._memory
        self.range.copy_(memory * self.range + (1 - memory) * largest)


def _convolve(conv: PaddedConv, x: Tensor, weight: Tensor) -> Tensor:
    """As the layer does it, without a copy where padding is the same on all sides."""
    padding = 0
    if len(set(conv.padding)) == 1:
        padding = conv.padding[0]
    else:
        x = functional.pad(x, conv.padding)
    return functional.conv2d(x, weight, conv.bias, conv.stride, padding, groups=conv.groups)


class _MapIsRead(nn.Module):
    """The base with a node on its map, so that `equalise` leaves what others see of it alone."""

    def __init__(self, base: Base) -> None:
        super().__init__()
        self.base = base

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        embedding, feature_map = self.base(image)
        return embedding, feature_map.flatten(1)


def equalised(base: Base, images: Images) -> tuple[Base, Tensor]:
    """A copy of `base` with the weights that `equalise` makes of it.

    Returns:
        The copy, and what (c,) its map must be multiplied by to be the base's.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "base.onnx"
        export(_MapIsRead(copy.deepcopy(base)), path, ["embedding", "map"])
        equal = equalise(onnx.load(str(path)), images)
    weights = {i.name: numpy_helper.to_array(i) for i in equal.graph.initializer}
    factors = [w.reshape(-1) for name, w in weights.items() if name.endswith("/factor")]
    if len(factors) != 1:
        raise RuntimeError(f"{len(factors)} scaled tensors are read by others; one is expected")
    out = copy.deepcopy(base).requires_grad_(False)
    for number, layer in enumerate(out.layers):
        if isinstance(layer, PaddedConv):
            for name, parameter in layer.named_parameters():
                values = weights[f"base.layers.{number}.{name}"]
                parameter.copy_(torch.from_numpy(values.copy()))
    return out, torch.from_numpy(factors[0].copy())


def _restore_map(base: Base, factor: Tensor) -> None:
    """Give the map of an equalised base the ranges that its channels had."""
    steps, feature_map = base._steps, base._map  # noqa: SLF001
    makers = {step.output: k for k, step in enumerate(steps)}
    before = base.layers[makers[steps[makers[feature_map]].inputs[0]]]
    before.weight.mul_(factor[:, None, None, None])
    before.bias.mul_(factor)
    for step, layer in zip(steps, base.layers, strict=True):
        if feature_map in step.inputs:
            along_input = factor[:, None] if layer.groups > 1 else factor
            layer.weight.div_(along_input[..., None, None])


class Tuner:
    """The base under rounding, what it learns from, and where in the schedule it stands."""

    def __init__(self, base: Base, images: Images, recipe: Recipe) -> None:
        self._recipe = recipe
        self._images = images
        rng = np.random.default_rng(recipe.seed)
        sample = images[rng.permutation(len(images))[: recipe.calibration_faces]]
        self._teacher = copy.deepcopy(base).eval().to(memory_format=torch.channels_last)
        self._equal, self._map_factor = equalised(base, sample)
        self.network = copy.deepcopy(self._equal).to(memory_format=torch.channels_last)
        self._roundings: list[RoundedConv] = []
        for k, layer in enumerate(self.network.layers):
            if isinstance(layer, PaddedConv) and layer.weight.shape[-1] <= LARGEST_INT8_KERNEL:
                rounding = RoundedConv(layer, recipe.range_memory)
                self.network.layers[k] = rounding
                self._roundings.append(rounding)
        self._observe(sample)
        self.network.train().requires_grad_(True)
        self._optimiser = torch.optim.Adam(
            {"params": [p], "size": float(p.detach().square().mean().sqrt()) + 1e-8}
            for p in self.network.parameters()
        )
        self.step = 0

    def run(self, checkpoint: Path, until: int | None = None) -> Base:
        """Train to the end, or to step `until`; goes on from `checkpoint` if there is one."""
        if checkpoint.exists():
            self._load(checkpoint)
        end = min(self._recipe.steps, until or self._recipe.steps)
        total, since = 0.0, self.step
        while self.step < end:
            total += self._advance()
            if self.step % SAVE_EVERY == 0 or self.step == end:
                print(
                    f"   step {self.step}/{self._recipe.steps}: {total / (self.step - since):.5f}",
                    flush=True,
                )
                self._save(checkpoint)
                total, since = 0.0, self.step
        return self.result()

    @torch.no_grad()
    def result(self) -> Base:
        """The network as it now stands, without the rounding."""
        out = copy.deepcopy(self._equal)
        layers = [x.conv if isinstance(x, RoundedConv) else x for x in self.network.layers]
        for target, layer in zip(out.layers, layers, strict=True):
            target.load_state_dict(layer.state_dict())
        _restore_map(out, self._map_factor)
        return out.eval().requires_grad_(False)

    def loss(self, images: Images) -> Tensor:
        """How far int8 is from float on these chips."""
        recipe, x = self._recipe, _inputs(images)
        with torch.no_grad():
            embedding, feature_map = self._teacher(x)
        ours, our_map = self.network(x)
        our_map = our_map * self._map_factor[:, None, None]
        length = ours.norm(dim=1) / embedding.norm(dim=1) - 1
        off = (our_map - feature_map).square().sum((1, 2, 3))
        off = off / feature_map.square().sum((1, 2, 3))
        cosine = functional.cosine_similarity(ours, embedding)
        terms = 1 - cosine + recipe.length_weight * length**2 + recipe.map_weight * off
        return terms.mean()

    def _advance(self) -> float:
        """One step; its random numbers depend on seed and step only."""
        recipe = self._recipe
        rng = np.random.default_rng([recipe.seed, self.step])
        images = self._images[rng.choice(len(self._images), recipe.batch)]
        for row in range(0, len(images), recipe.damaged_one_in):
            images[row] = random_degradation(images[row], rng)
        rate = recipe.learning_rate * _share(self.step, recipe.steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["size"]
        loss = self.loss(images)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def _observe(self, images: Images) -> None:
        for rounding in self._roundings:
            rounding.observing = True
        self.network(_inputs(images))
        for rounding in self._roundings:
            rounding.observing = False

    def _save(self, checkpoint: Path) -> None:
        part = checkpoint.with_suffix(".part")
        state = {name: getattr(self, name).state_dict() for name in ("network", "_optimiser")}
        torch.save(state | {"step": self.step, "recipe": asdict(self._recipe)}, part)
        part.replace(checkpoint)

    def _load(self, checkpoint: Path) -> None:
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] != asdict(self._recipe):
            raise RuntimeError(f"{checkpoint}: was written by another recipe; remove it")
        self.network.load_state_dict(saved["network"])
        self._optimiser.load_state_dict(saved["_optimiser"])
        self.step = saved["step"]


def _inputs(images: Images) -> Tensor:
    x = torch.from_numpy(np.concatenate([to_input(chip) for chip in images]))
    return x.contiguous(memory_format=torch.channels_last)


def _share(step: int, steps: int) -> float:
    """Of the learning rate: up in a few steps, down along a cosine."""
    return min(1.0, (step + 1) / (WARM_UP * steps)) * (1 + math.cos(math.pi * step / steps)) / 2
