"""Looks again and again for files that are new or have grown, and takes those that fall to one task."""

from __future__ import annotations

import os
import time
import zlib

from fastconnect.connectors.file_set import FileRange, FoundFile, find_files, ranges_of, split_paths
from fastconnect.connectors.file_source_config import FileSourceConfig


class FileWatch:
    """Finds further work for task `number` of `count`.

    Which task a range falls to depends on its path and place alone: so tasks need not agree on it, and it stays so.
    A file is left alone while it grows, since its last line may be half written.
    """

    def __init__(self, config: FileSourceConfig, number: int, count: int) -> None:
        self._config = config
        self._number = number
        self._count = count
        self._taken: dict[str, FoundFile] = {}  # as they were when their ranges were given out
        self._seen: dict[str, FoundFile] = {}  # as they were at the last look

    def look(self) -> list[FileRange]:
        """The ranges that there are to read since the last look.

        Raises:
            ConfigError: a file cannot be read.
        """
        found = find_files(split_paths(self._config.paths), self._config.compression, awaited=True)
        ranges: list[FileRange] = []
        for file in found:
            before = self._taken.get(file.path)
            if file != before and self._is_quiet(file):
                self._taken[file.path] = file
                ranges += self._own_part(file, before)
        self._seen = {file.path: file for file in found}
        return ranges

    def _is_quiet(self, file: FoundFile) -> bool:
        if self._seen.get(file.path) == file:
            return True
        try:
            return time.time() - os.stat(file.path).st_mtime > self._config.watch_interval_ms / 1000
        except OSError:
            return False  # gone since

    def _own_part(self, file: FoundFile, before: FoundFile | None) -> list[FileRange]:
        """The task's own ranges of a file; only those with something new if some of it was taken before."""
        grown_from = before.size if before and before.inode == file.inode and before.size <= file.size else 0
        split = self._config.ranges_bytes
        return [
            part
            for part in ranges_of(file, split)
            if (part.end > grown_from or part.compression != "none")
            and (zlib.crc32(os.fsencode(part.path)) + (part.start // split if split else 0)) % self._count == self._number
        ]
