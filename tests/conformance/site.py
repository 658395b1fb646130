"""What a site does that must not lose anything: it watches the numbers and asks for the holes."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from tests.conformance.parties import Unanswered
from tests.wait import until

if TYPE_CHECKING:
    from tests.conformance.parties import Site

_QUIET_S = 0.3


def holes(seqs: set[int], head: int) -> list[tuple[int, int]]:
    """The missing ranges up to the head, both ends included."""
    missing: list[tuple[int, int]] = []
    for seq in range(1, head + 1):
        if seq in seqs:
            continue
        if missing and missing[-1][1] == seq - 1:
            missing[-1] = (missing[-1][0], seq)
        else:
            missing.append((seq, seq))
    return missing


def heal(site: Site, name: str, head: int) -> int:
    """Wait until nothing more comes, ask for what is missing until nothing is.

    Returns:
        How many events had to be asked for.
    """
    asked = 0
    for _ in range(10):
        quiet(site)
        missing = holes(site.seqs[name], head)
        if not missing:
            return asked
        for first, last in missing:
            _ask(site, name, first, last)
            asked += last - first + 1
            wanted = set(range(first, last + 1))
            until(lambda w=wanted: w <= site.seqs[name])
    raise AssertionError("the holes do not close")


def _ask(site: Site, name: str, first: int, last: int) -> None:
    """Again without a reply: a terminal may just have lost its broker, and asking twice is safe."""
    for patience_s in (3, 3, 3, 20):
        with contextlib.suppress(Unanswered):
            args = {"from_seq": first, "to_seq": last}
            reply = site.command("events.replay", args, name, patience_s)
            assert reply["result"] == "ok", reply
            return
    raise Unanswered(f"{name} does not answer")


def quiet(site: Site) -> None:
    """Until nothing has come for a moment; a hole is asked for only when it stays one."""
    until(site.client.is_connected)
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        if len(site.heard) != seen:
            seen, since = len(site.heard), time.monotonic()
        time.sleep(0.01)
