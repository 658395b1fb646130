"""What the commands that enrol people share: what may be said of somebody, and of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage
from edged.errors import GalleryError
from edged.gallery.profile import read_profile

if TYPE_CHECKING:
    import argparse


def add_profile(command: argparse.ArgumentParser) -> None:
    """What may be said of people who are enrolled; times are RFC 3339, or dates."""
    command.add_argument("--group", action="append", metavar="GROUP", help="may be given often")
    command.add_argument("--valid-from", metavar="TIME", help="recognised from then on")
    command.add_argument("--valid-until", metavar="TIME", help="and no longer than this")
    command.add_argument("--consent-basis", metavar="TEXT", help="such as consent or contract")
    command.add_argument("--consent-given", metavar="TIME")
    command.add_argument("--consent-expires", metavar="TIME", help="with it ends recognition")
    command.add_argument(
        "--adaptation",
        action="store_true",
        help="they agree that their templates follow them over time",
    )


def given_profile(args: argparse.Namespace) -> dict[str, Any]:
    """What was said, checked, as `read_profile` takes it.

    Raises:
        BadUsage: it makes no profile.
    """
    given: dict[str, Any] = {
        "name": getattr(args, "name", None),
        "groups": tuple(args.group) if args.group else None,
        "valid_from": args.valid_from,
        "valid_until": args.valid_until,
    }
    consent = {
        "basis": args.consent_basis,
        "given": args.consent_given,
        "expires": args.consent_expires,
        "adaptation": args.adaptation or None,
    }
    if any(value is not None for value in consent.values()):
        given["consent"] = {name: value for name, value in consent.items() if value is not None}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        read_profile(given)
    except GalleryError as fault:
        raise BadUsage(str(fault)) from fault
    return given


def warning_line(warning: dict[str, Any]) -> str:
    """What `enrol` warns of, for people."""
    who = warning.get("person_id", "")
    if warning["warning"] == "lookalikes":
        others = ", ".join(one["person_id"] for one in warning["lookalikes"])
        return f"warning {who}: resembles {others}; see gallery.lookalikes"
    if warning["warning"] == "duplicate":
        return f"warning {who}: looks like {warning['other']}, and may be the same person"
    return f"warning: {warning['warning']}: {warning.get('text', '')}"
