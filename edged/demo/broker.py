"""A throw-away MQTT broker on loopback: Mosquitto where it is installed, else amqtt."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from edged.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_S = 15.0


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker."""

    name: str
    port: int
    protocol: Literal["5", "3.1.1"]


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """Run a broker until the block ends.

    Raises:
        BrokerError: neither broker is installed, or it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    mosquitto = shutil.which("mosquitto", path=path)
    if mosquitto:
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        argv, broker = [mosquitto, "-c", str(settings)], Broker("mosquitto", port, "5")
    elif find_spec("amqtt") is not None:
        argv = [sys.executable, "-m", "edged.demo.broker", str(port)]
        broker = Broker("amqtt", port, "3.1.1")
    else:
        raise BrokerError("no broker for the demo; pip install 'edged[demo]', or install mosquitto")
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield broker
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise BrokerError("the demo's broker does not start; see broker.log in the demo's folder")


async def _amqtt(port: int) -> None:
    import asyncio

    from amqtt.broker import Broker as Amqtt

    await Amqtt(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}},
        }
    ).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    import asyncio

    asyncio.run(_amqtt(int(sys.argv[1])))
