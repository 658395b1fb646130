"""One encrypted SQLite file: opened with care, changed in whole transactions or not at all."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from edged.errors import StorageError
from edged.vault.faults import PAGE_BYTES, Layout, translate, unreadable
from edged.vault.files import placed
from edged.vault.secret import Secret, derive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BUSY_S = 5.0
_WAL_BYTES = 1000 * PAGE_BYTES

# (any, because the binding has no types; its calls are those of the standard library's sqlite3)
Connection = Any


class Database:
    """An SQLCipher file in WAL mode; a commit is on the disk when it returns.

    One connection behind a lock serves all threads; other processes may read and write beside
    it. The file is made, mode 0600, if there is none.

    Args:
        path: the file; beside it SQLite keeps ``-wal`` and ``-shm``.
        key: the terminal's key, of which only a derived one opens this file.
        purpose: names the derived key, so that no two kinds of files share one.
        schema: SQL scripts; the n-th brings version n to n + 1. Only ever append.
        patience_s: how long a call waits for another process that holds the file.
        layout: its pages; a file is only opened with those it was made with.
    """

    def __init__(
        self,
        path: Path,
        key: Secret,
        purpose: str,
        schema: Sequence[str],
        patience_s: float = _BUSY_S,
        layout: Layout = Layout(),  # noqa: B008  # frozen
    ) -> None:
        self.path = path
        self._key = derive(key, purpose)
        self._schema = schema
        self._patience_s = patience_s
        self._layout = layout
        self._lock = threading.RLock()
        self._connection: Connection | None = None

    def open(self) -> None:
        """Open the file, make it if it is missing, and bring it to the newest schema.

        Raises:
            WrongKey: the key does not open the file; no byte of it or its WAL was changed.
            DiskFull: no room.
            StorageError: damaged, not ours, from newer software, or not accessible.
        """
        with self._lock:
            if self._connection is not None:
                return
            try:
                if not self._exists():
                    self._create()
                self.check_key()
                self._connection = self._connect(self.path)
            except OSError as fault:
                raise StorageError(
                    f"{self.path}: {fault.strerror}; check the rights of the file and its folder"
                ) from fault

    def close(self) -> None:
        """Let go of the file; safe at any time and any number of times."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Connection]:
        """All changes of the block, durable when it ends, or none of them.

        Args:
            durable: False does not wait for the disk: a power cut may undo it, as a whole.

        Raises:
            DiskFull, StorageError: nothing was changed.
        """
        with self._lock, self._pace(durable), self._within("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _pace(self, durable: bool) -> Iterator[None]:
        if durable:
            yield
            return
        connection = self._opened()
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            connection.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Reads that all see one state, whatever other processes write meanwhile."""
        with self._within("BEGIN") as connection:
            yield connection

    def checkpoint(self) -> None:
        """Bring what is in the WAL into the file and empty the WAL, so that nothing deleted stays
        there; a reader in another process puts it off."""
        with self._lock:
            try:
                self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except _error() as fault:
                raise translate(fault, self.path) from fault

    def shrink(self) -> None:
        """Give back the memory of pages that were read and need not be at hand."""
        with self._lock:
            try:
                self._opened().execute("PRAGMA shrink_memory")
            except _error() as fault:
                raise translate(fault, self.path) from fault

    def integrity(self) -> list[str]:
        """What is wrong with the file, every page of it read: as SQLCipher and SQLite put it.

        What cannot even be read is told the same way.
        """
        found: list[str] = []
        with self._lock:
            self.checkpoint()  # a page may be torn in the file as long as it is whole in the WAL
            with self.transaction() as connection:  # so that nobody else moves pages meanwhile
                found += _complaints(connection, "cipher_integrity_check")
            for pragma in ("integrity_check", "foreign_key_check"):
                found += _complaints(self._opened(), pragma)
        return found

    @property
    def data_version(self) -> int:
        """A number that changes when another connection changed the file; costs microseconds."""
        with self._lock:
            try:
                return int(self._opened().execute("PRAGMA data_version").fetchone()[0])
            except _error() as fault:
                raise translate(fault, self.path) from fault

    def peek(self, statement: str) -> list[Any]:
        """Rows read without changing a byte, not even what an open file does by itself; the file
        need not be open. Errors as `check_key`."""
        self.check_key()
        connection = self._bare(self.path, "ro")
        try:
            return list(connection.execute(statement).fetchall())
        except _error() as fault:
            raise translate(fault, self.path) from fault
        finally:
            connection.close()

    @contextmanager
    def copied(self, draft: Path, key: Secret) -> Iterator[None]:
        """For a block: all that is in the file also in `draft`, under another derived key; nobody
        else gets at the file meanwhile. The file must not be open here.

        Raises:
            DiskFull, StorageError: also where somebody has the file open.
        """
        connection = self._bare(self.path, "rw")
        try:
            # kept until it is closed; and no WAL then, which closing would take away by its name
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            version = _version(connection)
            connection.execute(
                "ATTACH DATABASE ? AS copy KEY ?", (str(draft), f"x'{key.reveal().hex()}'")
            )
            for pragma in self._pages():
                connection.execute(f"PRAGMA copy.{pragma}")
            connection.execute("SELECT sqlcipher_export('copy')").fetchall()
            connection.execute(f"PRAGMA copy.user_version = {version}")
            connection.execute("DETACH DATABASE copy")
            yield
        except _error() as fault:
            raise translate(fault, self.path) from fault
        finally:
            connection.close()

    def _pages(self) -> list[str]:
        if self._layout == Layout():
            return []
        return [
            f"cipher_page_size = {self._layout.page_bytes}",
            f"cipher_hmac_algorithm = HMAC_{self._layout.mac.upper()}",
        ]

    @contextmanager
    def _within(self, begin: str) -> Iterator[Connection]:
        with self._lock:
            connection = self._opened()
            try:
                with _unit(connection, begin):
                    yield connection
            except _error() as fault:
                raise translate(fault, self.path) from fault

    def _opened(self) -> Connection:
        if self._connection is None:
            raise StorageError(f"{self.path}: not open")
        return self._connection

    def _exists(self) -> bool:
        # the WAL is looked for first: another process may be making both just now
        orphan = self._wal.exists()
        if self.path.exists():
            return True
        if orphan:
            raise StorageError(
                f"{self.path}: missing, though its {self._wal.name} is there; restore the file "
                "from a backup, or remove what is left of it to start empty"
            )
        return False

    @property
    def _wal(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _create(self) -> None:
        """Make the file under another name first, so that no half-made one is ever found."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with placed(self.path) as draft:
                self._connect(draft).close()  # the last one to close empties the WAL
        except FileExistsError:
            return  # another process was faster; its file is as good

    def check_key(self) -> None:
        """Read the first page through a connection that cannot write; the file need not be open.

        Raises:
            WrongKey: the key does not open the file.
            StorageError: damaged, or not accessible.

        A connection that can write would, on closing, move the WAL into the file although it
        has the wrong key.
        """
        if not self.path.is_file():
            raise StorageError(f"{self.path}: not a plain file")
        size = self.path.stat().st_size
        if size == 0:  # to SQLite a fresh database, and its WAL worthless
            raise unreadable(self.path, self._key, self._layout)
        connection = self._bare(self.path, "ro")
        try:
            connection.execute("PRAGMA user_version").fetchone()
        except _error() as fault:
            if "not a database" in str(fault):
                raise unreadable(self.path, self._key, self._layout) from None
            if "malformed" in str(fault):  # the first page is authentic, and counts more pages
                raise self._cut_short(size) from fault
            raise translate(fault, self.path) from fault
        finally:
            connection.close()
        if not self._has_wal():  # before the size: another process may be at its last checkpoint
            size = self.path.stat().st_size
            if size % self._layout.page_bytes:
                raise self._cut_short(size)

    def _has_wal(self) -> bool:
        """Whether there is a WAL with content, of which the file's last page may be a part yet."""
        try:
            return self._wal.stat().st_size > 0
        except FileNotFoundError:
            return False

    def _cut_short(self, size: int) -> StorageError:
        return StorageError(f"{self.path}: cut short ({size} bytes); restore it from a backup")

    def _bare(self, path: Path, mode: str) -> Connection:
        from sqlcipher3 import dbapi2

        try:
            connection = dbapi2.connect(
                f"file:{quote(str(path))}?mode={mode}",
                uri=True,
                timeout=self._patience_s,
                isolation_level=None,  # transactions begin where we say so
                check_same_thread=False,  # the lock sees to it
            )
        except dbapi2.Error as fault:
            raise translate(fault, path) from fault
        # before the key: SQLCipher writes its complaints to stderr otherwise
        connection.execute("PRAGMA cipher_log_level = NONE")
        # cipher_memory_security stays off: it locks and wipes every allocation of SQLite, which
        # makes writing four times slower; key material SQLCipher locks and wipes in any case
        connection.set_key(b"x'" + self._key.reveal().hex().encode() + b"'")
        connection.execute("PRAGMA cipher_compatibility = 4")
        for pragma in self._pages():
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _connect(self, path: Path) -> Connection:
        connection = self._bare(path, "rw")
        try:
            for pragma in (
                "journal_mode = WAL",
                f"journal_size_limit = {_WAL_BYTES}",
                "synchronous = FULL",
                "foreign_keys = ON",
                "temp_store = MEMORY",
                "secure_delete = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
            self._migrate(connection)
        except BaseException as fault:
            connection.close()
            if isinstance(fault, _error()):
                raise translate(fault, self.path) from fault
            raise
        return connection

    def _migrate(self, connection: Connection) -> None:
        version = _version(connection)
        if version == len(self._schema):
            return
        with _unit(connection, "BEGIN IMMEDIATE"):
            version = _version(connection)  # again: another process may have been faster
            if version > len(self._schema):
                raise StorageError(
                    f"{self.path}: written by newer software (schema {version}, this one knows "
                    f"{len(self._schema)}); update edged, or restore an older backup"
                )
            for script in self._schema[version:]:
                for statement in _statements(script):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(self._schema)}")


def _complaints(connection: Connection, pragma: str) -> list[str]:
    try:
        rows = connection.execute(f"PRAGMA {pragma}").fetchall()
    except _error() as fault:
        return [f"{pragma}: {fault}"]
    told = (" ".join(str(value) for value in row) for row in rows)
    return [f"{pragma}: {text}" for text in told if text != "ok"]


@contextmanager
def _unit(connection: Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back itself on some errors
            connection.execute("ROLLBACK")
        raise


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """One statement at a time: `executescript` would commit first."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip("; \n"):
                yield statement
            statement = ""


def _error() -> type[Exception]:
    from sqlcipher3 import dbapi2

    error: type[Exception] = dbapi2.Error
    return error
