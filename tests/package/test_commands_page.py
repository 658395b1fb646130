"""docs/commands.md and docs/desired.md name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edged.mqtt.catalogue import CATALOGUE
from edged.service.desired import SETTABLE, Desired

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
DESIRED = (DOCS / "desired.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    return COMMANDS.partition(f"\n### {name}\n")[2].partition("\n##")[0]


def examples(text: str) -> list[dict[str, object]]:
    return [
        json.loads(block)
        for block in re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_command_is_described_with_its_role_and_arguments(name: str) -> None:
    command = CATALOGUE[name]
    anchor = name.replace(".", "")
    assert f"| [`{name}`](#{anchor}) | `{command.role}` |" in COMMANDS
    told = set(re.findall(r"^\| (.*?) \|", section(name), re.MULTILINE))
    named = {argument for row in told for argument in re.findall(r"`(\w+)`", row)}
    assert set(command.args.model_fields) <= named
    optional = {argument for row in told for argument in re.findall(r"\[`(\w+)`\]", row)}
    given = {n for n, field in command.args.model_fields.items() if not field.is_required()}
    assert given == optional & set(command.args.model_fields)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_example_of_every_command_is_one(name: str) -> None:
    asked, answered = examples(section(name))
    assert asked["cmd"] == name
    CATALOGUE[name].args.model_validate(asked["args"])
    assert set(answered) == {"result", "reason", "data"}


def test_no_command_is_described_that_there_is_not() -> None:
    assert set(re.findall(r"^### (\S+)$", COMMANDS, re.MULTILINE)) == set(CATALOGUE)


def test_every_setting_that_can_be_desired_is_named_and_the_example_is_one() -> None:
    table = DESIRED.partition("## What can be set")[2]
    for part, settings in SETTABLE.items():
        row = table.partition(f"| `{part}` | ")[2].partition(" |")[0]
        assert row == "all" or set(re.findall(r"`(\w+)`", row)) == settings
    Desired.model_validate(examples(DESIRED)[0])
