"""What the terminal reports of itself: it says what is, never what was wished."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class State:
    """The facts behind the retained `state` message, changed by any thread.

    Args:
        on_change: called without arguments after every change, in the changing thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # one teller at a time: else an older document could be told after a newer one
        self._telling = threading.RLock()
        self._facts: dict[str, Any] = {}
        self._degraded: dict[str, str] = {}
        self.on_change: Callable[[], None] = lambda: None

    def set(self, **facts: Any) -> None:
        """Set facts by name."""
        with self._lock:
            changed = any(self._facts.get(name, ...) != value for name, value in facts.items())
            self._facts.update(facts)
        self._tell(changed)

    def degrade(self, part: str, reason: str) -> bool:
        """Note that a part does not work; True when that is news."""
        with self._lock:
            news = part not in self._degraded
            changed = self._degraded.get(part) != reason
            self._degraded[part] = reason
        self._tell(changed)
        return news

    def restore(self, part: str) -> bool:
        """Note that a part works; True when that is news."""
        with self._lock:
            news = self._degraded.pop(part, None) is not None
        self._tell(news)
        return news

    @property
    def degraded(self) -> dict[str, str]:
        """Parts that do not work, and why."""
        with self._lock:
            return dict(self._degraded)

    def document(self) -> dict[str, Any]:
        """The facts and the degraded parts, fit for JSON."""
        with self._lock:
            return {**self._facts, "degraded": dict(self._degraded)}

    def _tell(self, changed: bool) -> None:
        if changed:
            with self._telling:
                self.on_change()
