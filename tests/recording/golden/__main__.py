"""Writes the golden recordings, see the package."""

from __future__ import annotations

import json
import sys

from tests.recording.golden import FOLDER, decide, names
from tests.recording.golden.draw import draw

if "--draw" in sys.argv[1:]:
    draw()
for name in names():
    text = json.dumps(decide(name), indent=1)
    (FOLDER / f"{name}.expected.json").write_text(text + "\n")
