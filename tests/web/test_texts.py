from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.presentation import Phase
from edged.errors import ScreenError
from edged.types import Instruction
from edged.web.texts import choose, load_texts
from edged.web.view import PHASES

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {"en", "zh"}


def english() -> dict[str, Any]:
    return {"en": load_texts()["en"].model_dump()}


def test_english_and_chinese_have_a_text_for_every_phase_and_instruction() -> None:
    languages = load_texts()
    assert set(languages) == KNOWN
    for texts in languages.values():
        assert set(texts.phases) == set(Phase) == set(PHASES)
        assert set(texts.instructions) == set(Instruction)
        assert "{views}" in texts.views


def test_the_languages_share_no_text() -> None:
    en, zh = load_texts()["en"], load_texts()["zh"]
    for key in Instruction:
        assert en.instructions[key].isascii()
        assert not zh.instructions[key].isascii()


def without_an_instruction(texts: dict[str, Any]) -> None:
    del texts["en"]["instructions"]["hold_still"]


def with_an_empty_phase(texts: dict[str, Any]) -> None:
    texts["en"]["phases"]["granted"] = " "


def with_an_unknown_phase(texts: dict[str, Any]) -> None:
    texts["en"]["phases"]["opened"] = "x"


def without_a_title(texts: dict[str, Any]) -> None:
    del texts["en"]["title"]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (without_an_instruction, "hold_still"),
        (with_an_empty_phase, "granted"),
        (with_an_unknown_phase, "opened"),
        (without_a_title, "title"),
    ],
)
def test_a_language_that_is_not_whole_is_refused_by_the_key(
    tmp_path: Path, spoil: Any, named: str
) -> None:
    texts = english()
    spoil(texts)
    path = tmp_path / "texts.yaml"
    path.write_text(yaml.safe_dump(texts), "utf-8")
    with pytest.raises(ScreenError, match=named):
        load_texts(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"zh: {}", b"en: [", b"\xff\xfe\xfa", b"en: 1"])
def test_a_file_that_holds_no_languages_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "texts.yaml"
    path.write_bytes(content)
    with pytest.raises(ScreenError, match=r"texts\.yaml"):
        load_texts(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScreenError, match="unreadable"):
        load_texts(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("asked", "accepted", "shown"),
    [
        (None, "", "en"),
        ("zh", "en", "zh"),
        ("en", "zh", "en"),
        ("fr", "zh-CN,zh;q=0.9", "zh"),
        (None, "zh-Hans-CN", "zh"),
        (None, "fr, en;q=0.5, zh;q=0.8", "zh"),
        (None, "zh;q=0, en", "en"),
        (None, "zh;q=often", "en"),
        (None, "zh;q=nan", "en"),
        (None, "*", "en"),
    ],
)
def test_the_language_asked_for_wins_then_the_one_that_the_browser_prefers(
    asked: str | None, accepted: str, shown: str
) -> None:
    assert choose(KNOWN, asked, accepted) == shown


@given(st.none() | st.text(), st.text(alphabet=st.sampled_from("zhen-;q=,.019 *x")))
def test_whatever_a_browser_sends_a_known_language_is_shown(
    asked: str | None, accepted: str
) -> None:
    assert choose(KNOWN, asked, accepted) in KNOWN
