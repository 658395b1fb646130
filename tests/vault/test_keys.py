"""Keys come from where the installer says, and only if nobody else could read them."""

import copy
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from edged.config.schema import Key
from edged.errors import KeyUnavailable
from edged.vault import keys
from edged.vault.keys import Secret, create_key_file, derive, load_key

VALUE = bytes(range(32))


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "content",
    [
        VALUE,
        VALUE.hex().encode(),
        VALUE.hex().encode() + b"\n",
        VALUE.hex().upper().encode() + b"\r\n",
    ],
)
def test_a_key_file_holds_hex_or_raw_bytes(tmp_path: Path, content: bytes) -> None:
    assert load_key(Key(file=key_file(tmp_path, content))).reveal() == VALUE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 hex digits"),
        (b"\n", "0 hex digits"),
        (b"ab" * 16, "32 hex digits"),
        (b"ab" * 33, "66 hex digits"),
        (VALUE + b"\n", "33 bytes that are no key"),
        (VALUE[:31], "31 bytes that are no key"),
        (b"password" * 1000, "more than 1024 bytes"),
        (bytes(32), "placeholder"),
        (b"0" * 64, "placeholder"),
    ],
)
def test_what_is_no_key_is_refused_without_repeating_it(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(KeyUnavailable, match=message) as caught:
        load_key(Key(file=key_file(tmp_path, content)))
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_key_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, VALUE, mode)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        load_key(Key(file=path))


def test_a_link_is_judged_by_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file(tmp_path, VALUE, 0o644))
    with pytest.raises(KeyUnavailable, match="others"):
        load_key(Key(file=link))
    (tmp_path / "key").chmod(0o600)
    assert load_key(Key(file=link)).reveal() == VALUE


def test_a_key_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = key_file(tmp_path, VALUE)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(KeyUnavailable, match="another user"):
        load_key(Key(file=path))


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="edged gallery init"):
        load_key(Key(file=tmp_path / "key"))


def test_a_folder_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeyUnavailable, match="not a plain file"):
            load_key(Key(file=path))


def test_a_credential_of_systemd_may_show_group_bits_but_none_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = key_file(tmp_path, VALUE, 0o440)
    assert load_key(Key(credential="key")).reveal() == VALUE
    path.chmod(0o444)
    with pytest.raises(KeyUnavailable, match="others"):
        load_key(Key(credential="key"))


def test_a_credential_outside_systemd_says_what_the_unit_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(KeyUnavailable, match="LoadCredential=door-key"):
        load_key(Key(credential="door-key"))


def test_a_key_from_the_environment_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys._warn_of_environment.cache_clear()
    monkeypatch.setenv("EDGED_KEY", VALUE.hex())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert load_key(Key(env="EDGED_KEY")).reveal() == VALUE
    assert len(caplog.records) == 1
    assert VALUE.hex() not in caplog.text


@pytest.mark.parametrize("value", [None, "", "canary", "é" * 32])
def test_an_environment_without_a_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("EDGED_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("EDGED_KEY", value)
    with pytest.raises(KeyUnavailable, match="64 hex digits") as caught:
        load_key(Key(env="EDGED_KEY"))
    assert not value or value not in str(caught.value)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(VALUE)
    shown = f"{secret} {secret!r} {secret!s} {[secret]} {secret:>20}" + "%s" % secret  # noqa: UP031
    assert VALUE.hex() not in shown
    assert str(VALUE) not in shown
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied"):
            leak(secret)
    with pytest.raises(TypeError):
        hash(secret)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_secret_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Secret(bytes(size))


def test_each_purpose_has_a_key_of_its_own_and_always_the_same() -> None:
    secret = Secret(VALUE)
    gallery, events = derive(secret, "gallery"), derive(secret, "events")
    assert len({secret.reveal(), gallery.reveal(), events.reveal()}) == 3
    assert gallery == derive(Secret(VALUE), "gallery")
    assert gallery != events
    assert gallery != gallery.reveal()
    # the files of installed terminals depend on it
    assert gallery.reveal().hex().startswith("2121bcf493d1be25")


def test_a_new_key_file_is_private_random_and_loads(tmp_path: Path) -> None:
    create_key_file(tmp_path / "a")
    create_key_file(tmp_path / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert load_key(Key(file=tmp_path / "a")) != load_key(Key(file=tmp_path / "b"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_an_existing_key_file_is_never_replaced(tmp_path: Path) -> None:
    path = key_file(tmp_path, VALUE)
    with pytest.raises(KeyUnavailable, match="never replaced"):
        create_key_file(path)
    assert path.read_bytes() == VALUE
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_file_cannot_be_made_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="make its folder"):
        create_key_file(tmp_path / "missing" / "key")


def test_whoever_loaded_a_key_leaves_no_core_and_lets_nobody_look(tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    create_key_file(key)
    script = (
        "import ctypes, resource, sys\n"
        "from pathlib import Path\n"
        "from edged.config.schema import Key\n"
        "from edged.vault.keys import load_key\n"
        "load_key(Key(file=Path(sys.argv[1])))\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(key)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["0", "0", "0"]  # 3: PR_GET_DUMPABLE
