"""Who gets in over HTTP, and who does not."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from edged.web.installer.sessions import IDLE_S, LONGEST_S, MOST, Backoff, Forms, Sessions
from tests.web.installer.conftest import PASSWORD, Client, Clock

if TYPE_CHECKING:
    from pathlib import Path

INSIDE = ("stay", "events", "face/1")


def test_nobody_is_in_without_the_password(client: Client) -> None:
    home = client.ask("GET", "")
    assert home.status == 200
    assert 'type="password"' in home.text
    assert "front-door" not in home.text
    for path in INSIDE:
        assert client.ask("GET", path).status == 401
    assert client.ask("POST", "logout", "token=x").status == 401


def test_the_password_opens_a_session_that_scripts_and_other_sites_cannot_use(
    client: Client,
) -> None:
    answer = client.login()
    assert (answer.status, answer.headers["Location"]) == (303, "/installer/")
    name, *rules = answer.headers["Set-Cookie"].split("; ")
    assert len(name.partition("=")[2]) >= 43  # 256 bits
    rules = {rule.lower() for rule in rules}
    assert {"httponly", "samesite=strict", "path=/installer"} <= rules
    assert client.inside()
    assert "front-door" in client.ask("GET", "").text


@pytest.mark.parametrize("wrong", ["", "correct horsE", "x" * 3000, "\0", "%00%ff"])
def test_a_wrong_password_is_told_and_opens_nothing(client: Client, wrong: str) -> None:
    answer = client.login(wrong)
    assert answer.status == 403
    assert "not the password" in answer.text
    assert answer.headers["Set-Cookie"] is None
    assert not client.inside()


def test_a_session_ends_for_good_with_the_logout(client: Client) -> None:
    client.login()
    former = client.cookie
    assert client.logout().status == 303
    client.cookie = former
    assert not client.inside()


def test_a_logout_needs_the_token_of_its_page(client: Client) -> None:
    client.login()
    for form in ("", "token=", "token=wrong", urlencode({"token": Forms().issue()})):
        assert client.ask("POST", "logout", form).status == 403
    assert client.inside()


def test_a_session_that_nobody_uses_ends(client: Client, clock: Clock) -> None:
    client.login()
    clock.now_s += IDLE_S - 1
    assert client.inside()
    clock.now_s += IDLE_S + 1
    assert not client.inside()


def test_a_session_that_is_used_ends_all_the_same(client: Client, clock: Clock) -> None:
    client.login()
    for _ in range(int(LONGEST_S / 600) - 1):
        clock.now_s += 600
        assert client.inside()
    clock.now_s += 601
    assert not client.inside()


def test_a_page_that_is_only_watched_is_logged_out(client: Client, clock: Clock) -> None:
    client.login()
    events = client.open("GET", "events")
    assert events.readline() == b"event: now\n"
    clock.now_s += IDLE_S + 1
    while (line := events.readline()) != b"event: over\n":
        assert line


@pytest.mark.parametrize(
    "cookie",
    [
        "edged_installer=",
        "edged_installer=x",
        "edged_installer=" + "x" * 5000,
        "edged_installer=\xff\xfe",
        "edged_installer",
        ";;;===;",
        'edged_installer="\\"',
        "other=1; edged_installer=../../etc",
    ],
)
def test_a_cookie_of_garbage_opens_nothing(client: Client, cookie: str) -> None:
    client.cookie = cookie
    assert not client.inside()
    assert client.ask("GET", "").status == 200


ELSEWHERE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "-"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
    {"Sec_Fetch_Site": "garbage"},
]


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_forms_of_other_sites_are_refused(client: Client, headers: dict[str, str]) -> None:
    assert client.login(**headers).status == 403
    assert not client.inside()
    assert client.login().status == 303
    token = client.token()
    form = urlencode({"token": token})
    assert client.ask("POST", "logout", form, **headers).status == 403
    assert client.inside()


@pytest.mark.parametrize("site", ["cross-site", "same-site", "garbage"])
def test_other_sites_may_link_here_and_read_nothing(client: Client, site: str) -> None:
    client.login()
    for path in ("", *INSIDE):
        assert client.ask("GET", path, Sec_Fetch_Site=site).status == 403
    link = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate"}
    assert client.ask("GET", "", **link, Sec_Fetch_Dest="document").status == 200
    assert client.ask("GET", "", **link, Sec_Fetch_Dest="iframe").status == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", ""])
def test_another_name_for_this_terminal_is_refused(client: Client, host: str) -> None:
    client.login()
    assert client.ask("GET", "", Host=host).status == 400
    form = urlencode({"token": "x", "password": PASSWORD})
    assert client.ask("POST", "login", form, Host=host, Origin=f"http://{host}").status == 400


@pytest.mark.parametrize("token", [None, "", "x", "1.2.3", "nan.x.y", "..", "\ud800x"])
def test_a_login_form_that_is_not_ours_is_refused(client: Client, token: str | None) -> None:
    form = {"password": PASSWORD} | ({} if token is None else {"token": token})
    body = urlencode(form, errors="surrogatepass")
    answer = client.ask("POST", "login", body)
    assert answer.status in (400, 403)
    assert not client.inside()


def test_a_login_form_grows_old(client: Client, clock: Clock) -> None:
    form = urlencode({"token": client.token(), "password": PASSWORD})
    clock.now_s += IDLE_S + 5
    answer = client.ask("POST", "login", form)
    assert answer.status == 403
    assert "too old" in answer.text


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("{}", {"Content_Type": "application/json"}),
        ("token=x", {"Content_Type": "text/plain"}),
        ("token=x", {"Content_Type": "-"}),
        ("x" * 5000, {}),
        ("&".join(f"a{n}=1" for n in range(50)), {}),
        ("password=%ff\xff", {}),
    ],
)
def test_what_is_no_form_is_refused(client: Client, body: str, headers: dict[str, str]) -> None:
    assert client.ask("POST", "login", body, **headers).status in (400, 403)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_nothing_but_get_and_post_is_answered(client: Client, method: str) -> None:
    for path in ("", "login", *INSIDE):
        assert client.ask(method, path).status == 405
    assert client.ask("POST", "events", "").status == 405


def test_guessing_gets_slow_for_everybody_and_ends_with_the_right_one(
    client: Client, clock: Clock
) -> None:
    for _ in range(3):
        assert client.login("wrong password").status == 403
    refused = client.login()
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    clock.now_s += 1.1
    assert client.login("wrong password").status == 403
    clock.now_s += 1.1
    assert client.login().status == 429
    clock.now_s += 1.0
    assert client.login().status == 303
    client.cookie = None
    assert client.login("wrong password").status == 403


def test_however_many_guess_at_once_few_are_looked_at(client: Client) -> None:
    token = client.token()
    form = urlencode({"token": token, "password": "wrong password"})

    def guess(_: int) -> int:
        return Client(client.port).ask("POST", "login", form).status

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(guess, range(60)))
    assert set(told) == {403, 429}
    assert told.count(403) <= 3
    assert Client(client.port).ask("GET", "").status == 200


def test_the_terminal_answers_others_while_a_password_is_looked_at(client: Client) -> None:
    form = urlencode({"token": client.token(), "password": "wrong password"})
    answered: list[int] = []
    guess = threading.Thread(
        target=lambda: answered.append(Client(client.port).ask("POST", "login", form).status)
    )
    guess.start()
    while not answered:
        assert Client(client.port).ask("GET", "").status == 200
    guess.join()
    assert answered == [403]


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "1e3", "٣", "0x1", "1;2"])
def test_a_number_that_is_none_is_refused_without_noise(
    client: Client, number: str, caplog: pytest.LogCaptureFixture
) -> None:
    where = f"face/{quote(number)}"
    assert client.ask("GET", where).status == 401
    client.login()
    assert client.ask("GET", where).status == 404
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_few_sessions_are_kept(clock: Clock) -> None:
    sessions = Sessions(clock)
    tokens = []
    for _ in range(1000):
        clock.now_s += 0.01
        tokens.append(sessions.open())
    assert len(sessions) == MOST
    assert sessions.find(tokens[-1]) is not None
    assert sessions.find(tokens[0]) is None
    assert len(set(tokens)) == 1000


def test_the_wait_is_bounded_and_forgotten(clock: Clock) -> None:
    backoff = Backoff(clock)
    for _ in range(10_000):
        backoff.failed()
    assert backoff.wait_s() == 30
    clock.now_s += 30
    assert backoff.wait_s() == 0
    clock.now_s += 3600
    assert backoff.wait_s() == 0
    backoff.failed()
    assert backoff.wait_s() == 0


def test_a_new_password_counts_at_once(client: Client, password_file: Path) -> None:
    from edged.web.installer.password import make, write

    write(password_file, make("another one"))
    assert client.login().status == 403
    assert client.login("another one").status == 303


def test_without_its_file_nobody_gets_in(client: Client, password_file: Path) -> None:
    password_file.unlink()
    answer = client.login()
    assert answer.status == 503
    assert str(password_file) not in answer.text
    password_file.touch(0o644)
    assert client.login().status == 503


def test_every_answer_forbids_what_it_does_not_need(client: Client) -> None:
    asked = [client.ask("GET", ""), client.ask("GET", "stay"), client.login("wrong password")]
    client.login()
    for answer in [*asked, client.ask("GET", ""), client.ask("GET", "nowhere")]:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "form-action 'self'" in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_person_s_page_is_as_it_was(client: Client) -> None:
    from tests.web.browser import Browser

    browser = Browser(client.port)
    assert browser.get("/").status == 200
    assert browser.get("/", method="POST").status == 405
    browser.close()


def test_the_first_event_tells_that_there_is_no_picture_yet(client: Client) -> None:
    client.login()
    events = client.open("GET", "events")
    assert events.readline() == b"event: now\n"
    told = json.loads(events.readline().partition(b": ")[2])
    assert "face" not in told
