"""``edged model move status | retry | forget``: how far people have moved to `model.next`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.bundle.load import find_bundle, load_bundle
from edged.bundle.trust import Trust
from edged.cli.gallery import opened
from edged.cli.output import BadUsage, add_config, add_json
from edged.config.load import load
from edged.errors import GalleryError
from edged.service import move_record
from edged.service.mover import figures
from edged.service.movers import drop
from edged.service.moving import has_moved

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from edged.cli.output import Output
    from edged.config.schema import Model
    from edged.gallery.people import Person
    from edged.service.move_record import Record

_LISTED = 50


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    move = actions.add_parser("move", help="people who move to model.next as they are recognised")
    inner = move.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("status", status, "how many have moved, and who has not"),
        ("retry", retry, "let a move begin anew that was rolled back"),
        ("forget", forget, "erase every template of a bundle that is not in use"),
    ):
        action = inner.add_parser(name, help=text)
        if name == "forget":
            action.add_argument(
                "bundle", nargs="?", help="name or identity; default: what model.next names"
            )
        add_config(action, required=True)
        add_json(action)
        action.set_defaults(run=run)


def status(args: argparse.Namespace, output: Output) -> int:
    """Counts, figures and who waits; a running terminal tells the same as `model_move`."""
    config = load(args.config)
    old, new = _identities(config.model)
    with opened(config) as gallery:
        people, record = gallery.people(), move_record.read(gallery, new)
    rolled_back = record is not None and record.status == "rolled_back"
    waiting = [one.id for one in people if rolled_back or not _moved(one, old, new)]
    state = "not begun" if record is None else record.status
    told: dict[str, Any] = {
        "from": old,
        "to": new,
        "status": state,
        "since": record and record.since,
        "reason": record and record.reason,
        "people": len(people),
        "moved": len(people) - len(waiting),
        "waiting": waiting,
        "figures": record and figures(record.tally),
    }
    shown = [
        f"{old} -> {new}: {state.replace('_', ' ')}",
        f"  {len(people) - len(waiting)} of {len(people)} people have moved",
        *(_lines(record) if record is not None else ()),
        *([f"  waiting: {_list(waiting)}"] if waiting else []),
    ]
    if people and not waiting:
        shown.append(f"  everybody has moved: set model.bundle to {config.model.next}")
    output.result(told, shown)
    return 0


def retry(args: argparse.Namespace, output: Output) -> int:
    """Forget what was compared; the templates are erased by then, or are now."""
    config = load(args.config)
    old, new = _identities(config.model)
    with opened(config) as gallery:
        erased = drop(gallery, new)
        move_record.write(gallery, new, None)
    output.result(
        {"from": old, "to": new, "erased": erased},
        [f"the move to {new} begins anew when the terminal is started again"],
    )
    return 0


def forget(args: argparse.Namespace, output: Output) -> int:
    """Erase a bundle's templates and what was kept of the move to it.

    Raises:
        GalleryError: nobody has any of it, or somebody has no others.
    """
    config = load(args.config)
    used = load_bundle(_folder(config.model.bundle, config.model)).identity
    with opened(config) as gallery:
        people = gallery.people()
        identity = _chosen(args.bundle, config.model, people)
        if identity == used:
            raise BadUsage(f"{identity} is in use (model.bundle); its templates stay")
        only = [one.id for one in people if set(one.templates) == {identity}]
        if only:
            raise GalleryError(
                f"{len(only)} people have templates of {identity} alone and would be lost: "
                f"{_list(only)}; remove them, or enrol them again, first"
            )
        erased = drop(gallery, identity)
        move_record.write(gallery, identity, None)
    lines = [f"erased the templates of {identity}, of {erased} people"]
    if config.model.next is not None:
        lines.append("model.next is still set: a running terminal goes on moving people")
    output.result({"bundle": identity, "people": erased}, lines)
    return 0


def _identities(model: Model) -> tuple[str, str]:
    if model.next is None:
        raise BadUsage("model.next is not set: nobody moves")
    trust = Trust.of(model)
    old, new = (
        load_bundle(_folder(name, model), trust).identity for name in (model.bundle, model.next)
    )
    if old == new:
        raise BadUsage(f"model.next is the bundle in use, {old}: nobody moves")
    return old, new


def _folder(name: str, model: Model) -> Path:
    return find_bundle(name, model.store)


def _moved(person: Person, old: str, new: str) -> bool:
    return has_moved(person.templates.get(old, 0), person.templates.get(new, 0))


def _chosen(name: str | None, model: Model, people: Iterable[Person]) -> str:
    if name is None and model.next is not None:
        return _identities(model)[1]
    if name is None:
        raise BadUsage("which bundle? model.next is not set; see `edged gallery list`")
    known = sorted({identity for one in people for identity in one.templates})
    found = [one for one in known if name in (one, one.partition("@")[0])]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadUsage(f"which of these? {', '.join(found)}")
    raise GalleryError(f"nobody has templates of {name!r}; known here: {', '.join(known)}")


def _lines(record: Record) -> list[str]:
    tally, since = record.tally, record.since
    compared = (
        f"  of those who moved: similarity better {tally.better}, equal {tally.equal}, worse "
        f"{tally.worse}; let in by the new one only {tally.saved}, by the old one only "
        f"{tally.missed}"
    )
    why = f", rolled back: {record.reason}" if record.reason else ""
    return [f"  since {since}{why}", compared]


def _list(people: list[str]) -> str:
    more = len(people) - _LISTED
    return ", ".join(people[:_LISTED]) + (
        f" and {more} more (--json lists all)" if more > 0 else ""
    )
