"""What the actions of ``edged ctl`` have in common: settings, connection, terminals, replies."""

from __future__ import annotations

import json
import queue
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage, add_json
from edged.errors import BrokerError, ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edged.cli.output import Output
    from edged.site.client import Heard, SiteClient
    from edged.site.known import Known
    from edged.site.orders import Orders
    from edged.site.settings import SiteSettings

    Run = Callable[[argparse.Namespace, Output], int]
    Replies = Mapping[str, "dict[str, Any] | None"]

OK, FAILED = 0, 1
_QUIET_S, _DISCOVERY_S, _LONGEST_S = 0.7, 5.0, 10.0
_OPTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("--host", "broker.host", "HOST", "the broker"),
    ("--port", "broker.port", "PORT", ""),
    ("--protocol", "broker.protocol", "5|3.1.1", ""),
    ("--prefix", "broker.prefix", "PREFIX", ""),
    ("--topic-dots", "broker.topic_dots", "dot|dash", ""),
    ("--client-id", "broker.client_id", "ID", ""),
    ("--username", "broker.username", "NAME", ""),
    ("--password-file", "broker.password_file", "FILE", ""),
    ("--ca", "broker.tls.ca_file", "FILE", "the broker's authority; TLS is spoken"),
    ("--cert", "broker.tls.cert_file", "FILE", "our certificate"),
    ("--cert-key", "broker.tls.key_file", "FILE", "its key"),
    ("--site", "site", "SITE", ""),
    ("--key-id", "key_id", "ID", "what the terminals call our key"),
    ("--key-file", "key_file", "FILE", "our Ed25519 private key"),
    ("--terminals", "terminals", "DIR", "the terminals whose keys are known"),
    ("--timeout", "timeout_s", "SECONDS", "how long a reply is waited for"),
)
_KINDS: dict[str, Callable[[str], Any]] = {"broker.port": int, "timeout_s": float}
_PATHS = frozenset(
    {
        "broker.password_file",
        "broker.tls.ca_file",
        "broker.tls.cert_file",
        "broker.tls.key_file",
        "key_file",
        "terminals",
    }
)


def add_site(action: argparse.ArgumentParser, run: Run, *, many: bool | None = True) -> None:
    """What every action takes.

    Args:
        many: whether it may be told of several terminals, of one only, or (None) of none.
    """
    group = action.add_argument_group("the site (see docs/ctl.md for ctl.yaml)")
    group.add_argument(
        "--site-config",
        type=Path,
        metavar="FILE",
        help="default: $EDGED_CTL, or ~/.config/edged/ctl.yaml; the options below go over it",
    )
    for option, name, metavar, text in _OPTIONS:
        kind = _KINDS.get(name, str)
        group.add_argument(
            option, dest=f"site_{name}", type=kind, metavar=metavar, help=text or None
        )
    if many is not None:
        action.add_argument(
            "-t", "--terminal", action="append", metavar="NAME", help="may be given often"
        )
        if many:
            action.add_argument(
                "--all",
                action="store_true",
                help="every terminal that is known, or tells of itself",
            )
    add_json(action)
    action.set_defaults(run=_guarded(run))


def settings_of(args: argparse.Namespace) -> SiteSettings:
    """``ctl.yaml`` with the options over it.

    Raises:
        ConfigError: with every problem.
    """
    from edged.site.settings import load_site

    given: dict[str, Any] = {}
    for _, name, _, _ in _OPTIONS:
        value = getattr(args, f"site_{name}")
        if value is None:
            continue
        *sections, last = name.split(".")
        place = given
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = str(Path(value).absolute()) if name in _PATHS else value
    try:
        return load_site(args.site_config, given)
    except ConfigError as fault:
        raise ConfigError([*fault.problems, "see docs/ctl.md, or `edged ctl ACTION --help`"]) from (
            fault
        )


class Desk:
    """A controller at work: connected, and able to sign where a key is configured."""

    def __init__(self, settings: SiteSettings, client: SiteClient) -> None:
        self.settings = settings
        self.client = client
        self._orders: Orders | None = None

    @property
    def known(self) -> Known:
        """The terminals whose keys the site has from themselves."""
        from edged.site.known import Known

        return Known(self.settings.terminals, self.settings.site)

    @property
    def orders(self) -> Orders:
        """Signs commands.

        Raises:
            ConfigError, KeyUnavailable: there is no key to sign with.
        """
        from edged.site.orders import Orders

        if self._orders is None:
            kid, pem = signing_key(self.settings)
            settings = self.settings
            self._orders = Orders(self.client, settings.broker, settings.site, kid, pem)
        return self._orders

    def terminals(self, args: argparse.Namespace) -> list[str]:
        """The terminals that are meant.

        Raises:
            BadUsage: none is.
        """
        named: list[str] = list(dict.fromkeys(args.terminal or ()))
        if getattr(args, "all", False):
            if named:
                raise BadUsage("give either --terminal or --all")
            named = sorted({*self.known.all(), *filter(_is_name, self.heard_of())})
            if not named:
                raise BadUsage(
                    f"no terminal of {self.settings.site} is known or tells of itself; "
                    "name them with --terminal"
                )
        if not named:
            raise BadUsage("which terminal? Give --terminal NAME, or --all where there are several")
        for name in named:
            if not _is_name(name):
                raise BadUsage(f"{name[:80]!r} is no terminal's name: it stands without its site")
        return named

    def heard_of(self) -> dict[str, dict[str, Any]]:
        """Terminals whose ``status`` the broker kept, by name."""
        return {
            terminal: document
            for terminal, document in self.retained("status").items()
            if isinstance(document, dict)
        }

    def retained(self, kind: str, terminals: Sequence[str] | None = None) -> dict[str, Any]:
        """What the broker kept of each terminal on ``status`` or ``state``: of these, or (None)
        of all that there are."""
        if terminals is not None and not terminals:
            return {}
        inbox: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        names = terminals or ["+"]
        self.client.hear([f"{self.settings.root}/{name}/{kind}" for name in names], inbox.put)
        found: dict[str, Any] = {}
        quiet_s = _DISCOVERY_S if terminals else _QUIET_S
        # a site that never stops telling of itself keeps nobody waiting for one that says nothing
        until_s = time.monotonic() + _LONGEST_S
        while not terminals or not found.keys() >= set(terminals):
            try:
                heard = inbox.get(timeout=max(0.0, min(quiet_s, until_s - time.monotonic())))
            except queue.Empty:
                break
            name = heard.topic.removeprefix(f"{self.settings.root}/").split("/")[0]
            document = read_json(heard.payload)
            if document is not None:
                found[name] = document
        return found


def signing_key(settings: SiteSettings) -> tuple[str, bytes]:
    """Our key's id and the key in PEM form; the file is only ever ours to read."""
    from edged.site.keys import private_pem, read_signing

    if settings.key_file is None or settings.key_id is None:
        raise ConfigError(
            [
                (
                    "a command is signed: say key_id and key_file in ctl.yaml, or give --key-id "
                    "and --key-file; `edged ctl keygen` makes a key"
                )
            ]
        )
    return settings.key_id, private_pem(read_signing(settings.key_file))


@contextmanager
def desk_of(args: argparse.Namespace) -> Iterator[Desk]:
    """Connect for the length of a block."""
    from edged.site.client import SiteClient

    settings = settings_of(args)
    with SiteClient(settings.broker) as client:
        yield Desk(settings, client)


def order(
    args: argparse.Namespace,
    output: Output,
    name: str,
    arguments: Mapping[str, Any] | Callable[[str], Mapping[str, Any]],
) -> int:
    """Send one command to the terminals that are meant, and say what each replied."""
    each = arguments if callable(arguments) else lambda _: arguments
    with desk_of(args) as desk:
        orders = desk.orders
        terminals = desk.terminals(args)
        replies = orders.send_all(terminals, name, each, desk.settings.timeout_s)
    return tell(output, name, replies)


def tell(output: Output, name: str, replies: Replies, **more: Any) -> int:
    """Print the replies; 0 when every terminal did it."""
    lines = [line for terminal, reply in replies.items() for line in _lines(terminal, reply)]
    output.result({"command": name, "replies": dict(replies), **more}, lines)
    good = all(reply is not None and reply.get("result") == "ok" for reply in replies.values())
    return OK if good else FAILED


def _lines(terminal: str, reply: dict[str, Any] | None) -> list[str]:
    if reply is None:
        return [f"{terminal}: no reply; it may have been obeyed all the same"]
    text = f": {reply['text']}" if reply.get("text") else ""
    lines = [f"{terminal}: {reply.get('result')} {reply.get('reason')}{text}"]
    data = reply.get("data")
    if isinstance(data, dict):
        lines += [
            f"    {key}: {value if isinstance(value, str) else json.dumps(value)}"
            for key, value in data.items()
        ]
    return lines


def _is_name(text: str) -> bool:
    from pydantic import TypeAdapter, ValidationError

    from edged.config.schema import Name

    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return False
    return True


def read_json(payload: bytes) -> dict[str, Any] | None:
    """A message's object; None for anything else."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _guarded(run: Run) -> Run:
    """A broker that cannot be reached is no slip of whoever called: exit code 1."""

    def guarded(args: argparse.Namespace, output: Output) -> int:
        from edged.site.client import Unusable

        try:
            return run(args, output)
        except Unusable as fault:
            raise ConfigError([str(fault)]) from fault
        except BrokerError as fault:
            output.fault(str(fault), "broker")
            return FAILED

    return guarded
