"""fastconnect: Kafka Connect without the JVM.

All that a plugin author imports is here:

    from fastconnect import Config, SourceConnector, SourceRecord, SourceTask
"""

from __future__ import annotations

from fastconnect import librdkafka as _librdkafka  # before anything imports _core: it binds to this library
from fastconnect.api.config import Bytes, Config, Duration, Meta, Regex, Secret, Topic, field
from fastconnect.api.connector import SinkConnector, SourceConnector
from fastconnect.api.functions import record, sink, source
from fastconnect.api.record import END, ByteOffsets, CountOffsets, Polled, RecordBatch, RecordMetadata, SourceRecord
from fastconnect.api.sink_records import SinkRecord, SinkRecords, TopicPartition
from fastconnect.api.task import SinkTask, SourceTask
from fastconnect.errors import ConfigError, ConnectError, DataError, Fault, FunctionError, RetriableError

__all__ = [
    "END",
    "ByteOffsets",
    "Bytes",
    "Config",
    "ConfigError",
    "ConnectError",
    "CountOffsets",
    "DataError",
    "Duration",
    "Fault",
    "FunctionError",
    "Meta",
    "Polled",
    "RecordBatch",
    "RecordMetadata",
    "Regex",
    "RetriableError",
    "Secret",
    "SinkConnector",
    "SinkRecord",
    "SinkRecords",
    "SinkTask",
    "SourceConnector",
    "SourceRecord",
    "SourceTask",
    "Topic",
    "TopicPartition",
    "field",
    "record",
    "sink",
    "source",
]

del _librdkafka


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # only here: it costs as much as all of the rest

        return version("fastconnect-kafka")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
