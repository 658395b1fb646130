"""Print the door's FPIR and FNIR by number of enrolled photos; see edged.bench.fpir.

usage: python bench/fpir.py [--profile access] [--halves]

With --halves (needs the extra `eval`) the risk curve is not the bundle's: it is counted anew on
every other person, by a hash of the name, and tried on the rest, then the other way round; on
those with five photos, with three, and on everybody.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from edged.bench.fpir import Cell, People, read_people, run
from edged.bench.webcam import data_folder
from edged.config.schema import Decision, Model, Vision
from edged.decision.policy import Policy
from edged.service.engine import Engine
from edged.service.policy import make_policy
from edged.types import RiskPoint


def risk_curve(people: People) -> tuple[RiskPoint, ...]:
    """The false match table that a build would write if it knew only these people."""
    from edged.evaluation.door import measure
    from edged.evaluation.outputs import Outputs

    rows = [(who, one) for who, views in people.items() for one in views]
    faces = Outputs(
        np.stack([one.embedding for _, one in rows]),
        np.array([one.log_variance for _, one in rows], np.float32),
    )
    table = measure(faces, np.array([who for who, _ in rows]), seed=1, number=10).rows
    return tuple(RiskPoint(row["fmr"], row["similarity"]) for row in table)


def halves(people: People, policy: Policy, model: str) -> Iterator[Cell]:
    """Both halves with the curve of the other, for each least number of photos."""
    from edged.evaluation.intervals import bucket

    parts: list[People] = [{}, {}]
    for who, views in people.items():
        parts[bucket(who) % 2][who] = views
    for known, unknown in (parts, parts[::-1]):
        strict = replace(policy, curve=risk_curve(known))
        for fewest in (5, 3, 1):
            some = {who: views for who, views in unknown.items() if len(views) >= fewest}
            yield from run(some, strict, model, (1, 3))


def show(cells: Sequence[Cell] | Iterator[Cell]) -> None:
    print("| people | enrolled | probe | threshold | FPIR | by people | FNIR | label errors |")
    print("|---|---|---|---|---|---|---|---|")
    for c in cells:
        low, high = c.fpir_by_people
        print(
            f"| {c.people} | {c.enrolled} | {c.probe} | {c.threshold:.3f} | {c.fpir} "
            f"| {low:.2%}-{high:.2%} | {c.fnir} | {c.label_errors} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="access")
    parser.add_argument("--halves", action="store_true")
    args = parser.parse_args()
    with Engine(Model(), Vision()) as engine:
        policy = make_policy(Decision(profile=args.profile), engine.manifest)
        folder = data_folder() / "lfw-train"
        people = read_people(engine, policy, folder, 1 if args.halves else 5)
        print(f"{len(people)} people, FPIR asked {policy.fpir:.2%}, 95 % intervals")
        if args.halves:
            show(halves(people, policy, engine.identity))
        else:
            show(run(people, policy, engine.identity))


if __name__ == "__main__":
    main()
