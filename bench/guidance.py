"""Print whether the right instruction comes in time and the door opens then; see
edged.bench.guidance.

usage: python bench/guidance.py [--distractors 200] [--every 15] [--kinds dark far ...] [--json]

--json also names the presentations in which the right thing was not said in time.
"""

import argparse
import json
from collections.abc import Iterable
from itertools import islice

import numpy as np

from edged.bench.guidance import STRENGTHS, Tally, Told, run, wilson
from edged.bench.webcam import data_folder, distractors
from edged.config.schema import Decision, Model, Vision
from edged.service.engine import Engine
from edged.service.policy import make_policy


def share(events: int, trials: int) -> str:
    low, high = wilson(events, trials)
    return f"{events}/{trials} ({low:.0%}-{high:.0%})" if trials else "-"


def line(kind: str, name: str, people: str, tallies: Iterable[Tally]) -> str:
    t = sum(tallies, Tally())
    said = ", ".join(f"{what} {n}" for what, n in sorted(t.said.items(), key=lambda i: -i[1]))
    median = f"{np.median(t.frames_to_grant):.0f}" if t.frames_to_grant else "-"
    return (
        f"| {kind} | {name} | {people} | {t.shown} | {t.decided_anyway} "
        f"| {share(t.right, t.asked) if kind != 'none' else '-'} | {said} "
        f"| {share(t.granted, t.enrolled)} | {median} | {t.refused} | {t.unseen} |"
    )


def show(told: Told) -> None:
    print(
        "| variant | strength | people | shown | decided anyway | right within 0.5 s | said ",
        end="",
    )
    print("| granted of enrolled | frames to it | refused | sessions without |")
    print("|" + "---|" * 11)
    for kind, name in dict.fromkeys((kind, name) for kind, name, _ in told):
        halves = [told.get((kind, name, half), Tally()) for half in (0, 1)]
        for people, some in (("tuned", halves[:1]), ("held out", halves[1:]), ("all", halves)):
            print(line(kind, name, people, some), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="access")
    parser.add_argument("--distractors", type=int, default=200)
    parser.add_argument("--every", type=int, default=15)
    parser.add_argument("--kinds", nargs="+", default=tuple(STRENGTHS))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with Engine(Model(), Vision()) as engine:
        policy = make_policy(Decision(profile=args.profile), engine.manifest)
        others = islice(distractors(engine, data_folder() / "lfw-train"), args.distractors)
        told = run(engine, policy, data_folder(), others, kinds=args.kinds, every=args.every)
    if args.json:
        print(json.dumps({" ".join(map(str, key)): vars(tally) for key, tally in told.items()}))
    else:
        show(told)


if __name__ == "__main__":
    main()
