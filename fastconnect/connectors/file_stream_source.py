r"""FileStreamSource: Kafka Connect's connector of that name, which follows one text file, or reads the standard input.

Same configuration, source partition and offset. For loading files quickly there is FileSource. Where it differs:
`position` counts bytes, not characters, so a file with other letters than ASCII is not read again a little; and at the end
of the standard input its last line counts even without a newline, and the task is at its end.
"""

from __future__ import annotations

import logging
import os
import re
import select
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastconnect.api.config import Config, Meta, Topic
from fastconnect.api.connector import SourceConnector
from fastconnect.api.record import END, ByteOffsets, Offset, Offsets, Partition, Polled, RecordBatch
from fastconnect.api.schema import Schema
from fastconnect.api.task import SourceTask
from fastconnect.connectors.line_blocks import Block, LineEnds, ListedEnds, nth_newline
from fastconnect.errors import ConnectError, DataError

log = logging.getLogger(__name__)

READ_BYTES = 256 * 1024
STANDARD_INPUT = 0
LINE = Schema.string()

# A final \r is no line end yet: a \n may follow.
LINE_END = re.compile(rb"\n|\r\n|\r(?!\Z)")


class FileStreamSourceConfig(Config):
    """Kafka Connect's keys; what they mean is said in its words."""

    file: Annotated[
        str | None,
        Meta(
            description="Source filename. If not specified, the standard input will be used",
            extra_json_schema={"importance": "HIGH"},
        ),
    ] = None
    topic: Annotated[Topic, Meta(description="The topic to publish data to")]
    batch_size: Annotated[
        int,
        Meta(
            description="The maximum number of records the source task can read from the file each time it is polled",
            extra_json_schema={"importance": "LOW"},
        ),
    ] = 2000


class FileStreamSourceTask(SourceTask[FileStreamSourceConfig]):
    """Gives the lines of the file that are complete, and None while there are none."""

    def start(self, config: FileStreamSourceConfig) -> None:
        """Keep the settings. The file is opened by `poll`, since it may come later."""
        self.config = config
        self._most = max(1, config.batch_size)  # Kafka Connect's makes one record of anything below, too
        self._partition = {"filename": config.file} if config.file else None
        self._input = None if config.file else STANDARD_INPUT
        self._input_ended = False
        self._position = 0  # of the first byte of _text
        self._text = b""  # what was read
        self._used = 0  # how much of it was handed over
        self._missed = ""  # why the file could not be opened last time

    def poll(self) -> Polled:
        """Hand over the complete lines, at most `batch.size` of them."""
        if self._input is None and not self._open():
            return None
        while True:
            batch = self._complete_lines()
            if batch or self.context.stopping:
                return batch
            more = self._read()
            if not more:
                return self._last_line() if self._input_ended else None
            self._text, self._position = self._text[self._used :] + more, self._position + self._used
            self._used = 0

    def stop(self) -> None:
        """Close the file."""
        if self._input not in (None, STANDARD_INPUT):
            os.close(self._input)
        self._input = None

    def _open(self) -> bool:
        """Open the file behind the last line that was delivered; False while it is not there."""
        assert self.config.file
        try:
            self._input = os.open(self.config.file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            # As in Kafka Connect also what may not be read is waited for: it may become readable.
            reason = error.strerror or str(error)
            if reason != self._missed:
                log.warning("Waiting for the file to read. file=%s reason=%s", self.config.file, reason)
                self._missed = reason
            return False
        offset = self.context.source_offset({"filename": self.config.file}, default={})
        position = offset.get("position", 0)
        if position is None:
            position = 0
        if not isinstance(position, int) or position < 0:
            raise DataError(
                f"the stored offset has no usable position: {position!r}",
                where=self.config.file,
                hint="reset the connector's offsets, or alter them to a number of bytes",
            )
        size = os.fstat(self._input).st_size
        if position > size:
            # As in Kafka Connect: nothing is read until the file is that long again.
            log.warning("The file is shorter than it was. file=%s position=%d size=%d", self.config.file, position, size)
        self._position = position
        return True

    def _read(self) -> bytes:
        """Read what there is now, without waiting for more."""
        assert self._input is not None
        if self.config.file:
            return os.pread(self._input, READ_BYTES, self._position + len(self._text))
        if self._input_ended or not select.select([self._input], [], [], 0)[0]:
            return b""
        data = os.read(self._input, READ_BYTES)
        self._input_ended = not data
        return data

    def _complete_lines(self) -> RecordBatch | None:
        text, start = self._text, self._used
        if text.find(b"\r", start) >= 0:
            return self._lines_with_returns()
        end = text.rfind(b"\n", start) + 1
        if end == 0:
            return None
        if text.count(b"\n", start, end) > self._most:
            end = start + nth_newline(text[start:end], self._most - 1, end - start) + 1
        lines = text[start:end]
        block = Block(lines, len(lines), self._position + start, False)
        self._used = end
        readable = _as_utf8(lines)
        # Where bytes were replaced, the lines have not the length that they have in the file.
        offsets = ByteOffsets(block.position) if readable is lines else LineEnds(block, {}, {})
        self._tell_progress()
        return RecordBatch.lines(self.config.topic, readable, **self._about(offsets))

    def _lines_with_returns(self) -> RecordBatch | None:
        """The same where a line may also end with `\\r` or `\\r\\n`."""
        text, start = self._text, self._used
        values: list[bytes | None] = []
        ends: list[int] = []
        for match in LINE_END.finditer(text, start):
            values.append(_as_utf8(text[self._used : match.start()]))
            self._used = match.end()
            ends.append(match.end() - start)
            if len(values) == self._most:
                break
        if not values:
            return None
        block = Block(b"", 0, self._position + start, False)
        self._tell_progress()
        return RecordBatch.raw(self.config.topic, values, format="string", **self._about(ListedEnds(block, ends, {}, {})))

    def _last_line(self) -> Polled:
        """At the end of the standard input nothing can be added to the last line any more."""
        line, self._used = self._text[self._used :], len(self._text)
        if not line:
            return END
        return RecordBatch.raw(self.config.topic, [_as_utf8(line.removesuffix(b"\r"))], format="string", **self._about(None))

    def _about(self, offsets: Offsets) -> dict[str, Any]:
        """What all batches say. The standard input has no place to go back to, so no offset either."""
        return {
            "source_partition": self._partition,
            "offsets": offsets if self._partition else None,
            "timestamps": time.time_ns() // 1_000_000,  # as in Kafka Connect: when the line was read
            "value_schema": LINE,
        }

    def _tell_progress(self) -> None:
        assert self._input is not None
        end = os.fstat(self._input).st_size if self.config.file else None
        self.context.progress(self._position + self._used, end)


class FileStreamSource(SourceConnector[FileStreamSourceConfig]):
    """Follows one text file line by line; always one task, whatever `tasks.max` is."""

    task_class = FileStreamSourceTask

    def alter_offsets(self, config: FileStreamSourceConfig, offsets: Sequence[tuple[Partition, Offset | None]]) -> bool:
        """Check offsets as Kafka Connect's FileStreamSourceConnector does, and in its words.

        Any offset may be removed, also one that is no offset of a file. Whether a position is inside the file, the task sees.
        """
        if not config.file:
            raise ConnectError(
                "Offsets cannot be modified if the 'file' configuration is unspecified. "
                "This is because stdin is used for input and offsets are not tracked."
            )
        for partition, offset in offsets:
            if offset is None:
                continue
            if "position" not in offset:
                raise ConnectError("Offset objects should either be null or contain the key 'position'")
            position = offset["position"]
            if not isinstance(position, int) or isinstance(position, bool):
                raise ConnectError("The value for the 'position' key in the offset is expected to be a Long value")
            if position < 0:
                raise ConnectError("The value for the 'position' key in the offset should be a non-negative value")
            if partition is None:
                raise ConnectError("Partition objects cannot be null")
            if "filename" not in partition:
                raise ConnectError("Partition objects should contain the key 'filename'")
        return True

    def exactly_once_support(self, config: FileStreamSourceConfig) -> bool:
        """A file can be read from any place again, the standard input cannot."""
        return bool(config.file)


def _as_utf8(text: bytes) -> bytes:
    """The text itself if it is UTF-8, else with U+FFFD for what is not, as Java reads it."""
    if text.isascii():
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode(errors="replace").encode()
    return text
