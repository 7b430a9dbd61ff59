"""Creates the topics that a group of workers keeps its state in, or sees that they are fit for it.

A topic that forgets by age instead of by key loses configurations and offsets without a sound, and a config topic with
several partitions gives every worker another order of events: a worker refuses to start on either. Source: Kafka Connect's
TopicAdmin, KafkaTopicBasedBackingStore and KafkaConfigBackingStore.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fastconnect.errors import ConfigError, ConnectError, StoreError
from fastconnect.storage.topic_client import COMMON, Client, Complaints, without_group, words_of

logger = logging.getLogger(__name__)

_COMPACT = "compact"
_POLICY = "cleanup.policy"
_TURN_S = 0.05


class InternalTopic(msgspec.Struct, frozen=True, kw_only=True):
    """One of the topics: what it is to be if it is not there yet.

    Args:
        key: the worker's key that names it, for errors: `offset.storage.topic`.
        replicas: how many, -1 for the broker's default.
        replicas_key: the worker's key for that; by default the one beside `key`.
        settings: the topic's own, without `cleanup.policy`, which is always `compact`.
    """

    name: str
    key: str
    partitions: int = 1
    replicas: int = 3
    replicas_key: str = ""
    settings: Mapping[str, str] = msgspec.field(default_factory=dict)
    one_partition: bool = False
    """Whether it may have no more than one."""


def prepare(topics: Iterable[InternalTopic], client: Client, *, timeout_ms: int = 60_000) -> list[str]:
    """Create those that are missing, and check those that are there; return the names of the created ones.

    Args:
        client: librdkafka's properties for the admin client.
        timeout_ms: how long the brokers may take, all in all.
    Raises:
        StoreError: no broker answers.
        ConfigError: a topic is missing and cannot be created, or is not as it must be.
    """
    return _Preparation(client, timeout_ms).of(list(topics))


class _Preparation:
    def __init__(self, client: Client, timeout_ms: int) -> None:
        from confluent_kafka.admin import AdminClient

        self._complaints = Complaints()
        self._admin = AdminClient({**COMMON, **without_group(client), "error_cb": self._complaints})  # type: ignore[dict-item]
        self._deadline = time.monotonic() + timeout_ms / 1000

    def of(self, topics: list[InternalTopic]) -> list[str]:
        created = []
        for topic in topics:
            partitions = self._partitions(topic.name)
            if not partitions:
                if self._create(topic):
                    created.append(topic.name)
                partitions = self._appear(topic)
            if topic.one_partition and partitions != 1:
                raise ConfigError(
                    f"the topic {topic.name} has {partitions} partitions, but must have one, so that all workers see the same "
                    "order of changes",
                    where=topic.key,
                    hint="name another topic; a missing one is created",
                )
            self._check_policy(topic)
        return created

    def _partitions(self, name: str) -> int:
        """How many a topic has; 0 if there is no such topic."""
        from confluent_kafka import KafkaException

        while True:
            try:
                # All topics are asked for: asking for one would have some brokers create it, not compacted.
                found = self._admin.list_topics(timeout=max(0.1, min(1.0, self._left())))
            except KafkaException as error:
                self._wait(words_of(error.args[0], self._complaints)[0])
                continue
            topic = found.topics.get(name)
            if topic is None or not topic.partitions:
                return 0
            if all(partition.leader >= 0 for partition in topic.partitions.values()):
                return len(topic.partitions)
            self._wait(f"topic {name} has partitions without a leader")

    def _create(self, topic: InternalTopic) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

        config = {**topic.settings, _POLICY: _COMPACT}
        while True:
            new = NewTopic(topic.name, topic.partitions, topic.replicas, config=config)
            try:
                self._admin.create_topics([new], operation_timeout=10.0, request_timeout=10.0)[topic.name].result()
            except KafkaException as failed:
                error = failed.args[0]
                if error.name() == "TOPIC_ALREADY_EXISTS":  # another worker was first
                    return False
                if error.name() in _NOT_NOW:
                    self._wait(error.str())
                    continue
                raise self._refused(topic, error) from failed
            except ValueError as refused:  # what the client itself does not take
                raise ConfigError(f"topic {topic.name} cannot be created: {refused}", where=topic.key) from refused
            logger.info(
                "Created a topic.",
                extra={"facts": {"topic": topic.name, "partitions": topic.partitions, "replicas": topic.replicas}},
            )
            return True

    def _refused(self, topic: InternalTopic, error: Any) -> ConnectError:
        replicas_key = topic.replicas_key or topic.key.removesuffix("topic") + "replication.factor"
        reason, hint = error.str() or error.name(), _HINTS.get(error.name())
        if error.name() == "INVALID_REPLICATION_FACTOR":
            brokers = len(self._admin.list_topics(timeout=5.0).brokers)
            reason = f"it is to have {topic.replicas} replicas, and the cluster has {brokers} broker{'s' * (brokers != 1)}"
            hint = f"set {replicas_key} to {brokers} at most, or to -1 for the broker's default"
        return ConfigError(f"the topic {topic.name} is missing and cannot be created: {reason}", where=topic.key, hint=hint)

    def _appear(self, topic: InternalTopic) -> int:
        """Wait until every broker that is asked knows of it."""
        while not (partitions := self._partitions(topic.name)):
            self._wait(f"topic {topic.name} was created and is not there yet")
        return partitions

    def _check_policy(self, topic: InternalTopic) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

        resource = ConfigResource(ResourceType.TOPIC, topic.name)
        while True:
            try:
                found = self._admin.describe_configs([resource], request_timeout=10.0)[resource].result()
                break
            except KafkaException as failed:
                error = failed.args[0]
                if error.name() in _NOT_NOW or error.name() == "UNKNOWN_TOPIC_OR_PART":
                    self._wait(error.str())
                    continue
                # As Kafka Connect: who may not look must trust. The topic itself can be read and written, or the start fails.
                logger.warning("Whether topic %s is compacted cannot be seen: %s", topic.name, error.str())
                return
        policy = found[_POLICY].value if _POLICY in found else _COMPACT
        if policy != _COMPACT:
            raise ConfigError(
                f"the topic {topic.name} has {_POLICY}={policy}, but must have {_POLICY}={_COMPACT}: otherwise it would forget "
                "what is kept in it",
                where=topic.key,
                hint=f"name another topic, or set the {_POLICY} of this one",
            )

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _wait(self, why: str) -> None:
        """Wait a little; not beyond the deadline, and not for a broker that lets nobody in."""
        with contextlib.suppress(Exception):
            self._admin.poll(0)
        refusal = self._complaints.refusal
        if refusal is not None or self._left() <= 0:
            reason, hint = words_of(refusal, self._complaints)
            raise StoreError(f"the topics of the workers cannot be prepared: {reason if refusal else why}", hint=hint)
        time.sleep(_TURN_S)


_NOT_NOW = (
    "_TIMED_OUT",
    "_TRANSPORT",
    "_ALL_BROKERS_DOWN",
    "REQUEST_TIMED_OUT",
    "NOT_CONTROLLER",
    "COORDINATOR_LOAD_IN_PROGRESS",
)
_HINTS = {
    "TOPIC_AUTHORIZATION_FAILED": "allow the worker's user to create it, or create it yourself: compacted",
    "CLUSTER_AUTHORIZATION_FAILED": "allow the worker's user to create topics, or create it yourself: compacted",
    "INVALID_CONFIG": "correct its settings, which are the keys beginning like the one that names it",
    "POLICY_VIOLATION": "the cluster has a policy for new topics: ask who runs it, or create it yourself: compacted",
}
