"""Source offsets in one SQLite file: the store of standalone workers.

Several processes read and write the file at once; it can be looked into with any SQLite tool:

    sqlite3 offsets.sqlite 'select connector, "partition", "offset" from offsets'

In WAL mode, so that a reader never waits for a writer. With `synchronous=NORMAL` a commit is in the operating system's hands
when it returns, so a killed process loses none. After a power cut the last commits may be missing, but the file is whole:
offsets are then a little older than what was delivered, and those records are sent again, which at-least-once allows.
An fsync a flush (`FULL`) would buy fewer of them at the price of a disk's slowest moment.

WAL needs memory shared by the processes, so the file must be on a local disk.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from fastconnect.api.record import Offset, Partition
from fastconnect.errors import OffsetStoreError
from fastconnect.storage.stores import OffsetStore, from_json, to_json

_VERSION = 1  # kept in the file's user_version
_SCHEMA = """
CREATE TABLE offsets (
    connector  TEXT NOT NULL,
    partition  TEXT NOT NULL,     -- JSON, keys sorted
    offset     TEXT NOT NULL,     -- JSON
    updated_ms INTEGER NOT NULL,  -- since 1970
    PRIMARY KEY (connector, partition)
) WITHOUT ROWID
"""
# In one statement, so that both are from before another process made the table, or both from after.
_LOOK = "SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)"
_JAVA_FILE = b"\xac\xed\x00\x05"  # a serialised Java object: the offsets file of Kafka Connect itself
_OTHER_FILE = "name another file with offset.storage.file.filename"


class SqliteOffsetStore(OffsetStore):
    """Keeps the offsets in a file, which is made, with its folder, if it does not exist.

    A store belongs to the process that opened it: open it after a fork, not before (SQLite's locks do not come along).

    Args:
        path: the file.
        busy_timeout_ms: longest wait for other processes that are writing.
    Raises:
        OffsetStoreError: the file cannot be opened or made, or it is something else.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_ms: int = 5_000) -> None:
        self.path = Path(path).expanduser()
        self._pid = os.getpid()
        self._busy_timeout_s = busy_timeout_ms / 1000
        self._connection: sqlite3.Connection | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OffsetStoreError(f"its folder cannot be made: {error.strerror}", where=str(self.path)) from error
        with self._errors_of("opened"):
            # No implicit transactions: each method says where its own begins and ends.
            connection = sqlite3.connect(self.path, timeout=self._busy_timeout_s, isolation_level=None)
        try:
            with self._errors_of("opened"):
                self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def get(self, connector: str, partitions: Sequence[Partition]) -> list[Offset | None]:
        """See OffsetStore."""
        names = [to_json("source partition", partition) for partition in partitions]
        query = "SELECT offset FROM offsets WHERE connector = ? AND partition = ?"
        with self._errors_of("read"):
            rows = [self._open().execute(query, (connector, name)).fetchone() for name in names]
        return [None if row is None else from_json(row[0]) for row in rows]

    def put(self, connector: str, offsets: Iterable[tuple[Partition, Offset | None]]) -> None:
        """See OffsetStore. One transaction, whatever the number of offsets."""
        wanted: dict[str, str | None] = {}
        for partition, offset in offsets:
            name = to_json("source partition", partition)
            wanted[name] = None if offset is None else to_json("source offset", offset)
        now_ms = time.time_ns() // 1_000_000
        kept = [(connector, name, text, now_ms) for name, text in wanted.items() if text is not None]
        gone = [(connector, name) for name, text in wanted.items() if text is None]
        with self._errors_of("written"), self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)", kept)
            connection.executemany("DELETE FROM offsets WHERE connector = ? AND partition = ?", gone)

    def all(self, connector: str) -> list[tuple[Partition, Offset]]:
        """See OffsetStore."""
        query = "SELECT partition, offset FROM offsets WHERE connector = ? ORDER BY partition"
        with self._errors_of("read"):
            rows = self._open().execute(query, (connector,)).fetchall()
        return [(from_json(name), from_json(text)) for name, text in rows]

    def connectors(self) -> list[str]:
        """See OffsetStore."""
        with self._errors_of("read"):
            rows = self._open().execute("SELECT DISTINCT connector FROM offsets ORDER BY connector").fetchall()
        return [name for (name,) in rows]

    def delete(self, connector: str, partitions: Sequence[Partition] | None = None) -> int:
        """See OffsetStore."""
        names = None if partitions is None else [to_json("source partition", partition) for partition in partitions]
        with self._errors_of("written"), self._transaction() as connection:
            if names is None:
                return connection.execute("DELETE FROM offsets WHERE connector = ?", (connector,)).rowcount
            query = "DELETE FROM offsets WHERE connector = ? AND partition = ?"
            return sum(connection.execute(query, (connector, name)).rowcount for name in names)

    def close(self) -> None:
        """See OffsetStore. In a forked child it does nothing: the open file is the parent's."""
        if self._connection is not None and os.getpid() == self._pid:
            with self._errors_of("closed"):
                self._connection.close()
            self._connection = None

    def _set_up(self, connection: sqlite3.Connection) -> None:
        """Make the table in a new file; in one that has it, only look at its version."""
        connection.execute("PRAGMA synchronous=NORMAL")
        version, tables = connection.execute(_LOOK).fetchone()
        if version > _VERSION:
            self._refuse(f"a newer fastconnect wrote it (format {version}, this one knows {_VERSION})", "upgrade fastconnect")
        if version == _VERSION:
            return
        if tables:
            self._refuse("it is a database of another program", _OTHER_FILE)
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                # Changing the mode does not wait for another process that is doing the same.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute(_LOOK).fetchone() == (0, 0):  # else another process was first
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version={_VERSION}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._refuse("the store is closed", "")
        if os.getpid() != self._pid:
            self._refuse("it was opened before a fork", "open it in the process that uses it")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")  # now, where waiting for other writers is possible; not in mid-work
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:  # SQLite has rolled back by itself after some errors, a full disk among them
                connection.execute("ROLLBACK")

    @contextmanager
    def _errors_of(self, action: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest says more
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                self._refuse(*self._what_else(error), cause=error)
            raise OffsetStoreError(
                f"the offsets could not be {action}: {self._reason(error, code)}", where=str(self.path), hint=_hint(code)
            ) from error

    def _reason(self, error: sqlite3.Error, code: int) -> str:
        """SQLite's words, and the system's where SQLite keeps those to itself."""
        if code != sqlite3.SQLITE_CANTOPEN:
            return str(error)
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as refused:
            return refused.strerror or str(error)
        return str(error)

    def _what_else(self, error: sqlite3.Error) -> tuple[str, str]:
        try:
            with self.path.open("rb") as file:
                beginning = file.read(16)
        except OSError:
            beginning = b""
        if beginning.startswith(_JAVA_FILE):
            return "it is an offsets file of Kafka Connect in Java, which is of another form", _OTHER_FILE
        if beginning.startswith(b"SQLite format 3"):
            return f"the database is damaged: {error}", f"put a backup in its place, or {_OTHER_FILE}: reading then begins anew"
        return "it is no SQLite database", _OTHER_FILE

    def _refuse(self, reason: str, hint: str, cause: BaseException | None = None) -> NoReturn:
        refused = OffsetStoreError(reason, where=str(self.path), hint=hint or None)
        refused.retry_helps = False
        raise refused from cause


def _hint(code: int) -> str | None:
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return "free some space on its disk; what it held before is untouched"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another process keeps it locked"
    return None
