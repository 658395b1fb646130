"""Train the RTS head on the frozen base: seeded, two minutes on two cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from edged.evaluation.degrade import random_degradation
from training.network import RtsHead, rts_loss
from training.runner import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from training.align import Chips
    from training.detect import Floats


@dataclass(frozen=True)
class Recipe:
    """Every number that shapes the head."""

    seed: int = 20250101
    margin: float = 0.4
    scale: float = 40.0
    weight: float = 1.0
    degraded_variants: int = 3
    epochs: int = 16
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class Views:
    """Frozen outputs of the base: embeddings (n, 192), maps float16 (n, 25088), labels (n,)."""

    embeddings: Floats
    maps: NDArray[np.float16]
    labels: NDArray[np.int64]
    clean: NDArray[np.bool_]


def variants(chips: Chips, recipe: Recipe) -> NDArray[np.uint8]:
    """Degraded copies, `degraded_variants` for each chip, chip by chip."""
    out = np.empty((len(chips) * recipe.degraded_variants, 112, 112, 3), np.uint8)
    for row in range(len(out)):
        rng = np.random.default_rng([recipe.seed, row])
        out[row] = random_degradation(chips.images[row // recipe.degraded_variants], rng)
    return out


def views(base: Path, chips: Chips, recipe: Recipe) -> Views:
    """Run the base once over clean and degraded faces of people with two images or more."""
    _, labels = np.unique(chips.people, return_inverse=True)
    images = np.concatenate([chips.images, variants(chips, recipe)])
    embeddings, maps = run(base, images, np.float16)
    return Views(
        embeddings.astype(np.float32),
        maps.reshape(len(maps), -1),
        np.concatenate([labels, np.repeat(labels, recipe.degraded_variants)]).astype(np.int64),
        np.arange(len(images)) < len(chips),
    )


def train(data: Views, recipe: Recipe) -> RtsHead:
    """Fit the head and, beside it, one centre a person. Returns it in evaluation mode."""
    torch.manual_seed(recipe.seed)
    embeddings = functional.normalize(torch.from_numpy(data.embeddings))
    labels = torch.from_numpy(data.labels)
    centres = torch.nn.Parameter(_means(embeddings, labels, data.clean))
    head = RtsHead()
    optimiser = torch.optim.AdamW(
        [
            {"params": head.parameters(), "weight_decay": recipe.weight_decay},
            {"params": [centres], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
    )
    steps = recipe.epochs * (len(labels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows in _batches(len(labels), recipe, epoch):
            maps = torch.from_numpy(data.maps[rows].astype(np.float32))
            log_variances = head(maps)
            loss = rts_loss(
                embeddings[rows] @ functional.normalize(centres).T,
                labels[rows],
                log_variances,
                torch.randn_like(log_variances),
                margin=recipe.margin,
                scale=recipe.scale,
                weight=recipe.weight,
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1}/{recipe.epochs}: loss {total / len(labels):.3f}", flush=True)
    return head.eval()


def _means(
    embeddings: torch.Tensor, labels: torch.Tensor, clean: NDArray[np.bool_]
) -> torch.Tensor:
    sums = torch.zeros(int(labels.max()) + 1, embeddings.shape[1])
    rows = torch.from_numpy(clean)
    return functional.normalize(sums.index_add(0, labels[rows], embeddings[rows]))


def _batches(count: int, recipe: Recipe, epoch: int) -> Iterator[NDArray[np.intp]]:
    order = np.random.default_rng([recipe.seed, epoch]).permutation(count)
    for start in range(0, count - recipe.batch + 1, recipe.batch):
        yield np.sort(order[start : start + recipe.batch])
