"""The installer's page, if there is to be one; without it the door works on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edged.errors import InstallerError
from edged.web.installer.room import InstallerPage

if TYPE_CHECKING:
    from contextlib import ExitStack

    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.service.state import State

log = logging.getLogger(__name__)


def open_installer(
    config: Config, policy: Policy, state: State, stack: ExitStack
) -> InstallerPage | None:
    """The page, open; None where none is wanted or it cannot be (which the state says)."""
    if config.web is None or config.web.installer is None:
        return None

    def failed(reason: str) -> None:
        state.degrade("installer", reason)

    page = InstallerPage(
        config.web.installer,
        config.vision,
        terminal=config.terminal,
        floor=policy.view_floor,
        wanted_hz=config.camera.rate_hz,
        on_fault=failed,
    )
    stack.callback(page.close)
    try:
        page.open()
    except InstallerError as fault:
        log.error("no installer's page: %s", fault)
        failed(str(fault))
        return None
    return page
