"""Word to systemd: ready, alive, stopping (sd_notify(3)); silence where systemd is not."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Send a state such as ``READY=1``; does nothing without $NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(message.encode(), address)
    except OSError:
        # systemd restarts a service that it does not hear; nothing else can be done here.
        return


def watchdog_interval_s() -> float | None:
    """How often systemd wants to hear WATCHDOG=1, with a margin of half; None when never."""
    interval = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not interval.isdigit() or pid != str(os.getpid()):
        return None
    return int(interval) / 2e6
