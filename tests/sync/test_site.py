"""What the site's log takes, keeps, and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edged.errors import GalleryError
from edged.gallery.profile import Profile
from edged.gallery.sealed import Kept
from edged.sync.entries import Entry, read_entry, write_entry
from edged.sync.wire import LARGEST_MESSAGE
from edged.vault.identity import Identity
from tests.sync.parties import MODEL, Site, keys_of, template, templates, unsigned

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site.db", "door-1")


def pull(site: Site, **claims: Any) -> tuple[str, bytes] | None:
    sealing = Identity(keys_of("door-1")).sealing_id
    return site.answer("door-1", json.dumps({"sealing": sealing, **claims}).encode())


def test_the_log_is_what_it_was_after_a_restart(site: Site) -> None:
    site.enrol("ann", "bob")
    site.compact(keep=1)
    before = unsigned(site.head("door-1"))
    site.close()
    site.open()
    after = unsigned(site.head("door-1"))
    assert before["snapshot"].pop("key") != after["snapshot"].pop("key")  # sealed anew
    assert before == after


def test_all_entries_are_added_or_none(site: Site) -> None:
    wrong = Kept(np.zeros(16, np.float32), 0.9, "photo", "2026-01-02T03:04:05Z")
    entries = [
        Entry(0, "ann", Profile(), templates("ann")),
        Entry(0, "eve", Profile(), {MODEL: [wrong]}),
    ]
    with pytest.raises(GalleryError, match="entry 2"):
        site.append(entries)
    assert site.revision == 0
    assert site.journal.person("ann") is None


@pytest.mark.parametrize("person_id", ["", "x" * 65, "a\nb", "a/b", "a#", " a", "\ud800"])
def test_an_id_that_terminals_refuse_is_not_taken(site: Site, person_id: str) -> None:
    with pytest.raises(GalleryError):
        site.upsert(person_id, templates("ann"), Profile())
    with pytest.raises(GalleryError):
        site.remove(person_id)
    assert site.revision == 0


def test_a_person_whom_no_message_holds_is_not_taken(site: Site) -> None:
    many = {f"m{n}@1#0": [template(n, 4096) for n in range(10)] for n in range(9)}
    with pytest.raises(GalleryError, match="too large"):
        site.upsert("ann", many, Profile())


def test_every_answer_fits_into_a_message(site: Site) -> None:
    large = {MODEL: [template(n, 1024) for n in range(10)]}
    site.append([Entry(0, f"p{n}", Profile(), large) for n in range(60)])
    site.make_snapshot(1000)
    made = unsigned(site.head("door-1"))["snapshot"]
    answers = [
        pull(site, want="log"),
        *(
            pull(site, want="chunk", snapshot=made["id"], chunk=number)
            for number in range(len(made["digests"]))
        ),
    ]
    assert len(answers) > 3
    for answer in answers:
        assert answer is not None
        assert len(answer[1]) <= LARGEST_MESSAGE


def test_what_the_log_no_longer_has_is_answered_by_the_head(site: Site) -> None:
    site.enrol("ann", "bob")
    site.compact(keep=1)
    for want, held in (("log", 0), ("log", 9), ("head", 0)):
        answer = pull(site, want=want, held=held)
        assert answer is not None
        assert answer[0] == "head"


def test_a_chunk_of_another_snapshot_is_answered_by_the_head(site: Site) -> None:
    site.enrol("ann")
    site.compact(keep=0)
    made = unsigned(site.head("door-1"))["snapshot"]["id"]
    for snapshot, chunk in (("older", 0), (made, 5), (None, None)):
        answer = pull(site, want="chunk", snapshot=snapshot, chunk=chunk)
        assert answer is not None
        assert answer[0] == "head"


def test_a_snapshot_is_made_when_a_terminal_needs_one(site: Site) -> None:
    site.enrol("ann")
    answer = pull(site, want="snapshot")
    assert answer is not None
    assert unsigned(answer[1])["snapshot"]["revision"] == 1


def test_a_snapshot_that_is_as_new_as_the_log_is_not_made_again(site: Site) -> None:
    site.enrol("ann")
    site.make_snapshot()
    made = unsigned(site.head("door-1"))["snapshot"]["id"]
    site.make_snapshot()
    assert unsigned(site.head("door-1"))["snapshot"]["id"] == made


@pytest.mark.parametrize(
    "message",
    [b"", b"{}", b"[]", b"\xff", b"[" * 60_000, b'{"want":"everything","sealing":"x"}'],
    ids=range(6),
)
def test_a_pull_that_is_none_is_not_answered(site: Site, message: bytes) -> None:
    site.enrol("ann")
    assert site.answer("door-1", message) is None


def test_a_terminal_with_another_key_than_is_known_is_not_answered(site: Site) -> None:
    site.enrol("ann")
    assert site.answer("door-1", b'{"want":"log","sealing":"somebodyelse"}') is None
    assert site.answer("door-9", b'{"want":"log","sealing":"somebodyelse"}') is None


def test_who_holds_everything_is_not_answered(site: Site) -> None:
    assert pull(site, want=None) is None


def test_an_entry_comes_back_as_it_was_written() -> None:
    profile = Profile(name="Ann", groups=("a", "b"), valid_from=1.5, valid_until=2e9)
    entry = Entry(7, "ann", profile, templates("ann", "bob"))
    again = read_entry(json.loads(json.dumps(write_entry(entry))))
    assert (again.revision, again.person_id, again.profile) == (7, "ann", profile)
    assert again.templates is not None
    for one, other in zip(again.templates[MODEL], templates("ann", "bob")[MODEL], strict=True):
        assert np.allclose(one.embedding, other.embedding, atol=1e-6)
        assert (one.quality, one.source, one.created) == (
            other.quality,
            other.source,
            other.created,
        )


def test_nothing_personal_shows_in_the_repr_of_an_entry() -> None:
    text = repr(Entry(1, "ann", Profile(name="canary"), templates("ann")))
    assert "canary" not in text
    assert "array" not in text
