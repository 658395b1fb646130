"""Put another bundle in force, or the one before it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edged.bundle.inspect import can_inspect, inspect
from edged.bundle.load import load_bundle, shipped
from edged.bundle.read import MANIFEST_NAME, manifest_bytes
from edged.bundle.sign import SIGNATURE_NAME
from edged.bundle.store import InForce, Shelf, installed, locked, writing
from edged.bundle.trust import Trust
from edged.errors import BundleError, RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.bundle.load import Bundle
    from edged.config.schema import Model


@dataclass(frozen=True, slots=True)
class Change:
    """What an installation or a return did.

    Attributes:
        bundle: what is in force now.
        before: what was in force; None when there was nothing, or nothing that loads.
        changed: False when this very bundle was in force already.
    """

    bundle: Bundle
    before: Bundle | None
    changed: bool = True


def install(
    source: Path, settings: Model, trial: Callable[[Bundle], object], *, older: bool = False
) -> Change:
    """Copy a bundle into the store, try the copy and put it in force; the one before is kept.

    What was not tried is never in force. Whatever goes wrong, nothing changes and the copy goes.

    Args:
        source: the bundle's folder; links in it are refused.
        settings: whose store and trust count.
        trial: runs the bundle as the terminal will; raises what ends the installation.
        older: than the one in force is accepted as well.

    Raises:
        BundleError: the bundle is not whole, not trusted, older, does not pass the trial or,
            where onnx is installed, holds a network that some runtime refuses.
        RuntimeFault: the runtime refuses it.
        DiskFull, StorageError: the store cannot be written, or somebody else is at work in it.
    """
    trust = Trust.of(settings)
    bundle = load_bundle(source, trust)
    if can_inspect():
        inspect(bundle)
    name = bundle.manifest.name
    with locked(settings.store), writing(settings.store):
        shelf = Shelf(settings.store, name)
        current, kept = _kept(settings.store, name, trust)
        before = current or _shipped(name)
        if current is not None and _content(current.folder) == _content(source):
            return Change(current, current, changed=False)
        if before is not None and is_older(bundle, before) and not older:
            raise BundleError(
                f"{source}: is version {bundle.manifest.version}, older than the "
                f"{before.manifest.version} that is in force; it may lack what was mended since. "
                "Give --older to install it all the same"
            )
        try:
            folder = shelf.copy(source, _files(bundle), bundle.manifest.version)
            try:
                copied = _copy_of(bundle, folder, trust)
                trial(copied)
                shelf.write(InForce(current=folder.name, previous=kept))
            except BaseException:
                shelf.discard(folder)
                raise
        finally:
            shelf.prune()
    return Change(copied, before)


def is_older(bundle: Bundle, than: Bundle) -> bool:
    """By their versions, as semantic versioning orders them."""
    return _rank(bundle.manifest.version) < _rank(than.manifest.version)


def _rank(version: str) -> tuple[Any, ...]:
    core, _, early = version.partition("+")[0].partition("-")
    numbers = tuple(int(part) for part in core.split(".")[:3])
    parts = [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in early.split(".")]
    return numbers, not early, parts


def rollback(name: str, settings: Model, trial: Callable[[Bundle], object]) -> Change:
    """Return to the bundle that was in force before, or to the one that ships; the one in force
    now is removed. See `install` for the errors; there may be nothing to return to as well."""
    trust = Trust.of(settings)
    with locked(settings.store), writing(settings.store):
        shelf = Shelf(settings.store, name)
        there = installed(settings.store, name)
        if not there:
            raise BundleError(f"{name}: none is installed, so there is nothing to go back from")
        before = _loaded(there[0], trust)
        refused: list[str] = []
        for folder in [*there[1:], shipped(name)]:
            if folder is None:
                continue
            try:
                bundle = load_bundle(folder, trust)
                trial(bundle)
            except (BundleError, RuntimeFault) as fault:
                refused.append(str(fault))
                continue
            is_installed = folder.parent == shelf.folder
            shelf.write(InForce(current=folder.name) if is_installed else None)
            shelf.prune()
            return Change(bundle, before)
    raise BundleError(
        "\n".join(
            [*refused, f"{name}: there is no bundle to go back to; install one that works instead"]
        )
    )


def _kept(store: Path, name: str, trust: Trust) -> tuple[Bundle | None, str | None]:
    """The installed bundle in force, and the folder to go back to: of the first that is whole."""
    try:
        there = installed(store, name)
    except BundleError:
        return None, None
    current = _loaded(there[0], trust) if there else None
    if current is not None:
        return current, current.folder.name
    whole = (folder.name for folder in there[1:] if _loaded(folder, trust))
    return None, next(whole, None)


def _shipped(name: str) -> Bundle | None:
    folder = shipped(name)
    return _loaded(folder, Trust()) if folder else None


def _loaded(folder: Path, trust: Trust) -> Bundle | None:
    try:
        return load_bundle(folder, trust)
    except BundleError:
        return None


def _copy_of(bundle: Bundle, folder: Path, trust: Trust) -> Bundle:
    copied = load_bundle(folder, trust)
    if copied.manifest != bundle.manifest:
        raise BundleError(f"{bundle.folder}: changed while it was copied; try again")
    return copied


def _files(bundle: Bundle) -> list[str]:
    signed = [SIGNATURE_NAME] if (bundle.folder / SIGNATURE_NAME).is_file() else []
    return [MANIFEST_NAME, *signed, *bundle.manifest.files]


def _content(folder: Path) -> tuple[bytes, bytes]:
    """What tells one bundle from another: the manifest, which has the digests, and who signed."""
    signature = folder / SIGNATURE_NAME
    return manifest_bytes(folder / MANIFEST_NAME), (
        signature.read_bytes() if signature.is_file() else b""
    )
