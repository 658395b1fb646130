"""Which of a person's templates are kept when there are more than may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.gallery.sealed import Kept

ADAPTED = "adapted"
"""The source of a template that followed the person instead of being enrolled."""


def best_templates(candidates: Sequence[Kept], limit: int) -> list[int]:
    """The places of at most `limit` templates: the newest ones that were enrolled.

    Choosing by quality and difference was not shown to recognise anybody better than chance does
    (docs/lookalikes.md, "Which templates stay"), and it would keep what a person looked like
    years ago.

    Of what was adapted since the last enrolment the newest one stays, if enrolled ones leave it
    a place: so it never outweighs them. What was adapted before an enrolment has had its day.

    Args:
        candidates: all of one person and model, old and new, the oldest first.
        limit: how many may stay, at least 1.

    Returns:
        Indices into `candidates`, ascending: the oldest first.
    """
    adapted = [i for i, one in enumerate(candidates) if one.source == ADAPTED]
    enrolled = [i for i, one in enumerate(candidates) if one.source != ADAPTED]
    if not enrolled:
        return adapted[-1:]
    since = [i for i in adapted if i > enrolled[-1]]
    return [*enrolled[-limit:], *since[-1:]][:limit]
