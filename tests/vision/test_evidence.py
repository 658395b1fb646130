"""Several views become one template."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edged.vision.evidence import Evidence


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_one_view_is_its_own_template() -> None:
    assert Evidence().add(1, unit(3, 4), 0.0) == pytest.approx([0.6, 0.8])


def test_a_doubtful_view_counts_less() -> None:
    evidence = Evidence()
    evidence.add(1, unit(1, 0), -2.0)
    fused = evidence.add(1, unit(0, 1), 2.0)
    assert fused[0] > 0.99


def test_another_face_starts_anew() -> None:
    evidence = Evidence()
    evidence.add(1, unit(1, 0), 0.0)
    assert evidence.add(2, unit(0, 1), 0.0) == pytest.approx([0, 1])


def test_the_views_given_are_left_as_they_are() -> None:
    first = unit(1, 0)
    evidence = Evidence()
    evidence.add(1, first, 0.0)
    evidence.add(1, unit(0, 1), 0.0)
    assert first.tolist() == [1, 0]


@given(
    st.lists(
        st.tuples(
            arrays(np.float32, 8, elements=st.floats(-1, 1, width=32)).filter(
                lambda v: float(np.linalg.norm(v)) > 0.1
            ),
            st.floats(-1e6, 1e6),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_template_is_always_of_unit_length(views: list[tuple[np.ndarray, float]]) -> None:
    evidence = Evidence()
    for vector, log_variance in views:
        fused = evidence.add(1, unit(*vector), log_variance)
        assert np.isfinite(fused).all()
        assert np.linalg.norm(fused) == pytest.approx(1, abs=1e-3)
