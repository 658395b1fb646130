"""Train the RTS head on the frozen base: seeded, resumable, minutes on two cores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from edged.evaluation.degrade import KINDS, random_degradation
from training.evaluate import turn
from training.network import RtsHead, ranking_loss, rts_loss

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from training.align import Chips
    from training.features import Components, Features, Store

    Images = Callable[[], NDArray[np.uint8]]

SAVE_EVERY = 250
# Twice as often: what the head finds hardest to see.
DAMAGES = (*KINDS, "dirty lens", "cut off", "rolling shutter", "sunglasses", "jpeg", "occluded")
FRONTAL_BELOW = 0.12
TURNED_ABOVE = 0.25


@dataclass(frozen=True)
class Recipe:
    """Every number that shapes the head.

    `margin`, `scale` and `weight` are those of the RTS loss. The ranking terms say what is known
    of views without asking whether they match: a damaged copy is less sure than its original, by
    `damage_gap` for each unit of cosine that the embedding moved; a turned head is less sure than
    a frontal one, by `turn_gap`.
    """

    seed: int = 20250101
    components: int = 1024
    dof: int = 16
    margin: float = 0.4
    scale: float = 40.0
    weight: float = 1.0
    damage_weight: float = 2.0
    damage_gap: float = 4.0
    turn_weight: float = 0.3
    turn_gap: float = 1.0
    variants: int = 6
    steps: int = 1500
    photos_per_step: int = 96
    variants_per_step: int = 3
    turned_per_step: int = 32
    non_faces_per_step: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class Views:
    """What the head is trained on; `turn` and `labels` (n,) belong to photo i of every variant.

    `variants[0]` are the photos as they are, the others damaged copies of them, row by row.
    """

    components: Components
    variants: list[Features]
    non_faces: Features
    labels: NDArray[np.int64]
    turn: NDArray[np.float32]


def views(store: Store, chips: Chips, non_faces: Images, recipe: Recipe) -> Views:
    """Run the base over photos, damaged copies of them, and patches without a face."""
    sets: dict[str, Images] = {"photos": lambda: chips.images, "non-faces": non_faces}
    for number in range(recipe.variants):
        sets[f"variant-{number + 1}"] = _variant(chips, recipe.seed, number)
    components = store.components(sets, recipe.components)
    features = {name: store.features(name, make, components) for name, make in sets.items()}
    patches = features.pop("non-faces")
    labels = np.unique(chips.people, return_inverse=True)[1].astype(np.int64)
    return Views(components, list(features.values()), patches, labels, turn(chips.landmarks))


def _variant(chips: Chips, seed: int, number: int) -> Images:
    def make() -> NDArray[np.uint8]:
        return np.stack(
            [
                random_degradation(chip, np.random.default_rng([seed, number, row]), DAMAGES)
                for row, chip in enumerate(chips.images)
            ]
        )

    return make


class Trainer:
    """The head, beside it one centre a person, and where in the schedule they stand."""

    def __init__(self, data: Views, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe = recipe
        self._features = torch.from_numpy(np.stack([v.features for v in data.variants]))
        raw = torch.from_numpy(np.stack([v.embeddings for v in data.variants]))
        self._log_length = raw.norm(dim=2).log()
        self._embeddings = functional.normalize(raw, dim=2)
        self._moved = 1 - (self._embeddings * self._embeddings[:1]).sum(2)
        self._labels = torch.from_numpy(data.labels)
        self._turned = np.nonzero(data.turn > TURNED_ABOVE)[0]
        self._frontal = np.nonzero(data.turn < FRONTAL_BELOW)[0]
        self._patches = torch.from_numpy(data.non_faces.features)
        patches = torch.from_numpy(data.non_faces.embeddings)
        self._patch_embeddings = functional.normalize(patches)
        self._patch_log_length = patches.norm(dim=1).log()

        self.head = RtsHead(self._features.shape[2], recipe.dof)
        self.centres = torch.nn.Parameter(_means(self._embeddings[0], self._labels))
        self._optimiser = torch.optim.AdamW(
            [
                {"params": self.head.parameters(), "weight_decay": recipe.weight_decay},
                {"params": [self.centres], "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1
        )
        self.step = 0

    def run(self, checkpoint: Path, until: int | None = None) -> RtsHead:
        """Train to the end, or to step `until`; goes on from `checkpoint` if there is one."""
        if checkpoint.exists():
            self._load(checkpoint)
        end = min(self._recipe.steps, until or self._recipe.steps)
        self.head.train()
        total = 0.0
        while self.step < end:
            total += self._advance()
            if self.step % SAVE_EVERY == 0 or self.step == end:
                print(f"   step {self.step}/{self._recipe.steps}: {total / SAVE_EVERY:.3f}")
                self._save(checkpoint)
                total = 0.0
        return self.head.eval()

    def _advance(self) -> float:
        """One step; its random numbers depend on seed and step only."""
        recipe = self._recipe
        rng = np.random.default_rng([recipe.seed, self.step])
        torch.manual_seed(int(rng.integers(2**31)))
        photos = len(self._labels)
        count = recipe.photos_per_step
        chosen = rng.choice(photos, count, replace=photos < count)
        others = rng.permuted(np.tile(np.arange(1, len(self._features)), (count, 1)), axis=1)
        variant = np.concatenate([np.zeros(count, int), *others[:, : recipe.variants_per_step].T])
        row = np.tile(chosen, len(variant) // count)
        at = torch.from_numpy(variant), torch.from_numpy(row)

        patch = torch.from_numpy(rng.integers(0, len(self._patches), recipe.non_faces_per_step))
        log_variances = self.head(
            torch.cat([self._features[at], self._patches[patch]]),
            torch.cat([self._log_length[at], self._patch_log_length[patch]]),
        )
        # No class fits what is no face, so a random one is demanded: only doubt makes it cheap.
        nobody = torch.from_numpy(rng.integers(0, len(self.centres), len(patch)))
        embeddings = torch.cat([self._embeddings[at], self._patch_embeddings[patch]])
        loss = rts_loss(
            embeddings @ functional.normalize(self.centres).T,
            torch.cat([self._labels[at[1]], nobody]),
            log_variances,
            torch.randn_like(log_variances),
            margin=recipe.margin,
            scale=recipe.scale,
            weight=recipe.weight,
        )
        doubt = log_variances.mean(1)
        clean = doubt[:count].repeat(len(variant) // count - 1)
        gap = recipe.damage_gap * self._moved[at[0][count:], at[1][count:]]
        loss = loss + recipe.damage_weight * ranking_loss(clean, doubt[count : len(row)], gap)
        loss = loss + recipe.turn_weight * self._turn_loss(rng)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        return loss.item()

    def _turn_loss(self, rng: np.random.Generator) -> Tensor:
        count = self._recipe.turned_per_step
        if len(self._turned) == 0 or len(self._frontal) == 0 or count == 0:
            return torch.zeros(())
        pair = np.concatenate([rng.choice(self._turned, count), rng.choice(self._frontal, count)])
        at = torch.from_numpy(pair)
        doubt = self.head(self._features[0][at], self._log_length[0][at]).mean(1)
        return ranking_loss(doubt[count:], doubt[:count], self._recipe.turn_gap)

    def _save(self, checkpoint: Path) -> None:
        part = checkpoint.with_suffix(".part")
        torch.save({name: getattr(self, name).state_dict() for name in _PARTS} | self._rest(), part)
        part.replace(checkpoint)

    def _rest(self) -> dict[str, Any]:
        return {"centres": self.centres.data, "step": self.step, "recipe": asdict(self._recipe)}

    def _load(self, checkpoint: Path) -> None:
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] != asdict(self._recipe):
            raise RuntimeError(f"{checkpoint}: was written by another recipe; remove it")
        for name in _PARTS:
            getattr(self, name).load_state_dict(saved[name])
        self.centres.data.copy_(saved["centres"])
        self.step = saved["step"]


_PARTS = ("head", "_optimiser", "_schedule")


def _means(embeddings: Tensor, labels: Tensor) -> Tensor:
    sums = torch.zeros(int(labels.max()) + 1, embeddings.shape[1])
    return functional.normalize(sums.index_add(0, labels, embeddings))
