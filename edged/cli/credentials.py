"""Cards and PINs as commands take them: from a file or from stdin, where no list of processes and
no history of a shell keeps them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage
from edged.gallery.cards import card_number
from edged.gallery.pins import WeakPin, kept_pin, same_pin

if TYPE_CHECKING:
    import argparse

CLEARABLE = ("cards", "duress-cards", "pin", "duress-pin", "extended")
_LARGEST = 16_384
_PINS = {"pin": "pin", "duress-pin": "duress_pin"}
_HOW = "expected lines such as `card 1234567`, `duress-card 7654321`, `pin 2468`, `duress-pin 8642`"


def add_credentials(command: argparse.ArgumentParser) -> None:
    """Where they are read from, and what goes with them."""
    command.add_argument(
        "--credentials",
        metavar="FILE|-",
        help="lines: card N, duress-card N, pin N, duress-pin N; cards replace those there are",
    )
    command.add_argument(
        "--weak-pin", action="store_true", help="take a PIN although it is easily guessed"
    )
    command.add_argument(
        "--extended", action="store_true", help="they need longer at the door (door.extended_s)"
    )


def given_credentials(args: argparse.Namespace) -> dict[str, Any]:
    """What was said, as `read_profile` takes it; PINs as digits.

    Raises:
        BadUsage: which line is wrong, without repeating it.
    """
    given: dict[str, Any] = {"extended": True} if args.extended else {}
    if args.credentials is None:
        if args.weak_pin:
            raise BadUsage("--weak-pin goes with --credentials")
        return given
    where, text = _text(args.credentials)
    cards: dict[str, bool] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        kind, value = words[0], " ".join(words[1:])
        try:
            if kind in ("card", "duress-card"):
                cards[card_number(value)] = kind == "duress-card"
            elif kind in _PINS and _PINS[kind] not in given:
                given[_PINS[kind]] = WeakPin(value) if args.weak_pin else value
                kept_pin(given[_PINS[kind]])
            else:
                raise BadUsage(f"{where}:{number}: {_HOW}, each PIN once")
        except ValueError as fault:
            raise BadUsage(f"{where}:{number}: {kind}: {fault}") from None
    if same_pin(given.get("pin"), given.get("duress_pin")):
        raise BadUsage(f"{where}: duress-pin is the same as pin, or one begins with the other")
    if cards:
        given["cards"] = list(cards)
        given["duress_cards"] = [card for card, marked in cards.items() if marked]
    return given


def _text(source: str) -> tuple[str, str]:
    try:
        if source == "-":
            if sys.stdin.isatty():
                sys.stderr.write(f"{_HOW}; end with Ctrl-D\n")
            return "stdin", sys.stdin.read(_LARGEST)
        with Path(source).open(encoding="utf-8") as file:
            return source, file.read(_LARGEST)
    except OSError as fault:
        raise BadUsage(f"{source}: cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError:
        raise BadUsage(f"{source}: is no text in UTF-8") from None
