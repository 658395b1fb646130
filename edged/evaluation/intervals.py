"""How sure a share is, and a split of people that depends on nothing but their names."""

from __future__ import annotations

import hashlib

from scipy import stats


def clopper_pearson(events: int, trials: int) -> tuple[float, float]:
    """Exact 95 % interval of a share."""
    low = float(stats.beta.ppf(0.025, events, trials - events + 1)) if events else 0.0
    high = float(stats.beta.ppf(0.975, events + 1, trials - events)) if events < trials else 1.0
    return low, high


def bucket(person: str) -> int:
    """A number that depends on nothing but the name."""
    return int(hashlib.sha256(person.encode()).hexdigest()[:8], 16)
