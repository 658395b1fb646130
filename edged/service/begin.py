"""What a daemon begins with: the YAML, and what the site desires over it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edged.errors import EdgedError
from edged.events.outbox import make_outbox
from edged.service.desired import Standing, refused, standing
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.config.schema import Config
    from edged.events.outbox import Outbox


def begin(yaml: Config, *, tries: bool = True) -> Standing:
    """The YAML's configuration with what is desired over it.

    Where the log cannot be opened the YAML alone is begun with: the daemon opens it again at once,
    and says what is wrong if that goes on. Nothing is made that is not there.

    Args:
        tries: see `standing`.
    """
    if not yaml.events.path.exists():
        return Standing(yaml, yaml)
    try:
        with _opened(yaml) as outbox:
            return standing(yaml, outbox, tries=tries)
    except EdgedError as fault:
        return Standing(yaml, yaml, applied=refused(None, "storage", str(fault)))


def desired_document(begun: Standing) -> dict[str, Any] | None:
    """What is desired and what became of it, fit for JSON; None: nothing is."""
    if begun.applied is None:
        return None
    settings = begun.stored.settings if begun.stored is not None else {}
    return {**begun.applied.document(), "settings": settings}


def desired_lines(begun: Standing) -> list[str]:
    """The same for whoever sits at the terminal."""
    applied, stored = begun.applied, begun.stored
    if applied is None:
        return []
    if stored is None or applied.result == "refused":
        return [f"WARNING: the site's desired settings are not in force: {applied.text}"]
    what = ", ".join(_written(stored.settings)) or "nothing"
    if applied.in_force:
        return [f"over this file the site has set (revision {stored.revision}): {what}"]
    return [f"the site wishes (revision {stored.revision}), from the next start on: {what}"]


def _written(settings: dict[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from (f"{name}.{key} {_plain(inner)}" for key, inner in value.items())
        else:
            yield f"{name} {_plain(value)}"


def _plain(value: Any) -> str:
    return "as by default" if value is None else str(value)


@contextmanager
def _opened(yaml: Config) -> Iterator[Outbox]:
    outbox = make_outbox(yaml.events, load_key(yaml.key))
    try:
        outbox.open()
        yield outbox
    finally:
        outbox.close()
