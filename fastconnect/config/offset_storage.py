"""Where the source offsets of a worker are kept: a file of its own, or the topic of its group, and a connector's own topic."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fastconnect.config.task_clients import producer_settings
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError


class OffsetStorage(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be opened by `storage.open_offsets`; the clients' properties are librdkafka's and may hold passwords."""

    file: str
    write_timeout_ms: int
    topic: str | None = None
    """None: the file."""
    client: Mapping[str, str] = msgspec.field(default_factory=dict)
    own_topic: str | None = None
    """A topic of the connector's own, beside that of the workers."""
    own_client: Mapping[str, str] = msgspec.field(default_factory=dict)
    own_partitions: int = -1
    own_replicas: int = -1
    own_settings: Mapping[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def of(
        cls, worker: WorkerConfig, connector_config: Mapping[str, str | None] | None = None, *, client_id: str = "fastconnect"
    ) -> OffsetStorage:
        """Find it by the configs, whose variables are replaced.

        Args:
            connector_config: the connector's, if the offsets are wanted of one alone.
        Raises:
            ConfigError: the settings of a client are not usable.
        """
        plain = cls(file=worker.offset_storage_file_filename, write_timeout_ms=worker.offset_flush_timeout_ms)
        if not worker.distributed:
            return plain
        from fastconnect.config.distributed import DistributedConfig, topic_settings

        group = DistributedConfig.of(worker)
        client = {**group.client, "client.id": f"{client_id}-offsets", "group.id": group.group_id}
        found = msgspec.structs.replace(plain, topic=group.offset_storage_topic, client=client)
        own_topic = (connector_config or {}).get("offsets.storage.topic")
        if connector_config is None or not own_topic:
            return found
        own_client = {
            **_own_client(worker, connector_config),
            "client.id": f"{client_id}-own-offsets",
            "group.id": group.group_id,
        }
        if own_topic == found.topic and own_client.get("bootstrap.servers") == client.get("bootstrap.servers"):
            return found
        return msgspec.structs.replace(
            found,
            own_topic=own_topic,
            own_client=own_client,
            own_partitions=group.offset_storage_partitions,
            own_replicas=group.offset_storage_replication_factor,
            # As in Kafka Connect it is made like that of the workers.
            own_settings=topic_settings("offset", worker.originals),
        )


def _own_client(worker: WorkerConfig, config: Mapping[str, str | None]) -> dict[str, str]:
    """The connector's topic is where its records go: on the cluster of its producers, and by their rights."""
    found = producer_settings(worker, config, "any", 0)
    if found.faults:
        raise ConfigError("the producer's settings are not usable", faults=found.faults)
    return {name: value for name, value in found.properties.items() if name.startswith(_CONNECTION)}


_CONNECTION = ("bootstrap.servers", "security.protocol", "sasl.", "ssl.", "client.dns.lookup", "socket.", "reconnect.")
