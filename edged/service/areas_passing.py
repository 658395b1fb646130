"""A grant as whoever opens the door holds it; and what the configuration says of areas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.access.threshold import Here

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.access.threshold import Going
    from edged.config.schema import Config


class Passing:
    """Somebody's grant, and that of those who pass with them; `entered` or `not_entered` is called
    once, on any thread.

    Attributes:
        passback: whether they are inside already, as far as is known; for ``access.granted``.
        together: who passes with them.
    """

    def __init__(
        self, ended: Callable[..., None], going: tuple[Going, ...], person_id: str
    ) -> None:
        self._tell = ended
        self._going = going
        self.passback = any(one.passback for one in going if one.person_id == person_id)
        self.together = tuple(one.person_id for one in going if one.person_id != person_id)

    def entered(self) -> None:
        """The door was opened, or has no contact."""
        self.ended(opened=True)

    def not_entered(self) -> None:
        """The grant ended, and it was not."""
        self.ended(opened=False)

    def ended(self, opened: bool) -> None:
        """Either of the two; a second call says nothing."""
        going, self._going = self._going, ()
        if going:
            self._tell(going, passed=opened)


def here_of(config: Config) -> Here:
    """What is configured."""
    access = config.access
    if access is None:
        return Here()
    within_s = access.two_people_within_s
    area = access.area
    if area is None:
        return Here(within_s=within_s)
    passback = area.passback
    if passback is None:
        return Here(area.name, area.outside, area.most, within_s=within_s)
    return Here(
        area.name,
        area.outside,
        area.most,
        passback.mode,
        int(passback.again_after_s * 1000),
        passback.offline,
        within_s,
    )
