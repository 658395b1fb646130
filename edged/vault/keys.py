"""Where the key of the encrypted files comes from, and who else could have read it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from edged.errors import KeyUnavailable
from edged.vault.files import placed
from edged.vault.secret import KEY_BYTES, Secret, derive

if TYPE_CHECKING:
    from edged.config.schema import Key

__all__ = ["Secret", "create_key_file", "derive", "load_key", "read_private"]

_log = logging.getLogger(__name__)
_LARGEST = 1024
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_MAKE_ONE = "make one with `edged gallery init`"


def load_key(settings: Key) -> Secret:
    """Read the key from the one source that the configuration names.

    A source holds 64 hex digits (a line end may follow) or, in files, 32 raw bytes.

    Raises:
        KeyUnavailable: there is no such key, it is no key, or others could have read it.
    """
    _keep_to_ourselves()
    if settings.credential is not None:
        return _credential(settings.credential)
    if settings.file is not None:
        return _parse(read_private(settings.file, f"key file {settings.file}"), f"{settings.file}")
    if settings.env is not None:
        return _environment(settings.env)
    raise KeyUnavailable("no key is configured; give one of credential, file, env")


def create_key_file(path: Path) -> None:
    """Write a new random key to `path` (64 hex digits, mode 0600), on the disk on return.

    Raises:
        KeyUnavailable: the file exists (it is left as it is) or cannot be written.
    """
    try:
        with placed(path) as draft:
            draft.write_text(secrets.token_hex(KEY_BYTES) + "\n", encoding="ascii")
    except FileExistsError as fault:
        raise KeyUnavailable(
            f"key file {path} exists already and is never replaced; "
            "use it, or move it away if nothing was encrypted with it"
        ) from fault
    except OSError as fault:
        raise KeyUnavailable(
            f"key file {path} cannot be written: {fault.strerror}; "
            "make its folder, writable for this user, on a disk with room"
        ) from fault


@cache
def _keep_to_ourselves() -> None:
    """Whoever holds a key leaves no core dump, and no other process of its user looks into it.

    Root, and whoever may trace any process, can all the same; children begin anew.
    """
    import ctypes
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        _log.warning("the memory of this process stays readable: prctl is not permitted")


def _credential(name: str) -> Secret:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise KeyUnavailable(
            f"credential {name}: systemd gave this process no credentials; put "
            f"LoadCredential={name}:/path/of/the/key into the unit, or use key.file"
        )
    # systemd grants the service's user by an ACL, which shows as group bits; it is the owner
    path = Path(folder) / name
    content = read_private(path, f"credential {name}", others=stat.S_IRWXO)
    return _parse(content, f"credential {name}")


def _environment(name: str) -> Secret:
    text = os.environ.get(name)
    if not text:
        raise KeyUnavailable(f"environment variable {name} holds no key; set it to 64 hex digits")
    key = _parse(text.encode(errors="replace"), f"environment variable {name}", raw=False)
    _warn_of_environment(name)
    return key


@cache
def _warn_of_environment(name: str) -> None:
    _log.warning(
        "the key comes from environment variable %s, which other processes of this user can "
        "read: fit for development only",
        name,
    )


def read_private(
    path: Path,
    what: str,
    make_one: str = _MAKE_ONE,
    others: int = stat.S_IRWXG | stat.S_IRWXO,
    owner: int | None = None,
) -> bytes:
    """The first 1025 bytes of a file that nobody else can read.

    The checks are made on the very file that was opened (a link's target).

    Args:
        what: it is, for the text of an error.
        make_one: how to get one where there is none, likewise.
        others: the mode's bits that nobody may have.
        owner: a user whose file it may be, beside root and this one.

    Raises:
        KeyUnavailable: there is no such file, or others could have read it.
    """
    try:
        # non-blocking: a named pipe must not hang the start
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError as fault:
        raise KeyUnavailable(f"{what} does not exist; {make_one}") from fault
    except OSError as fault:
        raise KeyUnavailable(
            f"{what} cannot be opened: {fault.strerror}; it must belong to root or to this user"
        ) from fault
    try:
        facts = os.fstat(number)
        if facts.st_uid not in (0, os.geteuid(), owner):
            raise KeyUnavailable(
                f"{what} belongs to another user (uid {facts.st_uid}); "
                "give it to root or to this user, and replace the key if it was read"
            )
        _judge(facts, path, what, make_one, others)
        return os.read(number, _LARGEST + 1)
    except OSError as fault:
        raise KeyUnavailable(f"{what} cannot be read: {fault.strerror}; check the disk") from fault
    finally:
        os.close(number)


def _judge(facts: os.stat_result, path: Path, what: str, make_one: str, others: int) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise KeyUnavailable(f"{what} is not a plain file; {make_one}")
    if facts.st_mode & others:
        raise KeyUnavailable(
            f"{what} can be reached by others (mode {stat.S_IMODE(facts.st_mode):04o}); "
            f"run chmod 600 {path}, and replace the key if it was read"
        )


def _parse(content: bytes, what: str, *, raw: bool = True) -> Secret:
    """Tell the two forms apart; never repeats what it was given."""
    text = content.strip(b" \t\r\n")
    if re.fullmatch(rb"[0-9A-Fa-f]*", text):
        if len(text) != 2 * KEY_BYTES:  # before the raw form: 32 hex digits are half a key
            raise KeyUnavailable(
                f"{what} holds {len(text)} hex digits, a key has {2 * KEY_BYTES}; {_MAKE_ONE}"
            )
        value = bytes.fromhex(text.decode("ascii"))
    elif raw and len(content) == KEY_BYTES:
        value = content
    else:
        size = "more than 1024" if len(content) > _LARGEST else str(len(content))
        raise KeyUnavailable(
            f"{what} holds {size} bytes that are no key; expected {2 * KEY_BYTES} hex digits"
            f"{f' or {KEY_BYTES} raw bytes' if raw else ''}; {_MAKE_ONE}"
        )
    if len(set(value)) == 1:
        raise KeyUnavailable(f"{what} repeats one byte: a placeholder, not a key; {_MAKE_ONE}")
    return Secret(value)
