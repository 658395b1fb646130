"""Draw docs/images/screen-*.png: the page in a headless Chromium, a synthetic lobby before it.

usage: python bench/screenshots.py [--out docs/images] [--all]

Needs chromium, chromedriver, and fonts-noto-cjk for the Chinese page.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from edged.config.schema import Model, Vision, Web
from edged.demo import scenes
from edged.service.engine import Engine
from edged.types import Frame
from edged.web.screen import Screen
from edged.web.view import ScreenView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.demo.scenes import Scene
    from edged.types import Observation

SMALL, WIDE = (480, 800), (1280, 800)
NEAR = replace(scenes.NEAR, face_px=135.0)


@dataclass(frozen=True)
class Shot:
    """One file: what is shown, to whom, how large."""

    name: str
    size: tuple[int, int]
    scene: Scene
    view: ScreenView
    settings: str = ""
    picture: bool = True


SHOTS = [
    Shot("idle", SMALL, scenes.EMPTY, ScreenView()),
    Shot("closer", SMALL, replace(NEAR, face_px=62.0), ScreenView("gathering", "come_closer")),
    Shot("granted", SMALL, NEAR, ScreenView("granted", progress=1.0)),
    Shot("gathering", WIDE, NEAR, ScreenView("gathering", progress=0.6)),
    Shot("welcome", WIDE, NEAR, ScreenView("granted", name="Eileen Collins")),
    Shot("denied", WIDE, NEAR, ScreenView("denied")),
    Shot(
        "light-zh",
        SMALL,
        replace(NEAR, light=0.3, noise=9.0),
        ScreenView("gathering", "more_light"),
        "?lang=zh",
    ),
    Shot("plain", WIDE, NEAR, ScreenView("gathering", "turn_left"), picture=False),
]


@contextmanager
def chromium() -> Iterator[Chrome]:
    options = ChromeOptions()
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
    ):
        options.add_argument(flag)
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


class Lobby:
    """Shows a scene to a screen, again and again, as a camera would."""

    def __init__(self, engine: Engine, screen: Screen, scene: Scene) -> None:
        image = scenes.Lobby().draw(scene, 0.0)
        self.frame = Frame(image, 0.0, 0)
        light = scenes.Lobby().draw(replace(scene, light=1.0, noise=0.5), 0.0)
        vision = engine.vision()
        for number in range(10):  # until it trusts that a face is there
            seen = vision.observe(Frame(light, number / 15, number), embed=False)
        self.seen: Observation = seen
        self._screen = screen
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _show(self) -> None:
        while not self._ended.wait(0.1):
            # A copy: the same image again would be no news.
            self._screen.look(replace(self.frame, image=self.frame.image.copy()), self.seen)


def take(driver: Chrome, engine: Engine, shot: Shot) -> bytes:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    screen = Screen(Web(port=port, live_picture=shot.picture), dict)
    screen.open()
    try:
        with Lobby(engine, screen, shot.scene) as lobby:
            screen.show(shot.view)
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {
                    "width": shot.size[0],
                    "height": shot.size[1],
                    "deviceScaleFactor": 1,
                    "mobile": False,
                },
            )
            driver.get(f"http://127.0.0.1:{port}/{shot.settings}")
            body = "return document.body.dataset."
            WebDriverWait(driver, 20).until(
                lambda d: (
                    d.execute_script(f"{body}phase") == shot.view.phase
                    and (not shot.picture or d.execute_script(f"{body}live") == "on")
                    and d.execute_script(f"{body}ring") == ("face" if lobby.seen.face else "guide")
                )
            )
            # What moves has come to rest.
            driver.execute_async_script(
                "const done = arguments[0];"
                "Promise.all(document.getAnimations().map((a) => a.finished)).then(() => done())"
            )
            return bytes(driver.get_screenshot_as_png())
    finally:
        screen.close()


def small(png: bytes) -> bytes:
    """At most 256 colours: a screenshot of flat colours and one photograph loses little."""
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    image = Image.open(BytesIO(png)).convert("RGB")
    image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with chromium() as driver, Engine(Model(), Vision()) as engine:
        for shot in SHOTS:
            if args.names and shot.name not in args.names:
                continue
            path = args.out / f"screen-{shot.name}.png"
            path.write_bytes(small(take(driver, engine, shot)))
            print(f"{path}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
