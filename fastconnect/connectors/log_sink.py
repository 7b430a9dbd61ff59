"""LogSink: writes records to the log, to see what comes by; not for many of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Annotated, Literal

from fastconnect.api.config import Config, Meta
from fastconnect.api.connector import SinkConnector
from fastconnect.api.java_text import java_string
from fastconnect.api.sink_records import SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask

logger = logging.getLogger(__name__)

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class LogSinkConfig(Config):
    """How records are logged."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The level that the lines are logged at.")
    ] = "info"
    most_per_second: Annotated[
        int, Meta(ge=0, description="How many records a second are logged; of the others only the number is. 0: all.")
    ] = 100
    value_max_chars: Annotated[int, Meta(ge=1, description="Longer keys and values are cut.")] = 500


class LogSinkTask(SinkTask[LogSinkConfig]):
    """Logs a line a record, up to a number of them a second."""

    def start(self, config: LogSinkConfig) -> None:
        """Keep the settings."""
        self.config = config
        self.level = LEVELS[config.level]
        self._second = 0
        self._logged = 0
        self._left_out = 0

    def put(self, records: SinkRecords) -> None:
        """Log the records."""
        most = self.config.most_per_second
        room = len(records) if most == 0 else max(0, most - self._logged_in(_second()))
        for record in records[:room]:
            key = "null" if record.key is None else self._cut(java_string(record.key, record.key_schema))
            value = self._cut(java_string(record.value, record.value_schema))
            logger.log(self.level, "%s at %d: key=%s value=%s", record.topic_partition, record.offset, key, value)
        self._logged += min(room, len(records))
        self._left_out += max(0, len(records) - room)

    def stop(self) -> None:
        """Say how many were left out."""
        self._say_left_out()

    def _logged_in(self, second: int) -> int:
        if second != self._second:
            self._second, self._logged = second, 0
            self._say_left_out()
        return self._logged

    def _say_left_out(self) -> None:
        if getattr(self, "_left_out", 0):
            logger.log(self.level, "More records came than are logged. left_out=%d", self._left_out)
            self._left_out = 0

    def _cut(self, text: str) -> str:
        most = self.config.value_max_chars
        return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


class LogSink(SinkConnector[LogSinkConfig]):
    """Writes records to the log."""

    task_class = LogSinkTask

    def alter_offsets(self, config: LogSinkConfig, offsets: Sequence[tuple[TopicPartition, int | None]]) -> bool:
        """It keeps no offsets: any may be changed."""
        return True


def _second() -> int:
    return int(time.monotonic())
