"""FileStreamSink: Kafka Connect's connector of that name, which writes each value as a line to a file or the standard output.

Same configuration, same bytes. For loading files quickly, or each record once, there is FileSink.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastconnect.api.config import Config, Meta
from fastconnect.api.connector import SinkConnector
from fastconnect.api.java_text import as_hash_maps, java_string
from fastconnect.api.sink_records import SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask
from fastconnect.errors import ConnectError

log = logging.getLogger(__name__)


class FileStreamSinkConfig(Config):
    """Kafka Connect's key; what it means is said in its words."""

    file: Annotated[
        str | None,
        Meta(
            description="Destination filename. If not specified, the standard output will be used",
            extra_json_schema={"importance": "HIGH"},
        ),
    ] = None


class FileStreamSinkTask(SinkTask[FileStreamSinkConfig]):
    """Appends lines, and flushes them before their offsets are committed."""

    def start(self, config: FileStreamSinkConfig) -> None:
        """Open the file, to be appended to; it is made if it is not there, its folder is not."""
        self._name = config.file
        if not config.file:
            self._output: Any = sys.stdout.buffer
            return
        try:
            self._output = open(config.file, "ab")  # noqa: SIM115 - closed in stop
        except OSError as error:
            raise ConnectError(
                f"the file cannot be written to: {error.strerror or error}", where=f"file={config.file}"
            ) from error

    def put(self, records: SinkRecords) -> None:
        """Write the values as Java's println does: what `toString()` gives, and a newline."""
        values = records.values
        if not values:
            return
        kinds = set(map(type, values))
        if kinds == {str}:
            text = "\n".join(values)
        elif kinds == {bytes}:
            # Java writes an address in memory here, which is of no use to anyone: the bytes themselves are.
            self._output.write(b"\n".join(values) + b"\n")
            return
        else:
            text = "\n".join(map(java_string, map(as_hash_maps, values), records.value_schemas))
        self._output.write(text.encode("utf-8", "replace") + b"\n")

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Hand what was written to the operating system."""
        self._output.flush()
        if self._name:
            os.fsync(self._output.fileno())

    def stop(self) -> None:
        """Close the file."""
        output = getattr(self, "_output", None)
        if output is not None and self._name:
            output.close()


class FileStreamSink(SinkConnector[FileStreamSinkConfig]):
    """Appends the values of topics to a file, one a line."""

    task_class = FileStreamSinkTask

    def alter_offsets(self, config: FileStreamSinkConfig, offsets: Sequence[tuple[TopicPartition, int | None]]) -> bool:
        """It keeps no offsets, and appends whatever comes: any may be changed."""
        return True
