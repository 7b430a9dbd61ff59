r"""The bytes of the records in Kafka Connect's internal topics: the same as Kafka Connect writes them.

    config topic   connector-<c>                         {"properties":{<key>:<text or null>, ...}}     null: deleted
                   task-<c>-<n>                          {"properties":{...}}
                   commit-<c>                            {"tasks":<n>}
                   target-state-<c>                      {"state":"PAUSED","state.v2":"STOPPED"}        null: with the connector
                   tasks-fencing-<c>                     {"task-count":<n>}
                   restart-connector-<c>                 {"include-tasks":true,"only-failed":false}
                   session-key                           {"key":<base64>,"algorithm":"HmacSHA256","creation-timestamp":<ms>}
                   logger-cluster-<logger>               {"level":"DEBUG"}
    status topic   status-connector-<c>                  {"state":..,"trace":..,"worker_id":..,"generation":..,"version":..}
                   status-task-<c>-<n>                   the same; null: forgotten
                   status-topic-<topic>:connector-<c>    {"topic":{"name":..,"connector":..,"task":<n>,"discoverTimestamp":..}}
    offset topic   ["<c>",{<partition>}]                 {<offset>}                                     null: forgotten

A name may hold hyphens: a task's number is what stands behind the last one. JSON is as Jackson writes it: no spaces, escaped
control characters in capitals (`\u001F`), characters beyond 16 bits as two escapes (`\uD83D\uDE00`), floats as in Java.
Keys count by their bytes, so all of this matters. Source: Kafka Connect's KafkaConfigBackingStore, KafkaStatusBackingStore,
OffsetStorageWriter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from fastconnect.api.record import Partition
from fastconnect.states import TargetState, TaskId
from fastconnect.storage.config_store import Properties, SessionKey
from fastconnect.storage.status_store import StoredStatus, StoredTopic
from fastconnect.storage.topic_table import MeaninglessError

SESSION_KEY = b"session-key"

T = TypeVar("T")

_ESCAPE = re.compile(rb"\\u00[0-9a-f]{2}|\\.|[\xf0-\xf4][\x80-\xbf]{3}", re.DOTALL)


def connector_key(name: str) -> bytes:
    """The key of a connector's configuration."""
    return f"connector-{name}".encode()


def task_key(name: str, number: int) -> bytes:
    """The key of a task's configuration."""
    return f"task-{name}-{number}".encode()


def commit_key(name: str) -> bytes:
    """The key of how many tasks there are, written behind their configurations."""
    return f"commit-{name}".encode()


def target_key(name: str) -> bytes:
    """The key of what a connector is to be."""
    return f"target-state-{name}".encode()


def fencing_key(name: str) -> bytes:
    """The key of for how many tasks the producers of earlier ones were fenced."""
    return f"tasks-fencing-{name}".encode()


def restart_key(name: str) -> bytes:
    """The key of a request to restart a connector."""
    return f"restart-connector-{name}".encode()


def logger_key(logger: str) -> bytes:
    """The key of a logger's level on every worker."""
    return f"logger-cluster-{logger}".encode()


def status_key(of: str | TaskId) -> bytes:
    """The key of the status of a connector or a task."""
    if isinstance(of, str):
        return f"status-connector-{of}".encode()
    return f"status-task-{of.connector}-{of.task}".encode()


def topic_key(topic: str, connector: str) -> bytes:
    """The key of that a connector uses a topic."""
    return f"status-topic-{topic}:connector-{connector}".encode()


def offset_key(connector: str, partition: Partition) -> bytes:
    """The key of a source offset, with the partition's keys in the order they have."""
    return encode([connector, partition])


def properties(config: Properties) -> bytes:
    """The configuration of a connector or a task."""
    return encode({"properties": dict(config)})


def commit(count: int) -> bytes:
    """How many tasks there are."""
    return encode({"tasks": count})


def target(target: TargetState) -> bytes:
    """What a connector is to be; for workers that know no STOPPED, that is PAUSED."""
    old = TargetState.PAUSED if target is TargetState.STOPPED else target
    return encode({"state": old.name, "state.v2": target.name})


def fencing(count: int) -> bytes:
    """For how many tasks the producers of earlier ones were fenced."""
    return encode({"task-count": count})


def restart(*, only_failed: bool, include_tasks: bool) -> bytes:
    """What of a connector to restart."""
    return encode({"include-tasks": include_tasks, "only-failed": only_failed})


def session_key(key: SessionKey) -> bytes:
    """The workers' key."""
    return encode({"key": key.key, "algorithm": key.algorithm, "creation-timestamp": key.created_ms})


def logger_level(level: str) -> bytes:
    """A logger's level."""
    return encode({"level": level})


def status(status: StoredStatus) -> bytes:
    """How a connector or a task is."""
    return encode(
        {
            "state": status.state,
            "trace": status.trace,
            "worker_id": status.worker_id,
            "generation": status.generation,
            "version": status.version,
        }
    )


def used_topic(topic: StoredTopic) -> bytes:
    """That a connector uses a topic."""
    found = {
        "name": topic.name,
        "connector": topic.connector,
        "task": topic.task,
        "discoverTimestamp": topic.discovered_ms,
    }
    return encode({"topic": found})


def read_status_key(key: str) -> str | TaskId | tuple[str, str] | None:
    """Whose status it is: a connector's, a task's, or that of (connector, topic); None: nobody's that is known here."""
    if name := _behind("status-connector-", key):
        return name
    if task := _behind("status-task-", key):
        return read_task(task)
    if used := _behind("status-topic-", key):
        topic, found, connector = used.partition(":connector-")
        return (connector, topic) if found and topic and connector else None
    return None


def read_task(name: str) -> TaskId | None:
    """The task of a name like `orders-file-3`."""
    connector, _, number = name.rpartition("-")
    # The bound is that of Java's int: a longer row of digits is no number there.
    if not connector or not re.fullmatch(r"[0-9]{1,10}", number) or int(number) > 0x7FFF_FFFF:
        return None
    return TaskId(connector, int(number))


class _Properties(msgspec.Struct):
    properties: dict[str, str | None]


class _Commit(msgspec.Struct):
    tasks: int


class _Target(msgspec.Struct):
    state: Any = None
    state_v2: Any = msgspec.field(default=None, name="state.v2")


class _Fencing(msgspec.Struct):
    task_count: int = msgspec.field(name="task-count")


class Restart(msgspec.Struct, rename="kebab"):
    """A request to restart a connector."""

    only_failed: bool = False
    include_tasks: bool = False


class _SessionKey(msgspec.Struct, rename="kebab"):
    key: bytes
    algorithm: str
    creation_timestamp: int


class _Level(msgspec.Struct):
    level: str


class _Topic(msgspec.Struct, rename="camel"):
    name: str
    connector: str
    task: int
    discover_timestamp: int


class _UsedTopic(msgspec.Struct):
    topic: _Topic


def read_json(value: bytes | None) -> Any:
    """The value of a record of the config or status topic, as JSON without schemas.

    Raises:
        MeaninglessError: it is no JSON.
    """
    if value is None:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, ValueError) as error:
        raise MeaninglessError(f"its value is no JSON: {error}") from error


def read_properties(value: Any) -> dict[str, str | None]:
    """The configuration of a connector or a task."""
    return _as(value, _Properties).properties


def read_commit(value: Any) -> int:
    """How many tasks there are."""
    return _natural(_as(value, _Commit).tasks)


def read_target(value: Any) -> TargetState:
    """What a connector is to be; the newer key counts, if there is sense in it."""
    found = _as(value, _Target)
    for name in (found.state_v2, found.state):
        if isinstance(name, str) and name in TargetState.__members__:
            return TargetState[name]
    raise MeaninglessError("it names no state")


def read_fencing(value: Any) -> int:
    """For how many tasks the producers of earlier ones were fenced."""
    return _natural(_as(value, _Fencing).task_count)


def read_restart(value: Any) -> Restart:
    """What of a connector to restart."""
    return _as(value, Restart)


def read_session_key(value: Any) -> SessionKey:
    """The workers' key."""
    found = _as(value, _SessionKey)
    return SessionKey(found.key, found.algorithm, found.creation_timestamp)


def read_logger_level(value: Any) -> str:
    """A logger's level."""
    return _as(value, _Level).level


def read_status(value: Any) -> StoredStatus:
    """How a connector or a task is."""
    return _as(value, StoredStatus)


def read_used_topic(value: Any) -> StoredTopic:
    """That a connector uses a topic."""
    topic = _as(value, _UsedTopic).topic
    return StoredTopic(topic.name, topic.connector, topic.task, topic.discover_timestamp)


def read_offset_key(key: bytes | None) -> tuple[str, dict[str, Any]]:
    """The connector and the partition of a source offset.

    Raises:
        MeaninglessError: it is something else.
    """
    return _decoded(key, _offset_keys)


def read_offset(value: bytes) -> dict[str, Any]:
    """A source offset.

    Raises:
        MeaninglessError: it is something else.
    """
    return _decoded(value, _offsets)


_offset_keys = msgspec.json.Decoder(tuple[str, dict[str, Any]])
_offsets = msgspec.json.Decoder(dict[str, Any])


def encode(value: Any) -> bytes:
    """JSON as Jackson writes it.

    Raises:
        TypeError: JSON has nothing like it.
    """
    encoded = msgspec.json.encode(_with_java_floats(value))
    if b"\\u00" in encoded or max(encoded) >= 0xF0:
        encoded = _ESCAPE.sub(_as_jackson, encoded)
    return encoded


def _as_jackson(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if text.startswith(b"\\u"):
        return b"\\u" + text[2:].upper()
    if text.startswith(b"\\"):
        return text
    pair = text.decode().encode("utf-16-be")
    return b"\\u%04X\\u%04X" % (int.from_bytes(pair[:2]), int.from_bytes(pair[2:]))


def _with_java_floats(value: Any) -> Any:
    if isinstance(value, float):
        return msgspec.Raw(_java_float(value))
    if isinstance(value, Mapping):
        return {key: _with_java_floats(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_java_floats(each) for each in value]
    return value


def _java_float(value: float) -> bytes:
    """As Double.toString: an exponent only from 10^7 on and below 10^-3, and always a digit behind the point."""
    if not math.isfinite(value):
        return f'"{ {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)] }"'.encode()
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value).encode()
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    power = int(exponent or 0) + len(whole) - 1
    power -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{power}".encode()


def _decoded(text: bytes | None, decoder: msgspec.json.Decoder[T]) -> T:
    if text is None:
        raise MeaninglessError("it has no key")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError) as error:
        raise MeaninglessError(str(error)) from error


def _as(value: Any, type: type[T]) -> T:
    try:
        return msgspec.convert(value, type)
    except msgspec.ValidationError as error:
        raise MeaninglessError(str(error)) from error


def _natural(number: int) -> int:
    if number < 0:
        raise MeaninglessError(f"{number} is no number of tasks")
    return number


def _behind(prefix: str, key: str) -> str:
    return key[len(prefix) :] if key.startswith(prefix) else ""
