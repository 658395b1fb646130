"""The pages of the terminal, where they are configured: the person's and the installer's.

A door without its pages is still a door: what fails here is told in the state.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edged.decision.agreement import Asked
from edged.errors import ScreenError
from edged.service.installer import open_installer
from edged.web.screen import Screen
from edged.web.view import Question, ScreenView

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from edged.config.schema import Config
    from edged.decision.policy import Policy
    from edged.decision.presentation import Step
    from edged.service.display import Display, Prompt
    from edged.service.metrics import Metrics
    from edged.service.state import State
    from edged.types import Frame, FusedMatch, Observation
    from edged.web.installer.room import InstallerPage

log = logging.getLogger(__name__)

_BLIND = {"camera", "pipeline", "runtime"}  # without these nobody is seen


class Pages:
    """What the vision thread tells them is a reference taken, nothing else."""

    def __init__(self, config: Config, policy: Policy, state: State, metrics: Metrics) -> None:
        self._config = config
        self._policy = policy
        self._state = state
        self._metrics = metrics
        self._screen: Screen | None = None
        self._installer: InstallerPage | None = None

    def open(
        self,
        stack: ExitStack,
        answer: Callable[[str, bool], bool] | None = None,
        read: Callable[[str, str], None] | None = None,
    ) -> None:
        """Serve what is configured; `stack` closes it again.

        Args:
            answer: takes the token of a question and whether the person agreed.
            read: takes what is typed or pressed on the page: "pin" or "key", and its value.
        """
        page = self._installer = open_installer(self._config, self._policy, self._state, stack)
        if self._config.web is None:
            return
        screen = Screen(
            self._config.web,
            self._state.document,
            self._metrics.prometheus,
            blind=lambda: not self._state.degraded.keys().isdisjoint(_BLIND),
            answer=answer if self._config.gallery.enrolment_confirm == "page" else None,
            read=read,
            keys=() if self._config.attendance is None else self._config.attendance.keys,
            installer=page.app if page is not None else None,
        )
        stack.callback(screen.close)
        try:
            screen.open()
        except ScreenError as fault:
            log.error("no screen: %s", fault)
            self._state.degrade("screen", str(fault))
            return
        self._screen = screen
        for problem in screen.problems:
            log.warning("the screen's texts: %s", problem)
        if screen.problems:
            self._state.degrade("screen", "; ".join(screen.problems))

    def show(self, display: Display) -> None:
        """What the person is to see from now on."""
        if self._screen is not None:
            self._screen.show(
                ScreenView(
                    display.phase.value,
                    display.instruction.value if display.instruction else None,
                    display.enrolling,
                    display.views,
                    display.progress,
                    display.name,
                    question=_question(display.prompt),
                    ended=display.ended,
                    asks=display.ask,
                    why=display.why,
                    punched=display.punched,
                )
            )

    def look(self, frame: Frame, observation: Observation) -> None:
        """A frame, and what it showed."""
        if self._screen is not None:
            self._screen.look(frame, observation)
        if self._installer is not None:
            self._installer.look(frame, observation)

    def step(self, observation: Observation, fused: FusedMatch | None, step: Step) -> None:
        """What the decision saw and said."""
        if self._installer is not None:
            self._installer.step(observation, fused, step)


def _question(prompt: Prompt | None) -> Question | None:
    if prompt is None:
        return None
    token = prompt.token if prompt.how is Asked.PAGE else None
    return Question(prompt.name or prompt.person_id, prompt.how.value, token)
