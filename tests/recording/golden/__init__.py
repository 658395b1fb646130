"""Golden recordings: presentations as they were seen, and what is decided on them.

``NAME.jsonl`` holds the frames, ``NAME.expected.json`` the outcomes under some policies. After
a change of the decision that is meant::

    python -m tests.recording.golden           # writes the expected outcomes anew; read the diff
    python -m tests.recording.golden --draw    # sees the scenes anew, too (after a new model)

Embeddings are turned into the few directions that a scene spans, so that a frame is a line that
can be read; the cosines between them stay as they were.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.recording.codec import read_item, read_policy
from edged.recording.items import Forgot, Header, Held, Item, Seen, Template
from edged.service.judge import Judge
from edged.service.replay import RecordedSearch, calibration, changed_policy

if TYPE_CHECKING:
    from edged.types import Floats

FOLDER = Path(__file__).parent
POLICIES: dict[str, dict[str, Any]] = {
    "own": {},
    "high_security": {"profile": "high_security"},
    "hasty": {
        "profile": "attendance",
        "evidence_frames": 1,
        "denial_frames": 4,
        "margin": 0,
        "doubtful": "retake",
        "cool_down_s": 0.5,
    },
}


def names() -> list[str]:
    """Of all golden recordings."""
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def unit(numbers: list[float]) -> Floats:
    """A view or a row as it is judged."""
    row = np.array(numbers, np.float64)
    found: Floats = (row / np.linalg.norm(row)).astype(np.float32)
    return found


def read(name: str) -> tuple[Header, list[Template], list[Item]]:
    """A golden recording."""
    first, *lines = (FOLDER / f"{name}.jsonl").read_text().splitlines()
    about = json.loads(first)
    templates = [Template(t["who"], t["since"], unit(t["row"])) for t in about["templates"]]
    items = []
    for line in lines:
        document = json.loads(line)
        view = document.pop("view", None)
        items.append(read_item(document, str, None if view is None else unit(view)))
    return Header(**about["header"]), templates, items


def decide(name: str) -> dict[str, Any]:
    """What comes of a golden recording, under each policy."""
    header, templates, items = read(name)
    return {
        policy: _decide(header, templates, items, changes) for policy, changes in POLICIES.items()
    }


def _decide(
    header: Header, templates: list[Template], items: list[Item], changes: dict[str, Any]
) -> dict[str, Any]:
    policy = changed_policy(header, changes) if changes else read_policy(header.policy)
    search = RecordedSearch(header.model, header.size, templates)
    judge = Judge(policy, search, calibration(header).quality.quality)
    told: dict[str, Any] = {"outcomes": [], "instructions": [], "ended": []}
    shown = None
    for item in items:
        if isinstance(item, Held):
            judge.hold(item.t_s, item.person_id)
        elif isinstance(item, Forgot):
            judge.forget()
        elif isinstance(item, Seen):
            search.at(item)
            step = judge.step(item.observation)
            seq = item.observation.seq
            if step.instruction is not shown:
                shown = step.instruction
                told["instructions"].append([seq, shown.value if shown else None])
            if step.outcome is not None:
                outcome = step.outcome
                told["outcomes"].append(
                    {
                        "frame": seq,
                        "kind": outcome.kind.value,
                        "reason": outcome.reason,
                        "person": outcome.person_id,
                        "views": outcome.frames,
                        "similarity": _short(outcome.similarity),
                        "runner_up": _short(outcome.runner_up),
                        "threshold": _short(outcome.threshold),
                        "fused_quality": _short(outcome.fused_quality),
                        "duration_s": _short(outcome.duration_s),
                    }
                )
            if step.summary is not None:
                told["ended"].append([seq, step.summary.ended])
    return told


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
