"""``edged area`` says who is inside, and puts it right, beside a terminal that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran, Site

AREA = {"area": {"name": "lab", "passback": {"mode": "hard"}}}


@pytest.fixture
def lab(site: Site) -> Site:
    site.configure(access=AREA)
    return site


def test_who_is_said_to_be_inside_is_listed_and_forgotten(
    lab: Site, edged: Callable[..., Ran]
) -> None:
    assert edged("area", "list", "-c", lab.config).out == "nobody is known\n"
    for person in ("ada", "bob"):
        assert edged("area", "set", person, "lab", "-c", lab.config).code == 0
    assert edged("area", "set", "bob", "outside", "-c", lab.config).code == 0
    told = edged("area", "list", "-c", lab.config, "--json").json
    assert told["areas"] == {"lab": 1, "outside": 1}
    assert [(one["person_id"], one["area"]) for one in told["people"]] == [
        ("ada", "lab"),
        ("bob", "outside"),
    ]
    assert "ada" in edged("area", "list", "-c", lab.config).out
    changed = edged("area", "set", "ada", "-c", lab.config, "--json").json
    assert changed == {"person_id": "ada", "area": None, "before": "lab"}
    assert edged("area", "list", "-c", lab.config, "--json").json["areas"] == {"outside": 1}
    assert edged("area", "forget", "--everybody", "-c", lab.config, "--json").json == {
        "forgotten": 1
    }
    assert edged("area", "list", "-c", lab.config, "--json").json["people"] == []


@pytest.mark.parametrize(
    "argv",
    [
        ("area", "set", "ada", "lob"),
        ("area", "set", "../ada", "lab"),
        ("area", "forget"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    lab: Site, edged: Callable[..., Ran], argv: tuple[str, ...]
) -> None:
    assert edged(*argv, "-c", lab.config).code == 2


def test_a_terminal_without_an_area_has_nobody_to_place(
    site: Site, edged: Callable[..., Ran]
) -> None:
    assert edged("area", "set", "ada", "-c", site.config).code == 2


@pytest.mark.parametrize("argv", [(), ("ada", "--everybody")])
def test_the_sites_side_wants_to_know_who(edged: Callable[..., Ran], argv: tuple[str, ...]) -> None:
    assert edged("ctl", "area", *argv, "-t", "lobby-1", "--site", "hq", "--host", "h").code == 2
