"""Print the table KEPT of edged/vision/gains.py, measured; see edged.bench.gains.

usage: python bench/gains.py    (needs the extra `eval`; a few minutes)
"""

from pprint import pprint

from edged.bench.gains import collect, errors, fit
from edged.bench.webcam import data_folder
from edged.config.schema import Model, Vision
from edged.service.engine import Engine

with Engine(Model(), Vision()) as engine:
    views = list(collect(engine, data_folder()))
halves = [[view for view in views if view.half == half] for half in (0, 1)]
table = fit(halves[0])
pprint(table, sort_dicts=False, width=96)
for half, name in enumerate(("fitted", "held out")):
    print(f"{name}: {len(halves[half])} views; share that keeps what is foretold, mean error")
    for measure, (share, error) in errors(halves[half], table).items():
        print(f"  {measure:<9} {share:.2f}  {error:.3f}")
