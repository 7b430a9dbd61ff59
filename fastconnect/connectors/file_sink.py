"""FileSink: loads topics into files of lines, quickly and each record once.

A file is `<topic>-<partition>-<first>-<last>.jsonl.zst`: it holds the records of one partition from the first offset to the
last. It is written under a name that begins with a dot, and gets its real name when it is complete and on the disk. So the
names say how far each partition is: after a crash the task goes on behind the last complete file, and what was half written is
thrown away. How a single file is written is in file_sink_files.py.
"""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from fastconnect.api.config import Bytes, Config, Duration, Fault, Meta
from fastconnect.api.connector import SinkConnector
from fastconnect.api.schema import Struct
from fastconnect.api.sink_records import SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask
from fastconnect.connectors.file_sink_files import Folder, OpenFile, Written
from fastconnect.errors import ConnectError, DataError

log = logging.getLogger(__name__)


class FileSinkConfig(Config):
    """Where files go, what is in them, and when one is complete."""

    path: Annotated[Path, Meta(description="The folder for the files; it is made if it is not there.")]
    format: Annotated[
        Literal["jsonl", "csv", "raw"],
        Meta(
            description="What a line is: the value as JSON, its fields as CSV, or its bytes as they are in Kafka (raw). A "
            "record without a value is the line `null`, in CSV it is left out."
        ),
    ] = "jsonl"
    compression: Annotated[Literal["none", "gzip", "zstd"], Meta(description="How files are compressed.")] = "none"
    compression_level: Annotated[
        int, Meta(ge=-7, le=19, description="How hard; 0: a level that is quick for the chosen compression.")
    ] = 0
    roll_bytes: Annotated[Bytes, Meta(ge=1, description="A file that has so many bytes (before compression) is complete.")] = (
        256 * 1024 * 1024
    )
    roll_records: Annotated[int, Meta(ge=0, description="A file that has so many records is complete; 0: any number.")] = 0
    roll_interval_ms: Annotated[
        Duration,
        Meta(
            ge=0,
            description="A file is complete so long after its first record was written; 0: any time. Until then nobody sees "
            "its records, and a crash reads them again.",
        ),
    ] = 60_000
    csv_columns: Annotated[
        tuple[str, ...], Meta(description="The fields that are written; unset: those of a file's first record.")
    ] = ()
    csv_header: Annotated[bool, Meta(description="Whether a CSV file begins with the names of its columns.")] = True
    csv_delimiter: Annotated[str, Meta(description="The character between fields; `tab` for a tabulator.")] = ","

    @property
    def delimiter(self) -> str:
        """The delimiter itself."""
        return "\t" if self.csv_delimiter in ("tab", "\\t") else self.csv_delimiter

    @property
    def suffix(self) -> str:
        """How the names of the files end."""
        ending = {"none": "", "gzip": ".gz", "zstd": ".zst"}[self.compression]
        return {"jsonl": ".jsonl", "csv": ".csv", "raw": ".txt"}[self.format] + ending

    def check(self) -> Iterable[Fault]:
        """See what only several settings together show."""
        if len(self.delimiter) != 1 or self.delimiter in '\r\n"':
            yield Fault("csv.delimiter", "must be one character, and no line end or quote")
        if self.compression == "gzip" and not 0 <= self.compression_level <= 9:
            yield Fault("compression.level", "is from 1 to 9 for gzip")
        if self.compression == "none" and self.compression_level:
            yield Fault("compression.level", "has no meaning without compression")


class _Partition:
    """A partition of the task: its file in the making, and how far the complete ones go."""

    def __init__(self, done: int | None) -> None:
        self.done = done  # the offset behind the last complete file
        self.file: OpenFile | None = None
        self.columns: tuple[str, ...] = ()


class FileSinkTask(SinkTask[FileSinkConfig]):
    """Writes each partition's records to a file of its own, one after the other."""

    def start(self, config: FileSinkConfig) -> None:
        """Make the folder."""
        self.config = config
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._folder = Folder(config.path, config.suffix)

    def open(self, partitions: Sequence[TopicPartition]) -> None:
        """Take the partitions' places in the folder, and go on behind their last complete files."""
        for partition in partitions:
            self._folder.claim(partition)
            done = self._folder.end_of(partition)
            self._partitions[partition] = _Partition(done)
            position = self.context.position(partition)
            # Where files were moved away the committed offset is ahead of those that are left: nothing is written twice.
            if done is not None and (position is None or position < done):
                self.context.offset(partition, done)

    def put(self, records: SinkRecords) -> None:
        """Write the records to the files of their partitions; complete those that are full or old enough."""
        for partition, part in records.by_partition():
            self._write(partition, part)
        now = time.monotonic()
        for partition, state in self._partitions.items():
            if state.file is not None and self._is_old(state.file, now):
                self._complete(partition, state)

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """What is in complete files may be committed."""
        safe: dict[TopicPartition, int] = {}
        for partition, offset in offsets.items():
            state = self._partitions[partition]
            if state.file is not None and partition in self.context.finishing:
                self._complete(partition, state)
            if state.file is None:
                safe[partition] = offset  # all that was put is in complete files, or was no record of this sink
            elif state.done is not None:
                safe[partition] = state.done
        return safe

    def close(self, partitions: Sequence[TopicPartition]) -> None:
        """Throw away what is not complete: who has the partitions next begins behind the last complete file."""
        for partition in partitions:
            state = self._partitions.pop(partition, None)
            if state is not None and state.file is not None:
                state.file.discard()
            self._folder.give_back(partition)

    def stop(self) -> None:
        """Let go of everything."""
        self.close(list(getattr(self, "_partitions", ())))

    def _write(self, partition: TopicPartition, records: SinkRecords) -> None:
        state = self._partitions[partition]
        offsets = records.offsets
        if state.done is not None and offsets and offsets[0] < state.done:
            # After a failed commit: these are in complete files already.
            kept = [i for i, offset in enumerate(offsets) if offset >= state.done]
            records, offsets = records.select(kept), [offsets[i] for i in kept]
        while len(records):
            if state.file is None:
                state.file = OpenFile(self._folder, partition, offsets[0], self.config)
                state.columns = ()
            fitting = self._room(state.file, len(records))
            now, records = (
                (records, records[len(records) :]) if fitting >= len(records) else (records[:fitting], records[fitting:])
            )
            state.file.write(self._lines(state, now), len(now), offsets[len(now) - 1])
            offsets = offsets[len(now) :]
            if self._is_full(state.file):
                self._complete(partition, state)

    def _room(self, file: OpenFile, count: int) -> int:
        return count if self.config.roll_records == 0 else self.config.roll_records - file.records

    def _is_full(self, file: OpenFile) -> bool:
        return file.size >= self.config.roll_bytes or 0 < self.config.roll_records <= file.records

    def _is_old(self, file: OpenFile, now: float) -> bool:
        return 0 < self.config.roll_interval_ms <= (now - file.since) * 1000

    def _complete(self, partition: TopicPartition, state: _Partition) -> None:
        assert state.file is not None
        written: Written = state.file.complete()
        state.file = None
        state.done = written.last + 1
        log.debug("A file is complete. file=%s records=%d bytes=%d", written.name, written.records, written.bytes)

    def _lines(self, state: _Partition, records: SinkRecords) -> bytes:
        if self.config.format == "raw":
            return records.lines()
        if self.config.format == "jsonl":
            return records.json_lines()
        return self._csv(state, records)

    def _csv(self, state: _Partition, records: SinkRecords) -> bytes:
        values = [_fields(value, records, i) for i, value in enumerate(records.values)]
        rows = [value for value in values if value is not None]
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.config.delimiter, lineterminator="\n")
        if not state.columns and rows:
            state.columns = self.config.csv_columns or tuple(map(str, rows[0]))
            if self.config.csv_header:
                writer.writerow(state.columns)
        columns = state.columns
        writer.writerows([[_cell(row.get(column)) for column in columns] for row in rows])
        return text.getvalue().encode("utf-8", "replace")


def _fields(value: Any, records: SinkRecords, index: int) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping) or value is None:
        return value
    if isinstance(value, Struct):
        return {field.name: value[field.name] for field in value.schema.fields}
    raise DataError(
        f"the value is a {type(value).__name__}, which has no fields for CSV",
        where=records.where(index),
        hint="use format=jsonl or raw, or a converter that gives objects",
    )


def _cell(value: Any) -> Any:
    """Texts and numbers as they are, null as nothing, anything else as JSON."""
    if value is None or isinstance(value, (str, int, float)):
        return ("true" if value else "false") if isinstance(value, bool) else value
    return msgspec.json.encode(value, enc_hook=str).decode()


class FileSink(SinkConnector[FileSinkConfig]):
    """Loads topics into files: JSON lines, CSV or raw lines; plain, gzip or zstd; each record once."""

    task_class = FileSinkTask

    def start(self, config: FileSinkConfig) -> None:
        """See whether the folder can be written to, once and before any task starts."""
        super().start(config)
        try:
            config.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConnectError(f"the folder cannot be made: {error.strerror or error}", where=f"path={config.path}") from error
        if not os.access(config.path, os.W_OK | os.X_OK):
            raise ConnectError("the folder cannot be written to", where=f"path={config.path}")
