from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.schema import Web
from edged.web.screen import Screen
from edged.web.texts import load_texts
from tests.web.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.browser import Answer

PATHS = ("/", "/state", "/metrics", "/healthz")


def inline(page: Answer, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
    assert found
    return found[1]


def test_state_metrics_and_health_are_told(browser: Browser) -> None:
    assert json.loads(browser.get("/state").text) == {"door": "rest"}
    assert browser.get("/metrics").text == "edged_frames_total 7\n"
    assert browser.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert browser.get("/healthz").status == 200


def test_without_metrics_there_are_none(port: int) -> None:
    screen = Screen(Web(port=port), dict)
    screen.open()
    try:
        assert Browser(port).get("/metrics").status == 404
    finally:
        screen.close()


def test_a_state_that_cannot_be_told_leaves_the_page_alive(port: int) -> None:
    screen = Screen(Web(port=port), lambda: {"quality": float("nan")})
    screen.open()
    try:
        assert Browser(port).get("/state").status == 500
        assert Browser(port).get("/").status == 200
    finally:
        screen.close()


@pytest.mark.parametrize(
    ("path", "header", "language"),
    [
        ("/", "", "en"),
        ("/?lang=zh", "", "zh"),
        ("/", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("/?lang=en", "zh-CN", "en"),
        ("/?lang=<script>", "", "en"),
    ],
)
def test_the_page_speaks_the_language_with_every_text_in_it(
    browser: Browser, path: str, header: str, language: str
) -> None:
    page = browser.get(path, Accept_Language=header)
    texts = load_texts().known[language]
    found = re.search(r'<script type="application/json" id="texts">(.*?)</script>', page.text)
    assert found
    assert json.loads(found[1]) == texts.model_dump()
    assert f'<html lang="{texts.tag}">' in page.text
    assert texts.lost in page.text
    assert "{{" not in page.text
    assert "aria-live" in page.text


def test_the_page_allows_only_its_own_style_and_script(browser: Browser) -> None:
    page = browser.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        digest = hashlib.sha256(inline(page, tag).encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_needs_nothing_from_elsewhere_and_keeps_nothing(browser: Browser) -> None:
    page = browser.get("/")
    assert not re.search(r"//\S", page.text)  # a comment goes on with a space, an address never
    assert not re.search(r"\ssrc=|@import|url\(|\sstyle=|\son\w+=", page.text)
    for path in PATHS:
        answer = browser.get(path)
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8480", "127.0.0.1:80"])
def test_the_terminal_itself_is_served(browser: Browser, host: str) -> None:
    assert browser.get("/state", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8480",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example/127.0.0.1",
        "user@localhost",
        "192.168.1.5",
        "0.0.0.0",
        "[::1]",
        ":8480",
        "",
    ],
)
def test_any_other_host_is_refused(browser: Browser, host: str) -> None:
    for path in (*PATHS, "/events", "/elsewhere"):
        assert browser.get(path, Host=host).status == 400


@pytest.mark.parametrize(
    "head",
    [
        b"GET /state HTTP/1.0\r\n\r\n",
        b"GET /state HTTP/1.1\r\n\r\n",
        b"GET /state HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET http://localhost/state HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000,
    ],
)
def test_requests_without_one_plain_host_are_refused(browser: Browser, head: bytes) -> None:
    asked = browser.raw(head)
    assert asked.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"])
def test_only_get_is_answered(browser: Browser, method: str) -> None:
    for path in (*PATHS, "/events", "/picture", "/installer", "/installerx/"):
        answer = browser.get(path, method=method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/docs", "/../etc/passwd", "/%2e%2e/page.py", "/state/", "//"])
def test_nothing_else_is_there(browser: Browser, path: str) -> None:
    assert browser.get(path).status in (307, 404)


async def installer(scope: Any, receive: Any, send: Any) -> None:
    """A page that says how it was asked, with a policy of its own on one path."""
    own = [(b"content-security-policy", b"default-src 'self'")]
    headers = own if scope["path"].endswith("/own") else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["method"].encode()})


@pytest.fixture
def with_installer(port: int) -> Iterator[Browser]:
    screen = Screen(Web(port=port), dict, installer=installer)
    screen.open()
    yield Browser(port)
    screen.close()


def test_the_installers_page_takes_posts_behind_the_same_guard(with_installer: Browser) -> None:
    for method in ("GET", "POST"):
        answer = with_installer.get("/installer/login", method=method)
        assert answer.text == method
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    answer = with_installer.get("/installer/own")
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
    answer = with_installer.get("/installer/login", method="PUT")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    assert with_installer.get("/installer/login", Host="evil.example").status == 400
    assert with_installer.get("/state", method="POST").status == 405


def test_without_an_installers_page_there_is_none(browser: Browser) -> None:
    assert browser.get("/installer/").status == 404
