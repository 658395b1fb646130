"""How a person agrees to be enrolled: what cannot work is told before anybody stands there."""

from __future__ import annotations

import pytest

from edged.config.load import parse
from edged.errors import ConfigError

GOOD = """\
site: hq
terminal: lobby-1
key: {file: secret.key}
camera: {driver: opencv, source: 0}
door: {driver: simulated}
"""


def test_a_turn_of_the_head_is_asked_for_unless_the_site_says_otherwise() -> None:
    assert parse(GOOD).gallery.enrolment_confirm == "turn"


@pytest.mark.parametrize("confirm", ["turn", "none"])
def test_a_turn_or_nothing_can_be_asked_without_a_page(confirm: str) -> None:
    assert parse(f"{GOOD}gallery: {{enrolment_confirm: {confirm}}}\n")


def test_buttons_need_a_page() -> None:
    text = f"{GOOD}gallery: {{enrolment_confirm: page}}\n"
    with pytest.raises(ConfigError) as caught:
        parse(text, "t.yaml")
    (problem,) = caught.value.problems
    assert problem.startswith("t.yaml:6:11: gallery.enrolment_confirm: page needs the section web")
    assert parse(f"{text}web: {{}}\n").gallery.enrolment_confirm == "page"
