"""Creates the topics that a source's records go to, where its config says how (`topic.creation.*`); and a dead letter topic.

Without such keys a missing topic is left to the broker's auto-creation, as in Kafka Connect. The admin client is made only when
a topic is missing, and let go again: most tasks never need one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastconnect.config.topic_creation import TopicCreation
from fastconnect.errors import ConnectError, RetriableError, SendError
from fastconnect.logs import facts

logger = logging.getLogger(__name__)

REQUEST_S = 30.0


def create_topic(
    admin_properties: Mapping[str, str],
    name: str,
    partitions: int,
    replication_factor: int,
    settings: Mapping[str, str],
    *,
    replicas_key: str,
) -> bool:
    """Create a topic and wait until the cluster has it; False if it was there already.

    Args:
        partitions, replication_factor: -1 for the broker's own.
        settings: the topic's, such as `retention.ms`.
        replicas_key: the key of the config that the replication factor is from, for an error's hint.
    Raises:
        RetriableError: the cluster did not answer; it may be created later.
        SendError: it refuses to; the reason is in it.
    """
    from confluent_kafka import KafkaException  # most tasks never need it
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

    admin = AdminClient({**admin_properties, "log_level": "2"})
    topic = NewTopic(name, num_partitions=partitions, replication_factor=replication_factor, config=dict(settings))
    try:
        admin.create_topics([topic], operation_timeout=REQUEST_S, request_timeout=REQUEST_S)[name].result()
    except KafkaException as failed:
        error = failed.args[0]
        if error.name() == "TOPIC_ALREADY_EXISTS":
            return False
        raise _refused(name, error, replicas_key) from failed
    except ValueError as error:  # what the client itself does not take: too many replicas for a short, an empty name
        raise SendError(f"topic {name} cannot be created: {error}") from error
    return True


_HINTS = {
    "TOPIC_AUTHORIZATION_FAILED": "allow the task's principal to create it, or create it yourself",
    "CLUSTER_AUTHORIZATION_FAILED": "allow the task's principal to create topics, or create it yourself",
    "INVALID_REPLICATION_FACTOR": "{replicas_key} may not be greater than the number of brokers",
    "INVALID_CONFIG": "correct the topic's settings",
    "POLICY_VIOLATION": "the cluster has a policy for new topics: ask who runs it",
}
_NOT_NOW = ("_TIMED_OUT", "_TRANSPORT", "_ALL_BROKERS_DOWN", "REQUEST_TIMED_OUT", "NOT_CONTROLLER")


def _refused(name: str, error: Any, replicas_key: str) -> ConnectError:
    reason = error.str() or error.name()
    if error.retriable() or error.name() in _NOT_NOW:
        return RetriableError(f"topic {name} is not created yet: {reason}")
    hint = _HINTS.get(error.name())
    return SendError(f"topic {name} cannot be created: {reason}", hint=hint and hint.format(replicas_key=replicas_key))


class TopicCreator:
    """Creates missing topics as the first group says whose patterns match their names."""

    def __init__(self, creation: TopicCreation, admin_properties: Mapping[str, str]) -> None:
        self.creation = creation
        self._admin_properties = admin_properties
        self._known: set[str] = set()

    def create(self, name: str) -> None:
        """Create a topic that is missing; once, for a new topic takes its time to be known everywhere.

        Raises:
            RetriableError: not just now.
            SendError: the cluster refuses to.
        """
        if name in self._known:
            return
        group = self.creation.group_of(name)
        about = facts(topic=name, group=group.name, partitions=group.partitions, replication_factor=group.replication_factor)
        try:
            created = create_topic(
                self._admin_properties,
                name,
                group.partitions,
                group.replication_factor,
                group.settings,
                replicas_key=f"topic.creation.{group.name}.replication.factor",
            )
        except RetriableError:
            raise
        except ConnectError as error:
            raise SendError(
                f"Task failed to create new topic {name} with the group {group.name} of topic.creation: {error.message}",
                hint=error.hint or "see to it that the task may create topics, or that the topic exists",
            ) from error
        self._known.add(name)
        logger.info("Created a topic." if created else "Found the topic that was to be created.", extra=about)
