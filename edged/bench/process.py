"""The real daemon from outside: time to READY, memory, and CPU with nobody in view."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import yaml

from edged.demo import scenes
from edged.errors import EdgedError
from edged.vault.keys import create_key_file

if TYPE_CHECKING:
    from edged.config.schema import Model

_START_S = 60.0


def measure_process(model: Model, seconds: float = 10.0) -> dict[str, Any]:
    """Start the daemon on an empty synthetic lobby at 15 frames a second and watch it.

    Raises:
        EdgedError: it does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
        folder = Path(name)
        config = _prepare(folder, model)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.bind(str(folder / "notify"))
            channel.settimeout(_START_S)
            environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "edged", "run", "-c", str(config)],
                env=environment,
                stderr=subprocess.DEVNULL,
            )
            try:
                _wait_ready(channel)
                ready_s = time.perf_counter() - start
                time.sleep(2.0)  # what start-up still does is not what an idle door costs
                before = _cpu_s(process.pid)
                time.sleep(seconds)
                share = (_cpu_s(process.pid) - before) / seconds
                memory_mb = _memory_mb(process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                process.kill()
                process.wait()
    return {
        "ready_s": round(ready_s, 2),
        "memory_mb": round(memory_mb),
        "idle_cpu_share_of_a_core": round(share, 3),
        "idle_rate_hz": 15,
    }


def _prepare(folder: Path, model: Model) -> Path:
    frames = folder / "frames"
    frames.mkdir()
    lobby = scenes.Lobby()
    for n in range(30):
        image = lobby.draw(scenes.EMPTY, n / 15)
        cv2.imwrite(str(frames / f"{n:03}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    create_key_file(folder / "key")
    settings = {
        "site": "bench",
        "terminal": "bench",
        "key": {"file": "key"},
        "camera": {"driver": "replay", "source": "frames", "rate_hz": 15, "loop": True},
        "gallery": {"path": "gallery.db"},
        "events": {"path": "events.db"},
        "door": {"driver": "simulated"},
        "model": model.model_dump(mode="json", exclude_none=True),
    }
    path = folder / "edged.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def _wait_ready(channel: socket.socket) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            message = channel.recv(4096)
        except TimeoutError:
            break
        if b"READY=1" in message:
            return
    raise EdgedError("the daemon did not become ready")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")
