from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edged.decision.presentation import Phase
from edged.types import Instruction
from edged.web.texts import choose, load_texts
from edged.web.view import PHASES

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {"en", "zh"}


def german() -> dict[str, Any]:
    return {"de": {**load_texts().known["en"].model_dump(), "tag": "de-DE", "lost": "Getrennt"}}


def write(folder: Path, languages: object) -> Path:
    path = folder / "texts.yaml"
    path.write_text(yaml.safe_dump(languages, allow_unicode=True), "utf-8")
    return path


def test_english_and_chinese_have_a_text_for_every_phase_and_instruction() -> None:
    languages = load_texts()
    assert set(languages.known) == KNOWN
    assert languages.problems == []
    for texts in languages.known.values():
        assert set(texts.phases) == set(Phase) == set(PHASES)
        assert set(texts.instructions) == set(Instruction)
        assert "{views}" in texts.views
        assert "{name}" in texts.welcome
        assert all(texts.model_dump().values())


def test_the_languages_share_no_text() -> None:
    en, zh = load_texts().known["en"], load_texts().known["zh"]
    for key in Instruction:
        assert en.instructions[key].isascii()
        assert not zh.instructions[key].isascii()


def test_a_file_adds_a_language(tmp_path: Path) -> None:
    languages = load_texts(write(tmp_path, german()))
    assert languages.problems == []
    assert set(languages.known) == {*KNOWN, "de"}
    assert languages.known["de"].tag == "de-DE"
    assert languages.known["de"].lost == "Getrennt"


def test_a_file_changes_some_words_of_a_language_and_no_others(tmp_path: Path) -> None:
    languages = load_texts(write(tmp_path, {"en": {"phases": {"idle": "Hello"}}}))
    assert languages.problems == []
    assert languages.known["en"].phases["idle"] == "Hello"
    assert languages.known["en"].phases["granted"] == load_texts().known["en"].phases["granted"]


def test_the_installers_own_english_is_what_other_languages_fall_back_to(tmp_path: Path) -> None:
    texts = german()
    del texts["de"]["phases"]["idle"]
    languages = load_texts(write(tmp_path, {**texts, "en": {"phases": {"idle": "Hello"}}}))
    assert languages.known["de"].phases["idle"] == "Hello"


def without_an_instruction(texts: dict[str, Any]) -> None:
    del texts["instructions"]["hold_still"]


def without_any_instruction(texts: dict[str, Any]) -> None:
    del texts["instructions"]


def with_an_empty_phase(texts: dict[str, Any]) -> None:
    texts["phases"]["granted"] = " "


def with_an_unknown_phase(texts: dict[str, Any]) -> None:
    texts["phases"]["opened"] = "x"


def with_an_unknown_key(texts: dict[str, Any]) -> None:
    texts["greeting"] = "x"


def with_a_list_for_phases(texts: dict[str, Any]) -> None:
    texts["phases"] = ["x"]


def with_a_list_for_a_text(texts: dict[str, Any]) -> None:
    texts["phases"]["idle"] = ["x"]


def without_a_title(texts: dict[str, Any]) -> None:
    del texts["title"]


def without_the_number(texts: dict[str, Any]) -> None:
    texts["views"] = "some"


def without_the_name(texts: dict[str, Any]) -> None:
    texts["welcome"] = "hello"


def with_a_novel(texts: dict[str, Any]) -> None:
    texts["lost"] = "x" * 1000


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (without_an_instruction, "de.instructions.hold_still: missing"),
        (without_any_instruction, "de.instructions.retake: missing"),
        (with_an_empty_phase, "de.phases.granted: empty"),
        (with_an_unknown_phase, "de.phases.opened: unknown"),
        (with_an_unknown_key, "de.greeting: unknown"),
        (with_a_list_for_phases, "de.phases: expected texts"),
        (with_a_list_for_a_text, "de.phases.idle: expected a text"),
        (without_a_title, "de.title: missing"),
        (without_the_number, "de.views: {views} is missing"),
        (without_the_name, "de.welcome: {name} is missing"),
        (with_a_novel, "de.lost: longer than 200"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_key_and_english_stands_in(
    tmp_path: Path, spoil: Any, named: str
) -> None:
    texts = german()
    spoil(texts["de"])
    path = write(tmp_path, texts)
    languages = load_texts(path)
    assert any(problem.startswith(f"{path}: {named}") for problem in languages.problems)
    english = load_texts().known["en"]
    shown = languages.known["de"]
    assert set(shown.phases) == set(english.phases)
    assert set(shown.instructions) == set(english.instructions)
    assert shown.welcome == english.welcome
    if spoil is without_an_instruction:
        assert shown.instructions["hold_still"] == english.instructions["hold_still"]


@pytest.mark.parametrize("name", ["<script>", "x", "de de", "", "../de", "d" * 100])
def test_a_language_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    languages = load_texts(write(tmp_path, {name: german()["de"]}))
    assert set(languages.known) == KNOWN
    assert "not the short name" in languages.problems[0]


def test_norwegian_is_a_language_and_no_truth(tmp_path: Path) -> None:
    path = tmp_path / "texts.yaml"
    path.write_text("no:\n  lost: Nei\n  title: yes\n", "utf-8")
    languages = load_texts(path)
    assert languages.known["no"].lost == "Nei"
    assert languages.known["no"].title == "yes"


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n".encode()
    for n in range(12)
)
MERGE_BOMB = b"a: &a {x: y}\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{', '.join(['*' + chr(97 + n)] * 2)}]}}\n".encode()
    for n in range(24)
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "expected languages"),
        (b"[]", "expected languages"),
        (b"en: [", "unreadable"),
        (b"\xff\xfe\xfa", "unreadable"),
        (b"en: 1", "en.(texts): expected texts"),
        (b"en: !!python/object/apply:os.system ['true']", "en.(texts): expected"),
        (b"\x00", "unreadable"),
        (BOMB, "aliases"),
        (MERGE_BOMB, "aliases"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{" * 100_000, "nested too deeply"),
        (b"- " * 100_000, "nested too deeply"),
        (b"en:\n" + b"  - x\n" * 30_000, "too many values"),
        (b'en: {title: "\\U00110000"}', "unreadable"),
        (b'en: {title: "\\UFFFFFFFF"}', "unreadable"),
        (b'en: {title: "\\uD83D"}', "half a character"),
        (b'"\\uD83D": {title: x}', "half a character"),
        (b"en: " + b"x" * 300_000, "larger than"),
    ],
)
def test_a_file_that_holds_no_languages_leaves_ours(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "texts.yaml"
    path.write_bytes(content)
    languages = load_texts(path)
    assert languages.known == load_texts().known
    [problem] = languages.problems
    assert str(path) in problem
    assert told in problem


def test_a_file_of_100_mb_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "texts.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert "larger than" in load_texts(path).problems[0]


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in load_texts(tmp_path / "pipe").problems[0]
    assert "not a file" in load_texts(tmp_path).problems[0]
    assert "unreadable" in load_texts(tmp_path / "none.yaml").problems[0]


def test_a_thousand_faults_are_told_in_few_lines(tmp_path: Path) -> None:
    languages = load_texts(write(tmp_path, {"de": {f"key{n}": "x" for n in range(1000)}}))
    assert len(languages.problems) < 60
    assert "more" in languages.problems[-1]


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


def test_a_regions_own_language_is_preferred() -> None:
    assert choose({"en", "pt", "pt-BR"}, None, "pt-BR,pt;q=0.9") == "pt-BR"
    assert choose({"en", "pt", "pt-BR"}, None, "pt-PT") == "pt"


@given(st.none() | st.text(), st.text(alphabet=st.sampled_from("zhen-;q=,.019 *x")))
def test_whatever_a_browser_sends_a_known_language_is_shown(
    asked: str | None, accepted: str
) -> None:
    assert choose(KNOWN, asked, accepted) in KNOWN
