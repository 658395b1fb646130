"""Figures as people read them."""

from __future__ import annotations

from typing import Any

NONE = "–"


def percent(value: float | None) -> str:
    """A share with about three digits: 18.0 %, 0.37 %, 0.0021 %."""
    if value is None:
        return NONE
    share = 100 * value
    if share == 0:
        return "0 %"
    digits = 1 if share >= 10 else 2 if share >= 0.1 else 4
    return f"{share:.{digits}f} %"


def power(value: float | None) -> str:
    """A false match rate: 1e-4, 2.3e-5, 0."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if value >= 0.1:
        return f"{value:.2f}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals."""
    return NONE if value is None else f"{value:.{digits}f}"


def bounds(rate: dict[str, Any], form: Any = percent) -> str:
    """The 95 % bounds; a star where they take the trials for independent."""
    if rate["low"] is None:
        return NONE
    star = "*" if rate["bounds"] == "independent" else ""
    return f"{form(rate['low'])} to {form(rate['high'])}{star}"


def counts(rate: dict[str, Any]) -> str:
    """Events of trials."""
    return f"{rate['events']:,} of {rate['trials']:,}"


ROUND_FMR = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
MEASURES = {
    "score": "score (log variance)",
    "norm": "embedding norm",
    "sharpness": "sharpness (Laplacian)",
    "detector": "detector score",
}
PROFILES = {"attendance": "attendance", "access": "access", "high_security": "high security"}
