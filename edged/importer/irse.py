"""IR-SE-64 with the RTS heads, as the published weights name its parts.

The backbone is the residual network of ArcFace (Deng et al., 2019) with squeeze-and-excitation
(Hu et al., 2018); the heads are those of Random Temperature Scaling (arXiv 2212.01015). Needs
torch: whoever imports this module asks `edged.importer.extras` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

SIZE_PX = 112
EMBEDDING_SIZE = 512
FLAT = 512 * 7 * 7
STAGES = ((64, 3), (128, 8), (256, 16), (512, 3))  # channels, units; each stage halves the map
SQUEEZE = 16

Head = Literal["plain", "plus"]
HEADS: dict[Head, str] = {"plain": "logvar_rts_backbone", "plus": "logvar_rts_plus_backbone"}


class Gate(nn.Module):  # type: ignore[misc]
    """Squeeze and excitation: weighs the channels by their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // SQUEEZE, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // SQUEEZE, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = functional.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.fc2(functional.relu(self.fc1(mean))))


class Unit(nn.Module):  # type: ignore[misc]
    """A residual unit; the second convolution carries the stride."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, channels, 3, padding=1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            Gate(channels),
        )
        self.shortcut_layer: nn.Module
        if before != channels:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        else:  # every other pixel, without weights
            self.shortcut_layer = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return out


def _body() -> nn.Sequential:
    units, before = [], 64
    for channels, count in STAGES:
        units.append(Unit(before, channels, 2))
        units += [Unit(channels, channels, 1) for _ in range(count - 1)]
        before = channels
    return nn.Sequential(*units)


def _linear(size: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(FLAT, size), nn.BatchNorm1d(size))


class Rts(nn.Module):  # type: ignore[misc]
    """The network with one of its two uncertainty heads.

    (n, 3, 112, 112) in, RGB ``(x / 255 - 0.5) / 0.5``; the embedding (n, 512), not normalised,
    and the mean log variance (n,) out. The "plus" head has one log variance for each of its
    components; their mean ranks views as the log of the mean variance does.
    """

    def __init__(self, head: Head, components: int = 1) -> None:
        super().__init__()
        entry = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        # The dropout between norm and flattening holds no weights and does nothing here, but
        # keeping its place keeps the numbers of the others.
        norm = nn.Sequential(nn.BatchNorm2d(512), nn.Dropout(), nn.Flatten())
        self.features = nn.Sequential(entry, _body(), norm)
        self.features_backbone = _linear(EMBEDDING_SIZE)
        self.head_name = HEADS[head]
        self.add_module(self.head_name, _linear(components))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        flat = self.features(image)
        log_variances = self.get_submodule(self.head_name)(flat)
        return self.features_backbone(flat), log_variances.mean(1)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def folded(self) -> Rts:
        """Itself, for inference: each linear layer with its norm, and the mean, as one layer."""
        self.eval()
        for name in ("features_backbone", self.head_name):
            linear, norm = self.get_submodule(name)
            setattr(self, name, nn.utils.fuse_linear_bn_eval(linear, norm))
        many = self.get_submodule(self.head_name)
        one = nn.Linear(FLAT, 1)
        one.weight.copy_(many.weight.mean(0, keepdim=True))
        one.bias.copy_(many.bias.mean(0, keepdim=True))
        setattr(self, self.head_name, one)
        self.eval()
        return self
