"""The worker's keys that only a member of a group has: which group, where its state is kept, how its members trust each other.

All keys of Kafka Connect are here, with its defaults but for `scheduled.rebalance.max.delay.ms`: tasks that crash are restarted
within their worker here, so a worker that is gone is really gone, and its work is given to the others at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from fastconnect.api.config import Config, Duration, Fault, Meta, field
from fastconnect.config.client import Setting, to_librdkafka
from fastconnect.config.worker import WorkerConfig

_CLIENT = re.compile(
    r"bootstrap\.servers|client\.(id|dns\.lookup)|security\.protocol|sasl\..*|ssl\.(?!client\.auth).*|metadata\.max\.age\.ms"
    r"|request\.timeout\.ms|retry\.backoff\.ms|reconnect\.backoff(\.max)?\.ms|connections\.max\.idle\.ms"
    r"|(send|receive)\.buffer\.bytes|metadata\.recovery\.(strategy|rebootstrap\.trigger\.ms)"
)
"""The settings of the worker's own Kafka clients."""

_REPLICAS = Meta(ge=-1, description="How many replicas the topic gets, if it is made; -1: as the brokers' default has it.")


class DistributedConfig(Config):
    """What a distributed worker needs beside WorkerConfig; `of` reads it of the worker's own config."""

    group_id: Annotated[str, Meta(min_length=1, description="The group of workers; all with the same one share the work.")]
    config_storage_topic: Annotated[
        str, Meta(min_length=1, description="The topic with all configurations: compacted, one partition; made if missing.")
    ]
    offset_storage_topic: Annotated[
        str, Meta(min_length=1, description="The topic with the offsets of all sources: compacted; made if missing.")
    ]
    status_storage_topic: Annotated[
        str, Meta(min_length=1, description="The topic with how all connectors and tasks are: compacted; made if missing.")
    ]
    config_storage_replication_factor: Annotated[int, _REPLICAS] = 3
    offset_storage_replication_factor: Annotated[int, _REPLICAS] = 3
    offset_storage_partitions: Annotated[
        int, Meta(ge=-1, description="How many partitions the topic gets, if it is made; -1: as the brokers' default has it.")
    ] = 25
    status_storage_replication_factor: Annotated[int, _REPLICAS] = 3
    status_storage_partitions: Annotated[
        int, Meta(ge=-1, description="How many partitions the topic gets, if it is made; -1: as the brokers' default has it.")
    ] = 5

    session_timeout_ms: Annotated[
        Duration, Meta(ge=3_000, description="A worker that is not heard of for so long is gone: the others get its work.")
    ] = 10_000
    heartbeat_interval_ms: Annotated[
        Duration,
        Meta(
            ge=100,
            description="How often a worker tells the group that it is there, well below the session; at least once a second "
            "in any case. Without a coordinator for so long it stops its work.",
        ),
    ] = 3_000
    rebalance_timeout_ms: Annotated[
        Duration, Meta(ge=1, description="How long a worker may take to stop what it has to hand over, before it is left out.")
    ] = 60_000
    scheduled_rebalance_max_delay_ms: Annotated[
        Duration,
        Meta(
            ge=0,
            description="How long the work of a worker that is gone waits for it to come back. 0: the others get it at once. "
            "Kafka Connect's default is five minutes.",
        ),
    ] = 0
    worker_sync_timeout_ms: Annotated[
        Duration, Meta(ge=0, description="How long a worker may take to read as far in the config topic as the others have.")
    ] = 3_000
    worker_unsync_backoff_ms: Annotated[
        Duration, Meta(ge=0, description="How long a worker that could not stays out of the group at most.")
    ] = 300_000
    connect_protocol: Annotated[
        Literal["sessioned", "compatible", "eager"],
        Meta(
            description="How the workers talk: `sessioned` signs what they send each other; `compatible` does not; `eager` is "
            "for groups with very old workers, where every change stops everything."
        ),
    ] = "sessioned"

    inter_worker_key_generation_algorithm: Annotated[
        str, Meta(min_length=1, description="For which algorithm the key is made with which workers sign requests.")
    ] = "HmacSHA256"
    inter_worker_key_size: Annotated[
        int | None, Meta(ge=8, description="The size of this key, in bits; by default what fits the algorithm.")
    ] = None
    inter_worker_key_ttl_ms: Annotated[
        Duration, Meta(ge=1, description="How long such a key is used before the leader makes another.")
    ] = 3_600_000
    inter_worker_signature_algorithm: Annotated[
        str, Meta(min_length=1, description="With which algorithm this worker signs its requests to others.")
    ] = "HmacSHA256"
    inter_worker_verification_algorithms: Annotated[
        list[str], Meta(description="With which algorithms others may have signed theirs.")
    ] = field(default_factory=lambda: ["HmacSHA256"])

    _client: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, worker: WorkerConfig) -> Self:
        """Read the keys of a distributed worker, variables of config providers replaced.

        Raises:
            ConfigError: with everything that is wrong with them, also with the settings of the worker's own Kafka clients.
        """
        worker = worker.resolved()
        return cls.parse(worker.originals, where="worker config")

    @classmethod
    def _read(cls, props: Mapping[str, str | None]) -> tuple[Self | None, list[Fault]]:
        config, faults = super()._read(props)
        given = [Setting(key, key, value) for key, value in props.items() if value is not None and _CLIENT.fullmatch(key)]
        found = to_librdkafka(given, {})
        faults += found.faults
        return (None if config is None else config.replace(_client=found.properties)), faults

    def check(self) -> Iterable[Fault]:
        """Topics and times that cannot go together."""
        topics = (self.config_storage_topic, self.offset_storage_topic, self.status_storage_topic)
        if len(set(topics)) < len(topics):
            yield Fault("config.storage.topic", "configurations, offsets and statuses need a topic each, of another name")
        if self.heartbeat_interval_ms >= self.session_timeout_ms:
            yield Fault("heartbeat.interval.ms", "must be less than session.timeout.ms, and should be a third of it at most")
        algorithm = self.inter_worker_signature_algorithm
        if algorithm.lower() not in (each.lower() for each in self.inter_worker_verification_algorithms):
            yield Fault(
                "inter.worker.signature.algorithm", f"{algorithm} must be one of inter.worker.verification.algorithms, too"
            )

    @property
    def client(self) -> dict[str, str]:
        """librdkafka's properties for the worker's own clients: servers, security, timeouts; they may hold passwords."""
        return self._client


def topic_settings(kind: Literal["config", "offset", "status"], originals: Mapping[str, str]) -> dict[str, str]:
    """What a worker file says of one of the group's topics itself, such as `offset.storage.retention.ms`: for its making."""
    prefix = f"{kind}.storage."
    given = {key[len(prefix) :]: value for key, value in originals.items() if key.startswith(prefix)}
    found = {name: value for name, value in given.items() if name not in _NOT_OF_TOPICS}
    return {**_OFTEN_WRITTEN, **found} if kind == "offset" else found


_OFTEN_WRITTEN = {"segment.bytes": "1048576"}
"""Brokers compact only what is in full segments, by default 1 GiB each. Every source writes here once a second, and every task
reads the whole topic at its start: of 200 sources it would soon have millions of records, of which 200 count."""

_NOT_OF_TOPICS = ("topic", "replication.factor", "partitions", "cleanup.policy", "file.filename")
