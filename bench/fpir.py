"""Print the door's FPIR and FNIR by number of enrolled photos; see edged.bench.fpir.

usage: python bench/fpir.py [--profile access]
"""

import argparse

from edged.bench.fpir import read_people, run
from edged.bench.webcam import data_folder
from edged.config.schema import Decision, Model, Vision
from edged.service.engine import Engine
from edged.service.policy import make_policy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--profile", default="access")
args = parser.parse_args()
with Engine(Model(), Vision()) as engine:
    policy = make_policy(Decision(profile=args.profile), engine.manifest)
    people = read_people(engine, policy, data_folder() / "lfw-train")
    print(f"{len(people)} people, FPIR asked {policy.fpir:.2%}, 95 % intervals")
    print("| enrolled | probe | threshold | FPIR | FNIR | label errors |")
    print("|---|---|---|---|---|---|")
    for c in run(people, policy, engine.identity):
        print(
            f"| {c.enrolled} | {c.probe} | {c.threshold:.3f} | {c.fpir} | {c.fnir} "
            f"| {c.label_errors} |"
        )
