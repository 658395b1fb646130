"""A GPIO chip in memory with the surface of gpiod that a door uses; checked in test_gpio.py."""

from __future__ import annotations

import enum
import errno
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any


class Direction(enum.Enum):
    AS_IS = 1
    INPUT = 2
    OUTPUT = 3


class Value(enum.Enum):
    INACTIVE = 0
    ACTIVE = 1


class Bias(enum.Enum):
    AS_IS = 1
    DISABLED = 3
    PULL_UP = 4
    PULL_DOWN = 5


class Edge(enum.Enum):
    NONE = 1
    BOTH = 4


class EdgeEvent:
    class Type(enum.Enum):
        RISING_EDGE = 1
        FALLING_EDGE = 2

    def __init__(self, rising: bool) -> None:
        self.event_type = self.Type.RISING_EDGE if rising else self.Type.FALLING_EDGE
        self.timestamp_ns = time.monotonic_ns()


@dataclass
class LineSettings:
    direction: Any = Direction.AS_IS
    edge_detection: Any = Edge.NONE
    bias: Any = Bias.AS_IS
    active_low: bool = False
    debounce_period: timedelta = timedelta()
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
        self.refuses: set[str] = set()  # "debounce", "edges": what the chip cannot do
        self.asked: list[LineSettings] = []
        self._moved = threading.Condition()
        self._edges: dict[int, deque[EdgeEvent]] = {}
        self._watched: dict[int, LineSettings] = {}

    def drive(self, offset: int, high: bool) -> None:
        """Somebody outside puts a level on a line."""
        with self._moved:
            before = self.levels.get(offset, False)
            self.levels[offset] = high
            if before != high and offset in self._watched:
                rising = high != self._watched[offset].active_low
                self._edges[offset].append(EdgeEvent(rising))
            self._moved.notify_all()

    def watch(self, offset: int, settings: LineSettings) -> None:
        with self._moved:
            self._watched[offset] = settings
            self._edges[offset] = deque(maxlen=256)

    def wait(self, offset: int, seconds: float) -> bool:
        with self._moved:
            return self._moved.wait_for(lambda: bool(self._edges[offset]), seconds)

    def take(self, offset: int) -> list[EdgeEvent]:
        with self._moved:
            taken = list(self._edges[offset])
            self._edges[offset].clear()
            return taken

    def module(self) -> Any:
        board = self

        class BoundChip(Chip):
            def __init__(self, path: str) -> None:
                super().__init__(path, board)

        return SimpleNamespace(
            Chip=BoundChip,
            LineSettings=LineSettings,
            EdgeEvent=EdgeEvent,
            line=SimpleNamespace(Direction=Direction, Value=Value, Bias=Bias, Edge=Edge),
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
        assert settings.edge_detection is Edge.NONE or settings.direction is Direction.INPUT
        board.asked.append(settings)
        if "debounce" in board.refuses and settings.debounce_period:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        if "edges" in board.refuses and settings.edge_detection is not Edge.NONE:
            raise OSError(errno.ENXIO, "No such device or address")
        board.held.add(offset)
        return LineRequest(board, line, offset, settings)


class LineRequest:
    def __init__(self, board: Board, line: Any, offset: int, settings: LineSettings) -> None:
        self._board, self._line, self._offset, self._settings = board, line, offset, settings
        if settings.direction is Direction.OUTPUT:
            self._drive("request", settings.output_value)
        if settings.edge_detection is not Edge.NONE:
            board.watch(offset, settings)

    def wait_edge_events(self, timeout: timedelta | float | None = None) -> bool:
        assert isinstance(timeout, timedelta)
        if self._board.read_failure:
            raise self._board.read_failure
        return self._board.wait(self._offset, timeout.total_seconds())

    def read_edge_events(self, max_events: int | None = None) -> list[EdgeEvent]:
        assert max_events is not None
        return self._board.take(self._offset)

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
