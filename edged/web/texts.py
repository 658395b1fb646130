"""What the screen says, by language: our texts, and over them those of the installer."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from edged.errors import ScreenError
from edged.types import Instruction
from edged.web.view import ASKS, ENDS, PHASES, PUNCHES, QUESTIONS, WHYS

FALLBACK = "en"
_FILE = Path(__file__).with_name("texts.yaml")
_LARGEST = 262_144
_MOST_EVENTS = 20_000  # of YAML: some thirty languages
_DEEPEST = 6
_LONGEST = 200
_MOST_TOLD = 50
_LANGUAGE = re.compile(r"[a-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_SECTIONS: dict[str, tuple[str, ...]] = {
    "phases": PHASES,
    "instructions": tuple(code.value for code in Instruction),
    "enrolment": ("ask", "why", *QUESTIONS, "agree", "decline", *ENDS),
    "asks": ASKS,
    "whys": WHYS,
    "punches": PUNCHES,
    "pad": ("clear", "enter"),
}
_HALF = re.compile("[\ud800-\udfff]")  # can be escaped in YAML, and sent to nobody
_HOLES = {"views": "{views}", "welcome": "{name}", "ask": "{person}"}


class Texts(BaseModel):
    """One language; `tag` is its BCP 47 tag, `views` holds ``{views}`` for a number, `welcome`
    holds ``{name}``, `ask` in `enrolment` ``{person}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str
    title: str
    lost: str
    lost_detail: str
    blind: str
    blind_detail: str
    enrolling: str
    views: str
    welcome: str
    phases: dict[str, str]
    instructions: dict[str, str]
    enrolment: dict[str, str]
    asks: dict[str, str]
    whys: dict[str, str]
    punches: dict[str, str]
    pad: dict[str, str]


@dataclass(frozen=True, slots=True)
class Languages:
    """Every language by its short name, each whole; and what was wrong with the file."""

    known: dict[str, Texts]
    problems: list[str] = field(default_factory=list)


def load_texts(path: Path | None = None) -> Languages:
    """Our languages, with those of a file added to them or laid over them.

    What the file lacks or has wrong is told in `Languages.problems` and shown in English.
    """
    problems: list[str] = []
    known = {name: Texts.model_validate(texts) for name, texts in _read(_FILE).items()}
    if path is None:
        return Languages(known)
    try:
        given = _read(path)
    except ScreenError as fault:
        return Languages(known, [str(fault)])
    # English first: it is what others fall back to.
    for name in sorted(given, key=lambda name: name != FALLBACK):
        if not _LANGUAGE.fullmatch(name):
            problems.append(f"{name[:40]!r}: not the short name of a language, such as de or pt-BR")
            continue
        base, overrides = known.get(name), given[name]
        texts, found = _laid_over(base or known[FALLBACK], overrides, whole=base is None)
        tag = overrides.get("tag", name) if isinstance(overrides, dict) else name
        if base is None and isinstance(tag, str):
            texts["tag"] = tag
        known[name] = Texts.model_validate(texts)
        problems += [f"{name}.{problem}" for problem in found]
    told = [f"{path}: {problem}" for problem in problems[:_MOST_TOLD]]
    if len(problems) > _MOST_TOLD:
        told.append(f"{path}: and {len(problems) - _MOST_TOLD} more")
    return Languages(known, told)


def _read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file whose scalars are all text (``no`` is a language).

    Raises:
        ScreenError: it is unreadable, too large, too deep, or no mapping.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ScreenError(f"{path}: not a file")
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ScreenError(f"{path}: larger than {_LARGEST} bytes; it holds only texts")
        text = data.decode("utf-8")
        _refuse_bombs(path, text)
        languages = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text alone
    except OSError as fault:
        raise ScreenError(f"{path}: unreadable ({fault.strerror})") from fault
    except (ValueError, OverflowError, yaml.YAMLError) as fault:  # "\\U99999999" is no letter
        why = " ".join(str(fault).split())
        raise ScreenError(f"{path}: unreadable ({why})") from fault
    if not isinstance(languages, dict):
        raise ScreenError(f"{path}: expected languages, such as 'de:' with texts below it")
    return {str(name): texts for name, texts in languages.items()}


def _refuse_bombs(path: Path, text: str) -> None:
    """Look at the document piece by piece, before anything is made of it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.BaseLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise ScreenError(f"{path}: aliases (*name) are not allowed; write the text out")
        if isinstance(event, yaml.ScalarEvent) and _HALF.search(event.value):
            raise ScreenError(f"{path}: half a character (\\uD800 to \\uDFFF); write it as it is")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST or number > _MOST_EVENTS:
            raise ScreenError(f"{path}: nested too deeply, or too many values")


def _laid_over(base: Texts, given: Any, *, whole: bool) -> tuple[dict[str, Any], list[str]]:
    """`base` with the usable texts of `given`, and what is wrong with the others.

    Args:
        whole: every key must be given.
    """
    texts = base.model_dump()
    texts_of = "the English text" if whole else "the text that comes with edged"
    if not isinstance(given, dict):
        return texts, ["(texts): expected texts by name"]
    problems = []
    flat = [key for key in texts if key not in _SECTIONS]
    for section, keys in {"": tuple(flat), **_SECTIONS}.items():
        into = texts[section] if section else texts
        part = given.get(section, {}) if section else given
        prefix = f"{section}." if section else ""
        if not isinstance(part, dict):
            problems.append(f"{section}: expected texts by name")
            continue
        for key in keys:
            if key in part:
                problem = _wrong(key, part[key])
                if problem is None:
                    into[key] = part[key]
                    continue
            elif whole and key != "tag":
                problem = "missing"
            else:
                continue
            problems.append(f"{prefix}{key}: {problem}; shown is {texts_of}")
        known = {*keys, *(() if section else _SECTIONS)}
        problems += [f"{prefix}{str(key)[:40]}: unknown" for key in part if key not in known]
    return texts, problems


def _wrong(key: str, text: Any) -> str | None:
    if not isinstance(text, str):
        return "expected a text"
    if not text.strip():
        return "empty"
    if len(text) > _LONGEST:
        return f"longer than {_LONGEST} characters"
    hole = _HOLES.get(key)
    return f"{hole} is missing in it" if hole and hole not in text else None


def choose(known: set[str], asked: str | None, accepted: str) -> str:
    """The language to show.

    Args:
        known: short names; holds `FALLBACK`.
        asked: for by ``?lang=``; wins when known.
        accepted: an ``Accept-Language`` header; may be anything.
    """
    if asked in known:
        return str(asked)
    names = {name.lower(): name for name in known}
    best, best_weight = FALLBACK, 0.0
    for entry in accepted.split(","):
        tag, _, parameter = entry.partition(";")
        tag = tag.strip().lower()
        name = names.get(tag) or names.get(tag.partition("-")[0])
        if name is not None and (weight := _weight(parameter)) > best_weight:
            best, best_weight = name, weight
    return best


def _weight(parameter: str) -> float:
    key, _, value = parameter.strip().partition("=")
    if not key:
        return 1.0
    try:
        return float(value) if key.strip() == "q" else 0.0
    except ValueError:
        return 0.0
