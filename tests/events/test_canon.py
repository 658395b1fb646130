"""One form of JSON: the quick way gives the bytes of RFC 8785, or is not taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from edged.events.canon import dumps, loads

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(_JSON)
@example({"b": 0.3, "a": [1.0, -0.0, 1e-4, 9.999e-5, 1e16, 123456789012345.6, 1e21, 5e-324]})
@example({"\U0001f600": 1, "\ufb33": 2, "é": 3, "A": 4})
@example('\x00\x1f\x7f\u2028\\"/\n')
def test_the_bytes_are_those_of_the_reference(value: Any) -> None:
    assert dumps(value) == rfc8785.dumps(value)
    assert loads(dumps(value)) == value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), [2**53], {1: 2}, "\ud800", {"a": {"\udfff": 1}}, object(), b"x"],
)
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        dumps(value)


def test_what_nests_too_deep_is_refused() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        dumps(value)


def test_the_order_is_that_of_names_not_of_the_one_who_wrote_them() -> None:
    assert dumps({"b": 1, "a": 2}) == dumps({"a": 2, "b": 1}) == b'{"a":2,"b":1}'
    assert json.loads(dumps({"b": 1, "a": 2})) == {"a": 2, "b": 1}
