"""Which images there are, and whose: one folder a person, or a list of pairs."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edged.camera.images import SUFFIXES
from edged.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_PROBLEMS = 20
_LONGEST_LIST = 50_000_000
_FORM = "expected LFW's pairs.txt, or lines of path,path,same (1 or 0)"
_NUMBER = re.compile(r"\s*\d{1,9}\s*")
_SAME = {"1": True, "true": True, "yes": True, "same": True}
_DIFFERENT = {"0": False, "false": False, "no": False, "different": False}
_ANSWERS = _SAME | _DIFFERENT


def shown(text: str | Path) -> str:
    """A name fit for a report: bytes that are no text, and what steers a terminal, as escapes."""
    decoded = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in decoded)


@dataclass
class People:
    """The images of a folder with one folder a person, in the order of their names.

    Attributes:
        root: the folder.
        names: of the people, in order; a person's number is the place here.
        images: number of the person, and the file.
        outside: images that lie beside the people's folders and so belong to nobody.
        ignored: how many files have no image's suffix.
        looped: folders that a link leads to a second time, and so were left out.
    """

    root: Path
    names: list[str] = field(default_factory=list)
    images: list[tuple[int, Path]] = field(default_factory=list)
    outside: int = 0
    ignored: int = 0
    looped: list[Path] = field(default_factory=list)


def find_people(root: Path) -> People:
    """Every image of every person; folders in a person's folder are looked into.

    Hidden files are passed over. Links are followed, but no folder is entered twice.

    Raises:
        EvaluationError: no such folder, one that cannot be read, or fewer than two people.
    """
    if not _is_folder(root):
        raise EvaluationError(f"{shown(root)}: no such folder; expected one folder a person in it")
    found = People(root)
    seen = {_identity(root)}
    for entry in _entries(root):
        if not _is_folder(entry):
            if entry.suffix.lower() in SUFFIXES:
                found.outside += 1
            else:
                found.ignored += 1
            continue
        before = len(found.images)
        found.images += [(len(found.names), path) for path in _images(entry, found, seen)]
        if len(found.images) > before:
            found.names.append(shown(entry.name))
    if len(found.names) < 2:
        raise EvaluationError(
            f"{shown(root)}: {len(found.names)} people with images; at least two are needed, one "
            f"folder a person ({found.outside} images lie outside of any person's folder)"
        )
    return found


def _images(folder: Path, found: People, seen: set[tuple[int, int]]) -> Iterator[Path]:
    identity = _identity(folder)
    if identity in seen:
        found.looped.append(folder)
        return
    seen.add(identity)
    for entry in _entries(folder):
        if _is_folder(entry):
            yield from _images(entry, found, seen)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry
        else:
            found.ignored += 1


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as fault:  # it lies in a folder that lists its files and opens none
        raise EvaluationError(f"{shown(path)}: cannot be read: {fault.strerror}") from fault


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as fault:
        raise EvaluationError(f"{shown(folder)}: cannot be read: {fault.strerror}") from fault


def _identity(folder: Path) -> tuple[int, int]:
    about = folder.stat()
    return about.st_dev, about.st_ino


@dataclass
class Pairs:
    """A list of comparisons.

    Attributes:
        form: "lfw" or "csv".
        images: every file once.
        rows: numbers of two images, whether they show the same person, and the fold of the list
            that the pair belongs to.
        repeated: how many lines named a pair that was there already.
    """

    form: str
    images: list[Path] = field(default_factory=list)
    rows: list[tuple[int, int, bool, int]] = field(default_factory=list)
    folds: int = 1
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    left: Path
    right: Path
    same: bool
    fold: int


def read_pairs(path: Path, root: Path | None) -> Pairs:
    """Read a list of pairs, in the form of LFW's ``pairs.txt`` or CSV ``path,path,same``.

    Args:
        path: the list, UTF-8 text.
        root: what its paths are relative to; the folder of the list when None.

    Raises:
        EvaluationError: unreadable, in neither form, naming files that are missing, or
            contradicting itself; one line for each problem.
    """
    text = _text(path)
    base = path.parent if root is None else root
    if not text.strip():
        raise EvaluationError(f"{shown(path)}: the file is empty; {_FORM}")
    if not _is_folder(base):
        raise EvaluationError(f"{shown(base)}: no such folder")
    problems: list[str] = []
    head = text.split("\n", 1)[0]
    if re.fullmatch(r"\s*\d+(\s+\d+)?\s*", head):
        pairs = Pairs("lfw")
        lines = _lfw(text, base, pairs, problems)
    else:
        pairs = Pairs("csv")
        lines = _csv(text, base, problems)
    _collect(lines, pairs, problems)
    if problems:
        told = problems[:_MOST_PROBLEMS]
        if len(problems) > len(told):
            told.append(f"and {len(problems) - len(told)} more problems")
        raise EvaluationError("\n".join(f"{shown(path)}: {problem}" for problem in told))
    same = sum(row[2] for row in pairs.rows)
    if not same or same == len(pairs.rows):
        raise EvaluationError(
            f"{shown(path)}: {same} pairs of the same person and {len(pairs.rows) - same} of "
            "different ones; both kinds are needed"
        )
    return pairs


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise EvaluationError(f"{shown(path)}: not a file; {_FORM}")
        with path.open("rb") as file:
            data = file.read(_LONGEST_LIST + 1)
    except OSError as fault:
        raise EvaluationError(f"{shown(path)}: cannot be read: {fault.strerror}") from fault
    if len(data) > _LONGEST_LIST:
        raise EvaluationError(f"{shown(path)}: over {_LONGEST_LIST} bytes; that is no list")
    if b"\0" in data:
        raise EvaluationError(f"{shown(path)}: not a text; {_FORM}")
    text = data.decode("utf-8-sig", "surrogateescape")  # file names need not be UTF-8
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _lfw(text: str, root: Path, pairs: Pairs, problems: list[str]) -> list[_Line]:
    """``name 1 2`` is one person's first and second image, ``name 1 other 3`` two people's."""
    first, *rest = text.split("\n")
    if not all(_NUMBER.fullmatch(number) for number in first.split()):
        problems.append("line 1: promises more pairs than a list can hold")
        return []
    sizes = [int(number) for number in first.split()]
    pairs.folds = sizes[0] if len(sizes) == 2 else 1
    half = sizes[-1]
    lines: list[_Line] = []
    for number, line in enumerate(rest, 2):
        parts = line.split("\t") if "\t" in line else line.split()
        if not line.strip():
            continue
        fold = len(lines) // (2 * half) if half else 0
        if len(parts) == 3 and all(_NUMBER.fullmatch(parts[k]) for k in (1, 2)):
            left, right = (_lfw_file(root, parts[0], n) for n in parts[1:])
            lines.append(_Line(number, left, right, True, fold))
        elif len(parts) == 4 and all(_NUMBER.fullmatch(parts[k]) for k in (1, 3)):
            left, right = _lfw_file(root, *parts[:2]), _lfw_file(root, *parts[2:])
            lines.append(_Line(number, left, right, False, fold))
        else:
            problems.append(f"line {number}: expected NAME N N or NAME N NAME N")
    if not problems and len(lines) != pairs.folds * 2 * half:
        problems.append(f"line 1: promises {pairs.folds} x 2 x {half} pairs, {len(lines)} follow")
    return lines


def _lfw_file(root: Path, name: str, number: str) -> Path:
    stem = root / name / f"{name}_{int(number):04d}"
    there = (stem.with_name(stem.name + suffix) for suffix in sorted(SUFFIXES))
    return next((path for path in there if not _wrong(path)), stem.with_name(stem.name + ".jpg"))


def _csv(text: str, root: Path, problems: list[str]) -> list[_Line]:
    lines: list[_Line] = []
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for parts in reader:
            if not any(part.strip() for part in parts):
                continue
            if reader.line_num == 1 and len(parts) == 3 and _heads(parts, root):
                continue
            answer = _ANSWERS.get(parts[2].strip().lower()) if len(parts) == 3 else None
            if answer is None:
                problems.append(f"line {reader.line_num}: expected path,path,same (1 or 0)")
                continue
            left, right = (root / part.strip() for part in parts[:2])
            lines.append(_Line(reader.line_num, left, right, answer, 0))
    except csv.Error as fault:
        problems.append(f"line {reader.line_num}: {fault}")
    return lines


def _heads(parts: list[str], root: Path) -> bool:
    """Whether a first line names the columns; "same" would be an answer, too."""
    word = parts[2].strip().lower()
    told = word in _ANSWERS and word != "same"
    return not told and not any(not _wrong(root / part.strip()) for part in parts[:2])


def _wrong(path: Path) -> str:
    """Why a path leads to no file; "" where it does."""
    try:
        return "" if path.is_file() else "no such file"
    except OSError as fault:
        return f"cannot be read, {str(fault.strerror).lower()}"


def _collect(lines: list[_Line], pairs: Pairs, problems: list[str]) -> None:
    numbers: dict[Path, int] = {}
    known: dict[tuple[int, int], bool] = {}
    for line in lines:
        wrong = [(path, _wrong(path)) for path in (line.left, line.right)]
        found = [f"line {line.number}: {why}: {shown(path)}" for path, why in wrong if why]
        problems += found
        if found:
            continue
        if line.left == line.right:
            problems.append(f"line {line.number}: compares a file with itself")
            continue
        left, right = (numbers.setdefault(path, len(numbers)) for path in (line.left, line.right))
        key = (min(left, right), max(left, right))
        if key not in known:
            known[key] = line.same
            pairs.rows.append((left, right, line.same, line.fold))
        elif known[key] == line.same:
            pairs.repeated += 1
        else:
            problems.append(f"line {line.number}: says the contrary of an earlier line")
    pairs.images = list(numbers)
