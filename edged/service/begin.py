"""What a daemon begins with: the YAML, and what the site desires over it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from edged.errors import EdgedError
from edged.events.outbox import make_outbox
from edged.service.desired import Standing, standing
from edged.vault.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.config.schema import Config
    from edged.events.outbox import Outbox


def begin(yaml: Config, *, tries: bool = True) -> Standing:
    """The YAML's configuration with what is desired over it.

    What cannot be opened here is nothing to be told of here: the daemon opens it again at once.
    Nothing is made that is not there.

    Args:
        tries: see `standing`.
    """
    if not yaml.events.path.exists():
        return Standing(yaml, yaml)
    try:
        with _opened(yaml) as outbox:
            return standing(yaml, outbox, tries=tries)
    except EdgedError:
        return Standing(yaml, yaml)


@contextmanager
def _opened(yaml: Config) -> Iterator[Outbox]:
    outbox = make_outbox(yaml.events, load_key(yaml.key))
    try:
        outbox.open()
        yield outbox
    finally:
        outbox.close()
