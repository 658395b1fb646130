"""What the frozen base makes of faces, small enough to train on: principal components of its map.

Every step is kept in a folder and taken from there again, so an interrupted build goes on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from training.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from training.detect import Floats

SAMPLE = 500
BLOCK = 512


@dataclass(frozen=True)
class Components:
    """`(map - centre) @ directions` are a map's features: (25088,) and (25088, components)."""

    centre: Floats
    directions: Floats

    def project(self, maps: NDArray[np.float16]) -> Floats:
        """(n, 25088) to (n, components)."""
        out = np.empty((len(maps), self.directions.shape[1]), np.float32)
        for start in range(0, len(maps), BLOCK):
            block = maps[start : start + BLOCK].astype(np.float32)
            out[start : start + BLOCK] = (block - self.centre) @ self.directions
        return out


@dataclass(frozen=True)
class Features:
    """Row i belongs to image i: embeddings (n, 192), not normalised, and features (n, c)."""

    embeddings: Floats
    features: Floats


@dataclass(frozen=True)
class Store:
    """Features of named sets of images, computed once.

    `key` is everything that the sets depend on beside the base; another key is another folder.
    """

    base: Path
    folder: Path
    key: dict[str, object]

    @property
    def place(self) -> Path:
        base = hashlib.sha256(self.base.read_bytes()).hexdigest()
        place = self.folder / digest([self.key, base])
        place.mkdir(parents=True, exist_ok=True)
        return place

    def components(
        self, sets: dict[str, Callable[[], NDArray[np.uint8]]], count: int
    ) -> Components:
        """Principal components of standardised maps, from a sample of every set."""
        path = self.place / "components.npz"
        if not path.exists():
            samples = []
            for make in sets.values():
                images = make()
                every = max(1, len(images) // SAMPLE)
                samples.append(self._run(images[::every][:SAMPLE])[1])
            centre, directions = principal(np.concatenate(samples).astype(np.float32), count)
            _save(path, centre=centre, directions=directions)
        with np.load(path) as saved:
            return Components(saved["centre"], saved["directions"])

    def features(
        self, name: str, make: Callable[[], NDArray[np.uint8]], components: Components
    ) -> Features:
        """The features of one set; `make` is called only if they are not there."""
        path = self.place / f"{name}.npz"
        if not path.exists():
            print(f"   {name}", flush=True)
            embeddings, maps = self._run(make())
            _save(path, embeddings=embeddings, features=components.project(maps))
        with np.load(path) as saved:
            return Features(saved["embeddings"], saved["features"])

    def _run(self, images: NDArray[np.uint8]) -> tuple[Floats, NDArray[np.float16]]:
        embeddings, maps = run(self.base, images, np.float16)
        return embeddings.astype(np.float32), maps.reshape(len(maps), -1)


def digest(value: object) -> str:
    """A short name for plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def principal(samples: Floats, count: int) -> tuple[Floats, Floats]:
    """Centre (d,) and directions (d, count) that standardise (n, d), n < d, and rotate it.

    Features have unit variance in none but the standardised sense: the first carry the most.
    """
    centre = samples.mean(0)
    scale = samples.std(0) + 1e-3
    rows = torch.from_numpy((samples - centre) / scale)
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    directions = rows.T @ (vectors / values.clamp_min(1e-6).sqrt())
    return centre, (directions.numpy() / scale[:, None]).astype(np.float32)


def _save(path: Path, **arrays: Floats) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part.npz")
    np.savez(part, allow_pickle=False, **arrays)
    part.replace(path)
