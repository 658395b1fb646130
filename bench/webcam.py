"""Print how the door does on the recorded webcam sessions; see edged.bench.webcam.

usage: python bench/webcam.py [--profile access] [--json]
"""

import argparse
import json

from edged.bench.webcam import data_folder, run
from edged.config.schema import Decision, Model, Vision
from edged.service.engine import Engine
from edged.service.policy import make_policy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--profile", default="access")
parser.add_argument("--json", action="store_true")
args = parser.parse_args()
with Engine(Model(), Vision()) as engine:
    policy = make_policy(Decision(profile=args.profile), engine.manifest)
    told = run(engine, policy, data_folder())
if args.json:
    print(json.dumps(told))
else:
    print(f"{told['distractors']} distractors, threshold {told['threshold']:.3f}")
    for part in ("enrolled", "strangers"):
        print(part)
        for what, tally in told[part].items():
            print(f"  {what:<36} {tally}")
