"""Draw docs/images/installer-*.png: a real terminal with a synthetic lobby, its installer's page
in a headless Chromium.

usage: python bench/installer_shots.py [--out docs/images]

Needs chromium and chromedriver. Takes about a minute and a half: the charts show two.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import yaml
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from edged.demo import scenes
from edged.demo.stream import CameraStream
from edged.vault.keys import create_key_file
from edged.web.installer.password import make, write

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "correct horse"  # noqa: S105 - of nothing
PHONE, DESK = (390, 844), (1280, 1140)
NEAR = replace(scenes.NEAR, face_px=120.0)
SCENES = [
    (scenes.EMPTY, 4), (replace(NEAR, face_px=60.0), 5), (NEAR, 5), (scenes.EMPTY, 4),
    (replace(NEAR, light=0.45, noise=9.0), 6), (scenes.EMPTY, 3), (replace(NEAR, blur_px=4.0), 6),
    (scenes.EMPTY, 3), (replace(NEAR, face_px=100.0), 7), (scenes.EMPTY, 3),
    (replace(NEAR, light=0.2, noise=11.0), 6), (scenes.EMPTY, 3), (NEAR, 5), (scenes.EMPTY, 4),
    (replace(NEAR, face_px=132.0), 0),
]  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def terminal(folder: Path, camera: str, port: int) -> Iterator[None]:
    """A daemon that knows the person."""
    create_key_file(folder / "secret.key")
    write(folder / "installer.password", make(PASSWORD))
    settings: dict[str, Any] = {
        "site": "demo",
        "terminal": "front-door",
        "camera": {"driver": "opencv", "source": camera, "rate_hz": 5},
        "key": {"file": "secret.key"},
        "gallery": {"path": "gallery.db"},
        "events": {"path": "events.db"},
        "door": {"driver": "simulated"},
        "decision": {"gone_after_s": 0.5, "cool_down_s": 3},
        "web": {
            "port": port,
            "installer": {"password_file": "installer.password", "images": True},
        },
    }
    config = folder / "edged.yaml"
    config.write_text(yaml.safe_dump(settings))
    photo = folder / "photo.png"
    cv2.imwrite(str(photo), scenes.Lobby().draw(NEAR, 0))
    edged = [sys.executable, "-m", "edged"]
    subprocess.run([*edged, "enrol", "-c", config, "eileen", photo], check=True)
    running = subprocess.Popen([*edged, "run", "-c", config])
    try:
        yield
    finally:
        running.terminate()
        running.wait(15)


@contextmanager
def chromium() -> Iterator[Chrome]:
    options = ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1280,1010"):
        options.add_argument(flag)
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def size(driver: Chrome, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def save(driver: Chrome, path: Path) -> None:
    """A palette of its own makes it a third as large."""
    image = Image.open(BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
    print(path, path.stat().st_size // 1000, "kB")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--out", type=Path, default=Path("docs/images"))
    asked.add_argument("--quick", action="store_true", help="do not wait for full charts")
    args = asked.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stream = stack.enter_context(CameraStream())
        port = free_port()
        stack.enter_context(terminal(folder, stream.url, port))
        driver = stack.enter_context(chromium())
        enter(driver, port)
        for scene, seconds in SCENES[-4:] if args.quick else SCENES:
            stream.show(scene)
            time.sleep(seconds)
        size(driver, *PHONE)
        time.sleep(5)
        save(driver, args.out / "installer-phone.png")
        size(driver, *DESK)
        stream.show(scenes.EMPTY)
        time.sleep(3)
        stream.show(replace(NEAR, light=0.2, noise=4.0))
        time.sleep(5)
        save(driver, args.out / "installer-desk.png")
        for entry in driver.get_log("browser"):
            print(entry)


def enter(driver: Chrome, port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.2)
    driver.get(f"http://127.0.0.1:{port}/installer/")
    driver.find_element(By.ID, "password").send_keys(PASSWORD)
    driver.find_element(By.TAG_NAME, "button").click()
    WebDriverWait(driver, 20).until(
        lambda page: page.find_element(By.ID, "link").get_attribute("data-state") == "live"
    )


if __name__ == "__main__":
    main()
