"""What the screen says, by language."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from edged.errors import ScreenError
from edged.types import Instruction
from edged.web.view import PHASES

FALLBACK = "en"
_FILE = Path(__file__).with_name("texts.yaml")


def _complete(texts: dict[str, str], keys: set[str]) -> dict[str, str]:
    if wrong := sorted(keys ^ texts.keys()):
        raise ValueError(f"missing or unknown: {', '.join(wrong)}")
    if empty := sorted(key for key, text in texts.items() if not text.strip()):
        raise ValueError(f"empty: {', '.join(empty)}")
    return texts


class Texts(BaseModel):
    """One language; `tag` is its BCP 47 tag, `views` holds ``{views}`` for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_min_length=1)

    tag: str
    title: str
    lost: str
    lost_detail: str
    enrolling: str
    views: str
    phases: dict[str, str]
    instructions: dict[str, str]

    @field_validator("phases")
    @classmethod
    def _every_phase(cls, texts: dict[str, str]) -> dict[str, str]:
        return _complete(texts, set(PHASES))

    @field_validator("instructions")
    @classmethod
    def _every_instruction(cls, texts: dict[str, str]) -> dict[str, str]:
        return _complete(texts, {str(code) for code in Instruction})


def load_texts(path: Path = _FILE) -> dict[str, Texts]:
    """Every language of a file, by its short name.

    Raises:
        ScreenError: the file is unreadable, a text is missing, or there is no English.
    """
    try:
        languages = yaml.safe_load(path.read_text("utf-8"))
        if not isinstance(languages, dict) or FALLBACK not in languages:
            raise ScreenError(f"{path}: no language {FALLBACK!r}; the screen falls back to it")
        return {str(name): Texts.model_validate(texts) for name, texts in languages.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise ScreenError(f"{path}: unreadable ({fault})") from fault
    except ValidationError as fault:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in fault.errors()
        )
        raise ScreenError(f"{path}: texts are missing or wrong: {problems}") from fault


def choose(known: set[str], asked: str | None, accepted: str) -> str:
    """The language to show.

    Args:
        known: short names; holds `FALLBACK`.
        asked: for by ``?lang=``; wins when known.
        accepted: an ``Accept-Language`` header; may be anything.
    """
    if asked in known:
        return str(asked)
    best, best_weight = FALLBACK, 0.0
    for entry in accepted.split(","):
        tag, _, parameter = entry.partition(";")
        name = tag.strip().lower().partition("-")[0]
        if name in known and (weight := _weight(parameter)) > best_weight:
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
