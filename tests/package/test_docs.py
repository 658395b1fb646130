"""What README and docs name is there: commands, options, files, links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edged.cli.main import _COMMANDS, parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = r"(?:models|config|systemd|scripts|docs|bench|tests|training)"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def pieces(page: Path) -> Iterator[str]:
    """Code of a page: lines of shell blocks (continued ones joined) and inline spans."""
    text = page.read_text(encoding="utf-8")
    for language, block in _FENCE.findall(text):
        if language in ("sh", "bash", "console"):
            yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`]+)`", _FENCE.sub("", text))


def commands(page: Path) -> Iterator[list[str]]:
    """What stands behind each ``edged`` that is called as a program."""
    for piece in pieces(page):
        for call in re.findall(r"(?:^|[\s/(])edged +([a-z-][^#|;&>`]*)", piece):
            words = call.split()
            called = piece.strip().startswith("edged ") or "bin/edged " in piece
            if called and (words[0] in _COMMANDS or words[0].startswith("-")):
                yield words
            elif called:
                pytest.fail(f"{page.name}: `edged {call.strip()}`: no such command")


def options(command: argparse.ArgumentParser) -> set[str]:
    return set(command._option_string_actions)


def actions(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in command._actions:
        if isinstance(action.choices, dict):
            return dict(action.choices)
    return {}


def slug(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one(page: Path) -> None:
    for words in commands(page):
        at, known = parser(list(_COMMANDS)), {"-h", "--help"}
        for word in words:
            if word.startswith("-"):
                name = word.split("=")[0]
                assert name in options(at) | known, f"{page.name}: edged {' '.join(words)}"
            elif actions(at):
                assert word in actions(at), f"{page.name}: edged {' '.join(words)}"
                at = actions(at)[word]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_the_project_that_is_named_is_there(page: Path) -> None:
    pattern = re.compile(rf"(?<![\w/.$~-]){FOLDERS}/[\w./*-]*|(?<![\w/.$~-])edged/[\w/]+\.\w+")
    for piece in pieces(page):
        for name in pattern.findall(piece):
            assert list(ROOT.glob(name.rstrip("/."))), f"{page.name}: {name} is not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        assert found.is_relative_to(ROOT), f"{page.name}: {link} leads out of the project"
        assert found.exists(), f"{page.name}: {link}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, titles), f"{page.name}: {link}"


def test_the_pages_do_name_commands_files_and_links() -> None:
    """Otherwise the rules above look past everything."""
    assert len([words for page in PAGES for words in commands(page)]) > 10
    assert len([link for page in PAGES for link in _LINK.findall(page.read_text())]) > 10


def test_the_readme_is_filled_in():
    assert "BENCH_TABLE" not in (ROOT / "README.md").read_text()
