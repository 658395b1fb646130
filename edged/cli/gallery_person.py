"""``edged gallery set | export | receipt``: what is kept of one person, and that it is no more."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.credentials import CLEARABLE, add_credentials, given_credentials
from edged.cli.output import BadUsage, add_config, add_json, person_id
from edged.cli.profile import add_profile
from edged.config.load import load
from edged.errors import EdgedError, EnrolmentRefused, GalleryError

if TYPE_CHECKING:
    from edged.cli.output import Output
    from edged.gallery.people import Person
    from edged.gallery.receipt import Receipt

_CLEARED = {
    "name": "name",
    "groups": "groups",
    "valid-from": "valid_from",
    "valid-until": "valid_until",
    "consent": "consent",
    "retention": "retention_days",
    **{name: name.replace("-", "_") for name in CLEARABLE},
}
_LARGEST_RECEIPT = 65_536
_DAY_S = 86_400.0


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions on one person, and their arguments."""
    change = actions.add_parser("set", help="change what is kept of a person beside templates")
    change.add_argument("person_id", type=person_id)
    change.add_argument("--name", metavar="TEXT")
    add_profile(change)
    add_credentials(change)
    change.add_argument("--retention-days", type=_days, metavar="DAYS", help="kept after the end")
    change.add_argument(
        "--clear", action="append", choices=tuple(_CLEARED), default=[], help="may be given often"
    )
    export = actions.add_parser("export", help="write down all that is stored about a person")
    export.add_argument("person_id", type=person_id)
    export.add_argument("--templates", action="store_true", help="with the numbers of templates")
    export.add_argument("--out", type=Path, metavar="FILE", help="a new file, for its owner only")
    for action, run in ((change, set_person), (export, export_person)):
        add_config(action, required=True)
        add_json(action)
        action.set_defaults(run=run)
    receipt = actions.add_parser("receipt", help="check what a terminal says that it erased")
    verify = receipt.add_subparsers(required=True, metavar="ACTION").add_parser(
        "verify", help="whether a terminal signed this receipt, and what it says"
    )
    verify.add_argument("receipt", metavar="FILE|TOKEN")
    verify.add_argument(
        "--key", type=Path, metavar="PEM", required=True, help="the terminal's signing key"
    )
    add_json(verify)
    verify.set_defaults(run=verify_receipt)


def set_person(args: argparse.Namespace, output: Output) -> int:
    """Change a person's profile; a running terminal follows within a second."""
    from edged.cli.gallery import opened
    from edged.service.people_orders import change_person, told_profile

    config = load(args.config)
    with opened(config) as gallery:
        before = gallery.profile(args.person_id)
        if before is None:
            raise nobody(args.person_id)
        consent = None if before.consent is None else before.consent.model_dump(exclude_none=True)
        changes = _changes(args, consent or {})
        if not changes:
            raise BadUsage("say what is to be changed; see `edged gallery set --help`")
        try:
            profile = change_person(gallery, config.gallery, args.person_id, changes)
        except EnrolmentRefused:
            raise
        except GalleryError as fault:
            raise BadUsage(str(fault)) from fault
    told = told_profile(profile, config.gallery.retention_days, time.time())
    lines = [
        f"{args.person_id}: {'recognised' if told['in_force'] else 'not recognised'} now",
        f"to be erased: {told['erase_at'] or 'never by itself'}",
    ]
    output.result({"person_id": args.person_id, **told}, lines)
    return 0


def _changes(args: argparse.Namespace, consent: dict[str, Any]) -> dict[str, Any]:
    said = {
        "basis": args.consent_basis,
        "given": args.consent_given,
        "expires": args.consent_expires,
        "adaptation": args.adaptation or None,
    }
    said = {name: value for name, value in said.items() if value is not None}
    given = {
        "name": args.name,
        "groups": args.group,
        "valid_from": args.valid_from,
        "valid_until": args.valid_until,
        "retention_days": args.retention_days,
        "consent": {**consent, **said} if said else None,
        **given_credentials(args),
    }
    given = {name: value for name, value in given.items() if value is not None}
    cleared = {_CLEARED[name]: None for name in args.clear}
    if both := given.keys() & cleared.keys():
        raise BadUsage(f"{', '.join(sorted(both))}: to be set and to be cleared; say one")
    return {**given, **cleared}


def export_person(args: argparse.Namespace, output: Output) -> int:
    """Write down everything that this terminal stores about one person."""
    from edged.service.disclosure import disclose

    found = disclose(load(args.config), args.person_id, numbers=args.templates)
    if found is None:
        raise nobody(args.person_id)
    if args.out is None:
        output.result(found, [json.dumps(found, indent=2)])
        return 0
    _write_private(args.out, json.dumps(found, indent=2) + "\n")
    output.result({"written": str(args.out)}, [f"wrote {args.out}; only its owner may read it"])
    return 0


def _write_private(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        number = os.open(path, flags, 0o600)
    except FileExistsError as fault:
        raise EdgedError(f"{path}: exists already; name another file") from fault
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)


def verify_receipt(args: argparse.Namespace, output: Output) -> int:
    """Check the signature of a receipt, and say what it says."""
    from edged.gallery.receipt import check_receipt

    receipt = check_receipt(_token(args.receipt), _text(args.key))
    output.result(receipt.model_dump(), _receipt_lines(receipt))
    return 0


def _receipt_lines(receipt: Receipt) -> list[str]:
    return [
        f"{receipt.sub} was erased by terminal {receipt.iss} at {receipt.at} ({receipt.reason})",
        f"{receipt.templates} templates; the person's key was {receipt.key}",
        f"gallery revision {receipt.revision}, erasure {receipt.jti}",
    ]


def _token(given: str) -> str:
    """The receipt itself, or what the file of this name holds."""
    try:
        is_file = Path(given).is_file()
    except (OSError, ValueError):  # far too long for a name
        is_file = False
    if is_file:
        return _text(Path(given))
    if given.count(".") != 2:  # a compact JWS has three parts
        raise GalleryError(f"{given[:80]!r}: no such file, and no receipt")
    return given


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LARGEST_RECEIPT).decode("utf-8", errors="replace")


def nobody(who: str) -> GalleryError:
    """Said of an id that nobody has."""
    return GalleryError(f"nobody is enrolled as {who!r}; see `edged gallery list`")


def add_expiring(action: argparse.ArgumentParser) -> None:
    """Only those whose time ends soon."""
    action.add_argument(
        "--expiring", type=_days, metavar="DAYS", help="only who ceases to be recognised within"
    )


def expiring(people: list[Person], days: int | None, now_s: float) -> list[Person]:
    """Who ceases to be recognised within so many days, or has already; None: everybody."""
    if days is None:
        return people
    until_s = now_s + days * _DAY_S
    return [one for one in people if one.profile.end is not None and one.profile.end <= until_s]


def standing(person: Person, now_s: float) -> str:
    """Validity and consent in a few words."""
    profile = person.profile
    told = profile.told()
    words = []
    if not profile.in_force(now_s):
        ended = profile.end is not None and profile.end <= now_s
        words.append("ended" if ended else "not yet valid")
    words += [f"{name} {told[name]}" for name in ("valid_from", "valid_until") if name in told]
    consent = told.get("consent")
    if consent is None:
        words.append("no consent")
    elif "expires" in consent:
        words.append(f"consent until {consent['expires']}")
    return ", ".join(words)


def _days(text: str) -> int:
    if not text.isdecimal() or int(text[:6]) > 3650 or len(text) > 6:
        raise argparse.ArgumentTypeError("expected 0 to 3650 days")
    return int(text)
