from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.hints import Hint
from edged.decision.presentation import Summary
from edged.service.metrics import _KEPT, Metrics
from edged.types import Instruction


def test_counts_add_up() -> None:
    metrics = Metrics()
    metrics.count("frames")
    metrics.count("frames", 2)
    assert metrics.counts() == {"frames": 3}


def test_hints_are_counted_by_what_followed() -> None:
    metrics = Metrics()
    helped = Hint(Instruction.MORE_LIGHT, 0.3, 0.2, 0.8)
    did_not = Hint(Instruction.MORE_LIGHT, 0.3, 0.2, 0.2)
    unknown = Hint(Instruction.RETAKE, 0.3, 0.2, None)
    metrics.presented(Summary("granted", 1.0, 9, 3, 0.9, {}, (did_not, helped, helped)))
    metrics.presented(Summary("left", 1.0, 9, 3, 0.9, {}, (did_not, unknown)))
    metrics.presented(Summary("left", 1.0, 9, 3, None, {}, ()))
    told = [line for line in metrics.prometheus().splitlines() if "hint" in line]
    assert told == [
        "# TYPE edged_hint_total counter",
        'edged_hint_total{code="more_light",rose="no",ended="granted"} 1',
        'edged_hint_total{code="more_light",rose="no",ended="left"} 1',
        'edged_hint_total{code="more_light",rose="yes",ended="granted"} 2',
        'edged_hint_total{code="retake",rose="unknown",ended="left"} 1',
    ]


def test_a_stage_that_fails_is_timed_too() -> None:
    metrics = Metrics()
    with pytest.raises(ZeroDivisionError), metrics.stage("observe"):
        raise ZeroDivisionError
    assert metrics.stages_ms()["observe"]["p50"] >= 0


def test_memory_does_not_grow_with_time() -> None:
    metrics = Metrics()
    for _ in range(_KEPT + 10):
        with metrics.stage("observe"):
            pass
    assert len(metrics._times_s["observe"]) == _KEPT


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_half_the_times_lie_at_or_below_the_median_and_p95_is_not_below_it(
    times: list[float],
) -> None:
    metrics = Metrics()
    with metrics.stage("observe"):
        pass
    metrics._times_s["observe"].clear()
    metrics._times_s["observe"].extend(times)
    stages = metrics.stages_ms()["observe"]
    assert stages["p50"] <= stages["p95"] <= round(max(times) * 1e3, 3)
    assert sum(round(time * 1e3, 3) <= stages["p50"] for time in times) * 2 >= len(times)
