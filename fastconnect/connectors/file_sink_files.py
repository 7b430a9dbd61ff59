"""The files of FileSink: what their names say, whose turn it is to write them, and how one becomes complete.

    .orders-3-000000000017.jsonl.zst.tmp                  being written, from offset 17 on; nobody else's business
    orders-3-000000000017-000000004711.jsonl.zst          complete, and on the disk
    .orders-3.lock                                        locked by the task that writes the partition's files now

Nothing here knows of records or formats.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sys
import time
import zlib
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fastconnect.api.sink_records import TopicPartition
from fastconnect.errors import ConnectError

LOCK_WITHIN_S = 10.0
"""How long another task may hold on to a partition that is ours now, before ours fails and is started again."""


class Settings(Protocol):
    """What of the config concerns a file."""

    @property
    def compression(self) -> str:
        """`none`, `gzip` or `zstd`."""
        ...

    @property
    def compression_level(self) -> int:
        """0: a quick one."""
        ...


class Written(msgspec.Struct, frozen=True):
    """A complete file."""

    name: str
    last: int
    """The offset of its last record."""
    records: int
    bytes: int


class Folder:
    """The folder of the files, of which several tasks write those of their partitions."""

    def __init__(self, path: Path, suffix: str) -> None:
        self.path = path
        self.suffix = suffix
        self._locks: dict[TopicPartition, int] = {}
        path.mkdir(parents=True, exist_ok=True)

    def claim(self, partition: TopicPartition) -> None:
        """Lock a partition's files against a task that has lost it and does not know yet; remove what was half written.

        The lock goes with the process that holds it, however that ends.

        Raises:
            ConnectError: another process still has it.
        """
        lock = os.open(self.path / f".{partition}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        until = time.monotonic() + LOCK_WITHIN_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(lock)
                    raise ConnectError(
                        "another process still writes this partition's files",
                        where=f"{partition} in {self.path}",
                        hint="a task that is stuck, or a second connector with the same folder",
                    ) from None
                time.sleep(0.02)
        self._locks[partition] = lock
        for name in os.listdir(self.path):
            if name.startswith(f".{partition}-") and name.endswith(".tmp") and self._begin_of(name, partition):
                os.unlink(self.path / name)

    def give_back(self, partition: TopicPartition) -> None:
        """Let another task write the partition's files."""
        lock = self._locks.pop(partition, None)
        if lock is not None:
            os.close(lock)

    def end_of(self, partition: TopicPartition) -> int | None:
        """The offset behind the last complete file of a partition, of whatever format; None if there is none."""
        name = re.compile(re.escape(str(partition)) + r"-(\d+)-(\d+)\.(?:jsonl|csv|txt)(?:\.gz|\.zst)?")
        lasts = [int(found[2]) for entry in os.listdir(self.path) if (found := name.fullmatch(entry))]
        return max(lasts) + 1 if lasts else None

    def sync(self) -> None:
        """Have the folder itself on the disk: the names in it."""
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _begin_of(self, name: str, partition: TopicPartition) -> bool:
        return re.fullmatch(rf"\.{re.escape(str(partition))}-\d+\..*\.tmp", name) is not None


class OpenFile:
    """A file in the making.

    Args:
        first: the offset of its first record.
    """

    def __init__(self, folder: Folder, partition: TopicPartition, first: int, settings: Settings) -> None:
        self.partition = partition
        self.first = first
        self.last = first
        self.records = 0
        self.size = 0  # before compression
        self.since = time.monotonic()
        self._folder = folder
        self._temporary = folder.path / f".{partition}-{first:012d}{folder.suffix}.tmp"
        self._compressor = _compressor(settings)
        self._written = 0
        self._file = os.open(self._temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)

    def write(self, lines: bytes, records: int, last: int) -> None:
        """Append lines; `last` is the offset of the last record in them.

        Raises:
            ConnectError: they cannot be written (a full disk): the file is of no use any more.
        """
        self._append(lines if self._compressor is None else self._compressor.compress(lines))
        self.size += len(lines)
        self.records += records
        self.last = last

    def complete(self) -> Written:
        """Bring the file to the disk and give it its name.

        Raises:
            ConnectError: that is not possible; the file is as if it had never been.
        """
        if self._compressor is not None:
            self._append(self._compressor.flush())
        name = f"{self.partition}-{self.first:012d}-{self.last:012d}{self._folder.suffix}"
        try:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1
            os.rename(self._temporary, self._folder.path / name)
            self._folder.sync()
        except OSError as error:
            raise self._failed(error) from error
        return Written(name, self.last, self.records, self._written)

    def discard(self) -> None:
        """Remove it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                written = os.write(self._file, left)
                left = left[written:]
        except OSError as error:
            raise self._failed(error) from error
        self._written += len(data)

    def _failed(self, error: OSError) -> ConnectError:
        return ConnectError(
            f"the file cannot be written: {error.strerror or error}",
            where=str(self._temporary),
            hint="nothing is lost: its records are read again once it can be",
        )


def _compressor(settings: Settings) -> Any:
    if settings.compression == "gzip":
        return zlib.compressobj(settings.compression_level or 1, wbits=31)
    if settings.compression == "zstd":
        return _zstd().ZstdCompressor(settings.compression_level or 1)
    return None


def _zstd() -> Any:
    """The standard library's zstd, or before Python 3.14 the same as a package."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
