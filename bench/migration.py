"""Print what a model change does to strangers, to the enrolled and to the vision thread.

usage: python bench/migration.py [--next DIR] [--cut 48] [--chips FILE] [--json]

The people are those of lfw-train. The network in use is the shipped one. People move to three
others: --next, a bundle's folder, such as the one that shipped before
    git archive e2aa327 models/mobilefacenet-rts | tar -x -C DIR
(with its own table of false matches); the shipped one cut to --cut numbers, which is worse, with a
table counted anew; and the same with the table of the whole, which promises what it
does not hold. --chips is a file of training/align.py, which saves an hour of finding faces.

FPIR: everybody's last photo is searched among everybody else's first, so there are as many impostor
searches as people; a person's network is drawn by lot, ten times. Searches at or above the
similarity at FMR 1e-8 are left out as label errors and counted.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.bench.fpir import Share
from edged.bench.webcam import data_folder
from edged.camera.images import read_image
from edged.config.schema import Decision, Model, Vision
from edged.decision.policy import similarity_at
from edged.demo.scenes import NEAR, Lobby
from edged.errors import NoUsableFace
from edged.service.engine import Engine
from edged.service.moving import MOST_EACH, TIE, Tally, carried, strong_from
from edged.service.policy import make_policy
from edged.types import Frame, RiskPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edged.decision.policy import Policy
    from edged.types import Image

    Floats = NDArray[np.float32]

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
DRAWS = 10
LABEL_ERROR_FMR = 1e-8


@dataclass
class Network:
    """What a network makes of every photo, and what its table says."""

    name: str
    embeddings: Floats
    quality: Floats
    curve: tuple[RiskPoint, ...]


def faces(engine: Engine, chips: Path | None) -> tuple[list[str], list[Image]]:
    if chips is not None:
        with np.load(chips) as z:
            return z["people"].tolist(), [np.ascontiguousarray(i[..., ::-1]) for i in z["images"]]
    names, images = [], []
    for path in sorted((data_folder() / "lfw-train").glob("*/*")):
        try:
            images.append(engine.extract(read_image(path), central=True).chip)
            names.append(path.parent.name)
        except NoUsableFace:
            continue
    return names, images


def embedded(name: str, engine: Engine, images: Sequence[Image]) -> Network:
    found = [engine.embedder.embed(image) for image in images]
    return Network(
        name,
        np.stack([one.embedding for one in found]),
        np.array([one.quality for one in found], np.float32),
        engine.manifest.similarity.risk,
    )


def cut(old: Network, size: int, first: NDArray[np.intp]) -> Network:
    """The first numbers of a turned embedding, and a table counted between first photos; beyond
    what can be counted its last slope goes on."""
    length = old.embeddings.shape[1]
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(length, length)))
    made = (old.embeddings @ turn[:, :size]).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    pairs = np.sort((made[first] @ made[first].T)[np.triu_indices(len(first), 1)])[::-1]
    rates = [10**-e for e in (2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5)]
    curve = [RiskPoint(rate, float(pairs[int(rate * len(pairs))])) for rate in rates]
    slope = curve[-1].similarity - curve[-3].similarity  # of one power of ten
    for power in range(1, 6):
        further = curve[7].similarity + slope * power
        if further < 1:
            curve.append(RiskPoint(10 ** -(5.5 + power), further))
    return Network(f"cut to {size} numbers, its own table", made, old.quality, tuple(curve))


def on_scale(similarity: Floats, new: Network, old: Network) -> Floats:
    """`carried` for many: it is piecewise linear but for jumps at the ends."""
    grid = np.linspace(-1, 1, 20_001)
    table = np.array([carried(float(s), new.curve, old.curve) for s in grid])
    return np.interp(similarity, grid, table).astype(np.float32)


def strangers(
    old: Network, new: Network, policy: Policy, first: NDArray[np.intp], last: NDArray[np.intp]
) -> list[dict[str, Any]]:
    """FPIR by the share of people who moved; whoever is searched is not among them."""
    by_old = old.embeddings[last] @ old.embeddings[first].T
    by_new = on_scale(new.embeddings[last] @ new.embeddings[first].T, new, old)
    for matrix in (by_old, by_new):
        np.fill_diagonal(matrix, -2)
    people = len(first)
    grant = policy.thresholds(people - 1).grant
    wrong = by_old.max(1) >= similarity_at(LABEL_ERROR_FMR, policy.curve)
    random = np.random.default_rng(0)
    told = []
    for share in SHARES:
        granted = []
        for _ in range(1 if share in (0, 1) else DRAWS):
            moved = random.permutation(people) < share * people
            best = np.where(moved, by_new, by_old).max(1)[~wrong]
            granted.append(int((best >= grant).sum()))
        searches = int((~wrong).sum())
        typical = Share(round(float(np.mean(granted))), searches)
        told.append(
            {
                "moved": share,
                "granted": [min(granted), float(np.mean(granted)), max(granted)],
                "searches": searches,
                "fpir": typical.value,
                "bounds": typical.bounds,
                "label_errors": int(wrong.sum()),
                "threshold": grant,
            }
        )
    return told


def mates(old: Network, new: Network, policy: Policy, whose: NDArray[np.intp]) -> dict[str, Any]:
    """People with four photos or more: two enrolled by the old network, two by which they moved,
    searched with the others, fused two by two, while everybody else is there with one."""
    order = np.argsort(whose, kind="stable")
    sets = np.split(order, np.flatnonzero(np.diff(whose[order])) + 1)
    good = old.quality >= policy.minimum_quality
    own = {n: rows[good[rows]] for n, rows in enumerate(sets)}
    many = {n: rows for n, rows in own.items() if len(rows) >= 6}
    people = len(sets)
    grant = policy.thresholds(people).grant
    beyond = strong_from(grant, policy.curve)
    gallery = {}
    for name, network, part in (("old", old, slice(0, 2)), ("new", new, slice(2, 4))):
        rows = np.stack([network.embeddings[s[0]] for s in sets])
        for n, photos in many.items():
            rows[n] = unit(network.embeddings[photos[part]].sum(0))
        gallery[name] = rows
    count = dict.fromkeys(("searched", "old", "new", "beyond_doubt", "moved_wrong"), 0)
    pairs: list[tuple[int, float, float, bool, bool]] = []
    for n, photos in many.items():
        for a, b in zip(photos[4::2], photos[5::2], strict=False):
            probes = [unit(net.embeddings[[a, b]].sum(0)) for net in (old, new)]
            by_old = gallery["old"] @ probes[0]
            by_new = on_scale(gallery["new"] @ probes[1], new, old)
            known = [bool(s.argmax() == n and s[n] >= grant) for s in (by_old, by_new)]
            count["searched"] += 1
            count["old"] += known[0]
            count["new"] += known[1]
            count["beyond_doubt"] += known[0] and bool(by_old[n] >= beyond)
            count["moved_wrong"] += bool(by_old.argmax() != n and by_old.max() >= beyond)
            highest = carried(1.0, new.curve, old.curve)
            pairs.append((n, min(float(by_old[n]), highest), float(by_new[n]), *known))
    return {"people": len(many), "grant": grant, "beyond": beyond} | count | rollback(pairs)


def rollback(pairs: list[tuple[int, float, float, bool, bool]]) -> dict[str, Any]:
    """In random order, again and again: after how many presentations the move is undone."""
    random = np.random.default_rng(0)
    whole = Tally()
    ends: list[tuple[int, str] | None] = []
    for draw in range(200):
        tally, each, ended, number = Tally(), {}, None, 0
        for place in random.permutation(len(pairs)):
            who, before, now, by_old, by_new = pairs[place]
            if not by_old and not by_new:
                continue
            if each.get(who, 0) >= MOST_EACH:
                continue
            each[who] = each.get(who, 0) + 1
            number += 1
            if by_new:
                worse, better = now < before - TIE, now > before + TIE
                seen = Tally(
                    worse=int(worse),
                    better=int(better),
                    equal=int(not worse and not better),
                    saved=int(not by_old),
                )
            else:
                seen = Tally(missed=1)
            tally = tally.plus(seen)
            if ended is None and tally.verdict is not None:
                ended = (number, tally.verdict)
        ends.append(ended)
        if draw == 0:
            whole = tally
    undone = [end for end in ends if end is not None]
    return {
        "tally": {k: getattr(whole, k) for k in ("worse", "better", "equal", "missed", "saved")},
        "undone": len(undone) / len(ends),
        "after": float(np.median([n for n, _ in undone])) if undone else None,
        "because": sorted({why for _, why in undone}),
    }


def cost(engine: Engine, other: Engine, frames: int = 400) -> dict[str, float]:
    """Milliseconds of the vision thread a frame that is embedded, with one network and with two,
    in turn; of the faster frames, since other work on the machine only ever makes them slower."""
    lobby = Lobby()
    images = [lobby.draw(NEAR, n / 15) for n in range(15)]
    lines = {
        "one network": engine.vision(),
        "two": engine.vision(None, lambda i, p, c: other.see_again(i, p, c, engine.embedder)),
    }
    times: dict[str, list[float]] = {name: [] for name in lines}
    for n in range(frames):
        for name, vision in lines.items():
            start = time.perf_counter()
            vision.observe(Frame(images[n % 15], n / 15, n), embed=True)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: float(np.quantile(ms[20:], 0.1)) for name, ms in times.items()}


def unit(row: Floats) -> Floats:
    made: Floats = (row / np.linalg.norm(row)).astype(np.float32)
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    told: dict[str, Any] = {}
    with Engine(Model(), Vision()) as engine:
        policy = make_policy(Decision(), engine.manifest)
        names, images = faces(engine, args.chips)
        old = embedded(engine.identity, engine, images)
        networks = []
        if args.next is not None:
            settings = Model(bundle=str(args.next), allow_unsigned=(args.allow,))
            with Engine(settings, Vision(), detects=False) as other:
                networks.append(embedded(other.identity, other, images))
                told["cost_ms"] = cost(engine, other)
    _, whose = np.unique(names, return_inverse=True)
    first = np.unique(whose, return_index=True)[1]
    last = len(whose) - 1 - np.unique(whose[::-1], return_index=True)[1]
    small = cut(old, args.cut, first)
    lie = replace(small, name=f"cut to {args.cut} numbers, the table of the whole", curve=old.curve)
    networks += [small, lie]
    told |= {"people": len(first), "photos": len(names), "fpir_asked": policy.fpir}
    told["networks"] = {
        new.name: {
            "strangers": strangers(old, new, policy, first, last),
            "mates": mates(old, new, policy, whose),
        }
        for new in networks
    }
    return told


def show(told: dict[str, Any]) -> None:
    print(f"{told['people']} people, {told['photos']} photos, FPIR asked {told['fpir_asked']:.2%}")
    if "cost_ms" in told:
        print("ms a frame:", {name: round(ms, 2) for name, ms in told["cost_ms"].items()})
    for name, one in told["networks"].items():
        print(f"\n{name}")
        for row in one["strangers"]:
            low, high = row["bounds"]
            least, mean, most = row["granted"]
            print(
                f"  moved {row['moved']:.0%}: {row['fpir']:.2%} ({low:.2%}-{high:.2%}) of "
                f"{row['searches']} strangers granted: {mean:.1f} ({least}-{most})"
            )
        part = one["mates"]
        print(
            f"  {part['people']} people, {part['searched']} presentations: known to the old one "
            f"{part['old']}, to the next {part['new']}, beyond doubt {part['beyond_doubt']} (from "
            f"{part['beyond']:.3f}, let in from {part['grant']:.3f}), as somebody else "
            f"{part['moved_wrong']}"
        )
        print(
            f"  {part['tally']}: undone in {part['undone']:.0%} of orders, after "
            f"{part['after']} presentations, {part['because']}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--next", type=Path)
    parser.add_argument("--allow", default="mobilefacenet-rts", help="the unsigned bundle's name")
    parser.add_argument("--cut", type=int, default=48)
    parser.add_argument("--chips", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    told = measure(args)
    if args.json:
        print(json.dumps(told))
    else:
        show(told)


if __name__ == "__main__":
    main()
