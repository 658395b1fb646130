"""Print what duplicates, lookalikes, the choice of templates and adaptation win and cost.

usage: python bench/lookalikes.py [--chips FILE] [--cache FILE]
                                   [duplicates lookalikes twins choice adaptation]

The people are those of lfw-train with a photo that the access profile takes, their first 11
photos by name. Reading them takes minutes; --chips takes faces that were aligned before
(`training.align`), --cache keeps what the network made of them, and takes it when it is there.
Bounds are 95 %: of shares exact, as if people were independent; of differences by drawing people.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass
from math import acos, degrees
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.bench.fpir import Share, read_people
from edged.bench.webcam import data_folder
from edged.config.schema import Decision, Model, Vision
from edged.config.schema import Gallery as Settings
from edged.decision.policy import Policy, false_match_rate, fmr_at, similarity_at
from edged.gallery.choose import best_templates
from edged.gallery.sealed import Kept
from edged.service.adapt import APART_S, BEYOND, Granted, followed
from edged.service.engine import Engine
from edged.service.policy import make_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edged.types import Floats
    from edged.vision.embed import Embedded

SIZES = (1_000, 2_500, 5_000)
LABEL_ERROR_FMR = 1e-8  # as in bench/fpir.py: pairs at it or above are taken for one person
MOST, KEEP, PROBES, DRAWS = 11, 5, 3, 20


@dataclass
class Faces:
    """Usable photos, row by row, and whose each is."""

    embeddings: Floats
    log_variances: Floats
    qualities: Floats
    people: np.ndarray

    def __post_init__(self) -> None:
        self.of: dict[str, np.ndarray] = {}
        for who in np.unique(self.people):
            self.of[str(who)] = np.flatnonzero(self.people == who)

    def row(self, photos: Sequence[int]) -> Floats:
        """What the gallery makes of these photos."""
        return unit(self.embeddings[photos].sum(axis=0))

    def probe(self, photos: Sequence[int]) -> Floats:
        """What the door makes of them."""
        weights = np.exp(-self.log_variances[photos])
        return unit((self.embeddings[photos] * weights[:, np.newaxis]).sum(axis=0))

    def kept(self, photo: int, source: str = "photo") -> Kept:
        quality = float(self.qualities[photo])
        return Kept(self.embeddings[photo], quality, source, "2026-01-01T00:00:00Z")


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def read(chips: Path | None, cache: Path | None, policy: Policy, engine: Engine) -> Faces:
    names = ("embeddings", "log_variances", "qualities", "people")
    if cache is not None and cache.exists():
        with np.load(cache) as stored:
            return Faces(*(stored[name] for name in names))
    if chips is None:
        found = read_people(engine, policy, data_folder() / "lfw-train", 1)
        rows = [(who, one) for who, views in found.items() for one in views]
    else:
        rows = list(_aligned(chips, policy, engine))
    faces = Faces(
        np.stack([one.embedding for _, one in rows]),
        np.array([one.log_variance for _, one in rows], np.float32),
        np.array([one.quality for _, one in rows], np.float32),
        np.array([who for who, _ in rows]),
    )
    if cache is not None:
        np.savez(cache, **{name: getattr(faces, name) for name in names})
    return faces


def _aligned(chips: Path, policy: Policy, engine: Engine) -> Iterator[tuple[str, Embedded]]:
    taken: Counter[str] = Counter()
    with np.load(chips) as stored:
        images, people = stored["images"], stored["people"]
    for image, who in zip(images, people.tolist(), strict=True):
        if taken[who] < MOST:
            one = engine.embedder.embed(np.ascontiguousarray(image[..., ::-1]))
            if one.quality >= policy.minimum_quality:
                taken[who] += 1
                yield who, one


def duplicates(faces: Faces, policy: Policy) -> None:
    print("\n# second photos under another id, and new people\n")
    print("| enrolled | level | caught 1+1 | caught 3+1 | caught 3+3 |")
    print("|---|---|---|---|---|")
    pairs: dict[tuple[int, int], Floats] = {}
    for old, new in ((1, 1), (3, 1), (3, 3)):
        who = [p for p in faces.of.values() if len(p) >= old + new]
        pairs[old, new] = np.array(
            [faces.row(p[:old]) @ faces.row(p[old : old + new]) for p in who]
        )
    for size in (*SIZES, 10_000):
        level = policy.nearness(size).duplicate
        shares = [Share(int((s >= level).sum()), len(s)) for s in pairs.values()]
        print(f"| {size} | {level:.3f} | " + " | ".join(map(str, shares)) + " |")
    print("\n| enrolled | photos each | as labelled | no label errors | nor one family name |")
    print("|---|---|---|---|---|")
    names = np.array(list(faces.of))
    family = np.array([name.replace("-", "_").lower().split("_")[-1] for name in names])
    error = similarity_at(LABEL_ERROR_FMR, policy.curve)
    for most in (1, 3):
        rows = np.stack([faces.row(p[:most]) for p in faces.of.values()])
        for size in SIZES:
            level = policy.nearness(size).duplicate
            refused = np.zeros(3, int)
            for start in range(len(names)):
                others = np.random.default_rng(start).permutation(len(names))[: size + 1]
                others = others[others != start][:size]
                near = rows[others] @ rows[start]
                alarm = near >= level
                honest = alarm & (near < error)
                strange = honest & (family[others] != family[start])
                refused += [alarm.any(), honest.any(), strange.any()]
            shares = " | ".join(str(Share(int(n), len(names))) for n in refused)
            print(f"| {size} | {most} | {shares} |", flush=True)


def lookalikes(faces: Faces, policy: Policy) -> None:
    print("\n# who is marked, what it wins and costs\n")
    print(
        "| people | enrolled, probe | share | level | marked | one by one | as another, before "
        "| after | missed, before | after | strangers let in, before | after |"
    )
    print("|" + "---|" * 12)
    for size in SIZES[1:]:
        for most, views in ((1, 1), (3, 1), (3, 3)):
            for share in (0.1, 0.03, 0.01):
                _lookalikes(faces, policy, size, most, views, share)


def _lookalikes(
    faces: Faces, policy: Policy, size: int, most: int, views: int, share: float
) -> None:
    random = np.random.default_rng(0)
    mates = [who for who, p in faces.of.items() if len(p) > most]
    rest = random.permutation([who for who, p in faces.of.items() if len(p) <= most]).tolist()
    inside = [*mates, *rest][:size]
    rows = np.stack([faces.row(faces.of[who][:most]) for who in inside])
    near = rows @ rows.T
    np.fill_diagonal(near, -1)
    level = max(policy.floor_same, similarity_at(false_match_rate(share, size), policy.curve))
    marked = near.max(axis=1) >= level
    order = random.permutation(size)
    grown = np.zeros(size, bool)
    for number in range(1, size):
        new, before = order[number], order[:number]
        then = similarity_at(false_match_rate(share, number + 1), policy.curve)
        like = before[near[new, before] >= max(policy.floor_same, then)]
        grown[like] = True
        grown[new] |= len(like) > 0
    probes, owners = [], []
    for number, who in enumerate(inside):
        left = faces.of[who][most:]
        for start in range(0, len(left) - views + 1, views):
            probes.append(faces.probe(left[start : start + views]))
            owners.append(number)
    grant = policy.thresholds(size).grant
    owner = np.array(owners)
    best, ahead = _granted(np.stack(probes) @ rows.T, grant)
    strangers = [faces.of[who][:1] for who in [*mates, *rest][size:]]
    other, lead = _granted(np.stack([faces.probe(p) for p in strangers]) @ rows.T, grant)
    told = []
    for margin in (policy.margin, Settings().lookalike_margin):
        need = np.where(marked, margin, policy.margin)
        let_in = ahead >= need[best]
        told.append(
            (
                Share(int((let_in & (best != owner)).sum()), len(owner)),
                Share(int((~let_in | (best != owner)).sum()), len(owner)),
                Share(int((lead >= need[other]).sum()), len(other)),
            )
        )
    columns = " | ".join(f"{before} | {after}" for before, after in zip(*told, strict=True))
    print(
        f"| {size} | {most}, {views} | {share:.0%} | {level:.3f} | {marked.mean():.1%} "
        f"| {grown.mean():.1%} | {columns} |",
        flush=True,
    )


def _granted(similarity: Floats, grant: float) -> tuple[np.ndarray, Floats]:
    """The best of each probe, and by how much it leads; -1 below the threshold."""
    two = np.argpartition(-similarity, 1, axis=1)[:, :2]
    values = np.take_along_axis(similarity, two, axis=1)
    first = values.argmax(axis=1)
    best = np.take_along_axis(two, first[:, np.newaxis], axis=1)[:, 0]
    lead = np.abs(values[:, 0] - values[:, 1])
    return best, np.where(values.max(axis=1) >= grant, lead, -1)


def twins(faces: Faces, policy: Policy) -> None:
    print("\n# one person under two ids: let in as one of both, with a lead of\n")
    margins = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2)
    print("| enrolled, probe | people | probes | " + " | ".join(map(str, margins)) + " |")
    print("|" + "---|" * (3 + len(margins)))
    grant = policy.thresholds(2_500).grant
    for most, views in ((1, 1), (3, 1), (3, 3)):
        who = [p for p in faces.of.values() if len(p) >= 2 * most + views]
        both = np.array(
            [
                sorted(
                    float(faces.probe(p[start : start + views]) @ row)
                    for row in (faces.row(p[:most]), faces.row(p[most : 2 * most]))
                )
                for p in who
                for start in range(2 * most, len(p) - views + 1, views)
            ]
        )
        lead = np.where(both[:, 1] >= grant, both[:, 1] - both[:, 0], -1)
        shares = " | ".join(f"{(lead >= margin).mean():.1%}" for margin in margins)
        print(f"| {most}, {views} | {len(who)} | {len(both)} | {shares} |", flush=True)


def choice(faces: Faces, policy: Policy) -> None:
    print(f"\n# which templates stay; {DRAWS} draws of the order, {PROBES} photos as probes\n")
    print(
        "| of 5-8 keep | rule | at FMR 1e-4: threshold | missed | more than newest | as at 2,500 |"
    )
    print("|" + "---|" * 6)
    who = [p for p in faces.of.values() if len(p) >= KEEP + PROBES]
    random = np.random.default_rng(1)
    rules: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
        "newest": lambda photos, limit: photos[-limit:],
        "random": lambda photos, limit: random.choice(photos, limit, replace=False),
        "best": lambda photos, limit: photos[
            best_templates([faces.kept(i) for i in photos], limit)
        ],
        "all": lambda photos, _: photos,
    }
    door = policy.thresholds(2_500).grant
    for limit in (2, 3, KEEP):
        genuine: dict[str, list[Floats]] = {name: [] for name in rules}
        impostors: dict[str, list[Floats]] = defaultdict(list)
        for draw in range(DRAWS):
            for photos in who:
                mixed = random.permutation(photos)
                for name, rule in rules.items():
                    row = faces.row(rule(mixed[:-PROBES], limit))
                    genuine[name].append(faces.embeddings[mixed[-PROBES:]] @ row)
                    if draw < 2:
                        near = np.delete(faces.embeddings @ row, photos)
                        impostors[name].append(np.sort(near)[-50:])
        comparisons = 2 * len(who) * (len(faces.people) - 10)
        misses: dict[str, tuple[float, Floats, Floats]] = {}
        for name in rules:
            worst = np.sort(np.concatenate(impostors[name]))
            at = float(worst[-round(comparisons * 1e-4)])
            scores = np.stack(genuine[name]).reshape(DRAWS, len(who), PROBES)
            misses[name] = at, *((scores < t).mean(axis=(0, 2)) for t in (at, door))
        for name, (at, missed, strict) in misses.items():
            _, base, strict_base = misses["newest"]
            print(
                f"| {limit} | {name} | {at:.3f} | {missed.mean():.2%} | "
                f"{_difference(missed - base)} | {strict.mean():.2%}, "
                f"{_difference(strict - strict_base)} |",
                flush=True,
            )


def _difference(by_person: Floats) -> str:
    drawn = np.random.default_rng(0).integers(0, len(by_person), (2000, len(by_person)))
    low, high = np.quantile(by_person[drawn].mean(axis=1), [0.025, 0.975])
    return f"{by_person.mean():+.2%} ({low:+.2%} to {high:+.2%})"


def adaptation(faces: Faces, policy: Policy) -> None:
    size, limit = 2_500, Settings().templates_per_person
    grant = policy.thresholds(size).grant
    bar = similarity_at(fmr_at(grant, policy.curve) / BEYOND, policy.curve)
    bound = degrees(acos(bar)) / 2
    print(f"\n# adaptation: {size} people, threshold {grant:.3f}, bar {bar:.3f}, 3 enrolled\n")
    who = [p for p in faces.of.values() if len(p) >= KEEP + PROBES]
    random = np.random.default_rng(2)
    sums: defaultdict[str, list[np.ndarray]] = defaultdict(list)
    turns, learnt, reaching, comparisons = [], 0, 0, 0
    for _ in range(DRAWS // 2):
        for photos in who:
            mixed = random.permutation(photos)
            enrolled = [faces.kept(i) for i in mixed[:3]]
            row, probes = faces.row(mixed[:3]), faces.embeddings[mixed[-2:]]
            strangers = np.delete(faces.embeddings, photos, axis=0)
            near = strangers @ row
            reaching, comparisons = reaching + int((near >= bar).sum()), comparisons + len(near)
            after = _days(enrolled, faces.embeddings[mixed[3:-2]], bar, limit)
            learnt += len(after) > len(enrolled)
            # the nearest stranger there is, brought so near that they just pass
            worst = strangers[near.argmax()]
            aside = unit(worst - (worst @ row) * row)
            impostor = (bar + 1e-4) * row + np.sqrt(1 - (bar + 1e-4) ** 2) * aside
            attacked = _days(enrolled, np.tile(impostor, (100, 1)), bar, limit)
            for name, templates in (("before", enrolled), ("own", after), ("attack", attacked)):
                now = unit(np.sum([one.embedding for one in templates], axis=0))
                sums[name].append(
                    np.array(
                        [
                            (probes @ now < grant).mean(),
                            (strangers @ now >= grant).mean(),
                            worst @ now,
                        ]
                    )
                )
                if name == "attack":
                    turns.append(degrees(acos(min(1.0, float(now @ row)))))
    print(f"learnt from their own photos: {learnt} of {len(turns)}; photos of strangers that reach")
    print(f"the bar: {reaching} of {comparisons}; turned by an impostor who passes on 100 days:")
    print(f"{np.mean(turns):.1f} degrees, at most {max(turns):.1f}; bound {bound:.1f}\n")
    print("| row | mates missed | against before | strangers' FMR | nearest stranger |")
    print("|" + "---|" * 5)
    start = np.stack(sums["before"])
    for name, found in sums.items():
        values = np.stack(found)
        change = (values - start)[:, 0].reshape(DRAWS // 2, len(who)).mean(axis=0)
        print(
            f"| {name} | {values[:, 0].mean():.2%} | {_difference(change)} | "
            f"{values[:, 1].mean():.1e} | {values[:, 2].mean():.3f} |"
        )


def _days(enrolled: list[Kept], visits: Floats, bar: float, limit: int) -> list[Kept]:
    """Templates after a visit a day, each let in if it is as similar as the bar."""
    templates = enrolled
    for day, visit in enumerate(visits):
        now = unit(np.sum([one.embedding for one in templates], axis=0))
        if float(visit @ now) >= bar:
            template = visit.astype(np.float32)
            seen = Granted("p", template, float(visit @ now), 0.95, bar)
            templates = followed(templates, seen, 1.8e9 + day * APART_S, limit) or templates
    return templates


PARTS = {part.__name__: part for part in (duplicates, lookalikes, twins, choice, adaptation)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chips", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS])
    args = parser.parse_args()
    with Engine(Model(), Vision()) as engine:
        policy = make_policy(Decision(), engine.manifest)
        faces = read(args.chips, args.cache, policy, engine)
    print(f"{len(faces.of)} people, {len(faces.people)} photos")
    for part in args.parts or PARTS:
        PARTS[part](faces, policy)


if __name__ == "__main__":
    main()
