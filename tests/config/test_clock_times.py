"""Times of day as the rules and attendance take them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from edged.config.access import Clock, Span
from edged.config.attendance import Attendance

ELSEWHERE = "\u0660\u0664:\u0660\u0660"  # 04:00, in digits that no clock here is read from
FULL_WIDTH = "\uff10\uff14:\uff10\uff10"


@pytest.mark.parametrize("clock", [ELSEWHERE, FULL_WIDTH, "0\u0664:00", "24:00", "4:00", "04:00\n"])
@pytest.mark.parametrize(
    "taken",
    [
        lambda clock: Attendance(day_begins=clock),
        TypeAdapter(Clock).validate_python,
        lambda clock: TypeAdapter(Span).validate_python(f"{clock}-23:00"),
    ],
)
def test_a_time_of_day_has_the_digits_that_everything_after_it_reads(
    taken: Any, clock: str
) -> None:
    with pytest.raises(ValidationError):
        taken(clock)
