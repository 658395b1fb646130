"""``edged gallery init | list | remove | set | export …``: the encrypted file of people."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edged.cli import (
    gallery_identity,
    gallery_import,
    gallery_keys,
    gallery_person,
    gallery_revert,
)
from edged.cli.output import add_config, add_json, person_id
from edged.config.load import load
from edged.errors import StorageError
from edged.events.outbox import Outbox, make_outbox
from edged.gallery.store import make_gallery
from edged.service.lifecycle import Lifecycle, forget_recorded
from edged.service.people_orders import told_profile
from edged.service.wiping import begin_anew
from edged.vault.identity import Identity
from edged.vault.keys import create_key_file, load_key

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edged.cli.output import Output
    from edged.config.schema import Config
    from edged.gallery.store import Gallery


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("init", init, "make the key file (if it is missing) and an empty gallery"),
        ("list", show, "list who is enrolled"),
        ("remove", remove, "remove a person and every template of theirs"),
    ):
        action = actions.add_parser(name, help=text)
        if name == "remove":
            action.add_argument("person_id", type=person_id)
        if name == "list":
            gallery_person.add_expiring(action)
        add_config(action, required=True)
        add_json(action)
        action.set_defaults(run=run)
    gallery_person.add(actions)
    gallery_revert.add(
        actions.add_parser("revert", help="drop what templates learnt by themselves")
    )
    gallery_import.add(actions.add_parser("import", help="enrol everybody of a folder or table"))
    gallery_keys.add(actions)
    gallery_identity.add(actions.add_parser("identity", help="print this terminal's public keys"))


@contextmanager
def opened(config: Config) -> Iterator[Gallery]:
    """The gallery of this configuration, for the length of a block."""
    gallery = make_gallery(config.gallery, load_key(config.key))
    gallery.open()
    try:
        yield gallery
    finally:
        gallery.close()


def init(args: argparse.Namespace, output: Output) -> int:
    """Make what is missing; nothing that exists is touched."""
    config = load(args.config)
    made: list[str] = []
    if config.key.file is not None and not config.key.file.exists():
        create_key_file(config.key.file)
        made.append(str(config.key.file))
    if begin_anew(config):
        output.say("the gallery was wiped; restart the terminal to use the new one")
    files = config.gallery.path, config.gallery.keys_path
    made += [str(path) for path in files if not path.exists()]
    with opened(config) as gallery:
        people = len(gallery.people())
    output.result(
        {"made": made, "people": people},
        [*(f"made {path}" for path in made), f"{config.gallery.path}: {people} people"],
    )
    return 0


def show(args: argparse.Namespace, output: Output) -> int:
    """Who is enrolled, with how many templates of which model, and until when."""
    config = load(args.config)
    with opened(config) as gallery:
        everybody = gallery.people()
        revision = gallery.revision
    now_s, days = time.time(), config.gallery.retention_days
    people = gallery_person.expiring(everybody, args.expiring, now_s)
    listed = [
        {
            "person_id": p.id,
            "name": p.name,
            "created": p.created,
            "templates": dict(p.templates),
            **told_profile(p.profile, days, now_s),
        }
        for p in people
    ]
    output.result(
        {"revision": revision, "people": listed},
        [
            *(
                f"{p.id:<24} {sum(p.templates.values()):>3} templates  since {p.created}"
                f"  {gallery_person.standing(p, now_s)}" + (f"  {p.name}" if p.name else "")
                for p in people
            ),
            f"{len(everybody)} people, revision {revision}"
            + ("" if args.expiring is None else f"; {len(people)} of them are listed"),
        ],
    )
    return 0


def remove(args: argparse.Namespace, output: Output) -> int:
    """Remove a person; a running terminal follows within a second.

    What was recorded of them goes first: while it cannot, they stay listed and can be removed.
    """
    config = load(args.config)
    key = load_key(config.key)
    visits = forget_recorded(config, key, args.person_id)
    with opened(config) as gallery:
        outbox = make_outbox(config.events, key)
        lifecycle = Lifecycle(config, key, gallery, outbox, Identity(key))
        erased = gallery.remove(args.person_id)
        if erased is None:
            raise gallery_person.nobody(args.person_id)
        receipt = lifecycle.receipt(erased)
        problems = _tell(lifecycle, outbox)
    visits += forget_recorded(config, key, args.person_id)  # written by a terminal meanwhile
    lines = [f"removed {args.person_id}"]
    if visits and config.recording is not None:
        lines.append(f"and {visits} recorded visits of theirs from {config.recording.path}")
    lines += [f"not told yet: {problem}; the terminal will do it" for problem in problems]
    told = {"removed": args.person_id, "recorded_visits": visits, "receipt": receipt}
    output.result({**told, "problems": problems}, [*lines, f"receipt {receipt}"])
    return 0


def _tell(lifecycle: Lifecycle, outbox: Outbox) -> list[str]:
    """Put the event into the terminal's outbox; what is in the way is for the terminal."""
    try:
        outbox.open()
        return lifecycle.finish()
    except StorageError as fault:
        return [str(fault)]
    finally:
        outbox.close()
