"""What the Kafka clients of the stores share: their properties, and how what brokers say becomes an error of ours."""

from __future__ import annotations

import time
from collections.abc import Mapping

from confluent_kafka import KafkaError, Message

from fastconnect.errors import StoreError

Client = Mapping[str, str]
"""librdkafka's properties that all clients have: servers, security, timeouts; they may hold passwords."""

COMMON = {
    # Kafka Connect waits this long at most before it tries a broker again; librdkafka would wait ten times as long.
    "reconnect.backoff.max.ms": "1000",
    "log_level": "2",
}
"""Before a client's own properties. What librdkafka would log comes back as errors, which are told in our words."""

_CHECK_SERVERS = "look at bootstrap.servers, and whether the broker is up"
_CREATE = "create it, compacted, or let a worker create it at its start"
_REFUSALS = {
    KafkaError._AUTHENTICATION: "look at the worker's sasl.* settings",
    KafkaError._SSL: "look at the worker's ssl.* settings",
}
_FINAL = {
    **_REFUSALS,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "give this worker's user the right to read and write it",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "give this worker's user the right to read and write it",
    KafkaError.UNKNOWN_TOPIC_OR_PART: _CREATE,
    KafkaError._UNKNOWN_TOPIC: _CREATE,
}
_NO_BROKER = {
    KafkaError._ALL_BROKERS_DOWN: _CHECK_SERVERS,
    KafkaError._TRANSPORT: _CHECK_SERVERS,
    KafkaError._TIMED_OUT: _CHECK_SERVERS,
    KafkaError._MSG_TIMED_OUT: "look at bootstrap.servers, and whether enough replicas are in sync",
}
_HINTS = {
    **_FINAL,
    **_NO_BROKER,
    KafkaError.MSG_SIZE_TOO_LARGE: "raise the topic's max.message.bytes, and this client's message.max.bytes",
}
_FRESH_S = 30.0


class Complaints:
    """A client's `error_cb`: remembers why it does not reach a broker, which the errors of its calls do not say."""

    def __init__(self) -> None:
        self.refusal: KafkaError | None = None
        """By this a broker let us not in: waiting does not help."""
        self._last: tuple[float, str] | None = None

    def __call__(self, error: KafkaError) -> None:
        """Called by librdkafka, while its client is asked for something else."""
        if error.code() in _REFUSALS:
            self.refusal = error
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # that comes behind the one that says why
            self._last = (time.monotonic(), error.str())

    @property
    def last(self) -> str | None:
        """The last reason, if it is not old."""
        return None if self._last is None or time.monotonic() - self._last[0] > _FRESH_S else self._last[1]


def is_final(error: KafkaError) -> bool:
    """Whether trying again within a call does not help."""
    return error.code() in _FINAL


def words_of(error: KafkaError | None, complaints: Complaints | None = None) -> tuple[str, str | None]:
    """What an error says, as precisely as is known, and what to do about it."""
    if error is None:
        return (complaints and complaints.last) or "no answer within the time", _CHECK_SERVERS
    if error.code() in _NO_BROKER and complaints is not None and complaints.last:
        return f"{error.str()}: {complaints.last}", _HINTS[error.code()]
    return error.str(), _HINTS.get(error.code())


def refused(
    kind: type[StoreError], what: str, topic: str, error: KafkaError | None, complaints: Complaints | None = None
) -> StoreError:
    """The error to raise where a topic cannot be `read` or `written`; None: it took too long."""
    reason, hint = words_of(error, complaints)
    return kind(f"it cannot be {what}: {reason}", where=f"topic {topic}", hint=hint)


def without_group(client: Client) -> dict[str, str]:
    """The same properties for a client that reads nothing."""
    return {name: value for name, value in client.items() if name != "group.id"}


def place(message: Message) -> tuple[int, int]:
    """Partition and offset of a message that is in the topic."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset
