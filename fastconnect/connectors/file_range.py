"""Reads one range of a file from where it was left to its end, and names file and line when something is wrong.

A task has one of these at a time; which ranges it has is decided in `file_source.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastconnect.api.record import Offset, RecordBatch
from fastconnect.connectors.csv_rows import BLOCK_BYTES, CsvRows, read_header
from fastconnect.connectors.file_readers import open_reader
from fastconnect.connectors.file_set import Compression, FileRange
from fastconnect.connectors.file_source_config import FileSourceConfig
from fastconnect.connectors.line_blocks import Block, LineBlocks, first_line_from
from fastconnect.connectors.line_formats import Format, JsonLines, PlainLines, Source
from fastconnect.errors import DataError

BOM = b"\xef\xbb\xbf"
SKIP_AT_ONCE_BYTES = 64 * 1024 * 1024
"""How much of a compressed file is passed over at once, so that the task can be stopped meanwhile."""

BEGIN_ANEW = "to read the file anew, reset the connector's offsets (fastconnect offsets reset, or ingest --restart)"

RESTORE = "fetch the file again from where it came from"


def partition_of(part: FileRange) -> dict[str, Any]:
    """The source partition of a range."""
    return {"path": part.path, "start": part.start}


def is_done(part: FileRange, offset: Offset | None) -> bool:
    """Whether all records of a range were delivered, as far as its offset tells without opening the file.

    Raises:
        DataError: the file is not the one that the offset is of.
    """
    if offset is None:
        return part.size == 0
    position = _position(part, offset)
    if offset.get("inode", part.inode) != part.inode:
        raise DataError(
            f"the file was replaced by another one (inode {offset['inode']} before, {part.inode} now)",
            where=part.path,
            hint=BEGIN_ANEW,
        )
    if part.compression != "none":
        return bool(offset.get("size") == part.size)
    known_bytes = max(position, int(offset.get("size", 0)))
    if known_bytes > part.size:
        raise DataError(
            f"the file became shorter: it had {known_bytes} bytes when it was read, and has {part.size} now",
            where=part.path,
            hint=BEGIN_ANEW,
        )
    return position >= part.end


class RangeReader:
    """A range, open for reading.

    Args:
        part: what to read.
        config: how.
        offset: behind which record to go on; None to begin.
    Raises:
        DataError: the file cannot be read, or is not the one it was.
    """

    def __init__(self, part: FileRange, config: FileSourceConfig, offset: Offset | None) -> None:
        self.part = part
        self._config = config
        self._resume_at = None if offset is None else _position(part, offset)
        self._splits = part.compression == "none" and config.ranges_bytes
        self._check_split(offset)
        try:
            self._reader, facts = open_reader(part.path, part.compression)
        except FileNotFoundError:
            raise DataError("the file has vanished since it was found", where=part.path) from None
        except OSError as error:
            raise DataError(f"the file cannot be read: {error.strerror}", where=part.path) from error
        if facts.st_ino != part.inode:
            self.close()
            raise DataError(
                f"the file was replaced by another one (inode {part.inode} before, {facts.st_ino} now)",
                where=part.path,
                hint=BEGIN_ANEW,
            )
        if facts.st_size < part.size:
            self.close()
            raise DataError(
                f"the file became shorter: {part.size} bytes when it was found, {facts.st_size} now",
                where=part.path,
                hint=BEGIN_ANEW,
            )
        self._fault: DataError | None = None
        self._format: Format | None = None
        self._more_than = 0
        self._blocks = LineBlocks(
            self._reader,
            part.start,
            part.end if part.compression == "none" else None,
            part.size,
            block_bytes=min(config.block_bytes, BLOCK_BYTES) if config.format == "csv" else config.block_bytes,
            line_max_bytes=config.line_max_bytes,
        )
        fixed: dict[str, Any] = {"inode": part.inode}
        if self._splits:
            # The file's size too: one that shrinks by a range that other tasks have read is noticed by those that go on.
            fixed |= {"split": self._splits, "size": part.size}
        at_end = {} if part.compression == "none" else {"size": part.size}
        self._source = Source(config.topic, partition_of(part), fixed, at_end)

    @property
    def position(self) -> int:
        """Where the next record begins."""
        return self._blocks.position

    def offset(self) -> dict[str, Any]:
        """The offset behind all that was handed over."""
        return {**self._source.fixed, "position": self.position}

    @property
    def done_bytes(self) -> int:
        """How many bytes of the range are read."""
        read = min(self._reader.read_so_far(self.position), self.part.end)
        return max(0, read - self.part.start)

    def prepare(self) -> bool:
        """Go to where reading begins; False if that will take another call."""
        if self._format is None:
            self._format = self._begin()
        if self._resume_at is not None:
            if not self._reader.skip_to(self._resume_at - 1, SKIP_AT_ONCE_BYTES):
                return False
            self._blocks.position = self._line_behind(self._resume_at)
            self._resume_at = None
        return True

    def next_batch(self) -> RecordBatch | None:
        """Read the next records; None at the end of the range.

        Raises:
            DataError: what follows cannot be read; all records before it were handed over.
        """
        if self._fault is None:
            try:
                return self._read()
            except DataError as error:
                self._fault = error
        raise self._fault

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _read(self) -> RecordBatch | None:
        assert self._format
        while block := self._next_block():
            made = self._format.make(block, self._source)
            if made.used:
                self._more_than = 0
                self._blocks.position = block.position + made.used
            elif not made.fault:
                self._need_more(block)
            if made.fault:
                fault = self._at(block.position + made.fault.at, made.fault.message, made.fault.hint)
                if not made.batch:
                    raise fault
                self._fault = fault  # for the next call: first the records before it
            if made.batch:
                if made.bad:
                    made.batch.faults = {
                        index: BadLine(self.part, block.position + fault.at, fault.message, fault.hint)
                        for index, fault in made.bad.items()
                    }
                return made.batch
        if self._reader.broken:
            raise self._at(self._blocks.position, self._reader.broken, RESTORE)
        return None

    def _next_block(self) -> Block | None:
        try:
            return self._blocks.next(self._more_than)
        except DataError as error:
            raise self._at(self._blocks.position, error.message, error.hint) from None

    def _begin(self) -> Format:
        """Find the first line, pass over what is before it, and read the header if there is one."""
        config = self._config
        first = first_line_from(self._reader, self.part.start)
        # Without any line of its own, the range is at its end at once.
        self._blocks.position = self.part.end if first is None else first
        if self.part.start == 0:
            if config.encoding == "utf-8" and self._reader.read_at(0, 3) == BOM:
                self._blocks.position = 3
            self._skip_lines(config.skip_lines)
        match config.format:
            case "lines":
                return PlainLines(text=config.encoding == "utf-8")
            case "json":
                return JsonLines(validate=config.json_validate, key_field=config.key_field)
            case "csv":
                return self._csv_rows(list(config.csv_columns) or self._header())

    def _skip_lines(self, lines: int) -> None:
        while lines and (block := self._next_block()):
            newline = block.data.find(b"\n", 0, block.cut)
            self._blocks.position += newline + 1 if newline >= 0 else block.cut
            lines -= 1

    def _header(self) -> list[str]:
        while block := self._next_block():
            try:
                names, used = read_header(block, delimiter=self._config.delimiter, quote=self._config.csv_quote)
            except DataError as error:
                raise self._at(block.position, error.message, error.hint) from None
            if used:
                self._more_than = 0
                self._blocks.position += used
                return names
            self._need_more(block)
        return []

    def _csv_rows(self, columns: list[str]) -> CsvRows:
        key_field = self._config.key_field
        if key_field is not None and key_field not in columns and columns:
            raise DataError(
                f"the header has no column {key_field!r}",
                where=self.part.path,
                hint=f"key.field must be one of {', '.join(columns)}",
            )
        return CsvRows(
            columns,
            delimiter=self._config.delimiter,
            quote=self._config.csv_quote,
            key_field=key_field if columns else None,
        )

    def _need_more(self, block: Block) -> None:
        """Have the next block be longer than this one, in which not even one row ends."""
        try:
            self._blocks.check_length(block.cut)
        except DataError as error:
            raise self._at(block.position, error.message, error.hint) from None
        self._more_than = block.cut

    def _line_behind(self, position: int) -> int:
        """Where the line begins that follows the records up to `position`; sees that it still is a place between lines."""
        if position == 0:
            return 0
        around = self._reader.read_at(position - 1, 3)
        if not around:
            if self._reader.broken:
                raise self._at(position, self._reader.broken, RESTORE)
            raise DataError(
                f"the file became shorter: {position} bytes of its content were read, and it has less now",
                where=self.part.path,
                hint=BEGIN_ANEW,
            )
        # The last line of a file may be read without its newline, which is written later.
        if around[:1] == b"\n" or len(around) == 1:
            return position
        for newline in (b"\n", b"\r\n"):
            if around[1:].startswith(newline):
                return position + len(newline)
        raise self._at(
            position - 1,
            "the file was changed: this line was read to its end before, and is longer now",
            f"have files complete before they are read, or raise watch.interval.ms; {BEGIN_ANEW}",
        )

    def _check_split(self, offset: Offset | None) -> None:
        split = None if offset is None else offset.get("split")
        if self._splits and isinstance(split, int) and split != self._splits and self.part.size > min(split, self._splits):
            raise DataError(
                f"the file was read in ranges of {split} bytes before, and is in ranges of {self._splits} now",
                where=self.part.path,
                hint=f"set split.bytes={split} until it is read; {BEGIN_ANEW}",
            )

    def _at(self, position: int, message: str, hint: str | None) -> DataError:
        line = line_number(self.part.path, self.part.compression, position)
        return DataError(message, where=f"{self.part.path} line {line}", hint=hint)


class BadLine(DataError):  # noqa: N818 - what it is about
    """One line cannot be used. Which one it is, is counted only when somebody wants to know."""

    def __init__(self, part: FileRange, position: int, message: str, hint: str | None) -> None:
        self._part = part
        self._position = position
        super().__init__(message, hint=hint)

    @property
    def where(self) -> str | None:
        """The file and the line's number."""
        return f"{self._part.path} line {line_number(self._part.path, self._part.compression, self._position)}"

    @where.setter
    def where(self, where: str | None) -> None:
        """Only here for the base class: the place is known."""


def line_number(path: str, compression: Compression, position: int) -> int:
    """Which line of a file, from 1, has the byte at a position. Reads all before it: for errors only."""
    lines = at = 0
    try:
        reader, _ = open_reader(path, compression)
    except OSError:
        return 0
    try:
        while at < position and (data := reader.read_at(at, min(position - at, 4 * 1024 * 1024))):
            lines += data.count(b"\n")
            at += len(data)
    finally:
        reader.close()
    return lines + 1


def _position(part: FileRange, offset: Mapping[str, Any]) -> int:
    position = offset.get("position")
    if not isinstance(position, int) or isinstance(position, bool) or position < 0:
        raise DataError(
            f"the stored offset has no usable position: {position!r}", where=part.path, hint="reset the connector's offsets"
        )
    return position
