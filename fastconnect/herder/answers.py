"""What a herder answers about connectors, tasks, offsets and plugins: the JSON of Kafka Connect's REST API, as typed data.

A field that Kafka Connect leaves out when it is null is left out here too (`msgspec.UNSET`).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from fastconnect.states import TaskId

ConnectorType: TypeAlias = Literal["source", "sink", "unknown"]
PluginType: TypeAlias = Literal["sink", "source", "transformation", "predicate", "converter", "header_converter"]


class ServerInfo(msgspec.Struct, frozen=True):
    """`GET /`."""

    version: str
    commit: str
    kafka_cluster_id: str


class Health(msgspec.Struct, frozen=True):
    """`GET /health`; answered with 200, 503 or 500."""

    status: Literal["healthy", "starting", "unhealthy"]
    message: str


class ConnectorDescription(msgspec.Struct, frozen=True):
    """A connector's configuration, as it was given, and its tasks."""

    name: str
    config: dict[str, str | None]
    tasks: list[TaskId]
    type: ConnectorType


class RestartInfo(msgspec.Struct, frozen=True):
    """What is done about a failure, which Kafka Connect has not: beside the state only where there is something to say."""

    attempts: int
    """How often it was started again since it was last healthy."""
    next_start: int | UnsetType = UNSET
    """When it is started next, in milliseconds since the epoch."""


class ConnectorState(msgspec.Struct, frozen=True, kw_only=True):
    """How a connector's own code is: `state` is a name of states.State."""

    state: str
    worker_id: str
    version: str | UnsetType = UNSET
    trace: str | UnsetType = UNSET
    restart: RestartInfo | UnsetType = UNSET


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """How a task is."""

    id: int
    state: str
    worker_id: str
    version: str | UnsetType = UNSET
    trace: str | UnsetType = UNSET
    restart: RestartInfo | UnsetType = UNSET


class ConnectorStatus(msgspec.Struct, frozen=True):
    """A connector and its tasks, sorted by number."""

    name: str
    connector: ConnectorState
    tasks: list[TaskState]
    type: ConnectorType


class TaskDescription(msgspec.Struct, frozen=True):
    """A task and its configuration, variables unresolved."""

    id: TaskId
    config: dict[str, str | None]


class ConnectorOffset(msgspec.Struct, frozen=True):
    """One source partition and its offset; of a sink, a topic's partition and what its group has committed."""

    partition: dict[str, Any]
    offset: dict[str, Any] | None


class PluginDescription(msgspec.Struct, frozen=True, rename={"class_name": "class"}):
    """An installed plugin."""

    class_name: str
    type: PluginType
    version: str | UnsetType = UNSET


class LoggerLevel(msgspec.Struct, frozen=True):
    """The level of a logger, in the names of Kafka Connect, and when it was set, in milliseconds since the epoch."""

    level: str
    last_modified: int | None = None


class RestartRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What of a connector is to be restarted (KIP-745)."""

    connector: str
    only_failed: bool = False
    include_tasks: bool = False


class Signature(msgspec.Struct, frozen=True):
    """What comes with an internal request: the raw body that is signed, and the two headers (KIP-507)."""

    body: bytes
    algorithm: str | None
    signature: bytes | None
