"""``edged ctl enrol | remove | set | sync``: who is known at the terminals."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli import ctl_sync
from edged.cli.credentials import CLEARABLE, add_credentials, given_credentials
from edged.cli.ctl_common import add_site, order, settings_of
from edged.cli.output import BadUsage, person_id, positive, seconds
from edged.cli.profile import add_profile, given_profile
from edged.errors import ProvisionError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from edged.cli.output import Output

_CLEARABLE = (
    "name",
    "groups",
    "valid_from",
    "valid_until",
    "consent",
    "retention_days",
    *(name.replace("-", "_") for name in CLEARABLE),
)


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    ways = actions.add_parser("enrol", help="enrol a person").add_subparsers(
        required=True, metavar="HOW"
    )
    action = ways.add_parser("start", help="whoever stands before the terminal next")
    action.add_argument("person_id", type=person_id)
    action.add_argument("--views", type=positive, metavar="N")
    action.add_argument("--within", type=seconds, metavar="SECONDS", help="for the person to come")
    _described(action)
    add_site(action, start, many=False)
    action = ways.add_parser("photo", help="from a photo; a large one is made smaller first")
    action.add_argument("person_id", type=person_id)
    action.add_argument("photo", type=Path, metavar="FILE")
    _described(action)
    add_site(action, photo)
    action = ways.add_parser("cancel", help="end what `start` began")
    action.add_argument("person_id", type=person_id, nargs="?")
    add_site(action, cancel)
    action = actions.add_parser("remove", help="erase a person; the reply holds the receipt")
    action.add_argument("person_id")
    add_site(action, remove)
    action = actions.add_parser("set", help="change what is kept of a person")
    action.add_argument("person_id")
    _described(action)
    action.add_argument("--clear", action="append", choices=_CLEARABLE, help="may be given often")
    add_site(action, change)
    ctl_sync.add(actions)


def start(args: argparse.Namespace, output: Output) -> int:
    """``enrol.start``."""
    given = {"person_id": args.person_id, "views": args.views, "timeout_s": args.within}
    return order(args, output, "enrol.start", _sealed(args, _said(args, given)))


def photo(args: argparse.Namespace, output: Output) -> int:
    """``enrol.photo``."""
    from edged.camera.images import read_bytes
    from edged.site.photo import fit_photo

    image = fit_photo(read_bytes(args.photo), str(args.photo))
    text = base64.b64encode(image).decode("ascii")
    given = {"person_id": args.person_id, "image": text}
    return order(args, output, "enrol.photo", _sealed(args, _said(args, given)))


def cancel(args: argparse.Namespace, output: Output) -> int:
    """``enrol.cancel``."""
    given = {} if args.person_id is None else {"person_id": args.person_id}
    return order(args, output, "enrol.cancel", given)


def remove(args: argparse.Namespace, output: Output) -> int:
    """``gallery.remove``."""
    return order(args, output, "gallery.remove", {"person_id": args.person_id})


def change(args: argparse.Namespace, output: Output) -> int:
    """``gallery.set``."""
    said = _said(args, {"person_id": args.person_id})
    for name in args.clear or ():
        if name in said:
            raise BadUsage(f"{name} is given and cleared")
        said[name] = None
    if len(said) == 1:
        raise BadUsage("say what is to be changed, for instance --valid-until or --clear name")
    return order(args, output, "gallery.set", _sealed(args, said))


def _described(action: argparse.ArgumentParser) -> None:
    action.add_argument("--name", metavar="NAME", help="as greeted, where names are shown")
    add_profile(action)
    add_credentials(action)
    action.add_argument("--retention-days", type=int, metavar="DAYS")


def _said(args: argparse.Namespace, given: dict[str, Any]) -> dict[str, Any]:
    """A command's arguments: what was given, and what was said of the person."""
    said = ctl_sync.plain(given_profile(args)) | given_credentials(args)
    if args.retention_days is not None:
        said["retention_days"] = args.retention_days
    return {**{name: value for name, value in given.items() if value is not None}, **said}


def _sealed(args: argparse.Namespace, said: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """A command's arguments by terminal: PINs are sealed to each one's own key."""
    from edged.mqtt.sealed_pin import FIELDS, seal_pin
    from edged.site.known import Known
    from edged.vault.identity import sealing_key

    pins = [field for field in FIELDS if said.get(field) is not None]
    settings = settings_of(args)
    known = Known(settings.terminals, settings.site)

    def each(terminal: str) -> dict[str, Any]:
        if not pins:
            return said
        found = known.terminal(terminal)
        if found is None:
            raise ProvisionError(
                f"{terminal}: its keys are not known, and a PIN is sealed to them; get them by "
                "`edged ctl provision`"
            )
        key, audience = sealing_key(found.sealing), f"{settings.site}/{terminal}"
        sealed: dict[str, Any] = {
            field: seal_pin(said[field], key, audience, said["person_id"], field) for field in pins
        }
        return {**said, **sealed}

    return each
