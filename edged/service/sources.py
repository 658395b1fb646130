"""Whose photos lie where: a folder, or a table that names them."""

from __future__ import annotations

import hashlib
import re
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edged.camera.images import SUFFIXES, read_bytes
from edged.errors import GalleryError, ImageError, SourceError
from edged.gallery.people import check_id
from edged.service.table import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from pathlib import Path

_VIEW = re.compile(r"(.+)_[0-9]{1,4}")
_NO_PHOTOS = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(slots=True)
class Photo:
    """A file that is to show a person.

    Attributes:
        path: where it lies.
        name: as the source calls it, for the report.
        refused: a code and a text where it is not even to be opened.
    """

    path: Path
    name: str
    refused: tuple[str, str] | None = None


@dataclass(slots=True)
class Someone:
    """A person of the source; `given` is what is told of them, as `read_profile` takes it.

    ``refused`` holds a code and a text where nobody can be enrolled by this id.
    """

    id: str
    photos: list[Photo] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    refused: tuple[str, str] | None = None


def read_source(path: Path) -> list[Someone]:
    """All people of a folder or a CSV file, each once, in order of their names or lines.

    What is wrong with one person or photo of a folder refuses these; what is wrong with a line
    of a table refuses the table.

    Raises:
        SourceError: there is none, it cannot be read, or the table is no good; every problem.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            people = list(_from_folder(path))
        elif stat.S_ISREG(mode):
            people = [
                Someone(row.person_id, [Photo(path.parent / i, i) for i in row.images], row.given)
                for row in read_table(path)
            ]
            path = path.parent
        else:
            raise SourceError(f"{path}: neither a folder nor a CSV file")
    except OSError as fault:
        raise SourceError(f"{path}: cannot be read: {fault.strerror}") from fault
    except ValueError as fault:  # a NUL in the name
        raise SourceError(f"{str(path)!r}: not a file name") from fault
    root = path.resolve()
    for someone in people:
        for photo in someone.photos:
            photo.refused = someone.refused or photo.refused or _outside(photo.path, root)
    _refuse_shared(people)
    return people


def _from_folder(folder: Path) -> Iterator[Someone]:
    found: dict[str, Someone] = {}
    spelt: dict[str, set[str]] = {}
    entries = sorted(entry for entry in folder.iterdir() if _meant(entry))
    stems = {entry.stem for entry in entries if not entry.is_dir()}
    for entry in entries:
        name = _name_of(entry, stems)
        person_id = unicodedata.normalize("NFC", name)
        someone = found.setdefault(person_id, Someone(person_id))
        spelt.setdefault(person_id, set()).add(name)
        someone.photos += _photos(entry, folder)
        someone.refused = _problem(person_id, spelt[person_id])
    yield from found.values()


def _meant(entry: Path) -> bool:
    """Whether somebody put it there; what file managers leave behind is nobody's photo."""
    return not entry.name.startswith(".") and entry.name.lower() not in _NO_PHOTOS


def _name_of(entry: Path, stems: set[str]) -> str:
    """The id of a folder is its name; `ann_2.jpg` is `ann`, if there is an `ann.jpg`."""
    if entry.is_dir():
        return entry.name
    more = _VIEW.fullmatch(entry.stem)
    return more[1] if more and more[1] in stems else entry.stem


def _photos(entry: Path, folder: Path) -> Iterator[Photo]:
    name = str(entry.relative_to(folder))
    if not entry.is_dir():
        yield Photo(entry, name, _no_image(entry))
    elif entry.is_symlink():
        yield Photo(entry, name, ("link", "a link to a folder is not followed; copy the photos"))
    else:
        try:
            inside = sorted(one for one in entry.iterdir() if _meant(one))
        except OSError as fault:
            yield Photo(entry, name, ("unreadable", f"cannot be read: {fault.strerror}"))
            return
        for one in inside:
            yield Photo(one, f"{name}/{one.name}", _no_image(one))


def _no_image(path: Path) -> tuple[str, str] | None:
    if path.is_dir():
        return "not_an_image", "a folder where an image is expected; put the images one level up"
    if path.suffix.lower() not in SUFFIXES:
        return "not_an_image", f"not a file of {', '.join(sorted(SUFFIXES))}"
    return None


def _problem(person_id: str, spellings: set[str]) -> tuple[str, str] | None:
    if len(spellings) > 1:
        return (
            "two_spellings",
            "the same id is spelt in two Unicode forms (NFC, NFD); put the photos into one folder",
        )
    try:
        check_id(person_id)
    except GalleryError as fault:
        return "bad_id", str(fault)
    return None


def _outside(path: Path, root: Path) -> tuple[str, str] | None:
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # a loop of links; reading it will say so
        return None
    if real == root or root not in real.parents:
        return "outside", "a link leads out of the folder; copy the photo"
    return None


Given = tuple[Someone, Photo]


def _refuse_shared(people: list[Someone]) -> None:
    """Nobody is enrolled by an image that is given for somebody else, too: one of them is wrong.

    Only files of the same length are read for that.
    """
    given = [(who, photo) for who in people for photo in who.photos if photo.refused is None]
    for same_size in _shared(given, lambda path: path.stat().st_size):
        for same in _shared(same_size, lambda path: hashlib.sha256(read_bytes(path)).digest()):
            ids = {who.id for who, _ in same}
            for who, photo in same:
                others = ", ".join(sorted(map(ascii, ids - {who.id}))[:5])
                photo.refused = "same_image", f"the same image is given for {others}, too"


def _shared(given: list[Given], look: Callable[[Path], Hashable]) -> list[list[Given]]:
    """The photos that look the same, where they are given for several people."""
    groups: dict[Hashable, list[Given]] = {}
    for who, photo in given:
        with suppress(OSError, ImageError):  # reading it again will say why
            groups.setdefault(look(photo.path), []).append((who, photo))
    return [group for group in groups.values() if len({who.id for who, _ in group}) > 1]
