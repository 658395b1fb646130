"""``edged ctl``: a controller for the site, to be used by people and by scripts.

Exit codes: 0 done, 1 refused, failed or no reply, 2 bad usage or settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.cli import (
    ctl_area,
    ctl_attendance,
    ctl_bridge,
    ctl_keys,
    ctl_model,
    ctl_orders,
    ctl_people,
    ctl_provision,
    ctl_state,
    ctl_visitor,
    ctl_watch,
)

if TYPE_CHECKING:
    import argparse


def add(command: argparse.ArgumentParser) -> None:
    """Its actions, each with its arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    for part in (
        ctl_watch,
        ctl_state,
        ctl_orders,
        ctl_area,
        ctl_people,
        ctl_visitor,
        ctl_attendance,
        ctl_model,
        ctl_keys,
        ctl_provision,
        ctl_bridge,
    ):
        part.add(actions)
