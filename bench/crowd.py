"""Print what a frame with five faces costs against a frame with one; see edged.bench.crowd.

usage: python bench/crowd.py [--frames 300] [--rounds 3] [--json]
"""

import argparse
import json

from edged.bench.crowd import measure
from edged.config.schema import Model, Vision
from edged.service.engine import Engine

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--frames", type=int, default=300)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--json", action="store_true")
args = parser.parse_args()
with Engine(Model(), Vision()) as engine:
    told = measure(engine, args.frames, args.rounds)
if args.json:
    print(json.dumps(told))
else:
    print(f"{told['frames']} frames each, in turns, {told['runtime']}")
    for name in ("one", "five"):
        row = told[name]
        print(
            f"  {name:<5} {row['faces']:.1f} faces seen   median {row['p50_ms']:6.2f} ms   "
            f"p95 {row['p95_ms']:6.2f} ms   mean {row['mean_ms']:6.2f} ms"
        )
    print(f"  five / one: medians {told['ratio_of_medians']}, means {told['ratio_of_means']}")
