"""``edged model install | rollback | list``: which bundles are in force on this terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.bundle.install import install, is_older, rollback
from edged.bundle.load import load_bundle, shipped, shipped_names
from edged.bundle.store import installed, names
from edged.bundle.trust import Trust
from edged.cli.output import add_config, add_json, model_settings
from edged.cli.signing import some_path
from edged.errors import BundleError
from edged.service.trial import try_out

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edged.bundle.install import Change
    from edged.cli.output import Output
    from edged.config.schema import Model


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """The actions and their arguments."""
    action = actions.add_parser(
        "install", help="put a bundle in force; the one before is kept, and returns if it fails"
    )
    action.add_argument("folder", type=some_path, metavar="DIR", help="the bundle's folder")
    action.add_argument(
        "--older", action="store_true", help="also one that is older than the one in force"
    )
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=put)
    action = actions.add_parser("rollback", help="return to the bundle that was in force before")
    action.add_argument("name", nargs="?", help="default: the configured recogniser")
    add_config(action, required=True)
    add_json(action)
    action.set_defaults(run=back)
    action = actions.add_parser("list", help="list the bundles that are installed or ship")
    add_config(action, required=False)
    add_json(action)
    action.set_defaults(run=show)


def put(args: argparse.Namespace, output: Output) -> int:
    """Verify, copy, try, put in force; the running terminal takes it at its next start."""
    settings, limits = model_settings(args)
    change = install(
        args.folder,
        settings,
        lambda bundle: try_out(bundle, settings, limits),
        older=args.older,
    )
    if change.changed:
        first = f"{change.bundle.identity} is in force"
    else:
        first = f"{change.bundle.identity} was in force already; nothing was changed"
    _tell(change, settings, output, first)
    return 0


def back(args: argparse.Namespace, output: Output) -> int:
    """Return to the one before, or to the one that ships."""
    settings, limits = model_settings(args)
    name = settings.bundle if args.name is None else args.name
    change = rollback(name, settings, lambda bundle: try_out(bundle, settings, limits))
    _tell(change, settings, output, f"{change.bundle.identity} is in force again")
    return 0


def _tell(change: Change, settings: Model, output: Output, first: str) -> None:
    bundle, before = change.bundle, change.before
    renewed = before is not None and before.identity != bundle.identity
    older = before is not None and is_older(bundle, before)
    shown = [first, f"  {bundle.origin}", f"  in {bundle.folder}"]
    if older and before is not None:
        shown.append(f"it is OLDER than {before.identity}, which was in force")
    if change.changed:
        shown += _consequences(change, settings)
    told = {
        "identity": bundle.identity,
        "before": before and before.identity,
        "changed": change.changed,
        "identity_changed": renewed,
        "older": older,
        "origin": bundle.origin,
        "folder": str(bundle.folder),
    }
    output.result(told, shown)


def _consequences(change: Change, settings: Model) -> list[str]:
    manifest, before = change.bundle.manifest, change.before
    recogniser = manifest.kind == "recogniser"
    setting = "bundle" if recogniser else "detector"
    configured = settings.bundle if recogniser else settings.detector
    if configured != manifest.name:
        shown = [f"the terminal does not use it: set model.{setting} to {manifest.name}"]
        replaced = f"model.{setting} {configured}"
    else:
        shown = ["a running terminal goes on with what it has: systemctl restart edged"]
        if before is None or before.identity == change.bundle.identity:
            return shown
        replaced = before.identity
    if recogniser:
        same = before is not None and before.digest == change.bundle.digest
        what = "the version changes, the network does not" if same else "THE NETWORK CHANGES"
        shown.append(
            f"{what}: who was enrolled with {replaced} is not recognised by this one until "
            "enrolled again with it"
        )
    return shown


def show(args: argparse.Namespace, output: Output) -> int:
    """Each bundle by name, best first: in force, before it, as it ships."""
    settings, _ = model_settings(args)
    trust = Trust.of(settings)
    rows = [
        row
        for name in sorted({*names(settings.store), *shipped_names()})
        for row in _rows(name, settings, trust)
    ]
    lines = []
    for row in rows:
        mark = "*" if row["in_force"] else " "
        lines.append(f"{mark} {row['identity'] or row['name']:<44} {row['place']:<9} ")
        lines.append(f"    {row['problem'] or row['origin']}")
    lines.append("(* is used where the configuration names it)")
    output.result({"store": str(settings.store), "bundles": rows}, lines)
    return 0


def _rows(name: str, settings: Model, trust: Trust) -> list[dict[str, Any]]:
    places: list[tuple[str, Path]] = []
    rows: list[dict[str, Any]] = []
    try:
        found = installed(settings.store, name)
        places += zip(("installed", "previous"), found, strict=False)
    except BundleError as fault:
        rows.append(_row(name, "installed", settings.store / name, problem=str(fault)))
    if folder := shipped(name):
        places.append(("shipped", folder))
    for place, folder in places:
        try:
            bundle = load_bundle(folder, trust)
            row = _row(name, place, folder, bundle.identity, bundle.origin)
            row["in_force"] = not any(before["in_force"] for before in rows)
        except BundleError as fault:
            row = _row(name, place, folder, problem="; ".join(str(fault).splitlines()))
        rows.append(row)
    return rows


def _row(
    name: str, place: str, folder: Path, identity: str = "", origin: str = "", problem: str = ""
) -> dict[str, Any]:
    return {
        "name": name,
        "place": place,
        "identity": identity or None,
        "in_force": False,
        "origin": origin,
        "folder": str(folder),
        "problem": problem,
    }
