"""FileSource: loads files in bulk, of any number and size, by as many tasks as wanted.

Lines never become Python objects: what is read from a file is handed on as it is. The way of the bytes: `file_set.py` finds
and divides the files, `file_readers.py` reads and decompresses, `line_blocks.py` cuts at lines, `line_formats.py` and
`csv_rows.py` make records, `file_range.py` does all that for one range of a file.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from fastconnect.api.config import Config
from fastconnect.api.connector import SourceConnector
from fastconnect.api.record import END, Offset, Polled
from fastconnect.api.task import SourceTask
from fastconnect.connectors.file_range import RangeReader, is_done, partition_of
from fastconnect.connectors.file_set import FileRange, find_files, pack_ranges, ranges_of, share, split_paths, unpack_ranges
from fastconnect.connectors.file_source_config import FileSourceConfig, FileSourceTaskConfig
from fastconnect.connectors.file_watch import FileWatch
from fastconnect.errors import DataError

log = logging.getLogger(__name__)


class FileSourceTask(SourceTask[FileSourceTaskConfig]):
    """Reads its ranges one after the other, each from where it was left."""

    def start(self, config: FileSourceTaskConfig) -> None:
        """Find out what is left to read."""
        self.config = config
        self._open: RangeReader | None = None
        self._failure: DataError | None = None
        self._waiting: deque[tuple[FileRange, Offset | None]] = deque()
        self._done_bytes = 0
        self._all_bytes = 0
        self._reached: dict[tuple[str, int], Offset] = {}  # newer than what is flushed; only when watching
        self._watch = None
        if config.watch:
            self._watch = FileWatch(config, config.task_number, config.task_count)
        else:
            self._add(unpack_ranges(config.task_ranges, config.ranges_bytes))

    def poll(self) -> Polled:
        """Hand over the next block of records."""
        if self._failure:
            raise self._failure
        try:
            return self._next()
        except DataError as error:
            self._failure = error  # also a runtime that goes on must not step over the fault
            raise

    def stop(self) -> None:
        """Close the file that is being read."""
        if self._open:
            self._open.close()
            self._open = None

    def _next(self) -> Polled:
        while not self.context.stopping:
            if self._open is None and not self._open_next():
                if self._watch is None:
                    return END
                self._look_again(self._watch)
                return None
            assert self._open
            while not self._open.prepare():
                self._tell_progress()
                if self.context.wait(1):  # not to wait, but to let the runtime see to its own
                    return None
            batch = self._open.next_batch()
            self._tell_progress()
            if batch:
                return batch
            self._close_done()
        return None

    def _open_next(self) -> bool:
        """Open the next range that is not done; False if there is none."""
        while self._waiting:
            part, offset = self._waiting.popleft()
            if not is_done(part, offset):
                self._open = RangeReader(part, self.config, offset)
                return True
            self._done_bytes += part.end - part.start
            self._tell_progress()
        return False

    def _tell_progress(self) -> None:
        here = self._open.done_bytes if self._open else 0
        self.context.progress(self._done_bytes + here, self._all_bytes)

    def _close_done(self) -> None:
        assert self._open
        part = self._open.part
        if self._watch:
            self._reached[part.path, part.start] = self._open.offset()
        self._done_bytes += part.end - part.start
        self._open.close()
        self._open = None

    def _look_again(self, watch: FileWatch) -> None:
        new = watch.look()
        if new:
            self._add(new)
        else:
            self.context.wait(self.config.watch_interval_ms)

    def _add(self, ranges: Sequence[FileRange]) -> None:
        stored = self.context.source_offsets([partition_of(part) for part in ranges])
        for part, offset in zip(ranges, stored, strict=True):
            self._waiting.append((part, self._reached.get((part.path, part.start), offset)))
            self._all_bytes += part.end - part.start
        log.info(
            "Reading files. ranges=%d begun_before=%d bytes=%d",
            len(ranges),
            sum(offset is not None for offset in stored),
            self._all_bytes,
        )


class FileSource(SourceConnector[FileSourceConfig]):
    """Loads files: lines, JSON lines or CSV; plain, gzip or zstd; once, or waiting for more."""

    task_class = FileSourceTask

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str] | Config]:
        """Divide the files. When watching, each task looks for its share itself, so that new files need no new configs."""
        config = self.config
        # An empty file has nothing to read; but if some of it was read before, its task shall say that it became shorter.
        files = find_files(split_paths(config.paths), config.compression, awaited=config.watch, with_empty=not config.watch)
        if config.watch:
            if not files:
                log.info("Waiting for files: there is none yet. paths=%s", config.paths)
            return [self._task_config(task_number=number, task_count=max_tasks) for number in range(max_tasks)]
        ranges = (part for file in files for part in ranges_of(file, config.ranges_bytes))
        return [self._task_config(task_ranges=self._pack(parts)) for parts in share(ranges, max_tasks)]

    def _pack(self, ranges: Iterable[FileRange]) -> object:
        return pack_ranges(ranges, self.config.ranges_bytes)

    def _task_config(self, **own: object) -> FileSourceTaskConfig:
        settings = {field.name: getattr(self.config, field.name) for field in self.config.fields()}
        return FileSourceTaskConfig(**{**settings, **own})
