"""The key of a secure channel, in a file that nobody else reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edged.errors import ReaderError
from edged.readers.osdp_key import read_key, store_key

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "00112233445566778899AABBccddeeff"


def _file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "scbk"
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(content)
    return path


def test_32_hex_digits_are_a_key(tmp_path: Path) -> None:
    assert read_key(_file(tmp_path, GOOD + "\n"), "panel") == bytes.fromhex(GOOD)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (GOOD[:-1], "holds no 32 hex digits"),
        (GOOD * 2, "holds no 32 hex digits"),
        ("x" * 32, "holds no 32 hex digits"),
        ("a" * 10_240, "holds no 32 hex digits"),
        ("", "holds no 32 hex digits"),
        ("303132333435363738393A3B3C3D3E3F", "holds the default key"),
        ("00" * 16, "repeats one byte"),
    ],
)
def test_what_is_no_secret_is_no_key_and_is_not_repeated(
    tmp_path: Path, content: str, why: str
) -> None:
    with pytest.raises(ReaderError, match=why) as told:
        read_key(_file(tmp_path, content), "readers.front")
    assert "readers.front" in str(told.value)
    assert not content or content not in str(told.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_none(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ReaderError, match="can be reached by others"):
        read_key(_file(tmp_path, GOOD, mode), "panel")


def test_a_missing_key_is_told_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="openssl rand -hex 16"):
        read_key(tmp_path / "scbk", "panel")


def test_a_new_key_is_kept_for_us_alone(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD)
    store_key(path, bytes(range(16)))
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path, "panel") == bytes(range(16))


@pytest.mark.parametrize("key", [bytes(range(0x30, 0x40)), bytes(16), b"short"])
def test_a_key_that_is_no_secret_is_not_kept(tmp_path: Path, key: bytes) -> None:
    path = _file(tmp_path, GOOD)
    with pytest.raises(ReaderError, match="not taken"):
        store_key(path, key)
    assert read_key(path, "panel") == bytes.fromhex(GOOD)


def test_a_key_that_cannot_be_kept_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="cannot be kept"):
        store_key(tmp_path / "gone" / "scbk", bytes(range(16)))
