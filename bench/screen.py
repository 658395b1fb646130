"""What the person's page costs: CPU of the daemon's side, and of Chromium, at 15 frames a second.


A process of its own delivers 640x480 frames of the synthetic lobby with a face that moves, once
with nobody reading and once with headless Chromium showing the page; the difference is the page's
share. Chromium draws without a graphics card here, as hardly a terminal does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_RATE_HZ = 15


def serve(port: int) -> None:
    """The daemon's side: frames until the end of the process."""
    from edged.config.schema import Web
    from edged.demo import scenes
    from edged.types import Box, Face, Frame, Observation, Pose
    from edged.web.screen import Screen
    from edged.web.view import ScreenView

    lobby = scenes.Lobby()
    drawn = [lobby.draw(scenes.NEAR, number / _RATE_HZ) for number in range(30)]
    screen = Screen(Web(port=port), dict)
    screen.open()
    print("ready", flush=True)
    number = 0
    due_s = time.monotonic()
    while True:
        box = Box(250 + number % 20, 140, 390 + number % 20, 310)
        face = Face(box, ((0.0, 0.0),) * 5, 1.0, Pose(0, 0, 0))
        # A copy: another frame, as a camera gives.
        frame = Frame(drawn[number % len(drawn)].copy(), number / _RATE_HZ, number)
        screen.look(frame, Observation(frame.t_s, number, 1, 1, face, ()))
        screen.show(ScreenView("gathering", progress=number % 20 / 20))
        number += 1
        due_s += 1 / _RATE_HZ
        time.sleep(max(0.0, due_s - time.monotonic()))


def family(pid: int) -> list[int]:
    """A process and all below it."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            below.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += below.get(one, [])
    return found


def cpu_s(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def shares(server: int, browser: int | None, seconds: float) -> dict[str, float]:
    processes = {"server": [server], "browser": family(browser) if browser else []}
    before = {name: cpu_s(pids) for name, pids in processes.items()}
    start_s = time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - start_s
    told = {n: round((cpu_s(p) - before[n]) / took_s, 4) for n, p in processes.items()}
    return told | {"server_mb": round(memory_mb(server), 1)}


def measure(port: int, seconds: float) -> dict[str, dict[str, float]]:
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    argv = [sys.executable, __file__, "--serve", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            told = {"nobody reads": shares(server.pid, None, seconds)}
            options = ChromeOptions()
            for flag in ("--headless=new", "--no-sandbox", "--window-size=480,800"):
                options.add_argument(flag)
            service = Service(shutil.which("chromedriver"))
            driver = Chrome(options, service)
            driver.get(f"http://127.0.0.1:{port}/")
            time.sleep(3)
            driver.execute_script(
                "window.drawn = 0; const put = CanvasRenderingContext2D.prototype.drawImage;"
                "CanvasRenderingContext2D.prototype.drawImage ="
                " function (...all) { drawn += 1; return put.apply(this, all); };"
                "window.since = performance.now()"
            )
            told["a page reads"] = shares(server.pid, service.process.pid, seconds)
            rate = driver.execute_script("return drawn / (performance.now() - since) * 1000")
            told["a page reads"]["pictures_hz"] = round(rate, 1)
            driver.quit()
        finally:
            server.kill()
    told["the page"] = {
        "server": round(told["a page reads"]["server"] - told["nobody reads"]["server"], 4)
    }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=18480)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
    told = measure(args.port, args.seconds)
    if args.json:
        print(json.dumps(told))
        return
    for when, figures in told.items():
        print(f"{when}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
