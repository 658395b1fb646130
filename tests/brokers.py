"""A private RabbitMQ with its MQTT plugin on free loopback ports; see also tests/mosquitto.py."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from tests.mosquitto import free_port
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PATIENCE_S = 120.0
# the scripts on the PATH of a distribution change the user; these do not
_SCRIPTS = "/usr/lib/rabbitmq/bin"
SERVER = shutil.which("rabbitmq-server", path=f"{_SCRIPTS}:{os.environ.get('PATH', '')}")
EPMD = shutil.which("epmd")
ANYBODY = {"write": ".*", "read": ".*"}


def missing() -> str | None:
    """Why RabbitMQ cannot be started here; None: it can."""
    if SERVER is None or EPMD is None:
        return "rabbitmq-server is not installed (apt install rabbitmq-server)"
    return None


class RabbitMQ:
    """One node; `kill` and `start` again keep the port and what it had confirmed.

    Args:
        folder: its own; holds all that it writes.
        users: by name, what their MQTT topics must match, ``{"write": …, "read": …}``: regular
            expressions over topics in which ``.`` stands for ``/``. Their password is their name.
            Without a name and password a client is ``guest``, who may do everything.
        extra: more lines of rabbitmq.conf.
    """

    def __init__(
        self, folder: Path, users: Mapping[str, Mapping[str, str]] | None = None, extra: str = ""
    ) -> None:
        self.port = free_port()
        self._folder = folder
        self._ports = {"epmd": free_port(), "dist": free_port()}
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._write("enabled_plugins", "[rabbitmq_mqtt].\n")
        self._write(
            "definitions.json", json.dumps(_definitions({"guest": ANYBODY, **(users or {})}))
        )
        lines = [
            "listeners.tcp = none",
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}",
            "mqtt.allow_anonymous = true",
            "mqtt.default_user = guest",
            "mqtt.default_pass = guest",
            f"load_definitions = {folder}/definitions.json",
            "log.console = false",
            "disk_free_limit.absolute = 50MB",
            extra,
        ]
        self._write("rabbitmq.conf", "\n".join([*lines, ""]))

    def start(self) -> None:
        """Start it and wait until it takes MQTT connections."""
        assert SERVER
        assert EPMD
        with (self._folder / "console.log").open("ab") as log:
            if self._epmd is None:  # the names' service outlives a kill of the node
                self._epmd = subprocess.Popen(
                    [EPMD, "-port", str(self._ports["epmd"]), "-address", "127.0.0.1"],
                    stdout=log,
                    stderr=log,
                )
                until(lambda: _answers(self._ports["epmd"]))
            self._node = subprocess.Popen(
                [SERVER], env=self._environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        until(self._up, _PATIENCE_S)

    def kill(self) -> None:
        """kill -9 of the node; safe twice."""
        node, self._node = self._node, None
        if node is not None:
            node.kill()
            node.wait(10)
            until(lambda: not _answers(self.port))

    def stop(self) -> None:
        """An orderly end."""
        node, self._node = self._node, None
        assert node
        node.terminate()
        node.wait(60)

    def freeze(self) -> None:
        """The node does nothing any more and its connections stay: a partition."""
        assert self._node
        self._node.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._node
        self._node.send_signal(signal.SIGCONT)

    def save(self) -> None:
        """What it has confirmed is on the disk already."""

    def close(self) -> None:
        """`kill`, and the names' service; safe twice."""
        self.kill()
        epmd, self._epmd = self._epmd, None
        if epmd is not None:
            epmd.kill()
            epmd.wait(10)

    @property
    def pid(self) -> int:
        assert self._node
        return self._node.pid

    def _environment(self) -> dict[str, str]:
        place = self._folder
        return os.environ | {
            "HOME": str(place),  # the cookie
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node: its pid is ours to kill
            "RABBITMQ_NODENAME": f"edged-{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(place / "data"),
            "RABBITMQ_LOG_BASE": str(place / "log"),
            "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(place / "none"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(place / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._ports["dist"]),
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # a test's node shares its processor: it must not spin while it waits for work
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _up(self) -> bool:
        assert self._node
        assert self._node.poll() is None, (self._folder / "console.log").read_text()
        return _answers(self.port)

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _definitions(users: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "vhosts": [{"name": "/"}],
        "users": [{"name": name, "password": name, "tags": ""} for name in users],
        "permissions": [{"user": name, "vhost": "/", **everything} for name in users],
        "topic_permissions": [
            {"user": name, "vhost": "/", "exchange": "amq.topic", **rules}
            for name, rules in users.items()
        ],
    }
