"""A GPIO chip in memory with the surface of gpiod that a door uses; checked in test_gpio.py."""

from __future__ import annotations

import enum
import errno
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any


class Direction(enum.Enum):
    AS_IS = 1
    INPUT = 2
    OUTPUT = 3


class Value(enum.Enum):
    INACTIVE = 0
    ACTIVE = 1


@dataclass
class LineSettings:
    direction: Any = Direction.AS_IS
    active_low: bool = False
    output_value: Any = Value.INACTIVE


class Board:
    """The hardware: levels are what a voltmeter sees, `log` every change of them, in order."""

    def __init__(self) -> None:
        self.path = "/dev/gpiochip0"
        self.names = {"relay": 17}
        self.lines = 32
        self.held: set[int] = set()
        self.levels: dict[int, bool] = {}
        self.log: list[tuple[str, bool | None]] = []
        self.chip_failure: OSError | None = None
        self.line_failure: OSError | None = None
        self.write_failure: OSError | None = None
        self.read_failure: OSError | None = None
        self.open_chips = 0

    def module(self) -> Any:
        board = self

        class BoundChip(Chip):
            def __init__(self, path: str) -> None:
                super().__init__(path, board)

        return SimpleNamespace(
            Chip=BoundChip,
            LineSettings=LineSettings,
            line=SimpleNamespace(Direction=Direction, Value=Value),
        )


class Chip:
    def __init__(self, path: str, board: Board) -> None:
        if board.chip_failure:
            raise board.chip_failure
        if path != board.path:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._board = board
        board.open_chips += 1

    def close(self) -> None:
        self._board.open_chips -= 1

    def request_lines(
        self,
        config: dict[Any, Any],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
        output_values: dict[Any, Any] | None = None,
    ) -> LineRequest:
        board = self._board
        if board.line_failure:
            raise board.line_failure
        ((line, settings),) = config.items()
        offset = line if isinstance(line, int) else board.names.get(line)
        if offset is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if offset >= board.lines:
            raise ValueError("line offset of out range")
        if offset in board.held:
            raise OSError(errno.EBUSY, "Device or resource busy")
        assert settings.direction is not Direction.AS_IS
        board.held.add(offset)
        return LineRequest(board, line, offset, settings)


class LineRequest:
    def __init__(self, board: Board, line: Any, offset: int, settings: LineSettings) -> None:
        self._board, self._line, self._offset, self._settings = board, line, offset, settings
        if settings.direction is Direction.OUTPUT:
            self._drive("request", settings.output_value)

    def get_value(self, line: Any) -> Value:
        assert (line, self._settings.direction) == (self._line, Direction.INPUT)
        if self._board.read_failure:
            raise self._board.read_failure
        high = self._board.levels.get(self._offset, False)
        return Value.ACTIVE if high != self._settings.active_low else Value.INACTIVE

    def set_value(self, line: Any, value: Any) -> None:
        assert line == self._line
        if self._board.write_failure:
            raise self._board.write_failure
        self._drive("set", value)

    def release(self) -> None:
        self._board.held.discard(self._offset)
        self._board.log.append(("release", None))

    def _drive(self, what: str, value: Any) -> None:
        active = value is Value.ACTIVE
        self._board.levels[self._offset] = active != self._settings.active_low
        self._board.log.append((what, active))
