"""``edged gallery revert`` puts people back to what they were enrolled with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.config.load import load
from edged.gallery.choose import ADAPTED
from edged.gallery.people import Enrolment
from edged.gallery.store import make_gallery
from edged.vault.keys import load_key
from tests.gallery.faces import embeddings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ran, Site

MODEL = "net@1.0.0#0123456789ab"
FACES = embeddings(3)


@pytest.fixture
def adapted(site: Site) -> Site:
    """Two people, of whom one was adapted."""
    config = load(site.config)
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    gallery.add_many(
        [
            Enrolment("alice", FACES[0], MODEL, 0.9, "terminal"),
            Enrolment("alice", FACES[1], MODEL, 0.9, ADAPTED),
            Enrolment("bob", FACES[2], MODEL, 0.9, "terminal"),
        ],
        limit=5,
    )
    gallery.close()
    return site


@pytest.mark.parametrize("who", ["alice", "--all"])
def test_what_was_adapted_is_dropped_once(
    adapted: Site, edged: Callable[..., Ran], who: str
) -> None:
    command = ("gallery", "revert", who, "-c", adapted.config, "--json")
    assert edged(*command).json["reverted"] == {"alice": 1}
    assert edged(*command).json["reverted"] == {}
    listed = edged("gallery", "list", "-c", adapted.config, "--json").json["people"]
    assert [one["templates"] for one in listed] == [{MODEL: 1}, {MODEL: 1}]


def test_a_stranger_is_told(adapted: Site, edged: Callable[..., Ran]) -> None:
    ran = edged("gallery", "revert", "carol", "-c", adapted.config)
    assert ran.code != 0
    assert "nobody is enrolled as 'carol'" in ran.err


@pytest.mark.parametrize("who", [(), ("alice", "--all")])
def test_it_is_one_person_or_everybody(
    adapted: Site, edged: Callable[..., Ran], who: tuple[str, ...]
) -> None:
    assert edged("gallery", "revert", *who, "-c", adapted.config).code == 2
