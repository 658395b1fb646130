"""The page in a real Chromium."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edged.config.schema import Web
from edged.types import Box, Instruction
from edged.web.screen import Screen
from edged.web.texts import load_texts
from edged.web.view import PHASES, ScreenView
from tests.web.show import HEIGHT, WIDTH, Camera, frame, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.types import Image
    from tests.chromium import Chromium

SIZES = [(480, 800), (1280, 800)]
PICTURES = [True, False]
ENGLISH = load_texts().known["en"]
LONG_NAME = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh " * 3
PAGE = "document.body.dataset."
HEADLINE = "document.getElementById('headline').textContent"


@pytest.fixture
def open_page(port: int, chrome: Chromium) -> Iterator[Callable[..., Screen]]:
    """Serve a page and open it in the browser; in the end it has complained of nothing."""
    screens: list[Screen] = []

    def opened(path: str = "", size: tuple[int, int] = (1280, 800), **settings: object) -> Screen:
        screen = Screen(Web.model_validate({"port": port, **settings}), dict)
        screens.append(screen)
        screen.open()
        chrome.page(f"http://127.0.0.1:{port}/{path}", size)
        chrome.until(f"{PAGE}phase !== 'lost'")
        return screen

    yield opened
    complaints = chrome.complaints()
    chrome.blank()
    for screen in screens:
        screen.close()
    assert complaints == []


OUTSIDE = """
const wide = innerWidth, high = innerHeight, outside = [];
if (document.documentElement.scrollWidth > wide || document.documentElement.scrollHeight > high)
  outside.push("the page scrolls");
for (const one of document.querySelectorAll("main, #words, #above, #headline, #below, #icon")) {
  const box = one.getBoundingClientRect();
  if (!box.width) continue;
  if (box.left < -0.5 || box.top < -0.5 || box.right > wide + 0.5 || box.bottom > high + 0.5)
    outside.push(one.id || one.tagName);
}
const main = document.querySelector("main");
if (main.scrollWidth > main.clientWidth || main.scrollHeight > main.clientHeight)
  outside.push("main is clipped");
for (const one of main.querySelectorAll("h1, p"))
  if (one.scrollWidth > one.clientWidth + 1) outside.push(`${one.id} is clipped`);
return outside;
"""
FONT_PX = "return parseFloat(getComputedStyle(document.getElementById('headline')).fontSize)"


def views() -> list[ScreenView]:
    shown = [ScreenView(phase) for phase in PHASES]
    shown += [ScreenView("gathering", code.value, progress=0.4) for code in Instruction]
    shown += [ScreenView("gathering", "avoid_backlight", True, 3)]
    shown += [ScreenView("granted", name="Ada"), ScreenView("granted", name=LONG_NAME)]
    return shown


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("size", SIZES)
def test_every_view_fits_and_can_be_read_from_a_metre(
    open_page: Callable[..., Screen],
    chrome: Chromium,
    size: tuple[int, int],
    picture: bool,
    language: str,
) -> None:
    screen = open_page(f"?lang={language}", size, live_picture=picture)
    texts = load_texts().known[language]
    for view in views():
        screen.show(view)
        words = texts.phases[view.phase]
        if view.instruction:
            words = texts.instructions[view.instruction]
        if view.name:
            kept = view.name if len(view.name) <= 60 else f"{view.name[:59]}…"
            words = texts.welcome.format(name=kept)
        chrome.until(f"{HEADLINE} === arguments[0] && {PAGE}phase === '{view.phase}'", words)
        assert chrome.run(OUTSIDE) == [], view
        assert chrome.run(FONT_PX) >= (36 if view.name != LONG_NAME else 22), view


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (800, 480), (1920, 1080), (2160, 3840)])
def test_other_screens_are_served_too(
    open_page: Callable[..., Screen], chrome: Chromium, size: tuple[int, int]
) -> None:
    screen = open_page("", size)
    for view in (ScreenView("second_factor"), ScreenView("gathering", "avoid_backlight")):
        screen.show(view)
        chrome.until(f"{PAGE}phase === '{view.phase}'")
        assert chrome.run(OUTSIDE) == []


def test_a_text_that_changes_size_with_the_window_still_fits(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page("", (1280, 800))
    screen.show(ScreenView("gathering", "avoid_backlight"))
    chrome.until(f"{PAGE}asked === 'avoid_backlight'")
    chrome.resize((480, 800))
    chrome.until("innerWidth === 480")
    chrome.until(f"(() => {{ {OUTSIDE} }})().length === 0")


BROKEN = """
const words = document.getElementById("headline").firstChild, broken = [];
for (const found of words.data.matchAll(/\\S+/g)) {
  const range = document.createRange();
  range.setStart(words, found.index);
  range.setEnd(words, found.index + found[0].length);
  if (range.getClientRects().length > 1) broken.push(found[0]);
}
return broken;
"""


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("size", SIZES)
def test_a_long_word_is_made_smaller_rather_than_broken(
    open_page: Callable[..., Screen],
    chrome: Chromium,
    tmp_path: Path,
    size: tuple[int, int],
    picture: bool,
) -> None:
    path = tmp_path / "texts.yaml"
    told = {
        "denied": "Zutrittsverweigerung",
        "second_factor": "Zutrittsberechtigungskarte oder Geheimzahl verwenden",
        "review": "Bitte auf Sicherheitsdienstmitarbeiter warten",
    }
    path.write_text(json.dumps({"de": {"phases": told}}))
    screen = open_page("?lang=de", size, texts=str(path), live_picture=picture)
    for phase, words in told.items():
        screen.show(ScreenView(phase))
        chrome.until(f"{HEADLINE} === arguments[0]", words)
        assert chrome.run(BROKEN) == []
        assert chrome.run(OUTSIDE) == []
        assert chrome.run(FONT_PX) >= 27


def test_a_language_that_runs_from_the_right_ends_on_the_left(
    open_page: Callable[..., Screen], chrome: Chromium, tmp_path: Path
) -> None:
    path = tmp_path / "texts.yaml"
    path.write_text("he:\n  phases:\n    granted: ברוכים הבאים.\n", "utf-8")
    open_page("?lang=he", texts=str(path)).show(ScreenView("granted"))
    chrome.until(f"{PAGE}phase === 'granted'")
    assert chrome.run("return getComputedStyle(document.querySelector('h1')).direction") == "rtl"


def test_a_finger_that_rests_on_the_screen_opens_no_way_out(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    open_page()
    menu = "new MouseEvent('contextmenu', { bubbles: true, cancelable: true })"
    assert chrome.run(f"return document.querySelector('h1').dispatchEvent({menu})") is False
    assert chrome.run("getSelection().selectAllChildren(document.body)") is None
    assert chrome.run("return getSelection().toString()") == ""


CONTRAST = """
const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = (css) => {
  const [r, g, b] = css.match(/[\\d.]+/g).map(Number);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const main = getComputedStyle(document.querySelector("main"));
return [...document.querySelectorAll("h1, p, #icon")].map((one) => {
  const [a, b] = [light(getComputedStyle(one).color), light(main.backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
});
"""
SETTLED = "document.getAnimations().length === 0"


def test_words_and_signs_stand_out_in_every_state(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    for view in (*views(), ScreenView(blind=True)):
        screen.show(view)
        chrome.until(f"{PAGE}phase === '{'blind' if view.blind else view.phase}'")
        chrome.until(SETTLED)
        assert min(chrome.run(CONTRAST)) >= 7, view  # WCAG AAA; AA asks for 4.5
    screen.close()
    chrome.until(f"{PAGE}phase === 'lost'")
    chrome.until(SETTLED)
    assert min(chrome.run(CONTRAST)) >= 7
    screen.open()
    chrome.until(f"{PAGE}phase !== 'lost'")
    chrome.complaints()  # of the connection that was refused meanwhile


def test_each_state_has_a_sign_and_a_ring_of_its_own_not_a_colour_alone(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    signs, patterns = {}, {}
    for view in views()[: len(PHASES) + len(Instruction)]:
        screen.show(view)
        what = view.instruction or view.phase
        chrome.until(f"{PAGE}phase === '{view.phase}'")
        chrome.until(
            "document.getElementById('icon').getAttribute('href') === arguments[0]", f"#{what}"
        )
        signs[what] = chrome.run(
            "const sign = document.querySelector(arguments[0]);"
            "return sign && sign.querySelector('path').getAttribute('d')",
            f"#{what}",
        )
        patterns[what] = chrome.run(
            "const style = getComputedStyle(document.querySelector('#place .track'));"
            "const done = document.querySelector('#place .done');"
            "return style.strokeDasharray + getComputedStyle(done).visibility"
            " + getComputedStyle(document.querySelector('#place .badge')).display"
        )
    assert all(signs.values())
    assert len(set(signs.values())) == len(signs)
    answers = {
        name: patterns[name] for name in ("idle", "gathering", "granted", "denied", "review")
    }
    assert len(set(answers.values())) == len(answers)


def test_arrows_point_to_the_persons_own_side_as_in_a_mirror(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    open_page()
    tips = [
        chrome.run(
            "return document.querySelector(arguments[0]).querySelector('path')"
            ".getAttribute('d').match(/^M8 4L3 9l5 5/) !== null",
            f"#turn_{side}",
        )
        for side in ("left", "right")
    ]
    assert tips == [True, False]


RING = """
const ring = document.querySelector("#place .edge").getBoundingClientRect();
return [ring.left + ring.width / 2, ring.top + ring.height / 2, ring.width / 2];
"""


def halves() -> Image:
    """Bright on the left, dark on the right."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2] = 250
    return image


@pytest.mark.parametrize("size", SIZES)
def test_the_ring_follows_the_face_in_the_mirror(
    open_page: Callable[..., Screen], chrome: Chromium, size: tuple[int, int]
) -> None:
    screen = open_page("", size)
    stage = chrome.run(
        "const s = document.getElementById('stage'); return [s.clientWidth, s.clientHeight]"
    )
    scale = max(stage[0] / WIDTH, stage[1] / HEIGHT)
    with Camera(screen, halves) as camera:
        chrome.until(f"{PAGE}live === 'on' && {PAGE}ring === 'guide' && {SETTLED}")
        guide = chrome.run(RING)
        assert abs(guide[0] - stage[0] / 2) < 2
        for box in (Box(240, 160, 380, 340), Box(300, 200, 420, 360), Box(220, 60, 300, 160)):
            camera.box = box
            x = stage[0] / 2 + (WIDTH / 2 - box.centre[0]) * scale
            near = f"Math.abs((() => {{ {RING} }})()[0] - arguments[0]) < 3"
            chrome.until(f"{PAGE}ring === 'face' && {SETTLED} && {near}", x)
            _, y, radius = chrome.run(RING)
            face_y = stage[1] / 2 + (box.centre[1] - HEIGHT / 2) * scale
            face_size = max(box.width, box.height) * scale
            assert abs(y - face_y) < face_size * 0.2
            assert face_size * 0.5 < radius or radius >= 70
        camera.box = None
        chrome.until(f"{PAGE}ring === 'guide'")


def test_the_picture_is_shown_as_in_a_mirror(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    with Camera(screen, halves):
        chrome.until(f"{PAGE}live === 'on'")
        mirrored = chrome.run(
            "return getComputedStyle(document.getElementById('picture')).transform"
        )
        assert mirrored.startswith("matrix(-1, 0,")
        pixels = chrome.run(
            "const copy = new OffscreenCanvas(640, 480);"
            "const c = copy.getContext('2d', { willReadFrequently: true });"
            "c.drawImage(document.getElementById('picture'), 0, 0);"
            "return [c.getImageData(40, 240, 1, 1).data[0], c.getImageData(600, 240, 1, 1).data[0]]"
        )
        assert pixels[0] > 200 > 60 > pixels[1]


def test_a_picture_that_stands_still_is_taken_away(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    with Camera(screen):
        chrome.until(f"{PAGE}live === 'on'")
    chrome.until(f"{PAGE}live === 'off'")
    visible = "getComputedStyle(document.getElementById('picture')).visibility"
    assert chrome.run(f"return {visible}") == "hidden"


def test_the_ring_fills_with_the_evidence(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    open_share = (
        "parseFloat(getComputedStyle(document.querySelector('#place .done')).strokeDashoffset)"
    )
    for progress, left in ((0.25, 75), (0.8, 20), (7.0, 0), (float("nan"), 100)):
        screen.show(ScreenView("gathering", progress=progress))
        chrome.until(f"Math.abs({open_share} - arguments[0]) < 1", left)


def test_a_terminal_that_sees_nobody_says_so_and_shows_no_old_answer(
    port: int, chrome: Chromium
) -> None:
    gone = [False]
    screen = Screen(Web(port=port), dict, blind=lambda: gone[0])
    screen.show(ScreenView("granted"))
    screen.open()
    try:
        chrome.page(f"http://127.0.0.1:{port}/")
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.phases["granted"])
        gone[0] = True
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.blind)
        gone[0] = False
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.phases["granted"])
    finally:
        chrome.blank()
        screen.close()


def test_the_page_comes_back_by_itself_with_its_picture(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    screen.show(ScreenView("granted"))
    with Camera(screen):
        chrome.until(f"{PAGE}live === 'on' && {PAGE}phase === 'granted'")
        screen.close()
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.lost)
        chrome.until(f"{PAGE}live === 'off'")
        screen.show(ScreenView("denied"))
        screen.open()
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.phases["denied"])
        chrome.until(f"{PAGE}live === 'on'")
    refused = [one for one in chrome.complaints() if "ERR_" not in one]
    assert refused == []


def test_a_page_that_stayed_open_over_an_update_loads_itself_anew(
    port: int, chrome: Chromium
) -> None:
    before = Screen(Web(port=port), dict)
    before.open()
    chrome.page(f"http://127.0.0.1:{port}/?lang=zh")
    chrome.until(f"{PAGE}phase === 'idle' && {PAGE}sound === 'off'")
    before.close()
    after = Screen(Web(port=port, sound=True), dict)
    after.open()
    try:
        chrome.until(f"{PAGE}phase === 'idle' && {PAGE}sound === 'on'")
        assert chrome.run("return document.documentElement.lang") == "zh-CN"
    finally:
        chrome.blank()
        after.close()


@pytest.mark.parametrize(
    "name", ["Ada", "</h1><script>alert(1)</script>", "$&$1{name}", "李雷", "عمر", "x" * 5000]
)
def test_a_name_is_text_and_nothing_else(
    open_page: Callable[..., Screen], chrome: Chromium, name: str
) -> None:
    screen = open_page()
    screen.show(ScreenView("granted", name=name))
    chrome.until(f"{PAGE}phase === 'granted'")
    kept = name if len(name) <= 60 else f"{name[:59]}…"
    assert chrome.run(f"return {HEADLINE}") == f"Welcome, {kept}"
    assert chrome.run(OUTSIDE) == []


def test_no_name_is_shown_but_to_whom_is_let_in(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    for phase in PHASES:
        screen.show(ScreenView(phase, name="Ada"))
        chrome.until(f"{PAGE}phase === '{phase}'")
        assert ("Ada" in chrome.run("return document.body.innerText")) == (phase == "granted")


def test_a_language_from_a_file_is_spoken_and_english_where_it_is_silent(
    open_page: Callable[..., Screen], chrome: Chromium, tmp_path: Path
) -> None:
    path = tmp_path / "texts.yaml"
    path.write_text(
        "de:\n  phases:\n    granted: Zutritt erlaubt\n  lost: <b>Getrennt</b>\n", "utf-8"
    )
    screen = open_page("?lang=de", texts=str(path))
    assert screen.problems
    screen.show(ScreenView("granted"))
    chrome.until(f"{HEADLINE} === 'Zutritt erlaubt'")
    assert chrome.run("return document.documentElement.lang") == "de"
    screen.show(ScreenView("denied"))
    chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.phases["denied"])


def test_an_answer_sounds_where_the_installer_wants_it(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page(sound=True)
    chrome.until("audio.state === 'running'")
    for phase in ("granted", "denied", "review", "second_factor"):
        screen.show(ScreenView(phase))
        chrome.until(f"{PAGE}cue === '{phase}'")


def test_without_the_setting_there_is_no_sound(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    screen.show(ScreenView("granted"))
    chrome.until(f"{PAGE}phase === 'granted'")
    assert chrome.run("return [audio, document.body.dataset.cue ?? null]") == [None, None]


def test_an_answer_that_was_there_before_the_page_does_not_sound(
    port: int, chrome: Chromium
) -> None:
    screen = Screen(Web(port=port, sound=True), dict)
    screen.show(ScreenView("denied"))
    screen.open()
    try:
        chrome.page(f"http://127.0.0.1:{port}/")
        chrome.until(f"{PAGE}phase === 'denied'")
        assert chrome.run("return document.body.dataset.cue ?? null") is None
    finally:
        chrome.blank()
        screen.close()


def test_nothing_moves_for_who_wants_it_still(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    still = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    chrome.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", still)
    try:
        open_page()
        durations = chrome.run(
            "return [...document.querySelectorAll('*')].map((one) =>"
            " getComputedStyle(one).transitionProperty + getComputedStyle(one).animationName)"
        )
        assert set(durations) == {"nonenone"}
    finally:
        chrome.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_screen_reader_is_told_each_change_once(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    screen = open_page()
    chrome.run(
        "window.told = 0; new MutationObserver((all) => { told += all.length; }).observe("
        "document.querySelector('[aria-live=assertive]'),"
        "{ characterData: true, childList: true, subtree: true })"
    )
    for progress in (0.2, 0.4, 0.6):
        screen.show(ScreenView("gathering", "hold_still", progress=progress))
        chrome.until(f"{HEADLINE} === arguments[0]", ENGLISH.instructions["hold_still"])
    assert chrome.run("return told") == 1


def test_nothing_is_asked_of_another_host(
    open_page: Callable[..., Screen], chrome: Chromium, port: int
) -> None:
    screen = open_page()
    screen.look(frame(), seen(None))
    chrome.until(f"{PAGE}live === 'on'")
    asked: list[Any] = chrome.run(
        "return performance.getEntriesByType('resource').map((e) => e.name)"
    )
    assert all(re.match(rf"http://127\.0\.0\.1:{port}/|data:", name) for name in asked)


def test_fifty_browsers_leave_the_page_working(
    open_page: Callable[..., Screen], chrome: Chromium
) -> None:
    from tests.web.browser import Browser

    screen = open_page()
    with Camera(screen):
        chrome.until(f"{PAGE}live === 'on'")
        crowd = Browser(screen._settings.port)
        lines = [
            crowd.raw(f"GET /{what} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            for what in ["events", "picture"] * 50
        ]
        screen.show(ScreenView("granted"))
        chrome.until(f"{PAGE}phase === 'granted'")
        chrome.run("document.body.dataset.live = 'off'")
        chrome.until(f"{PAGE}live === 'on'")
        assert lines
        crowd.close()
