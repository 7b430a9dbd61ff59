"""Topics of the pipelines: filled with what goes in, and read as plain data that JSON can keep."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compat.pipelines.cases import PIPELINES, Message, Pipeline
from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

WAIT_S = 60.0
KINDS = {TIMESTAMP_CREATE_TIME: "CreateTime"}


def plain(data: bytes | str | None) -> Any:
    """Bytes as text where they are UTF-8, else as base64."""
    if data is None:
        return None
    raw = data.encode() if isinstance(data, str) else data
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


class PipelineTopics:
    """All the topics of some pipelines, on one broker."""

    def __init__(self, bootstrap: str, pipelines: Sequence[Pipeline] = PIPELINES) -> None:
        self._bootstrap = bootstrap
        self._pipelines = pipelines
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
        self.outputs = {topic: each for each in pipelines for topic in each.output_topics()}

    def make(self) -> None:
        """Create them, so that the number of their partitions is known, and fill those that sinks read."""
        partitions = {topic: each.partitions for topic, each in self.outputs.items()}
        partitions |= {topic: 1 for each in self._pipelines for topic in each.input_topics()}
        made = self._admin.create_topics([NewTopic(topic, count, 1) for topic, count in partitions.items()])
        for future in made.values():
            future.result()
        producer = Producer({"bootstrap.servers": self._bootstrap, "max.in.flight": 1})
        for pipeline in self._pipelines:
            for message in pipeline.messages:
                _send(producer, pipeline, message)
        assert producer.flush(WAIT_S) == 0, "the input does not go out"

    def counts(self) -> dict[str, int]:
        """How many records are in each topic that is written to."""
        with _consumer(self._bootstrap) as consumer:
            return {
                topic: sum(_end(consumer, topic, partition) for partition in range(each.partitions))
                for topic, each in self.outputs.items()
            }

    def read(self, topic: str) -> list[Mapping[str, Any]]:
        """The records of a topic, partition by partition."""
        with _consumer(self._bootstrap) as consumer:
            partitions = range(self.outputs[topic].partitions)
            found = [each for partition in partitions for each in _read(consumer, topic, partition)]
        return [_facts(message, with_timestamp=not self.outputs[topic].is_source) for message in found]


class _consumer:  # noqa: N801 - a `with` block
    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "pipelines", "enable.auto.commit": False, "log_level": 2,
             "fetch.wait.max.ms": 20}
        )  # fmt: skip

    def __enter__(self) -> Consumer:
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def _send(producer: Producer, pipeline: Pipeline, message: Message) -> None:
    producer.produce(
        pipeline.filled(message.topic, ""),
        key=message.key,
        value=message.value,
        headers=list(message.headers),
        timestamp=message.timestamp,
        partition=0,
    )


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1])
        except KafkaException:  # a new topic's leader is not there at once
            if time.monotonic() > deadline:
                raise


def _read(consumer: Consumer, topic: str, partition: int) -> Iterable[Any]:
    end = _end(consumer, topic, partition)
    found: list[Any] = []
    consumer.assign([TopicPartition(topic, partition, 0)])
    deadline = time.monotonic() + WAIT_S
    while len(found) < end:
        assert time.monotonic() < deadline, f"topic {topic} has {end} records, but only {len(found)} come"
        for message in consumer.consume(1000, timeout=0.1):
            if message.error() is not None:
                raise KafkaException(message.error())
            found.append(message)
    return found


def _facts(message: Any, with_timestamp: bool) -> Mapping[str, Any]:
    kind, timestamp = message.timestamp()
    facts = {
        "partition": message.partition(),
        "key": plain(message.key()),
        "value": plain(message.value()),
        "headers": [[name, plain(value)] for name, value in message.headers() or []],
        "timestamp_type": KINDS.get(kind, str(kind)),
    }
    # A source's lines have the time at which they were read; a dead letter has that of the record it was.
    return {**facts, "timestamp": timestamp} if with_timestamp else facts
