"""The bundle that is in force, or what stands in for it when that one is broken."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from edged.bundle.load import find_bundle, load_bundle, shipped
from edged.bundle.store import installed
from edged.bundle.trust import Trust
from edged.errors import BundleError, EdgedError, RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.bundle.load import Bundle
    from edged.config.schema import Model

log = logging.getLogger(__name__)
T = TypeVar("T")


def open_first(name: str, settings: Model, use: Callable[[Bundle], T]) -> tuple[T, list[str]]:
    """Use the bundle of this name that is in force; if it is broken, the one before it, and if
    that is broken as well, the one that ships.

    Args:
        name: of a bundle, or the path of one, which nothing stands in for.
        settings: whose store and trust count.
        use: opens it; a BundleError or RuntimeFault of its own makes the bundle a broken one.

    Returns:
        What `use` gave, and why each bundle that goes before the one used was passed over.

    Raises:
        BundleError: there is no bundle that can be used, or a key of the settings is unusable.
        RuntimeFault: likewise, and the one in force failed by this.
    """
    trust = Trust.of(settings)
    refused: list[EdgedError] = []
    for folder in _candidates(name, settings.store, refused):
        try:
            bundle = _named(load_bundle(folder, trust), name, settings.store)
            opened = use(bundle)
        except (BundleError, RuntimeFault) as fault:
            refused.append(fault)
            continue
        reasons = ["; ".join(str(fault).splitlines()) for fault in refused]
        for reason in reasons:
            log.error("a bundle is not used: %s", reason)
        if reasons:
            log.error("%s stands in for it; install a bundle that works", bundle.identity)
        return opened, reasons
    raise refused[0]


def _named(bundle: Bundle, name: str, store: Path) -> Bundle:
    """A trusted bundle all the same, but put into another one's place in the store."""
    if bundle.folder.parent == store / name and bundle.manifest.name != name:
        raise BundleError(f"{bundle.folder}: is {bundle.manifest.name}, expected {name}")
    return bundle


def _candidates(name: str, store: Path, refused: list[EdgedError]) -> list[Path]:
    """Best first; at least one, or something in `refused`."""
    found: list[Path] = []
    try:
        found += installed(store, name)
    except BundleError as fault:
        refused.append(fault)
    ships = shipped(name)
    if ships is not None:
        found.append(ships)
    if not found and not refused:
        found.append(find_bundle(name))
    return found
