"""Does a door keep the FPIR it is asked for, whatever number of photos people are enrolled with?

Protocol. The people are those of a folder with at least five photos that the access profile
would take (quality and one face); those with fewer stay out altogether. A person's first 1, 3 or
5 photos are enrolled. As a mate each is searched with the photos after the fifth, as an impostor
with all of them while the others stay enrolled; photos one by one, or three at a time fused as at
the door. Threshold, gallery and search are the daemon's. Any two people meet twice, once in each
role, and a person's photos resemble each other: exact intervals, which know nothing of that, are
too narrow, so the FPIR has a second one, from drawing people with replacement.

Label errors. One person under two names makes impostor searches that succeed rightly. A search
whose best candidate reaches the similarity at FMR 1e-8 is left out as one and counted.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from math import exp, fsum, lgamma, log, log1p
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.camera.images import read_image
from edged.decision.policy import similarity_at
from edged.errors import ImageError, NoUsableFace
from edged.gallery.people import Enrolment
from edged.gallery.store import Gallery
from edged.types import Defect
from edged.vault.secret import Secret
from edged.vision.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edged.decision.policy import Policy
    from edged.gallery.search import Index
    from edged.service.engine import Engine
    from edged.types import Floats
    from edged.vision.embed import Embedded

People = dict[str, "list[Embedded]"]
MOST_ENROLLED = 5
_LABEL_ERROR_FMR = 1e-8


@dataclass(frozen=True, slots=True)
class Share:
    """Events out of trials, with the exact 95 % interval (Clopper-Pearson), as if the trials
    were independent."""

    events: int
    trials: int

    @property
    def value(self) -> float:
        """The share; 0 without trials."""
        return self.events / self.trials if self.trials else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper."""
        k, n = self.events, self.trials
        low = _root(lambda p: 1 - _at_most(k - 1, n, p) - 0.025) if k else 0.0
        high = _root(lambda p: 0.025 - _at_most(k, n, p)) if k < n else 1.0
        return low, high

    def __str__(self) -> str:
        low, high = self.bounds
        return f"{self.value:.2%} ({self.events}/{self.trials}, {low:.2%}-{high:.2%})"


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the table."""

    enrolled: int
    probe: int
    people: int
    threshold: float
    fpir: Share
    fpir_by_people: tuple[float, float]
    fnir: Share
    label_errors: int


def read_people(
    engine: Engine, policy: Policy, folder: Path, fewest: int = MOST_ENROLLED
) -> People:
    """The usable ones of each person's first 11 photos by name, of whoever has `fewest` such."""
    people: People = {}
    for person in sorted(folder.iterdir()):
        photos = sorted(person.iterdir())
        if len(photos) < fewest:
            continue
        found = [_usable(engine, policy, path) for path in photos[: 2 * MOST_ENROLLED + 1]]
        usable = [one for one in found if one is not None]
        if len(usable) >= fewest:
            people[person.name] = usable
    return people


def run(
    people: People,
    policy: Policy,
    model: str,
    enrolled: Sequence[int] = (1, 3, 5),
    probes: Sequence[int] = (1, 3),
) -> list[Cell]:
    """A cell for each number of enrolled photos and of photos in a probe."""
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as folder:
        gallery = Gallery(Path(folder) / "gallery.db", Secret(os.urandom(32)))
        gallery.open()
        try:
            cells = (_cells(gallery, people, policy, model, number, probes) for number in enrolled)
            return list(chain.from_iterable(cells))
        finally:
            gallery.close()


def _cells(
    gallery: Gallery, people: People, policy: Policy, model: str, number: int, probes: Sequence[int]
) -> Iterator[Cell]:
    templates = {
        who: [Enrolment(who, one.embedding, model, one.quality, "photo") for one in views[:number]]
        for who, views in people.items()
    }
    for who in people:
        gallery.remove(who)
    gallery.add_many([one for own in templates.values() for one in own], limit=MOST_ENROLLED)
    index = gallery.index(model, len(next(iter(people.values()))[0].embedding))
    count: Counter[tuple[int, str]] = Counter()
    strangers: dict[int, list[tuple[str, str | None]]] = {size: [] for size in probes}
    for who, views in people.items():
        for size in probes:
            for probe in _fused(views[MOST_ENROLLED:], size):
                count[size, "mate"] += 1
                count[size, "missed"] += _granted(index, policy, probe) != who
        gallery.remove(who)
        for size in probes:
            for probe in _fused(views, size):
                if _best(index, probe) >= similarity_at(_LABEL_ERROR_FMR, policy.curve):
                    count[size, "label error"] += 1
                    continue
                strangers[size].append((who, _granted(index, policy, probe)))
        gallery.add_many(templates[who], limit=MOST_ENROLLED)
    for size in probes:
        yield Cell(
            number,
            size,
            len(index),
            policy.thresholds(len(index)).grant,
            Share(sum(taken is not None for _, taken in strangers[size]), len(strangers[size])),
            by_people(strangers[size], list(people)),
            Share(count[size, "missed"], count[size, "mate"]),
            count[size, "label error"],
        )


def by_people(
    strangers: Sequence[tuple[str, str | None]], people: Sequence[str]
) -> tuple[float, float]:
    """95 % bounds of the share of searches that were granted, by drawing people.

    Args:
        strangers: who was searched, and whom they were taken for, if anybody.
        people: everybody who could be either.
    """
    number = {who: n for n, who in enumerate(people)}
    searches = np.bincount([number[who] for who, _ in strangers], minlength=len(people))
    pairs = np.array([(number[who], number[taken]) for who, taken in strangers if taken], int)
    if not len(pairs):  # whoever is drawn, nothing is seen: that is no bound
        return Share(0, len(strangers)).bounds
    random = np.random.default_rng(0)
    shares = []
    for _ in range(1000):
        weight = np.bincount(random.integers(0, len(people), len(people)), minlength=len(people))
        granted = (weight[pairs[:, 0]] * weight[pairs[:, 1]]).sum()
        shares.append(granted / max(1, (weight * searches).sum()))
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def _usable(engine: Engine, policy: Policy, path: Path) -> Embedded | None:
    try:
        found = engine.extract(read_image(path))
    except (ImageError, NoUsableFace):
        return None
    clear = found.embedded.quality >= policy.minimum_quality
    return found.embedded if clear and Defect.SEVERAL_FACES not in found.defects else None


def _fused(views: Sequence[Embedded], size: int) -> Iterator[Floats]:
    """Every `size` views as one probe, as the terminal fuses frames."""
    for start in range(0, len(views) - size + 1, size):
        evidence = Evidence()
        for view in views[start : start + size]:
            probe = evidence.add(0, view.embedding, view.log_variance)
        if probe is not None:
            yield probe.template


def _best(index: Index, probe: Floats) -> float:
    return index.search(probe, 1).candidates[0].similarity


def _granted(index: Index, policy: Policy, probe: Floats) -> str | None:
    match = index.search(probe, 1)
    best = match.candidates[0]
    return best.person_id if best.similarity >= policy.thresholds(match.people).grant else None


def _at_most(k: int, n: int, p: float) -> float:
    """The probability of at most `k` events in `n` trials."""
    whole = lgamma(n + 1)
    return fsum(
        exp(whole - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log1p(-p))
        for i in range(k + 1)
    )


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
