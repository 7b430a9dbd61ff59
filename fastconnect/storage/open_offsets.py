"""Opens the store of source offsets that a worker's configuration asks for: a SQLite file, or topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastconnect.storage.stores import OffsetStore


class OffsetStorage(Protocol):
    """Which one that is; see `config.offset_storage`, which is one."""

    @property
    def file(self) -> str:
        """The SQLite file, where there is no topic."""

    @property
    def write_timeout_ms(self) -> int:
        """How long a write may take."""

    @property
    def topic(self) -> str | None:
        """The topic of the workers."""

    @property
    def client(self) -> Mapping[str, str]:
        """librdkafka's properties for it."""

    @property
    def own_topic(self) -> str | None:
        """A topic of the connector's own, beside that of the workers; made if it is missing."""

    @property
    def own_client(self) -> Mapping[str, str]:
        """librdkafka's properties for it."""

    @property
    def own_partitions(self) -> int:
        """How many partitions it gets."""

    @property
    def own_replicas(self) -> int:
        """How many replicas it gets."""

    @property
    def own_settings(self) -> Mapping[str, str]:
        """Its further settings."""


def open_offset_store(storage: OffsetStorage, connector: str | None = None) -> OffsetStore:
    """Open it; in the process that uses it, after the fork.

    Args:
        connector: the one whose offsets are wanted; None for all.
    Raises:
        OffsetStoreError: the file cannot be opened. A topic is looked at only when it is read or written.
        StoreError: no broker answers, to make the connector's own topic.
        ConfigError: this topic is missing and cannot be made, or is not compacted.
    """
    if storage.topic is None:
        from fastconnect.storage.sqlite import SqliteOffsetStore

        return SqliteOffsetStore(storage.file)
    from fastconnect.storage.kafka_offsets import KafkaOffsetStore, OffsetTopic

    timeout_ms = storage.write_timeout_ms
    topic = OffsetTopic(storage.topic, storage.client, only=connector, write_timeout_ms=timeout_ms)
    if storage.own_topic is None:
        return KafkaOffsetStore(topic)
    from fastconnect.storage.internal_topics import InternalTopic, prepare

    wanted = InternalTopic(
        name=storage.own_topic,
        key="offsets.storage.topic",
        replicas_key="offset.storage.replication.factor",
        partitions=storage.own_partitions,
        replicas=storage.own_replicas,
        settings=storage.own_settings,
    )
    prepare([wanted], storage.own_client)
    return KafkaOffsetStore(
        topic, OffsetTopic(storage.own_topic, storage.own_client, only=connector, write_timeout_ms=timeout_ms)
    )
