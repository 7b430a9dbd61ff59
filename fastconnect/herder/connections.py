"""What connects a worker with the others of its group: topics, membership, requests. Tests put other things in their place."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from fastconnect.config.distributed import DistributedConfig, topic_settings
from fastconnect.config.worker import WorkerConfig
from fastconnect.herder import connect_protocol
from fastconnect.herder.group_client import group_client
from fastconnect.herder.leader_client import http_post
from fastconnect.herder.leases import LeasePage
from fastconnect.herder.membership import GroupMember, MemberListener, MembershipConfig
from fastconnect.herder.observed import Page as ReadPage
from fastconnect.herder.rebalance_times import RebalanceTimes
from fastconnect.states import TaskId
from fastconnect.storage.config_store import ConfigStore
from fastconnect.storage.internal_topics import InternalTopic, prepare
from fastconnect.storage.kafka_configs import KafkaConfigStore
from fastconnect.storage.kafka_statuses import KafkaStatusStore
from fastconnect.storage.status_store import StatusStore


class Page(ReadPage, LeasePage, Protocol):
    """The status page of a task: it is read, and the task's lease is written into it."""


class Pages(Protocol):
    """The shared mapping."""

    def page(self, slot: int, /) -> Page:
        """The status page of a slot."""
        ...


class Member(Protocol):
    """What the herder asks of `membership.GroupMember`."""

    @property
    def generation(self) -> int:
        """The group's generation; -1 if this is no member."""

    @property
    def is_leader(self) -> bool:
        """Whether this worker leads the group."""

    @property
    def leader_url(self) -> str | None:
        """Where the leader listens."""

    @property
    def lease_until_ns(self) -> int:
        """Until when this worker's session lasts for sure."""

    @property
    def protocol(self) -> connect_protocol.Protocol | None:
        """What the group speaks."""

    @property
    def rebalances(self) -> RebalanceTimes:
        """How often the group was rebalanced, and how long that took."""

    @property
    def member_urls(self) -> list[str]:
        """Where all members listen; only the leader knows."""

    def owner_url(self, what: str | TaskId) -> str | None:
        """Where the owner of a connector or task listens; only the leader knows."""

    def request_rejoin(self) -> None:
        """Have the group share its work anew."""

    def start(self) -> None:
        """Begin to join."""

    def leave(self) -> None:
        """Leave the group, at once."""

    def state(self) -> bytes | None:
        """What another process needs to be this member."""

    def restore(self, state: bytes) -> None:
        """Be the member that an earlier process was."""


class Connections(msgspec.Struct, frozen=True):
    """All of it.

    Args:
        configs: the configurations.
        statuses: how all is.
        make_member: makes this worker's membership.
        prepare: sees to it that the topics are there, and as they must be; it blocks.
        post: sends a request to another worker; it blocks.
    """

    configs: ConfigStore
    statuses: StatusStore
    make_member: Callable[[MemberListener], Member]
    prepare: Callable[[], object]
    post: Callable[[str, bytes, Mapping[str, str]], None]


def kafka_connections(
    worker: WorkerConfig, config: DistributedConfig, url: str, make_tls: Callable[[], ssl.SSLContext | None]
) -> Connections:
    """Connect a worker by Kafka's topics and its group coordinator.

    Args:
        url: how other workers reach this one.
        make_tls: makes the context by which this worker trusts others.
    Raises:
        ConfigError: something of the worker's client settings cannot be used.
    """
    worker_id = url.partition("://")[2]
    client = {**config.client, "client.id": config.client.get("client.id") or f"connect-{worker_id}"}
    settings = group_client(client, client["client.id"])
    stores = {**client, "group.id": config.group_id}  # they join no group; this one they have the right to ask for
    configs = KafkaConfigStore(config.config_storage_topic, stores)
    membership = MembershipConfig(
        group_id=config.group_id,
        url=url,
        client=settings,
        protocol=connect_protocol.Protocol.named(config.connect_protocol),
        session_timeout_ms=config.session_timeout_ms,
        heartbeat_interval_ms=config.heartbeat_interval_ms,
        rebalance_timeout_ms=config.rebalance_timeout_ms,
        max_delay_ms=config.scheduled_rebalance_max_delay_ms,
        sync_timeout_ms=config.worker_sync_timeout_ms,
        unsync_backoff_ms=config.worker_unsync_backoff_ms,
    )
    return Connections(
        configs,
        KafkaStatusStore(config.status_storage_topic, stores),
        lambda listener: GroupMember(membership, configs, listener),
        lambda: prepare(_topics(worker, config), client),
        http_post(make_tls),
    )


def _topics(worker: WorkerConfig, config: DistributedConfig) -> list[InternalTopic]:
    return [
        InternalTopic(
            name=config.config_storage_topic,
            key="config.storage.topic",
            partitions=1,
            replicas=config.config_storage_replication_factor,
            settings=topic_settings("config", worker.originals),
            one_partition=True,
        ),
        InternalTopic(
            name=config.offset_storage_topic,
            key="offset.storage.topic",
            partitions=config.offset_storage_partitions,
            replicas=config.offset_storage_replication_factor,
            settings=topic_settings("offset", worker.originals),
        ),
        InternalTopic(
            name=config.status_storage_topic,
            key="status.storage.topic",
            partitions=config.status_storage_partitions,
            replicas=config.status_storage_replication_factor,
            settings=topic_settings("status", worker.originals),
        ),
    ]
