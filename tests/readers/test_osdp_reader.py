"""This terminal as the control panel of OSDP readers, over pseudo-terminals."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from edged.config.readers import OsdpReader as Settings
from edged.errors import ReaderError
from edged.readers import osdp_bus, osdp_reader
from edged.readers.osdp_card import data_of
from edged.readers.osdp_line import osdp, reseed
from edged.readers.osdp_reader import OsdpReader
from edged.readers.table import make_reader
from tests.readers.osdp_bridge import Bridge, flips
from tests.readers.osdp_foreign import RAW, ForeignReader
from tests.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.access.request import Reading

KEY, OTHER = bytes(range(1, 17)), bytes(range(2, 18))
POLL, ID, LED, BUZZER, KEYSET = 0x60, 0x61, 0x69, 0x6A, 0x75


@dataclass
class Told:
    """What a reader said."""

    readings: list[Reading] = field(default_factory=list)
    faults: list[str | None] = field(default_factory=list)

    @property
    def values(self) -> list[tuple[str, str]]:
        return [(one.kind, one.value) for one in self.readings]

    def well(self) -> bool:
        return self.faults[-1:] == [None]

    def sick(self) -> bool:
        return bool(self.faults) and self.faults[-1] is not None


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (osdp_bus, osdp_reader):
        monkeypatch.setattr(module, "SILENT_S", 0.5)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with Bridge(tmp_path) as made:
        yield made


def key_file(folder: Path, key: bytes = KEY) -> Path:
    path = folder / f"{key.hex()}.key"
    path.touch(mode=0o600)
    path.write_text(key.hex())
    return path


@contextmanager
def at_work(bridge: Bridge, key: bytes | None = KEY, **more: Any) -> Iterator[tuple[Any, Told]]:
    """A reader of ours, opened."""
    if key is not None:
        more["key_file"] = key_file(bridge.near.parent, key)
    settings = Settings(driver="osdp", device=bridge.near, **more)
    reader, told = make_reader("front", settings, "in"), Told()
    reader.open(told.readings.append, told.faults.append)
    try:
        yield reader, told
    finally:
        reader.close()


def card(number: int, bits: int = 26) -> bytes:
    data = data_of(str(number), bits)
    assert data is not None
    return data


def test_a_card_is_read_over_the_secure_channel(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (reader, told):
        until(told.well)
        foreign.card(26, card(8065249), 1)
        until(lambda: told.readings)
        assert told.values == [("card", "8065249")]
        assert (told.readings[0].reader, told.readings[0].direction) == ("front", "in")
        assert foreign.secured
        assert reader.describe()["secure"] is True
        assert card(8065249) not in b"".join(data for _, data in bridge.heard)
    assert "8065249" not in repr(told.readings) + repr(reader.describe())


def test_cards_of_several_lengths_and_keys_come_in_order(bridge: Bridge) -> None:
    with (
        ForeignReader(bridge.far, KEY) as foreign,
        at_work(bridge, pin_length=4) as (_, told),
    ):
        until(told.well)
        foreign.card(34, card(77, 34))
        foreign.keys(b"12")
        foreign.keys(b"34")
        foreign.card(37, card(1 << 30, 37))
        foreign.keys(b"9\x7f56\x0d")  # * clears, # is enter
        foreign.card(56, card(0x04A1B2C3D4E5F6, 56))
        until(lambda: len(told.readings) == 5)
        assert told.values == [
            ("card", "77"),
            ("pin", "1234"),
            ("card", str(1 << 30)),
            ("pin", "56"),
            ("card", str(0x04A1B2C3D4E5F6)),
        ]


def test_keys_before_a_card_are_not_taken_for_the_pin_after_it(bridge: Bridge) -> None:
    with (
        ForeignReader(bridge.far, KEY) as foreign,
        at_work(bridge, pin_length=4) as (_, told),
    ):
        until(told.well)
        foreign.keys(b"12")
        foreign.card(26, card(5))
        foreign.keys(b"3456")
        until(lambda: len(told.readings) == 2)
        assert told.values == [("card", "5"), ("pin", "3456")]


def test_a_card_with_wrong_parity_is_none(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (reader, told):
        until(told.well)
        foreign.card(26, bytes([card(1)[0] ^ 0x80]) + card(1)[1:])
        foreign.card(26, card(2))
        until(lambda: told.readings)
        assert told.values == [("card", "2")]
        assert reader.describe()["unreadable"] == 1


def test_a_card_of_10_kb_is_none_and_the_reader_works_on(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (reader, told):
        until(told.well)
        # no frame holds it: as much as one does, a length that promises more, and noise
        foreign.card(512, bytes(64))
        until(lambda: reader.describe()["unreadable"] == 1)
        foreign.card(0xFFFF, bytes(60))
        bridge.say(bytes(10_240), to_near=True)
        foreign.queue += [(RAW, bytes([0, 2, 0, 2]) + bytes(64))]  # as text, 512 bits
        until(lambda: not foreign.queue)
        until(told.well)
        foreign.card(26, card(3))
        until(lambda: told.readings)
        assert told.values[-1] == ("card", "3")


def test_lamp_and_buzzer_show_what_is_to_be_shown(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (reader, told):
        until(told.well)
        colours = {}
        for cue, loud in (("granted", 1), ("denied", 1), ("ask_pin", 1), ("wait", 0), ("idle", 0)):
            foreign.commands.clear()
            reader.cue(cue)
            wanted = {LED, BUZZER} if loud else {LED}
            until(lambda wanted=wanted: wanted <= set(dict(foreign.commands)))
            lamp = dict(foreign.commands)[LED]
            assert len(lamp) == 14
            colours[cue] = (lamp[2], lamp[5])
            assert loud or BUZZER not in dict(foreign.commands)
        assert colours == {
            "granted": (2, 2),
            "denied": (2, 1),
            "ask_pin": (2, 4),
            "wait": (2, 3),
            "idle": (1, 0),
        }


def test_a_reader_that_refuses_to_beep_is_asked_once(bridge: Bridge) -> None:
    reader_kind = ForeignReader(bridge.far, KEY, never=frozenset({BUZZER}))
    with reader_kind as foreign, at_work(bridge) as (reader, told):
        until(told.well)
        reader.cue("denied")
        until(lambda: [code for code, _ in foreign.commands].count(ID) == 2)  # comes back by itself
        until(lambda: foreign.secured)
        foreign.card(26, card(4))
        until(lambda: told.readings)
        foreign.commands.clear()
        reader.cue("denied")
        until(lambda: foreign.commands)
        foreign.card(26, card(5))
        until(lambda: len(told.readings) == 2)
        assert [code for code, _ in foreign.commands] == [LED]


def test_an_open_case_is_told_and_taken_back(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        until(told.well)
        foreign.case(open_=True)
        until(told.sick)
        assert "case is open" in str(told.faults[-1])
        foreign.case(open_=False)
        until(told.well)


# keys


def test_a_reader_with_another_key_is_not_believed_and_told(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, OTHER) as foreign, at_work(bridge) as (_, told):
        foreign.card(26, card(6))
        until(told.sick)
        assert "another key" in str(told.faults[-1])
        assert told.readings == []
        assert POLL not in {code for code, _ in foreign.commands}


def test_a_reader_without_a_secure_channel_is_not_believed(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, None) as foreign, at_work(bridge) as (_, told):
        foreign.card(26, card(7))
        until(told.sick)
        assert "offers no secure channel" in str(told.faults[-1])
        assert told.readings == []


def test_a_reader_with_the_default_key_is_not_believed(bridge: Bridge) -> None:
    reader_kind = ForeignReader(bridge.far, None, default_key=True)
    with reader_kind as foreign, at_work(bridge) as (_, told):
        until(told.sick)
        assert not foreign.secured
        assert foreign.key is None


def test_a_new_reader_is_given_the_key_where_the_installer_says_so(bridge: Bridge) -> None:
    reader_kind = ForeignReader(bridge.far, None, default_key=True)
    with reader_kind as foreign, at_work(bridge, insecure=True) as (_, told):
        until(told.well)
        assert foreign.key == KEY
        foreign.card(26, card(8))
        until(lambda: told.readings)
    with ForeignReader(bridge.far, KEY), at_work(bridge) as (_, told):
        until(told.well)


def test_with_a_key_nothing_is_believed_in_the_clear_even_at_installation(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, None) as foreign, at_work(bridge, insecure=True) as (_, told):
        foreign.card(26, card(9))
        until(told.sick)
        assert told.readings == []


def test_without_a_key_it_is_read_in_the_clear_where_the_installer_says_so(bridge: Bridge) -> None:
    with (
        ForeignReader(bridge.far, None) as foreign,
        at_work(bridge, None, insecure=True) as (
            reader,
            told,
        ),
    ):
        until(told.well)
        foreign.card(26, card(10))
        until(lambda: told.readings)
        assert reader.describe()["secure"] is False


def test_a_key_that_others_read_keeps_the_reader_shut(bridge: Bridge) -> None:
    key_file(bridge.near.parent).chmod(0o644)
    with pytest.raises(ReaderError, match="can be reached by others"), at_work(bridge):
        pass


def test_a_missing_library_is_told_with_what_to_install(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "osdp_sys", None)
    with pytest.raises(ReaderError, match=r"edged\[readers\]"), at_work(bridge):
        pass


# forgers


def test_no_card_in_the_clear_is_believed_before_or_in_the_secure_channel(bridge: Bridge) -> None:
    """libosdp alone delivers both: the first as soon as the channel stands."""
    raw = bytes([0, 1, 26, 0]) + card(4711)
    blocks = (b"", b"\x03\x12\x01", b"\x03\x14\x01", b"\x02\x16", b"\x02\x18")
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        foreign.forged[ID] = (RAW, raw, b"")
        until(told.well)
        for block in blocks:
            foreign.forged[POLL] = (RAW, raw, block)
            until(lambda: not foreign.forged)
            until(lambda: foreign.secured)
        until(told.well)
        foreign.card(26, card(1))
        until(lambda: ("card", "1") in told.values)
        assert ("card", "4711") not in told.values


def test_a_recorded_card_is_not_read_again(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        until(told.well)
        foreign.card(26, card(11))
        until(lambda: told.readings)
        replies = [data for side, data in list(bridge.heard) if side == "far"]
        for _ in range(3):
            for reply in replies:
                bridge.say(reply, to_near=True)
        foreign.card(26, card(12))
        until(lambda: ("card", "12") in told.values)
        assert told.values.count(("card", "11")) == 1


def test_a_whole_session_replayed_after_a_restart_is_none() -> None:
    """libosdp draws its nonces from an unseeded generator: every start would have the same."""
    import subprocess

    program = (
        "import ctypes; from edged.readers.osdp_line import reseed; reseed(); "
        "print(*(ctypes.CDLL(None).rand() for _ in range(4)))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(runs) == 2


# a bad line


def test_a_line_with_one_bad_byte_in_a_hundred_loses_no_card_twice(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        until(told.well)
        bridge.garble = flips(0.01)
        sent = list(range(100, 106))
        for number in sent:
            foreign.card(26, card(number))
            until(lambda: not foreign.queue, 60)
        bridge.garble = lambda data, _from_near: data
        foreign.card(26, card(999))
        until(lambda: ("card", "999") in told.values, 30)
        read = [int(value) for _, value in told.values]
        assert read == sorted(set(read))  # in order, none twice
        assert set(read) <= {*sent, 999}


def test_a_lost_answer_is_asked_for_again_and_the_card_comes(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        until(told.well)
        foreign.drop = 1
        foreign.card(26, card(13))
        until(lambda: told.readings)
        assert told.values == [("card", "13")]
        assert [code for code, _ in foreign.commands].count(ID) == 1  # the same session


def test_a_babbling_line_is_told_and_over_when_it_is(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        until(told.well)
        bridge.garble = lambda data, _from_near: b"\x53\xff\x00" * 100
        until(told.sick)
        bridge.garble = lambda data, _from_near: data
        until(told.well)
        foreign.card(26, card(14))
        until(lambda: told.readings)


def test_a_reader_that_answers_for_another_address_is_not_heard(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY, address=5), at_work(bridge, address=4) as (_, told):
        until(told.sick)
        assert "does not answer" in str(told.faults[-1])


def test_too_many_cards_are_not_all_taken(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (reader, told):
        until(told.well)
        for number in range(200):
            foreign.card(26, card(number))
        until(told.sick)
        assert "babbles" in str(told.faults[-1])
        assert reader.describe()["too_many"] > 0


# the cable


def test_a_cable_that_is_cut_is_told_and_its_mending_too(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        until(told.well)
        bridge.cut()
        until(told.sick)
        bridge.mend()
        until(told.well)
        foreign.card(26, card(15))
        until(lambda: told.readings)
        assert told.values == [("card", "15")]


def test_an_adapter_that_is_pulled_is_told_and_taken_up_again(bridge: Bridge) -> None:
    with ForeignReader(bridge.far, KEY) as foreign, at_work(bridge) as (_, told):
        until(told.well)
        bridge.pull()
        until(told.sick)
        assert "gone" in str(told.faults[-1]) or "cannot be opened" in str(told.faults[-1])
        bridge.plug()
        until(told.well)
        foreign.card(26, card(16))
        until(lambda: told.readings)


def test_a_device_that_comes_later_is_found(bridge: Bridge) -> None:
    bridge.pull()
    with at_work(bridge) as (_, told):
        until(told.sick)
        bridge.plug()
        with ForeignReader(bridge.far, KEY):
            until(told.well)


def test_it_closes_twice_and_without_having_been_open(bridge: Bridge) -> None:
    settings = Settings(driver="osdp", device=bridge.near, key_file=key_file(bridge.near.parent))
    reader = OsdpReader("front", settings, "in")
    reader.close()
    reader.cue("granted")
    reader.open(lambda _: None, lambda _: None)
    reader.close()
    reader.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("osdp")]


# several on one line


def test_two_readers_share_a_line(bridge: Bridge) -> None:
    device = bridge.far
    first = ForeignReader(device, KEY, address=1)
    second = ForeignReader(device, OTHER, address=2)
    first.beside, second.beside = [second], []
    with first, at_work(bridge, address=1) as (_, one):
        until(one.well)
        with at_work(bridge, OTHER, address=2, direction="out") as (_, two):
            until(two.well)
            until(one.well)
            first.card(26, card(21))
            second.card(26, card(22))
            until(lambda: one.readings and two.readings)
            assert one.values == [("card", "21")]
            assert two.values == [("card", "22")]
            assert two.readings[0].direction == "out"
            first.deaf = True
            until(one.sick)
            second.card(26, card(23))
            until(lambda: len(two.readings) == 2)
            first.deaf = False
            until(one.well)
        first.card(26, card(24))
        until(lambda: len(one.readings) == 2)


def test_two_readers_of_one_address_or_of_two_speeds_do_not_fit(bridge: Bridge) -> None:
    with at_work(bridge, address=1):
        with pytest.raises(ReaderError, match="address 1"), at_work(bridge, address=1):
            pass
        with pytest.raises(ReaderError, match="baud"), at_work(bridge, address=2, baud=19200):
            pass


# against libosdp itself


def test_a_reader_by_libosdp_is_read(bridge: Bridge) -> None:
    with at_work(bridge) as (reader, told), _by_libosdp(bridge.far) as device:
        until(told.well)
        device.submit_event(
            {
                "event": osdp().EVENT_CARDREAD,
                "reader_no": 0,
                "format": osdp().CARD_FMT_RAW_WIEGAND,
                "direction": 0,
                "length": 26,
                "data": card(31),
            }
        )
        until(lambda: told.readings)
        assert told.values == [("card", "31")]
        reader.cue("granted")
        until(lambda: osdp().CMD_LED in device.seen)


class _Libosdp:
    def __init__(self, path: Path) -> None:
        import serial

        self.id = 1
        self.seen: list[int] = []
        self._line = serial.Serial(str(path), 9600, timeout=0)
        kinds = osdp()
        info = {
            "name": "pd",
            "address": 0,
            "flags": kinds.FLAG_ENFORCE_SECURE,
            "scbk": KEY,
            "channel": self,
            **dict.fromkeys(("version", "model", "vendor_code"), 1),
            **dict.fromkeys(("serial_number", "firmware_version"), 1),
        }
        lamp = {"function_code": kinds.CAP_READER_LED_CONTROL}
        lamp |= {"compliance_level": 1, "num_items": 1}
        self._device = kinds.PeripheralDevice(info, capabilities=[lamp])
        self._device.set_command_callback(self._command)
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def read(self, most: int) -> bytes:
        return bytes(self._line.read(most))

    def write(self, data: bytes) -> int:
        return int(self._line.write(data))

    def flush(self) -> None:
        return

    def submit_event(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._device.submit_event(event)

    def _command(self, command: dict[str, Any]) -> tuple[int, None]:
        self.seen.append(command["command"])
        return (0, None)

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            with self._lock:
                reseed()
                self._device.refresh()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._line.close()


@contextmanager
def _by_libosdp(path: Path) -> Iterator[_Libosdp]:
    made = _Libosdp(path)
    try:
        yield made
    finally:
        made.close()
