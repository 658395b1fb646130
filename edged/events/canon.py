"""JSON in one form only: RFC 8785, so that two sides hash and sign the same bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import rfc8785

_LARGEST_WHOLE = 2**53 - 1
# between these the standard library writes a fraction as RFC 8785 does
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-4, 1e16
_SURE_DIGITS = 15


def dumps(value: Any) -> bytes:
    """The canonical form.

    Raises:
        ValueError: it has none: no JSON, a number that is no finite double, a whole one beyond
            2^53 - 1, text that is no Unicode, or nested too deep.
    """
    try:
        if _is_plain(value):  # what events are made of: the same bytes, in a tenth of the time
            return _ENCODER.encode(value).encode()
        return rfc8785.dumps(value)
    except RecursionError as fault:
        raise ValueError("nested too deep") from fault


def _is_plain(value: Any) -> bool:
    """Whether the standard library's sorted form is the canonical one."""
    if isinstance(value, str | bool | None):
        return True
    if isinstance(value, int):
        return -_LARGEST_WHOLE <= value <= _LARGEST_WHOLE
    if isinstance(value, float):
        return _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN and not value.is_integer()
    if isinstance(value, dict):
        return all(
            isinstance(key, str) and key.isascii() and _is_plain(inner)
            for key, inner in value.items()
        )
    return isinstance(value, list) and all(map(_is_plain, value))


def loads(text: str | bytes) -> Any:
    """Read JSON; whole numbers beyond 2^53 - 1 as the doubles that they are in RFC 8785.

    Raises:
        ValueError: no JSON, not UTF-8, NaN or infinite, a name twice in one object, or nested too
            deep.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except RecursionError as fault:
        raise ValueError("nested too deep") from fault


def normal(value: Any) -> Any:
    """The same as JSON would carry it; half of a surrogate pair becomes U+FFFD.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return loads(_as_unicode(json.dumps(value, ensure_ascii=False, allow_nan=False)))
    except (TypeError, RecursionError) as fault:
        raise ValueError(str(fault)) from fault


def _as_unicode(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _whole(text: str) -> int | float:
    if len(text) <= _SURE_DIGITS:
        return int(text)
    number = _finite(text)
    return number if abs(number) > _LARGEST_WHOLE else int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond what a double can hold")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_whole,
    parse_float=_finite,
    parse_constant=_no_constant,
)
