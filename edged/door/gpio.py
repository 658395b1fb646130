"""A relay on a GPIO line, by libgpiod v2."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any, Protocol

from edged.errors import DoorError


class Wired(Protocol):
    """Where a line is, and which level drives it."""

    @property
    def chip(self) -> str: ...
    @property
    def line(self) -> int | str: ...
    @property
    def active_low(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Wire:
    """The line of a lamp."""

    chip: str
    line: int | str
    active_low: bool


class GpioLine:
    """One line of a GPIO chip, by number or name, requested as an inactive output.

    The kernel gives the line back when the process dies, however it dies; not on every board
    does it give back the level (docs/decisions/0007-relay-rest.md).

    Args:
        settings: where it is.
        chip_at, line_at: the settings that say so, for messages.
    """

    def __init__(
        self, settings: Wired, chip_at: str = "door.chip", line_at: str = "door.line"
    ) -> None:
        self._settings = settings
        self._chip_at = chip_at
        self._line_at = line_at
        self._request: Any = None

    def take(self) -> None:
        line = _gpiod().line
        self._ask(direction=line.Direction.OUTPUT, output_value=line.Value.INACTIVE)

    def _ask(self, events: int | None = None, **wanted: Any) -> None:
        gpiod = _gpiod()
        settings = self._settings
        chip = self._chip(gpiod)
        try:
            self._request = chip.request_lines(
                config={
                    settings.line: gpiod.LineSettings(active_low=settings.active_low, **wanted)
                },
                consumer="edged",
                event_buffer_size=events,
            )
        except (OSError, ValueError) as failure:
            raise DoorError(self._line_problem(failure)) from failure
        finally:
            chip.close()

    def switch(self, on: bool, cause: str) -> None:
        del cause
        value = _gpiod().line.Value
        try:
            self._request.set_value(self._settings.line, value.ACTIVE if on else value.INACTIVE)
        except OSError as failure:
            raise DoorError(
                f"{self._name()} does not obey: {_text(failure)}; is the chip still there?"
            ) from failure

    def free(self) -> None:
        if self._request is None:
            return
        try:
            self.switch(on=False, cause="close")
        finally:
            request, self._request = self._request, None
            request.release()

    def describe(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "driver": "gpio",
            "chip": settings.chip,
            "line": settings.line,
            "active_low": settings.active_low,
        }

    def _chip(self, gpiod: Any) -> Any:
        path = self._settings.chip
        try:
            return gpiod.Chip(path)
        except FileNotFoundError as failure:
            raise DoorError(
                f"{self._chip_at} {path} does not exist; `gpiodetect` lists the chips there are"
            ) from failure
        except PermissionError as failure:
            raise DoorError(
                f"{self._chip_at} {path} may not be opened by this user; add it to the group that "
                "owns the device (often gpio)"
            ) from failure
        except OSError as failure:
            why = _text(failure)
            raise DoorError(f"{self._chip_at} {path} is no GPIO chip: {why}") from failure

    def _line_problem(self, failure: OSError | ValueError) -> str:
        if isinstance(failure, ValueError) or failure.errno in (errno.ENOENT, errno.EINVAL):
            return f"{self._name()} does not exist; `gpioinfo` lists the lines there are"
        if failure.errno == errno.EBUSY:
            return f"{self._name()} is busy; `gpioinfo` names the program that holds it, stop that"
        if isinstance(failure, PermissionError):
            return f"{self._name()} may not be driven by this user"
        return f"{self._name()} cannot be driven: {_text(failure)}"

    def _name(self) -> str:
        return f"{self._line_at} {self._settings.line} of {self._settings.chip}"


class GpioInput(GpioLine):
    """One line that is read, such as a switch at the case."""

    def take(self) -> None:
        self._ask(direction=_gpiod().line.Direction.INPUT)

    def active(self) -> bool:
        """Whether it is now.

        Raises:
            DoorError: it cannot be read.
        """
        try:
            value = self._request.get_value(self._settings.line)
        except OSError as failure:
            raise DoorError(
                f"{self._name()} cannot be read: {_text(failure)}; is the chip still there?"
            ) from failure
        return bool(value == _gpiod().line.Value.ACTIVE)

    def free(self) -> None:
        if self._request is not None:
            request, self._request = self._request, None
            request.release()


def _text(failure: OSError) -> str:
    return failure.strerror or str(failure)


def _gpiod() -> Any:
    try:
        import gpiod
        import gpiod.line
    except ImportError as failure:
        raise DoorError(
            f"a GPIO line needs libgpiod's Python package ({failure}); "
            "install it by: pip install 'edged[gpio]'"
        ) from failure
    return gpiod
