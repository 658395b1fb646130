"""A terminal that is a reader of an existing panel, and one with OSDP readers of its own."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.readers import Panel
from edged.events.outbox import Outbox
from edged.readers import osdp_panel
from edged.readers.osdp_card import data_of
from edged.service.journal import Journal
from edged.service.panel import PanelLine
from edged.service.state import State
from edged.vault.secret import Secret
from tests.readers.osdp_bridge import Bridge
from tests.readers.osdp_foreign import ForeignPanel, ForeignReader, key_for
from tests.service.kit import PERSON, Door, Terminal, Views, wait
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MASTER = bytes(range(16, 32))
KEY = key_for(MASTER, zlib.crc32(b"hq/door-1"))
CARD = 8065249
CARDS = {"ann": ("77", str(CARD)), "bob": ("A1B2", "99999999"), "cid": ("31", "32")}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    folder = tmp_path / "line"
    folder.mkdir()
    with Bridge(folder) as made:
        yield made


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "scbk"
    path.touch(mode=0o600)
    path.write_text(KEY.hex())
    return path


# the part


class Held:
    """Whose cards are whose; ann's first one raises a silent alarm."""

    def cards(self, person_id: str) -> tuple[str, ...]:
        return CARDS.get(person_id, ())

    def is_duress(self, card: str) -> bool:
        return card == "77"


class Part:
    """A `PanelLine` with a real journal."""

    def __init__(self, outbox: Outbox, bridge: Bridge, **settings: Any) -> None:
        self._outbox = outbox
        self.state = State()
        self.answers: list[bool] = []
        self.line = PanelLine(
            Panel(device=bridge.near, **settings),
            "hq/door-1",
            Held(),
            Journal(outbox, self.state),
            self.state,
            self.answers.append,
        )

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(one.type, dict(one.data)) for one in self._outbox.pending()]


@pytest.fixture
def part(
    tmp_path: Path, bridge: Bridge, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Part]:
    monkeypatch.setattr(osdp_panel, "SILENT_S", 1.0)
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(range(32))), 1000)
    outbox.open()
    part = Part(outbox, bridge, key_file=key_file)
    part.line.open()
    yield part
    part.line.close()
    outbox.close()


def test_the_first_card_that_fits_and_raises_no_alarm_is_read(part: Part, bridge: Bridge) -> None:
    with ForeignPanel(bridge.far, MASTER) as panel:
        wait(lambda: part.line.refusal_of("ann") is None)
        part.line.granted("ann")
        until(lambda: panel.cards)
        assert panel.cards == [(26, data_of(str(CARD), 26))]
        part.line.granted("cid")
        until(lambda: len(panel.cards) == 2)
        assert panel.cards[1] == (26, data_of("31", 26))
        panel.led("Red")
        until(lambda: part.answers)
        assert part.answers == [False]


def test_who_has_no_card_that_fits_is_not_let_in_and_told_once(
    part: Part, bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    with ForeignPanel(bridge.far, MASTER):
        wait(lambda: part.line.refusal_of("ann") is None)
        for _ in range(3):
            assert part.line.refusal_of("bob") == "no_card"
        assert caplog.text.count("has no card") == 1
        assert "A1B2" not in caplog.text
        assert "bob" not in caplog.text  # whoever is erased is erased from no log
        assert part.line.refusal_of("stranger") == "no_card"


def test_a_panel_that_goes_and_comes_back_is_told_once_each(part: Part, bridge: Bridge) -> None:
    with ForeignPanel(bridge.far, MASTER) as panel:
        wait(lambda: part.line.refusal_of("ann") is None)
        assert part.state.degraded == {}
        bridge.cut()
        wait(lambda: part.line.refusal_of("ann") == "panel_lost")
        wait(lambda: part.events)
        assert "no panel asks" in part.state.degraded["panel"]
        bridge.mend()
        panel.anew()
        wait(lambda: part.line.refusal_of("ann") is None)
        wait(lambda: part.state.degraded == {})
        assert [kind for kind, _ in part.events] == ["panel.lost", "panel.back"]


def test_a_key_that_others_read_is_told_and_the_terminal_goes_on(
    tmp_path: Path, bridge: Bridge, key_file: Path
) -> None:
    key_file.chmod(0o644)
    outbox = Outbox(tmp_path / "events.db", Secret(bytes(range(32))), 1000)
    outbox.open()
    part = Part(outbox, bridge, key_file=key_file)
    part.line.open()
    assert part.line.refusal_of("ann") == "panel_lost"
    part.line.granted("ann")
    assert "can be reached by others" in part.state.degraded["panel"]
    part.line.close()
    part.line.close()
    outbox.close()


# through the daemon


def _knows(views: Views, *cards: str) -> Callable[[Terminal], None]:
    def before(terminal: Terminal) -> None:
        terminal.enrol(views)
        with terminal.gallery() as gallery:
            gallery.change_profile(
                PERSON, lambda profile: profile.model_copy(update={"cards": cards})
            )

    return before


def test_a_face_at_the_door_is_a_card_at_the_panel(
    open_door: Callable[..., Door], views: Views, bridge: Bridge, key_file: Path
) -> None:
    settings = {"device": "line/near", "key_file": key_file.name}
    with ForeignPanel(bridge.far, MASTER) as panel:
        door = open_door(
            _knows(views, str(CARD)),
            panel=settings,
            decision={"retake_after_s": 0.7, "gone_after_s": 0.3, "cool_down_s": 1},
        )
        wait(lambda: "panel" not in door.site.state["degraded"] and panel.secured)
        door.stage.show("near")
        granted = door.site.event("access.granted")
        wait(lambda: panel.cards)
        assert panel.cards == [(26, data_of(str(CARD), 26))]
        assert str(CARD) not in str(granted) + door.terminal.log
        wait(lambda: panel.led("Red") and door.terminal.phase == "denied")  # and it is shown

        before = door.leave()
        bridge.cut()
        door.site.event("panel.lost")
        wait(lambda: "panel" in door.site.state["degraded"])
        door.stage.show("near")
        denied = door.site.event("access.denied", after=before)
        assert denied["data"]["reason"] == "panel_lost"
        door.leave()
        bridge.mend()
        panel.anew()
        door.site.event("panel.back")

        with door.terminal.gallery() as gallery:
            gallery.change_profile(PERSON, lambda profile: profile.model_copy(update={"cards": ()}))
        before = door.leave()
        door.stage.show("near")
        denied = door.site.event("access.denied", after=before, reason="no_card")
        assert denied["data"]["person_id"] == PERSON
        assert len(panel.cards) == 1


def test_a_card_at_an_osdp_reader_and_the_face_of_its_holder_open(
    open_door: Callable[..., Door], views: Views, bridge: Bridge, key_file: Path
) -> None:
    with ForeignReader(bridge.far, KEY) as reader:
        door = open_door(
            _knows(views, str(CARD)),
            readers={"front": {"driver": "osdp", "device": "line/near", "key_file": key_file.name}},
            access={"rules": [{"name": "staff", "factors": [["card", "face"]]}]},
        )
        wait(lambda: door.site.state.get("readers") == {"front": "ok"})
        data = data_of(str(CARD), 26)
        assert data is not None
        reader.card(26, data, 1)
        wait(lambda: not reader.queue)
        door.stage.show("near")
        granted = door.site.event("access.granted", person_id=PERSON)
        assert granted["data"]["factors"] == ["card", "face"]
        assert granted["data"]["reader"] == "front"
        wait(lambda: "on" in door.terminal.relay)
        wait(lambda: 0x69 in dict(reader.commands))  # its lamp
        assert str(CARD) not in str(granted) + door.terminal.log
        door.leave()
        bridge.pull()
        lost = door.site.event("reader.lost")
        assert lost["data"]["reader"] == "front"
        bridge.plug()
        door.site.event("reader.back")
