"""docs/decide.md tells the values that are in force."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edged.bundle.load import find_bundle, load_bundle
from edged.cli.check import _told
from edged.config.schema import Decision
from edged.service.policy import make_policy

PAGE = (Path(__file__).parents[2] / "docs" / "decide.md").read_text(encoding="utf-8")
MANIFEST = load_bundle(find_bundle("mobilefacenet-rts")).recogniser


@pytest.mark.parametrize("profile", ["attendance", "access", "high_security"])
def test_a_profile_is_what_the_page_says(profile: str) -> None:
    policy = make_policy(Decision(profile=profile), MANIFEST)
    (row,) = re.findall(rf"^\| `{profile}` \|(.*)\|$", PAGE, re.MULTILINE)
    assert [cell.strip() for cell in row.split("|")] == [
        f"{100 * policy.fpir:g} %",
        f"{policy.minimum_quality:g}",
        f"{policy.margin:g}",
        "yes" if policy.one_person else "no",
    ]


@pytest.mark.parametrize("similarity", [None, 0.6])
def test_the_tables_of_the_check_are_those_of_the_page(similarity: float | None) -> None:
    decision = Decision(similarity=similarity)
    assert "\n".join(_told(decision, make_policy(decision, MANIFEST))) in PAGE


def test_the_defaults_are_those_of_the_page() -> None:
    settings = PAGE.partition("## The settings")[2]
    rows = re.findall(r"^\| (`[^|]+) \| (`[^|]+) \|", settings, re.MULTILINE)
    assert len(rows) >= 8
    for names, defaults in rows:
        known = [str(Decision.model_fields[n].default) for n in re.findall(r"`(\w+)`", names)]
        assert known == re.findall(r"`([\w.]+)`", defaults), names
