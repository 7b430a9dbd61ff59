"""NullSink: reads records and forgets them; for finding out how fast everything before the sink is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastconnect.api.config import Config, Meta
from fastconnect.api.connector import SinkConnector
from fastconnect.api.sink_records import SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask


class NullSinkConfig(Config):
    """What is looked at before it is forgotten."""

    read: Annotated[
        Literal["nothing", "raw", "values", "records"],
        Meta(
            description="How far records are taken out of their batch: not at all, their values' bytes, their decoded values, "
            "or each record as an object with all it has."
        ),
    ] = "values"


class NullSinkTask(SinkTask[NullSinkConfig]):
    """Takes anything."""

    def start(self, config: NullSinkConfig) -> None:
        """Keep the settings."""
        self.read = config.read

    def put(self, records: SinkRecords) -> None:
        """Look at the records as far as the settings say."""
        if self.read == "values":
            _ = records.values
        elif self.read == "raw":
            _ = records.raw
        elif self.read == "records":
            for _record in records:
                pass


class NullSink(SinkConnector[NullSinkConfig]):
    """Reads topics and forgets what it reads."""

    task_class = NullSinkTask

    def alter_offsets(self, config: NullSinkConfig, offsets: Sequence[tuple[TopicPartition, int | None]]) -> bool:
        """It keeps no offsets: any may be changed."""
        return True
