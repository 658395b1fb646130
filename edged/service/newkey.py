"""The terminal gets another key: every file that hangs on it, and the gallery behind them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.config.schema import Key
from edged.errors import KeyUnavailable, StorageError
from edged.gallery.files import Lock
from edged.gallery.keyring import PURPOSE
from edged.gallery.store import make_gallery
from edged.gallery.wipe import read_wiped, refuse
from edged.history.store import history_path
from edged.service.areas_store import areas_path
from edged.vault.files import replaced
from edged.vault.identity import Identity
from edged.vault.keys import load_key
from edged.vault.rekeying import Held, begun, name_of, rekey_files, settle

if TYPE_CHECKING:
    from pathlib import Path

    from edged.config.schema import Config
    from edged.vault.secret import Secret


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of it.

    Attributes:
        name: of the new key, 8 hex digits.
        finished: whether this made an end of a change that was interrupted.
        in_place: whether the new key is where the configuration looks for it.
        identity: of the terminal from now on.
    """

    name: str
    finished: bool
    in_place: bool
    identity: Identity


def hanging_on_the_key(config: Config) -> list[Held]:
    """The files that only the terminal's key opens, those that exist."""
    files = [
        Held(config.gallery.keys_path, PURPOSE),
        Held(config.events.path, "events"),
        Held(history_path(config), "history"),
        Held(areas_path(config), "areas"),
    ]
    if config.recording is not None:
        files.append(Held(config.recording.path, "recording"))
    return [file for file in files if file.path.exists()]


def rekey(config: Config) -> int:
    """Give the gallery new keys under the terminal's present one; how many people it holds.

    Raises:
        StorageError: the terminal is running, or the files cannot be written.
    """
    gallery = make_gallery(config.gallery, load_key(config.key))
    try:
        gallery.open()
        gallery.rekey()
        return len(gallery.people())
    finally:
        gallery.close()


def change_key(config: Config, new_file: Path) -> Changed:
    """Bring everything from the present key to the one in a file, and renew the gallery.

    The terminal must be stopped. A power cut leaves each file under one of the two keys; the
    gallery opens with that of its file of keys, and calling again makes an end of it.

    Raises:
        KeyUnavailable: one of the keys cannot be read, or the new one is no other.
        WrongKey: a file opens with neither; nothing was changed.
        DiskFull, StorageError: what cannot be written, or is in use.
    """
    old, new = load_key(config.key), load_key(Key(file=new_file))
    if wiped := read_wiped(config.gallery.path):
        refuse(wiped)
    files = hanging_on_the_key(config)
    under_way = begun(files)
    _check(old, new, under_way)
    if under_way is None:
        _see_that_it_opens(config, old)
    lock = Lock(config.gallery.path)
    try:
        lock.alone()
        rekey_files(files, old, new)
    finally:
        lock.release()
    in_place = _put_in_place(config, new)
    # under the new key: what is left on the disk of the old file of keys opens nothing then
    gallery = make_gallery(config.gallery, new)
    try:
        gallery.open()
        gallery.rekey()
    finally:
        gallery.close()
    settle(files)
    return Changed(name_of(new), under_way is not None, in_place, Identity(new))


def _check(old: Secret, new: Secret, under_way: str | None) -> None:
    if under_way is None:
        if old == new:
            raise KeyUnavailable("the new key is the present one; make one: openssl rand -hex 32")
    elif under_way != name_of(new):
        raise KeyUnavailable(
            f"a change to the key {under_way} was interrupted, and this file holds the key "
            f"{name_of(new)}; make an end of the first with its own key"
        )


def _see_that_it_opens(config: Config, key: Secret) -> None:
    """What is damaged is told before anything is begun; an older gallery is brought up to date."""
    gallery = make_gallery(config.gallery, key)
    try:
        gallery.open()
    finally:
        gallery.close()


def _put_in_place(config: Config, new: Secret) -> bool:
    """Write the new key where the configuration looks for it, if that is a file."""
    if config.key.file is None:
        return False
    path = config.key.file.resolve()
    try:
        was = path.stat()
        with replaced(path) as draft:
            draft.write_text(new.reveal().hex() + "\n", encoding="ascii")
            if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(draft, was.st_uid, was.st_gid)
    except OSError as fault:
        raise StorageError(
            f"{path}: {fault.strerror}; every file has the new key already: run this again, or put "
            "the new key there by hand"
        ) from fault
    return True
