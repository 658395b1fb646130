"""A table of people and their photos: CSV as spreadsheets write it, read without mercy."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from edged.errors import GalleryError, SourceError
from edged.gallery.people import check_id
from edged.gallery.profile import read_profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_NEEDED = ("person_id", "image")
_PLAIN = ("name", "valid_from", "valid_until")
_CONSENT = ("consent_basis", "consent_given", "consent_expires", "adaptation")
_LISTS = ("groups", "cards", "duress_cards")
COLUMNS = (*_NEEDED, "name", *_LISTS, "valid_from", "valid_until", *_CONSENT)
_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_MOST_BYTES = 100_000_000
_LONGEST_FIELD = 10_000
_LONGEST_PATH = 4096
_MOST_PROBLEMS = 20
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@dataclass(slots=True)
class Row:
    """A person of the table, gathered from all their lines."""

    person_id: str
    images: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    line: int = 0


class _Problem(Exception):
    """What is wrong with a line."""


def read_table(path: Path) -> list[Row]:
    """Everybody in a CSV file: UTF-8, with or without a byte order mark; `COLUMNS` in any order,
    `person_id` and `image` at least.

    Raises:
        SourceError: every problem, ``file:line: what is wrong``; nothing of it is to be used.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise SourceError(f"{path}: over {_MOST_BYTES} bytes; split the table")
    try:
        lines = _records(_text(data))
        columns = _header(next(lines, (1, [])))
    except _Problem as fault:
        raise SourceError(f"{path}:{fault}") from fault
    people: dict[str, Row] = {}
    spelt: dict[str, str] = {}
    problems: list[str] = []
    while len(problems) < _MOST_PROBLEMS:
        try:
            line, cells = next(lines)
        except StopIteration:
            break
        except _Problem as fault:  # what follows a broken quote means nothing
            problems.append(f"{path}:{fault}")
            break
        try:
            _take(people, spelt, line, _named(columns, cells))
        except (_Problem, GalleryError) as fault:
            problems.append(f"{path}:{line}: {fault}")
    if problems:
        raise SourceError("\n".join(problems))
    if not people:
        raise SourceError(f"{path}: holds nobody; a line each image is expected below the header")
    return list(people.values())


def _text(data: bytes) -> str:
    if data.startswith(_WIDE):
        raise _Problem("1: is UTF-16 or UTF-32; save it as CSV in UTF-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise _Problem(f"{line}: holds a NUL byte; save it as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        # positions count from behind a byte order mark
        shift = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        line = data.count(b"\n", 0, fault.start + shift) + 1
        raise _Problem(f"{line}: is not UTF-8 (Latin-1?); save it as CSV in UTF-8") from fault


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with something in it, and the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            raise _Problem(f"{line}: broken quotes, or far too long a field ({fault})") from fault
        if any(cell.strip() for cell in cells):
            yield line, cells


def _header(record: tuple[int, list[str]]) -> list[str]:
    line, cells = record
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise _Problem(f"{line}: the columns are separated by commas, nothing else")
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise _Problem(f"{line}: two columns of one name: {_shown(doubled)}")
    if missing := [name for name in _NEEDED if name not in names]:
        raise _Problem(f"{line}: no column {' and '.join(missing)} in the header")
    if unknown := [name for name in names if name not in COLUMNS]:
        raise _Problem(
            f"{line}: unknown columns: {_shown(unknown)}; there are {', '.join(COLUMNS)}"
        )
    return names


def _shown(names: list[str]) -> str:
    return ", ".join(ascii(name[:40]) for name in names[:5])


def _named(columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise _Problem(f"{len(cells)} fields where the header has {len(columns)}")
    for name, cell in zip(columns, cells, strict=True):
        if len(cell) > _LONGEST_FIELD:
            raise _Problem(f"{name}: {len(cell)} characters")
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if cell.strip()}


def _take(people: dict[str, Row], spelt: dict[str, str], line: int, cells: dict[str, str]) -> None:
    written = cells.get("person_id", "")
    person_id = unicodedata.normalize("NFC", written)
    check_id(person_id)
    if spelt.setdefault(person_id, written) != written:
        raise _Problem("person_id: spelt in another Unicode form (NFC, NFD) than above")
    image, given = _image(cells), _given(cells)
    row = people.setdefault(person_id, Row(person_id, line=line))
    for name, value in given.items():
        if row.given.setdefault(name, value) != value:
            raise _Problem(f"{name}: differs from what the lines above say of the same person")
    if image not in row.images:
        row.images.append(image)


def _image(cells: Mapping[str, str]) -> str:
    image = cells.get("image", "")
    if not image or len(image) > _LONGEST_PATH:
        raise _Problem("image: a path relative to the table is expected")
    path = PurePosixPath(image)
    if path.is_absolute() or ".." in path.parts:
        raise _Problem("image: leads out of the table's folder")
    return image


def _given(cells: Mapping[str, str]) -> dict[str, Any]:
    """What a line tells of a person; checked, and as `read_profile` takes it."""
    given: dict[str, Any] = {name: cells[name] for name in _PLAIN if name in cells}
    for name in _LISTS:
        if name in cells:
            listed = (one.strip() for one in cells[name].split(";"))
            given[name] = tuple(one for one in listed if one)
    consent: dict[str, Any] = {
        name.removeprefix("consent_"): cells[name] for name in _CONSENT if name in cells
    }
    if "adaptation" in consent:
        said = consent["adaptation"].lower()
        if said not in _YES | _NO:
            raise _Problem("adaptation: true or false is expected")
        consent["adaptation"] = said in _YES
    if consent:
        if "basis" not in consent:
            raise _Problem("consent_basis: is missing, where something is said of the consent")
        given["consent"] = consent
    read_profile(given)
    return given
