"""The offsets of a sink connector: what its consumer group has committed. All of it may block: call it in the pool."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from fastconnect.api.sink_records import TopicPartition
from fastconnect.config.providers import Providers
from fastconnect.config.task_clients import connection_properties, consumer_properties, group_of
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError
from fastconnect.herder.answers import ConnectorOffset
from fastconnect.herder.refusals import RequestRefusedError

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

Properties: TypeAlias = Mapping[str, str | None]
Positions: TypeAlias = dict[TopicPartition, int | None]

ANSWER_WITHIN_S = 30.0

_MEMBERS = ("UNKNOWN_MEMBER_ID", "NON_EMPTY_GROUP", "GROUP_SUBSCRIBED_TO_TOPIC", "REBALANCE_IN_PROGRESS")
"""What brokers answer while the group still has members."""

_NOT_EMPTY = (
    "either because its tasks haven't stopped completely yet or the connector was resumed before the request to {} its offsets "
    "could be successfully completed. If the connector is in a stopped state, this operation can be safely retried. If it "
    "doesn't eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks."
)


def group_offsets_of(worker: WorkerConfig, name: str, config: Properties) -> GroupOffsets:
    """The group of a sink connector, at the Kafka where its consumers are.

    Raises:
        ConfigError: the settings of its consumers cannot be used.
    """
    worker = worker.resolved()
    config = Providers.of(worker.originals).resolve(config, f"connector {name}")
    properties = connection_properties(consumer_properties(worker, config, name, 0))
    return GroupOffsets(name, group_of(name, config), {**properties, "client.id": "connector-adminclient"})


class GroupOffsets:
    """The committed offsets of a connector's group.

    Args:
        connector: the connector's name, for what is said about it.
        group: the group's id.
        properties: librdkafka's, to reach the cluster.
    """

    def __init__(self, connector: str, group: str, properties: Mapping[str, str]) -> None:
        self._connector = connector
        self._group = group
        self._properties = dict(properties)

    def parse(self, offsets: Sequence[tuple[Any, Any]]) -> Positions:
        """Read partitions and offsets as the REST API has them; the last of the same partition counts.

        Raises:
            RequestRefusedError: with Kafka Connect's words for what is wrong.
        """
        return {_partition(partition): self._offset(offset) for partition, offset in offsets}

    def _offset(self, offset: Any) -> int | None:
        if offset is None:
            return None
        if not isinstance(offset, dict) or "kafka_offset" not in offset:
            why = "The offset for a sink connector should either be null or contain the key 'kafka_offset'"
            raise RequestRefusedError(400, why)
        number = _whole_number(offset["kafka_offset"], "offset", "Offset")
        if number < 0:
            raise RequestRefusedError(400, f"Failed to modify offsets for sink connector {self._connector}")
        return number

    def read(self) -> list[ConnectorOffset]:
        """All committed offsets, as the REST API has them."""
        return [
            ConnectorOffset({"kafka_topic": at.topic, "kafka_partition": at.partition}, {"kafka_offset": offset})
            for at, offset in sorted(self.positions().items())
        ]

    def positions(self) -> dict[TopicPartition, int]:
        """All committed offsets; none if there is no such group.

        Raises:
            RequestRefusedError: the cluster does not answer.
        """
        from fastconnect.herder.group_requests import committed_offsets

        with self._failing(f"Failed to retrieve consumer group offsets for connector {self._connector}"):
            found, error = committed_offsets(self._properties, self._group)
            if error is not None:
                raise _RefusedError(error)
            return found

    def alter(self, wanted: Positions) -> None:
        """Commit these offsets, and forget those that are None.

        Raises:
            RequestRefusedError: the group still has members, or the cluster does not want it.
        """
        from confluent_kafka import ConsumerGroupTopicPartitions
        from confluent_kafka import TopicPartition as KafkaPartition

        kept = [KafkaPartition(at.topic, at.partition, offset) for at, offset in wanted.items() if offset is not None]
        gone = [at for at, offset in wanted.items() if offset is None]
        with self._failing(f"Failed to alter consumer group offsets for connector {self._connector}", doing="alter"):
            if kept:
                request = [ConsumerGroupTopicPartitions(self._group, kept)]
                admin = self._admin()
                answers = admin.alter_consumer_group_offsets(request, request_timeout=ANSWER_WITHIN_S)
                for each in answers[self._group].result().topic_partitions:
                    if each.error is not None:
                        raise _RefusedError(each.error.name())
            if gone:
                from fastconnect.herder.group_requests import forget_offsets

                if (error := forget_offsets(self._properties, self._group, gone)) is not None:
                    raise _RefusedError(error)

    def reset(self) -> None:
        """Forget the whole group; that there is none is just as well.

        Raises:
            RequestRefusedError: the group still has members, or the cluster does not want it.
        """
        from confluent_kafka import KafkaException

        with self._failing(f"Failed to reset consumer group offsets for connector {self._connector}", doing="reset"):
            admin = self._admin()
            answers = admin.delete_consumer_groups([self._group], request_timeout=ANSWER_WITHIN_S)
            try:
                answers[self._group].result()
            except KafkaException as error:
                if error.args[0].name() not in ("GROUP_ID_NOT_FOUND", "INVALID_GROUP_ID"):
                    raise

    def _admin(self) -> AdminClient:
        return _admin_client(tuple(sorted({**self._properties, "log_level": "2"}.items())))

    @contextlib.contextmanager
    def _failing(self, message: str, doing: str = "") -> Iterator[None]:
        """Say in Kafka Connect's words what the cluster refuses."""
        from confluent_kafka import KafkaException

        try:
            yield
        except (_RefusedError, KafkaException) as error:
            name = error.name if isinstance(error, _RefusedError) else error.args[0].name()
            if name == "UNKNOWN_TOPIC_OR_PART":
                raise RequestRefusedError(400, message) from error
            if doing and name in _MEMBERS:
                raise RequestRefusedError(500, f"{message} {_NOT_EMPTY.format(doing)}") from error
            raise ConnectError(f"{message}: {name}") from error


@functools.lru_cache(maxsize=16)
def _admin_client(properties: tuple[tuple[str, str], ...]) -> AdminClient:
    """An admin client, which is kept for the next question: its answers never come once it is let go."""
    from confluent_kafka.admin import AdminClient

    return AdminClient(dict(properties))


class _RefusedError(Exception):
    """The cluster has refused one partition."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _partition(partition: Any) -> TopicPartition:
    if partition is None:
        raise RequestRefusedError(400, "The partition for a sink connector offset cannot be null or missing")
    if not isinstance(partition, dict) or not {"kafka_topic", "kafka_partition"} <= partition.keys():
        why = "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'"
        raise RequestRefusedError(400, why)
    topic = partition["kafka_topic"]
    if topic is None:
        raise RequestRefusedError(400, "Kafka topic names must be valid strings and may not be null")
    if partition["kafka_partition"] is None:
        raise RequestRefusedError(400, "Kafka partitions must be valid numbers and may not be null")
    number = _whole_number(partition["kafka_partition"], "partition", "Partition")
    if not 0 <= number < 1 << 31:
        raise RequestRefusedError(400, f"Kafka partitions must be valid numbers and may not be null, got {number}")
    return TopicPartition(str(topic), number)


def _whole_number(value: Any, what: str, beginning: str) -> int:
    try:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        why = (
            f"Failed to parse the following Kafka {what} value in the provided offsets: '{value}'. "
            f"{beginning} values for sink connectors need to be integers."
        )
        raise RequestRefusedError(400, why) from None
    if not -(1 << 63) <= number < 1 << 63:
        raise RequestRefusedError(400, f"Failed to parse the following Kafka {what} value in the provided offsets: '{value}'.")
    return number
