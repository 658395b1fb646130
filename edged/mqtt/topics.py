"""The names of the topics, built and parsed; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from edged.errors import BrokerError

if TYPE_CHECKING:
    from edged.config.schema import Config

Kind = Literal[
    "status", "state", "event", "backlog", "cmd", "result", "desired", "audit", "sync", "interlock"
]

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_LONGEST_NAME = 64
_LONGEST_REPLY_TOPIC = 256
# What a terminal publishes or obeys itself: never a place that a stranger may have us write to.
_RESERVED = frozenset(
    {
        "status",
        "state",
        "event",
        "backlog",
        "cmd",
        "desired",
        "audit",
        "bridge",
        "sync",
        "interlock",
    }
)
SYNC_IN = ("head", "batch", "chunk")
SYNC_OUT = ("pull", "offer")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a topic of this terminal means; `name` is an event type, a command or a kind of
    message of the site's log, else None."""

    kind: Kind
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one terminal, below ``<prefix>/<site>/<terminal>``.

    With `dash` the types of events and the names of commands have a dash for each dot. They have
    no dash of their own, so that nothing is ambiguous.
    """

    prefix: str
    site: str
    terminal: str
    dash: bool = False

    @property
    def audience(self) -> str:
        """How signed commands name this terminal."""
        return f"{self.site}/{self.terminal}"

    @property
    def root(self) -> str:
        return f"{self.prefix}/{self.site}/{self.terminal}"

    @property
    def status(self) -> str:
        return f"{self.root}/status"

    @property
    def state(self) -> str:
        return f"{self.root}/state"

    @property
    def audit(self) -> str:
        """Where the terminal says how far its log goes."""
        return f"{self.root}/audit"

    @property
    def desired(self) -> str:
        """Where the site says how the terminal shall be set."""
        return f"{self.root}/desired"

    @property
    def commands(self) -> str:
        """The filter that all commands match, and no result."""
        return f"{self.root}/cmd/+"

    @property
    def interlock(self) -> str:
        """Where the terminal says to that of the other door how its own is."""
        return f"{self.root}/interlock"

    def of(self, terminal: str) -> Topics:
        """Those of another terminal of the site."""
        return replace(self, terminal=terminal)

    def event(self, kind: str, historical: bool = False) -> str:
        """Where an event of this type goes."""
        return f"{self.root}/{'backlog' if historical else 'event'}/{self._level(kind)}"

    def command(self, name: str) -> str:
        return f"{self.root}/cmd/{self._level(name)}"

    def result(self, name: str) -> str:
        return f"{self.command(name)}/result"

    def sync(self, kind: str) -> str:
        """Where the site's log is asked for and comes in: one of `SYNC_IN` and `SYNC_OUT`."""
        return f"{self.root}/sync/{_checked(kind)}"

    def parse(self, topic: str) -> Parsed | None:
        """What a topic means; None if it is none of this terminal's or its name is malformed."""
        root = self.root + "/"
        if not topic.startswith(root):
            return None
        match topic[len(root) :].split("/"):
            case ["status" | "state" | "audit" | "desired" | "interlock" as kind]:
                return Parsed(kind)
            case ["event" | "backlog" | "cmd" as kind, level] if name := self._name(level):
                return Parsed(kind, name)
            case ["cmd", level, "result"] if name := self._name(level):
                return Parsed("result", name)
            case ["sync", name] if name in SYNC_IN or name in SYNC_OUT:
                return Parsed("sync", name)
        return None

    def _level(self, name: str) -> str:
        return _checked(name).replace(".", "-") if self.dash else _checked(name)

    def _name(self, level: str) -> str | None:
        if self.dash:
            if "." in level:
                return None
            level = level.replace("-", ".")
        return level if _good(level) else None

    def may_reply_to(self, topic: str) -> bool:
        """Whether a reply may be sent there: below the site, and nothing that a terminal means."""
        site = f"{self.prefix}/{self.site}/"
        if not topic.startswith(site) or len(topic) > _LONGEST_REPLY_TOPIC:
            return False
        levels = topic[len(site) :].split("/")
        if len(levels) < 2 or not all(levels) or not topic.isprintable():
            return False
        return not any(sign in topic for sign in "+#") and levels[1] not in _RESERVED


def topics_of(config: Config) -> Topics:
    """The topics of the terminal that is configured so.

    Raises:
        BrokerError: no broker is configured.
    """
    settings = config.mqtt
    if settings is None:
        raise BrokerError("no mqtt is configured; add mqtt.host")
    dash = settings.topic_dots == "dash"
    return Topics(settings.prefix, config.site, config.terminal, dash)


def _good(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _checked(name: str) -> str:
    if not _good(name):
        raise ValueError(f"a name in a topic is dotted lower case (got {name[:80]!r})")
    return name
