from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from edged.errors import StorageError
from edged.events.chain import Chain
from edged.site.client import SiteClient
from edged.site.known import Known, Terminal
from edged.site.settings import load_site
from edged.site.watch import Watch
from edged.vault.identity import Identity
from edged.vault.secret import Secret
from tests.site.terminal import Virtual
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto
    from tests.site.kit import Office

KILLS = int(os.environ.get("EDGED_KILLS", "3"))


class World:
    """A broker, a terminal without a camera, and the office."""

    def __init__(self, tmp_path: Path, office: Office, mosquitto: Mosquitto) -> None:
        self.office = office.set_up(mosquitto.port, tls=False)
        self.broker = mosquitto
        self.folder = tmp_path
        self.save = tmp_path / "events.log"
        self.public = (office.folder / "office.key.pub").read_text()

    def terminal(self, **more: Any) -> Virtual:
        return Virtual(self.folder / "door-1", self.broker.port, self.public, **more)

    def pin(self, terminal: Virtual) -> None:
        identity = terminal.identity
        settings = load_site(self.office.config)
        Known(settings.terminals, "hq").pin(
            Terminal("door-1", identity.signing_public, identity.sealing_public)
        )

    @contextmanager
    def watch(self, **more: Any) -> Iterator[list[Any]]:
        """What a watch tells, as it tells it."""
        settings = load_site(self.office.config)
        heard: list[Any] = []
        end = threading.Event()
        more.setdefault("keys", {})
        with Watch(settings, ["door-1"], **more) as watch:

            def listen() -> None:
                for news in watch.news():
                    if end.is_set():
                        return
                    if news is not None:
                        heard.append(news)

            thread = threading.Thread(target=listen)
            thread.start()
            try:
                yield heard
            finally:
                end.set()
                thread.join()

    def healing(self, **more: Any) -> dict[str, Any]:
        pem = (self.office.folder / "office.key").read_bytes()
        return {"signer": ("office", pem), "heal_after_s": 0.2, **more}

    def kept(self) -> list[dict[str, Any]]:
        """The events of the capture, in the order of the file."""
        content = self.save.read_text() if self.save.exists() else ""
        # the last line may just be being written
        found = [line.split(" ", 1) for line in content.split("\n")[:-1]]
        return [json.loads(text) for topic, text in found if "/audit" not in topic]

    def whole(self, terminal: Virtual) -> None:
        """The capture holds every event of the terminal once, and its chain is whole."""
        events = self.kept()
        places = [event["seq"] for event in events]
        assert sorted(places) == list(range(1, terminal.outbox.head.seq + 1))
        chain = Chain([terminal.identity.signing_public])
        for line, text in enumerate(self.save.read_text().splitlines(), 1):
            topic, message = text.split(" ", 1)
            add = chain.add_checkpoint if topic.endswith("/audit") else chain.add
            add(json.loads(message), line)
        assert chain.report().findings == ()


@pytest.fixture
def world(tmp_path: Path, office: Office, mosquitto: Mosquitto) -> World:
    return World(tmp_path, office, mosquitto)


def seqs(heard: list[Any]) -> list[int]:
    return [news.event["seq"] for news in heard if news.event is not None]


def test_events_are_told_once_each_although_they_come_again(world: World) -> None:
    with world.terminal() as terminal, world.watch(backlog=True) as heard:
        terminal.happen(5)
        until(lambda: len(seqs(heard)) == 5)
        assert terminal.outbox.again(1, 5) == 5
        terminal.happen()
        until(lambda: 6 in seqs(heard))
        until(lambda: terminal.outbox.depth == 0)
        assert sorted(seqs(heard)) == [1, 2, 3, 4, 5, 6]


def test_what_happens_while_nobody_watches_is_kept_by_the_broker(world: World) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        terminal.happen(40)
        with world.watch(save=world.save) as heard:
            until(lambda: len(seqs(heard)) == 40)
        world.whole(terminal)


def test_the_same_in_the_older_protocol_and_without_dots_in_topics(world: World) -> None:
    style = {"protocol": "3.1.1", "topic_dots": "dash"}
    settings = yaml.safe_load(world.office.config.read_text())
    settings["broker"] |= style
    world.office.config.write_text(yaml.safe_dump(settings))
    with world.terminal(**style) as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        terminal.happen(10)
        with world.watch(save=world.save) as heard:
            until(lambda: len(seqs(heard)) == 10)
        terminal.happen(10)
        world.broker.kill()
        world.broker.start()
        until(lambda: terminal.link.status().connected)
        with world.watch(save=world.save, **world.healing()) as heard:
            until(lambda: len(seqs(heard)) == 10)
        world.whole(terminal)


def test_what_a_killed_broker_forgot_is_sent_again(world: World) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        terminal.happen(20)  # the broker has them for us, in its memory
        world.broker.kill()
        world.broker.start()
        until(lambda: terminal.link.status().connected)
        with world.watch(save=world.save, **world.healing()) as heard:
            terminal.happen()
            until(lambda: len(seqs(heard)) == 21)
        world.whole(terminal)


def test_a_hole_at_the_end_shows_by_the_checkpoint(world: World) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        terminal.happen(7)
        world.broker.kill()
        world.broker.start()  # the terminal says on connecting how far its log goes
        until(lambda: terminal.link.status().connected)
        with world.watch(save=world.save, **world.healing()) as heard:
            until(lambda: len(seqs(heard)) == 7)
        world.whole(terminal)


def test_what_happened_before_the_first_watch_can_be_asked_for(world: World) -> None:
    with world.terminal() as terminal:
        terminal.happen(12)
        with world.watch(save=world.save, from_seq=3, **world.healing()) as heard:
            terminal.happen()
            until(lambda: len(seqs(heard)) == 11)
        assert sorted(event["seq"] for event in world.kept()) == list(range(3, 14))


def test_what_the_terminal_has_no_more_is_told_to_be_lost_once(world: World) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        terminal.happen(4)
        world.broker.kill()
        world.broker.start()
        until(lambda: terminal.link.status().connected)
        terminal.outbox.again = lambda *_: 0  # pruned: it has reached its size
        with world.watch(save=world.save, **world.healing()) as heard:
            terminal.happen()
            until(lambda: any("lost" in news.text for news in heard))
            asked = len(terminal.asked)
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 4)
            assert len(terminal.asked) == asked
            assert sum("lost" in news.text for news in heard) == 1


def test_a_controller_without_the_role_is_told_and_does_not_ask_on(world: World) -> None:
    keys = [{"id": "office", "public_key": world.public, "roles": ["operator"]}]
    with world.terminal(commands={"keys": keys}) as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        terminal.happen(4)
        world.broker.kill()
        world.broker.start()
        with world.watch(save=world.save, **world.healing()) as heard:
            until(lambda: any("wrong_role" in news.text for news in heard))


def test_a_forged_event_is_told_and_neither_shown_nor_kept(world: World) -> None:
    with world.terminal() as terminal:
        keys = {"door-1": (terminal.identity.signing_public,)}
        with world.watch(save=world.save, keys=keys) as heard:
            terminal.happen(2)
            until(lambda: len(seqs(heard)) == 2)
            with SiteClient(load_site(world.office.config).broker) as forger:
                forged = {**heard[-1].event, "seq": 3, "id": "f" * 32}
                forger.publish("edged/hq/door-1/event/access.granted", json.dumps(forged))
                forger.publish("edged/hq/door-1/event/access.granted", b"\xff\xfe")
                forger.publish("edged/hq/door-1/event/access.granted", "[" * 100_000)
                forger.publish("edged/hq/door-1/audit", json.dumps({"v": 1, "seq": 10**9}))
            until(lambda: sum(news.problem for news in heard) == 4)
            terminal.happen()
            until(lambda: 3 in seqs(heard))
            assert all(news.verified for news in heard if news.event)
        world.whole(terminal)


def test_one_signed_by_somebody_else_is_forged_although_it_is_signed(world: World) -> None:
    somebody = Identity(Secret(b"s" * 32))
    with (
        world.terminal() as terminal,
        world.watch(keys={"door-1": (somebody.signing_public,)}) as heard,
    ):
        terminal.happen()
        until(lambda: any(news.problem for news in heard))
        assert seqs(heard) == []


def test_two_different_events_of_one_number_are_told(world: World) -> None:
    with world.terminal() as terminal, world.watch() as heard:
        terminal.happen(2)
        until(lambda: len(seqs(heard)) == 2)
        with SiteClient(load_site(world.office.config).broker) as forger:
            other = {**heard[-1].event, "data": {"n": "another"}}
            forger.publish("edged/hq/door-1/event/access.granted", json.dumps(other))
        until(lambda: any("something else" in news.text for news in heard))


def test_a_line_that_was_cut_off_is_taken_away_and_comes_again(world: World) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(5)
            until(lambda: len(seqs(heard)) == 5)
        content = world.save.read_bytes()
        world.save.write_bytes(content[:-20])
        (world.folder / "events.log.seen").unlink()
        with world.watch(save=world.save, **world.healing()) as heard:
            terminal.happen()
            until(lambda: len(seqs(heard)) == 2)
        world.whole(terminal)


def test_the_note_beside_a_capture_may_be_missing_or_garbage(world: World) -> None:
    with world.terminal() as terminal:
        for garbage in (b"", b"[[[", b'{"offset": 1e9, "seen": 5}', b'{"offset": -1, "seen": []}'):
            with world.watch(save=world.save) as heard:
                before = len(world.kept())
                terminal.happen()
                until(lambda: len(seqs(heard)) == 1)
            assert len(world.kept()) == before + 1
            (world.folder / "events.log.seen").write_bytes(garbage)
        world.whole(terminal)


def test_a_capture_that_was_moved_away_goes_on_where_it_was(world: World) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        world.save.rename(world.folder / "older.log")
        assert terminal.outbox.again(1, 3) == 3
        terminal.happen(2)
        with world.watch(save=world.save) as heard:
            until(lambda: len(seqs(heard)) == 2)
        assert [event["seq"] for event in world.kept()] == [4, 5]


def test_two_watches_do_not_write_the_same_file(world: World) -> None:
    with (
        world.watch(save=world.save),
        pytest.raises(StorageError, match="somebody else"),
        world.watch(save=world.save),
    ):
        pass


def test_a_watch_that_is_killed_at_any_moment_loses_nothing(world: World) -> None:
    """And neither does one whose broker is killed with it."""
    argv = [sys.executable, "-m", "edged", "ctl", "watch", "-t", "door-1", "--heal"]
    argv += ["--heal-after", "0.3", "--save", str(world.save)]
    argv += ["--site-config", str(world.office.config)]
    with world.terminal() as terminal:
        world.pin(terminal)
        stop = threading.Event()

        def go_on() -> None:
            while not stop.is_set():
                terminal.outbox.append("access.granted", {})
                stop.wait(0.01)

        recording = threading.Thread(target=go_on)

        def goes_on() -> None:
            size = world.save.stat().st_size
            until(lambda: world.save.stat().st_size > size, 60)

        # nothing is watched for before the first contact, so that comes first
        with world.watch(save=world.save) as heard:
            terminal.happen()
            until(lambda: seqs(heard))
        recording.start()
        watching = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        try:
            for attempt in range(KILLS):
                goes_on()
                watching.send_signal(signal.SIGKILL)
                watching.communicate()
                if attempt % 2:
                    world.broker.kill()
                    world.broker.start()
                watching = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
            goes_on()  # what a forgetful broker lost shows by what comes after it
            stop.set()
            recording.join()
            until(lambda: terminal.outbox.depth == 0, 60)
            everything = set(range(1, terminal.outbox.head.seq + 1))
            until(lambda: everything <= {event["seq"] for event in world.kept()}, 60)
        finally:
            stop.set()
            watching.kill()
            watching.communicate()
        world.whole(terminal)


def watching(world: World, *more: str) -> list[str]:
    """The command line of a watch that keeps what it hears."""
    argv = [sys.executable, "-m", "edged", "ctl", "watch", "-t", "door-1", *more]
    return [*argv, "--save", str(world.save), "--site-config", str(world.office.config)]


def test_what_the_disk_did_not_take_is_not_taken_for_known_the_next_time(world: World) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen()
            until(lambda: seqs(heard))
        limit = f"--fsize={world.save.stat().st_size + 100}"
        full = subprocess.Popen(
            ["prlimit", limit, *watching(world)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        terminal.outbox.append("access.granted", {"text": "x" * 200})
        _, told = full.communicate(timeout=60)
        assert full.returncode == 1
        assert b"cannot be written" in told
        with world.watch(save=world.save) as heard:
            terminal.happen()
            until(lambda: 3 in seqs(heard))
        world.whole(terminal)


def test_a_watch_that_is_killed_after_its_file_was_moved_away_takes_nothing_twice(
    world: World,
) -> None:
    with world.terminal() as terminal:
        with world.watch(save=world.save) as heard:
            terminal.happen(3)
            until(lambda: len(seqs(heard)) == 3)
        world.save.rename(world.folder / "older.log")
        process = subprocess.Popen(watching(world), stdout=subprocess.DEVNULL)
        try:
            terminal.happen(9)
            until(lambda: len(world.kept()) == 9)
        finally:
            process.kill()
            process.communicate()
        assert terminal.outbox.again(1, 12) == 12
        with world.watch(save=world.save) as heard:
            terminal.happen()
            until(lambda: 13 in seqs(heard) and terminal.outbox.depth == 0)
        assert [event["seq"] for event in world.kept()] == list(range(4, 14))


def test_a_terminal_that_refuses_does_not_keep_the_holes_of_others(
    world: World, tmp_path: Path
) -> None:
    refusing = {
        "commands": {
            "keys": [{"id": "office", "public_key": world.public, "roles": ["operator"]}],
            "rate_hz": 1000,
        }
    }
    port = world.broker.port
    settings = load_site(world.office.config)
    signer = ("office", (world.office.folder / "office.key").read_bytes())
    told: list[Any] = []
    with (
        Virtual(tmp_path / "a", port, world.public, "door-a", **refusing) as one,
        Virtual(tmp_path / "b", port, world.public, "door-b") as other,
    ):
        one.happen(3)
        other.happen(3)
        with Watch(settings, [], keys={}, signer=signer, heal_after_s=0.2, from_seq=1) as watch:
            one.happen()
            other.happen()
            for news in watch.news(time.monotonic() + 20):
                if news is not None:
                    told.append(news)
                if {("door-b", n) for n in range(1, 5)} <= {
                    (n.terminal, n.event["seq"]) for n in told if n.event is not None
                } and any("not sent again" in n.text for n in told):
                    break
            else:
                pytest.fail("the holes of the other terminal were not asked for")


def test_the_command_prints_json_lines_and_ends_by_itself(world: World) -> None:
    with world.terminal() as terminal:
        world.pin(terminal)
        with ticking(lambda: terminal.outbox.append("access.denied", {"reason": "\x1b[2J"})):
            ran = world.office.ctl("watch", "--all", "--count", "3", "--type", "access.*", "--json")
    assert ran.code == 0, ran.err
    assert [line["type"] for line in ran.lines] == ["access.denied"] * 3
    assert {(line["terminal"], line["verified"]) for line in ran.lines} == {("hq/door-1", True)}


def test_what_is_printed_for_people_steers_no_screen(world: World) -> None:
    with (
        world.terminal() as terminal,
        ticking(lambda: terminal.outbox.append("access.denied", {"reason": "\x1b[2J"})),
    ):
        ran = world.office.ctl("watch", "-t", "door-1", "--count", "1")
    assert "access.denied" in ran.out
    assert "\x1b" not in ran.out


@contextmanager
def ticking(work: Callable[[], object]) -> Iterator[None]:
    """Do something again and again beside."""
    end = threading.Event()

    def go_on() -> None:
        while not end.wait(0.05):
            work()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_it_ends_after_the_time_it_was_given(world: World) -> None:
    began = time.monotonic()
    ran = world.office.ctl("watch", "-t", "door-1", "--for", "0.5")
    assert ran.code == 0
    assert ran.out == ""
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize(
    "argv", [[], ["--all", "-t", "door-1"], ["--all", "--verify-key", "nothing.pem"]]
)
def test_what_cannot_be_is_bad_usage(world: World, argv: list[str]) -> None:
    assert world.office.ctl("watch", *argv).code != 0
