"""This terminal as an OSDP reader of a panel: the control panel of the package ``osdp``."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.readers import Panel
from edged.errors import ReaderError
from edged.readers import osdp_panel
from edged.readers.osdp_frame import Frames
from edged.readers.osdp_key import read_key
from edged.readers.osdp_panel import OsdpPanel
from tests.readers.osdp_bridge import Bridge, flips
from tests.readers.osdp_foreign import ForeignPanel, checked, foreign, key_for
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERIAL = 0x01020304
MASTER, OTHER = bytes(range(16, 32)), bytes(range(17, 33))
KEY = key_for(MASTER, SERIAL)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osdp_panel, "SILENT_S", 1.0)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with Bridge(tmp_path) as made:
        yield made


class Line:
    """Our side, and what it told."""

    def __init__(self, bridge: Bridge, **more: Any) -> None:
        self.faults: list[str | None] = []
        self.answers: list[bool] = []
        self.panel = OsdpPanel(Panel(device=bridge.near, **more), SERIAL)

    def listens(self) -> bool:
        """What is said from now on is heard: it dropped what came before it had the device."""
        return self.panel._sick_s is not None

    def well(self) -> bool:
        return self.faults[-1:] == [None]

    def sick(self) -> bool:
        return bool(self.faults) and self.faults[-1] is not None


def key_file(folder: Path, key: bytes = KEY) -> Path:
    path = folder / "scbk"
    path.touch(mode=0o600)
    path.write_text(key.hex())
    return path


@contextmanager
def at_work(bridge: Bridge, **more: Any) -> Iterator[Line]:
    if not more.get("insecure") and "key_file" not in more:
        more["key_file"] = key_file(bridge.near.parent)
    line = Line(bridge, **more)
    line.panel.open(line.faults.append, line.answers.append)
    try:
        yield line
    finally:
        line.panel.close()


def test_a_card_is_read_by_the_panel_over_the_secure_channel(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        assert line.panel.send("8065249")
        until(lambda: panel.cards)
        # 123:4321 in H10301, by hand: 1 01111011 0001000011100001 1
        assert panel.cards == [(26, int("10111101100010000111000011000000", 2).to_bytes(4, "big"))]
        assert panel.secured
        assert panel.cards[0][1] not in b"".join(data for _, data in bridge.heard)
        assert "8065249" not in repr(line.panel.describe())


@pytest.mark.parametrize(("bits", "data"), [(37, "800003D090"), (32, "0001E848"), (64, "1E848")])
def test_the_panel_says_how_many_bits(bridge: Bridge, bits: int, data: str) -> None:
    with at_work(bridge, bits=bits) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        assert line.panel.send("125000")
        until(lambda: panel.cards)
        length, sent = panel.cards[0]
        assert length == bits
        value = int.from_bytes(sent, "big") >> (-bits % 8)
        assert value >> (1 if bits == 37 else 0) & (1 << 34) - 1 == 125000
        assert data.lower() in sent.hex() or bits == 37


def test_what_is_asked_about_us_is_answered(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        about = panel.ask("id_report")
        assert (about.vendor_code.hex(), about.serial_number) == ("02edfa", SERIAL)
        can = {one.function.name for one in panel.ask("device_capabilities").capabilities}
        assert {"CardDataFormat", "ReaderLEDControl", "CommunicationSecurity"} <= can
        assert "Biometrics" not in can
        state = panel.ask("local_status")
        assert (state.tamper, state.power_failure) == (False, False)
        assert panel.led("Amber")


def test_what_we_do_not_offer_is_refused_and_nothing_ends(bridge: Bridge) -> None:
    command = foreign("_command")
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        for asked in (
            command.InputStatusReportCommand(0),
            command.ManufacturerSpecificCommand(0, b"\1\2\3payload"),
        ):
            before = len(panel.naks)
            panel._panel.send_command(panel._bus.id, asked)
            assert len(panel.naks) == before + 1
        assert line.panel.send("5")
        until(lambda: panel.cards)


def test_very_many_commands_do_not_end_the_process(bridge: Bridge) -> None:
    """libosdp's binding lets go of a None that is not its own with each command."""
    before = sys.getrefcount(None)
    line = Line(bridge, insecure=True)
    osdp_sys = osdp_panel.osdp()
    device = _Fed()
    reader = osdp_sys.PeripheralDevice(
        line.panel._info(osdp_sys, device), capabilities=osdp_panel._capabilities(osdp_sys)
    )
    reader.set_command_callback(line.panel._command)
    for number in range(20_000):
        device.command(0x64, sequence=(number - 1) % 3 + 1 if number else 0)
        reader.refresh()
    assert device.replies == 20_000
    assert sys.getrefcount(None) > before - 5_000


class _Fed:
    """A channel that always has the next command."""

    id = 1

    def __init__(self) -> None:
        self._next = b""
        self.replies = 0

    def command(self, code: int, sequence: int) -> None:
        self._next = checked(bytes([0x53, 0, 0, 0, sequence | 4, code]))

    def read(self, most: int) -> bytes:
        data, self._next = self._next[:most], self._next[most:]
        return data

    def write(self, data: bytes) -> int:
        frames = Frames().feed(data, 0.0)
        self.replies += len(frames) == 1 and frames[0].code == 0x48
        return len(data)

    def flush(self) -> None:
        return


# what the panel shows


@pytest.mark.parametrize(("colour", "granted"), [("Green", True), ("Red", False)])
def test_green_and_red_after_a_card_are_the_panels_answer(
    bridge: Bridge, colour: str, granted: bool
) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        panel.led(colour)  # nobody asked
        assert line.panel.send("5")
        until(lambda: panel.cards)
        panel.led("Amber")
        panel.led(colour)
        until(lambda: line.answers)
        panel.led("Red")  # one answer is enough
        assert line.answers == [granted]


def test_a_steady_red_is_no_answer(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        assert line.panel.send("5")
        until(lambda: panel.cards)
        panel.led("Red", temporary=False)
        panel.led("Green", temporary=False)
        assert line.answers == [True]


# late cards


def test_a_card_that_the_panel_does_not_fetch_in_time_is_dropped(
    bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        bridge.cut()
        # at once, before the line is known to be lost
        assert line.panel.send("5")
        until(line.sick)
        until(lambda: "dropped" in caplog.text)
        bridge.mend()
        panel.anew()
        until(line.well)
        assert line.panel.send("6")
        until(lambda: panel.cards)
        assert [_number(card) for card in panel.cards] == [6]


def test_of_two_cards_at_once_the_last_one_is_read(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        for number in range(20, 0, -1):
            assert line.panel.send(str(number))
        until(lambda: panel.cards and _number(panel.cards[-1]) == 1)
        assert len(panel.cards) <= 3


def test_nothing_is_sent_where_the_number_does_not_fit_or_nobody_asks(bridge: Bridge) -> None:
    with at_work(bridge) as line:
        assert not line.panel.send("5")
        with ForeignPanel(bridge.far, MASTER):
            until(line.well)
            for card in ("16777216", "abc", "", "9" * 10_240):
                assert not line.panel.fits(card)
                assert not line.panel.send(card)


# keys


def test_a_panel_with_another_key_is_refused_and_told(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, OTHER) as panel:
        until(line.sick)
        until(lambda: "another key" in str(line.faults[-1]))
        assert not line.panel.send("5")
        assert not panel.secured
        assert None not in line.faults


def test_a_panel_without_a_secure_channel_is_refused_and_told(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER, secure=False) as panel:
        until(lambda: "no secure channel" in str(line.faults[-1:]))
        assert not line.panel.send("5")
        until(lambda: 6 in panel.naks)  # NAK: communication security not met
        assert None not in line.faults


def test_nobody_gets_a_session_without_the_key(bridge: Bridge) -> None:
    """libosdp alone takes the proof of a handshake that was never begun, under a key of zeros."""
    proof = foreign("_secure_channel").SecureChannel(bytes(16))
    zeros = proof.generate_key(bytes(8), bytes(8), bytes(16))
    with at_work(bridge) as line:
        until(line.listens)
        for block in (b"\x03\x13\x01", b""):
            head = bytes([0x53, 0, 0, 0, 0 | 4 | (8 if block else 0)])
            bridge.say(checked(head + block + b"\x77" + zeros), to_near=True)
            until(bridge.read_by_near)
            before = len(_said(bridge))
            bridge.say(checked(bytes([0x53, 0, 0, 0, 4, 0x61, 0])), to_near=True)
            until(lambda before=before: len(_said(bridge)) > before)
        said = [data[5 + (data[5] if data[4] & 8 else 0)] for data in _said(bridge)]
        assert 0x78 not in said  # RMAC_I: it stands
        assert None not in line.faults


def test_in_the_clear_it_answers_where_the_installer_says_so(bridge: Bridge) -> None:
    with (
        at_work(bridge, insecure=True) as line,
        ForeignPanel(bridge.far, MASTER, secure=False) as panel,
    ):
        until(line.well)
        assert line.panel.send("5")
        until(lambda: panel.cards)


def test_a_new_terminal_takes_the_panels_key_and_keeps_it(bridge: Bridge) -> None:
    path = bridge.near.parent / "scbk"
    settings = {"key_file": path, "accept_key": True, "insecure": True}
    with at_work(bridge, **settings) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(path.exists)
        assert read_key(path, "panel") == KEY
        until(lambda: line.panel.describe()["secure"])
        panel.anew()
        until(lambda: panel.secured)
        until(line.well)
        assert line.panel.send("5")
        until(lambda: panel.cards)
    # from now on nothing but the key counts, whatever is still allowed
    with at_work(bridge, **settings) as line, ForeignPanel(bridge.far, OTHER):
        until(line.sick)
        assert line.panel.describe()["secure"] is True


def test_a_key_is_not_taken_unless_it_is_allowed(bridge: Bridge) -> None:
    path = key_file(bridge.near.parent)
    new = foreign("_command").KeySetCommand(0, bytes(range(40, 56)))
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        panel._panel.send_command(panel._bus.id, new)
        assert panel.naks[-1:] == [6]
        assert read_key(path, "panel") == KEY
        assert line.panel.send("5")
        until(lambda: panel.cards)


def test_a_key_that_cannot_be_kept_is_not_taken(bridge: Bridge) -> None:
    folder = bridge.near.parent / "keys"
    folder.mkdir()
    path = key_file(folder)
    new = foreign("_command").KeySetCommand(0, bytes(range(40, 56)))
    with (
        at_work(bridge, key_file=path, accept_key=True) as line,
        ForeignPanel(bridge.far, MASTER) as panel,
    ):
        until(line.well)
        path.unlink()
        folder.rmdir()
        panel._panel.send_command(panel._bus.id, new)
        assert panel.naks[-1:] == [6]
        assert line.panel.send("5")
        until(lambda: panel.cards)


def test_a_key_that_is_none_keeps_the_line_shut(bridge: Bridge) -> None:
    path = key_file(bridge.near.parent, bytes(range(0x30, 0x40)))
    with pytest.raises(ReaderError, match="default key"), at_work(bridge, key_file=path):
        pass


def test_a_missing_library_is_told_with_what_to_install(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(ReaderError, match=r"edged\[readers\]"), at_work(bridge):
        pass


# a bad line


def test_a_line_with_one_bad_byte_in_a_hundred_reads_no_card_twice(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        bridge.garble = flips(0.01, seed=5)
        for number in range(1, 9):
            line.panel.send(str(number))
            heard = len(bridge.heard)
            until(lambda heard=heard: len(bridge.heard) > heard + 4)
        bridge.garble = lambda data, _from_near: data
        panel.anew()
        until(lambda: panel.secured)
        until(line.well)
        assert line.panel.send("99")
        until(lambda: panel.cards and _number(panel.cards[-1]) == 99)
        read = [_number(card) for card in panel.cards]
        assert read == sorted(set(read))
        assert set(read) <= {*range(1, 9), 99}


def test_a_panel_that_asks_again_gets_the_same_answer(bridge: Bridge) -> None:
    """Else its secure channel would end, and the card would be lost."""
    with at_work(bridge, insecure=True) as line:
        poll = checked(bytes([0x53, 0, 0, 0, 2 | 4, 0x60]))
        until(line.listens)
        for sequence in (0, 1):
            bridge.say(checked(bytes([0x53, 0, 0, 0, sequence | 4, 0x60])), to_near=True)
            until(lambda n=sequence: len(_said(bridge)) > n)
        until(line.well)
        assert line.panel.send("5")
        until(lambda: line.panel._card is None)
        bridge.say(poll, to_near=True)
        until(lambda: len(_said(bridge)) == 3)
        bridge.say(poll, to_near=True)
        until(lambda: len(_said(bridge)) == 4)
        assert _said(bridge)[2] == _said(bridge)[3]
        assert _said(bridge)[3][5] == 0x50


def test_noise_other_addresses_and_endless_frames_are_nothing_to_it(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        for noise in (bytes(10_240), b"\x53" * 3000, b"\x53\x00\xff\x00\x05" * 200):
            bridge.say(noise, to_near=True)
        bridge.say(checked(bytes([0x53, 9, 0, 0, 5, 0x60])), to_near=True)
        panel.anew()
        until(lambda: panel.secured)
        until(line.well)
        assert line.panel.send("5")
        until(lambda: panel.cards)
        assert not [data for data in _said(bridge) if data[1] == 0x89]


# the cable


def test_a_cable_that_is_cut_is_told_and_its_mending_too(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        bridge.cut()
        until(line.sick)
        assert "no panel asks" in str(line.faults[-1])
        bridge.mend()
        panel.anew()
        until(line.well)
        assert line.panel.send("5")
        until(lambda: panel.cards)


def test_an_adapter_that_is_pulled_is_told_and_taken_up_again(bridge: Bridge) -> None:
    with at_work(bridge) as line, ForeignPanel(bridge.far, MASTER) as panel:
        until(line.well)
        bridge.pull()
        until(line.sick)
        bridge.plug()
        panel.anew()
        until(line.well)
        assert line.panel.send("5")
        until(lambda: panel.cards)


def test_it_closes_twice_and_without_having_been_open(bridge: Bridge) -> None:
    line = Line(bridge, key_file=key_file(bridge.near.parent))
    line.panel.close()
    line.panel.open(line.faults.append)
    line.panel.close()
    line.panel.close()
    assert not [one for one in threading.enumerate() if one.name == "panel"]


def _said(bridge: Bridge) -> list[bytes]:
    heard = b"".join(data for side, data in bridge.heard if side == "near")
    return [frame.raw for frame in Frames().feed(heard, 0.0)]


def _number(card: tuple[int, bytes]) -> int:
    bits, data = card
    return int.from_bytes(data, "big") >> (-bits % 8) + 1 & (1 << bits - 2) - 1
