"""The network in torch: the converted base, the RTS head on its last map, and both as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

MAP_SHAPE = (512, 7, 7)
EMBEDDING_SIZE = 192
NORM_SHARE = 2.0


@dataclass(frozen=True)
class Step:
    """One node of a straight graph; values are named by the numbers of the source graph."""

    kind: Literal["conv", "prelu", "add"]
    inputs: tuple[int, ...]
    output: int


class _PaddedConvFunction(torch.autograd.Function):
    """Exports as one ONNX Conv; a Pad node before it would keep runtimes from fusing."""

    @staticmethod
    def forward(
        _: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, groups: int, pad: list[int]
    ) -> Tensor:
        return functional.conv2d(functional.pad(x, pad), weight, bias, stride, groups=groups)

    @staticmethod
    def symbolic(
        g: Any, x: Any, weight: Any, bias: Any, stride: int, groups: int, pad: list[int]
    ) -> Any:
        left, right, top, bottom = pad
        return g.op(
            "Conv",
            x,
            weight,
            bias,
            strides_i=[stride, stride],
            pads_i=[top, left, bottom, right],
            group_i=groups,
        )


class PaddedConv(nn.Module):
    """Convolution with its own padding on each side: (left, right, top, bottom).

    TensorFlow's SAME padding at stride 2 pads nothing before and one after, which
    `nn.Conv2d` cannot say.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, stride: int, groups: int, padding: Sequence[int]
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)
        self.stride, self.groups, self.padding = stride, groups, list(padding)

    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            out: Tensor = _PaddedConvFunction.apply(  # type: ignore[no-untyped-call]
                x, self.weight, self.bias, self.stride, self.groups, self.padding
            )
            return out
        x = functional.pad(x, self.padding)
        return functional.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class Base(nn.Module):
    """The recognition network.

    (n, 3, 112, 112) in, RGB `(x - 127.5) / 128`; the embedding (n, 192), not normalised, and the
    map (n, 512, 7, 7) before the global depthwise convolution out.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        layers: Sequence[nn.Module],
        image: int,
        feature_map: int,
        embedding: int,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._steps = list(steps)
        self._image, self._map, self._embedding = image, feature_map, embedding

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        values = {self._image: image}
        for step, layer in zip(self._steps, self.layers, strict=True):
            values[step.output] = layer(*(values[i] for i in step.inputs))
        return values[self._embedding].flatten(1), values[self._map]


class Add(nn.Module):
    """A residual connection."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class RtsHead(nn.Module):
    """Log variances of Random Temperature Scaling (arXiv 2212.01015), (n, dof).

    The length of the embedding is doubt that needs no training: a face that the base finds little
    in gets a short one. So the head starts from `-NORM_SHARE * log(length)`, as if a variance
    were the inverse square of a length, and learns from the map what to add.
    """

    def __init__(self, components: int, dof: int) -> None:
        super().__init__()
        self.linear = nn.Linear(components, dof)
        self.norm = nn.BatchNorm1d(dof)
        self.log_length = nn.BatchNorm1d(1, affine=False)

    def forward(self, features: Tensor, log_length: Tensor) -> Tensor:
        """(n, components) and (n,) to (n, dof)."""
        self.log_length(log_length[:, None])
        running = _running(self.log_length.running_mean)
        mean = log_length.mean().detach() if self.training else running
        out: Tensor = self.norm(self.linear(features)) - NORM_SHARE * (log_length - mean)[:, None]
        return out

    @torch.no_grad()
    def folded(self, directions: Tensor, centre: Tensor) -> nn.Linear:
        """All that is linear as one Linear(25088, 1), for inference; the length stays outside.

        The mean over the log variances ranks views as the log of the mean variance does, and
        costs one row of weights in place of sixteen.

        Args:
            directions: (25088, components); features are `(map - centre) @ directions`.
            centre: (25088,).
        """
        scale = (_running(self.norm.running_var) + self.norm.eps).rsqrt() * self.norm.weight
        weight = (self.linear.weight * scale[:, None]).mean(0)
        bias = (self.linear.bias - _running(self.norm.running_mean)) * scale + self.norm.bias
        row = directions @ weight
        linear = nn.Linear(len(row), 1)
        linear.weight.copy_(row[None])
        mean = _running(self.log_length.running_mean)
        linear.bias.copy_(bias.mean() - centre @ row + NORM_SHARE * mean)
        return linear


def _running(statistic: Tensor | None) -> Tensor:
    if statistic is None:
        raise RuntimeError("the norm keeps no running statistics")
    return statistic


class Recogniser(nn.Module):
    """What ships: `embedding` (n, 192), not normalised, and `log_variance` (n,)."""

    def __init__(self, base: Base, row: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.row = row

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        embedding, feature_map = self.base(image)
        length = torch.linalg.vector_norm(embedding, dim=1)
        doubt = self.row(feature_map.flatten(1)).squeeze(1)
        return embedding, doubt - NORM_SHARE * torch.log(length)


def rts_loss(
    cosines: Tensor,
    labels: Tensor,
    log_variances: Tensor,
    noise: Tensor,
    *,
    margin: float,
    scale: float,
    weight: float,
) -> Tensor:
    """Cross-entropy at a sampled temperature, plus the pull of the variances towards one.

    Without a margin the classes stay easy under moderate blur and the head never learns to see
    it. `noise` is standard normal, shaped like `log_variances`.
    """
    variances = log_variances.exp()
    temperature = (variances * noise**2).sum(1) / (variances.shape[1] - 2)
    target = functional.one_hot(labels, cosines.shape[1]).to(cosines.dtype)
    logits = scale * (cosines - margin * target) / temperature[:, None].clamp_min(1e-3)
    pull = (variances - log_variances - 1).mean() / 2
    return functional.cross_entropy(logits, labels) + weight * pull


def ranking_loss(surer: Tensor, less_sure: Tensor, gap: Tensor | float) -> Tensor:
    """How far log variances (n,) of worse views fail to lie `gap` above those of better ones."""
    return functional.softplus(2 * (surer - less_sure + gap)).mean() / 2
