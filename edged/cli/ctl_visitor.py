"""``edged ctl visitor``: a code for somebody who comes once, made by the site without a broker."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.ctl_common import OK, add_site, settings_of, signing_key
from edged.cli.output import BadUsage, person_id
from edged.errors import EdgedError
from edged.gallery.profile import instant, written
from edged.vault.files import placed

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output

_VALID_H = 12.0
_SCALE = 8
_KINDS = ("png", "svg")


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Its arguments."""
    action = actions.add_parser(
        "visitor",
        help="a code for a visitor, good once",
        description="Make a signed code for a visitor; a terminal with access.qr reads it off a "
        "phone or paper. The key is an enroller's, or one of access.qr.keys.",
    )
    action.add_argument("visitor_id", type=person_id, help="stands in the events")
    action.add_argument("--group", action="append", metavar="GROUP", help="may be given often")
    action.add_argument("--from", dest="begins", metavar="TIME", help="RFC 3339; default: now")
    action.add_argument("--until", dest="ends", metavar="TIME", help="default: 12 hours later")
    action.add_argument(
        "--out", type=Path, metavar="FILE.png|.svg", help="a new file with the code to be shown"
    )
    add_site(action, run, many=True)


def run(args: argparse.Namespace, output: Output) -> int:
    """Make the code, and show it."""
    import segno
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from edged.access.token import Visit, write_token

    settings = settings_of(args)
    _, pem = signing_key(settings)
    key: Any = load_pem_private_key(pem, None)
    begins = math.floor(_moment(args.begins, "--from", time.time()))
    ends = math.ceil(_moment(args.ends, "--until", begins + _VALID_H * 3600))
    terminals = tuple(dict.fromkeys(args.terminal or ()))
    if terminals and args.all:
        raise BadUsage("give either --terminal or --all")
    try:
        visit = Visit(
            args.visitor_id, settings.site, begins, ends, terminals, tuple(args.group or ())
        )
        text = write_token(visit, key)
    except ValueError as fault:
        raise BadUsage(str(fault)) from None
    code = segno.make(text, error="l", micro=False)
    told = {
        "visitor_id": visit.visitor_id,
        "site": visit.site,
        "terminals": list(terminals),
        "groups": list(visit.groups),
        "begins": written(begins),
        "ends": written(ends),
        "digest": visit.digest,
        "token": text,
    }
    where = ", ".join(terminals) or "every terminal"
    lines = [f"{visit.visitor_id}: {where} of {visit.site}, {told['begins']} to {told['ends']}"]
    if args.out is None:
        lines += ["", _drawn(code), text]
    else:
        _write(code, args.out)
        told["file"] = str(args.out)
        lines.append(f"wrote {args.out}; whoever has it gets in once")
    output.result(told, lines)
    return OK


def _moment(given: str | None, option: str, otherwise: float) -> float:
    if given is None:
        return otherwise
    try:
        return float(instant(given))
    except ValueError as fault:
        raise BadUsage(f"{option}: {fault}") from fault


def _drawn(code: Any) -> str:
    import io

    drawn = io.StringIO()
    code.terminal(out=drawn, compact=True)
    return drawn.getvalue()


def _write(code: Any, out: Path) -> None:
    kind = out.suffix.lower().removeprefix(".")
    if kind not in _KINDS:
        raise BadUsage(f"{out}: a file ending in .png or .svg is expected")
    try:
        with placed(out) as draft, draft.open("wb") as file:
            code.save(file, kind=kind, scale=_SCALE)
    except FileExistsError as fault:
        raise EdgedError(f"{out} exists already; it is left as it is") from fault
    except OSError as fault:
        raise EdgedError(f"{out} cannot be written: {fault.strerror}") from fault
