"""Training the head: seeded, resumable, and folded into what ships without a difference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install -e '.[train]'")

from training.features import Components, Features, Store, principal  # noqa: E402
from training.network import RtsHead, ranking_loss, rts_loss  # noqa: E402
from training.train import Recipe, Trainer, Views  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE, PHOTOS, SIZE, COUNT = 12, 6, 24, 16
RECIPE = Recipe(
    components=COUNT,
    variants=2,
    variants_per_step=2,
    steps=60,
    photos_per_step=24,
    turned_per_step=8,
    learning_rate=1e-2,
)


def views(seed: int = 0) -> Views:
    """People as directions; a damaged copy loses its person, and one feature tells of it."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(PEOPLE), PHOTOS)
    people = rng.normal(0, 1, (PEOPLE, SIZE))[labels] * 3
    variants = []
    for damage in (0.0, 2.0, 5.0):
        features = rng.normal(0, 1, (len(labels), COUNT))
        features[:, 0] += damage
        embeddings = people + rng.normal(0, 0.3 + damage, people.shape)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True) * (1 + damage / 10)
        variants.append(Features(embeddings.astype(np.float32), features.astype(np.float32)))
    turn = rng.uniform(0, 0.4, len(labels)).astype(np.float32)
    for variant in variants:
        variant.features[:, 1] += turn * 10
    nothing = Features(
        rng.normal(0, 0.2, (10, SIZE)).astype(np.float32),
        rng.normal(3, 1, (10, COUNT)).astype(np.float32),
    )
    components = Components(np.zeros(COUNT, np.float32), np.eye(COUNT, dtype=np.float32))
    return Views(components, variants, nothing, labels, turn)


def doubt(head: RtsHead, features: Features) -> np.ndarray:
    length = np.log(np.linalg.norm(features.embeddings, axis=1))
    with torch.no_grad():
        out = head(torch.from_numpy(features.features), torch.from_numpy(length))
    mean: np.ndarray = out.mean(1).numpy()
    return mean


def test_damaged_turned_and_faceless_views_are_doubted_more(tmp_path: Path) -> None:
    data = views()
    head = Trainer(data, RECIPE).run(tmp_path / "head.pt")
    unseen = views(seed=1)
    clean, damaged, worse = (doubt(head, variant) for variant in unseen.variants)
    assert clean.mean() < damaged.mean() < worse.mean()
    assert doubt(head, unseen.non_faces).mean() > clean.mean()
    assert clean[unseen.turn > 0.3].mean() > clean[unseen.turn < 0.1].mean()


def test_interrupted_training_ends_as_uninterrupted_training_does(tmp_path: Path) -> None:
    data = views()
    whole = Trainer(data, RECIPE).run(tmp_path / "whole.pt")
    Trainer(data, RECIPE).run(tmp_path / "parts.pt", until=25)
    parts = Trainer(data, RECIPE)
    resumed = parts.run(tmp_path / "parts.pt")
    assert parts.step == RECIPE.steps
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    Trainer(views(), RECIPE).run(tmp_path / "head.pt", until=5)
    with pytest.raises(RuntimeError, match="another recipe"):
        Trainer(views(), replace(RECIPE, margin=0.1)).run(tmp_path / "head.pt")


def test_the_folded_row_says_what_the_head_says(tmp_path: Path) -> None:
    data = views()
    head = Trainer(data, RECIPE).run(tmp_path / "head.pt")
    rng = np.random.default_rng(3)
    maps = rng.normal(2, 3, (20, 40)).astype(np.float32)
    centre, directions = rng.normal(2, 1, 40), rng.normal(0, 0.2, (40, COUNT))
    components = Components(centre.astype(np.float32), directions.astype(np.float32))
    row = head.folded(torch.from_numpy(components.directions), torch.from_numpy(components.centre))
    length = torch.from_numpy(rng.uniform(0, 2, 20).astype(np.float32))
    with torch.no_grad():
        folded = row(torch.from_numpy(maps)).squeeze(1) - 2.0 * length
        whole = head(torch.from_numpy(components.project(maps)), length).mean(1)
    assert torch.allclose(folded, whole, atol=1e-4)


def test_principal_components_carry_what_varies_first() -> None:
    rng = np.random.default_rng(0)
    strong = rng.normal(0, 1, (200, 1)) @ rng.normal(0, 1, (1, 300))
    samples = (5 + strong + rng.normal(0, 0.1, (200, 300))).astype(np.float32)
    centre, directions = principal(samples, 4)
    features = Components(centre, directions).project(samples)
    spread = features.var(0)
    assert np.abs(features.mean(0)).max() < 1e-3
    assert spread[0] > 50 * spread[1:].max()


def test_ranking_loss_asks_for_the_gap() -> None:
    low, high = torch.zeros(4), torch.full((4,), 3.0)
    assert ranking_loss(low, high, 1.0) < ranking_loss(low, high, 3.0)
    assert ranking_loss(low, high, 1.0) < 0.01 < 1 < ranking_loss(high, low, 1.0)


def test_rts_loss_rewards_doubt_only_where_a_face_fits_no_class() -> None:
    noise = torch.ones(1, 16)

    def loss(cosine: float, doubt: float) -> float:
        cosines = torch.tensor([[cosine, 0.3]])
        values = torch.full((1, 16), doubt)
        terms = {"margin": 0.4, "scale": 40.0, "weight": 1.0}
        return float(rts_loss(cosines, torch.tensor([0]), values, noise, **terms))

    assert loss(0.1, 1.0) < loss(0.1, -0.5)
    assert loss(0.95, 0.0) < loss(0.95, 2.0)


def test_features_are_computed_once(tmp_path: Path) -> None:
    base = tmp_path / "base.onnx"
    base.write_bytes(b"a network")
    store = Store(base, tmp_path / "features", {"seed": 1})
    kept = Features(np.ones((2, 3), np.float32), np.zeros((2, 4), np.float32))
    np.savez(store.place / "photos.npz", embeddings=kept.embeddings, features=kept.features)
    components = Components(np.zeros(4, np.float32), np.eye(4, dtype=np.float32))

    def again() -> np.ndarray:
        raise AssertionError("computed twice")

    assert (store.features("photos", again, components).embeddings == 1).all()
    assert Store(base, tmp_path / "features", {"seed": 2}).place != store.place
    base.write_bytes(b"another network")
    assert store.place != Store(base, tmp_path, {"seed": 1}).place
