"""What a cluster answers, as typed data. Fields that are not known here are passed over: servers differ, and grow."""

from __future__ import annotations

from typing import Any

import msgspec

from fastconnect.errors import Fault

Config = dict[str, str | None]


class ServerInfo(msgspec.Struct, frozen=True):
    """`GET /`."""

    version: str
    commit: str = ""
    kafka_cluster_id: str | None = None


class RestartInfo(msgspec.Struct, frozen=True):
    """What fastconnect does about a failure: how often it has tried, and when it does next (ms since the epoch)."""

    attempts: int = 0
    next_start: int | None = None


class TaskName(msgspec.Struct, frozen=True):
    """A task of a connector."""

    connector: str
    task: int


class ConnectorInfo(msgspec.Struct, frozen=True):
    """A connector's configuration, as it was given, and its tasks."""

    name: str
    config: Config
    tasks: list[TaskName] = []
    type: str | None = None


class ConnectorState(msgspec.Struct, frozen=True, kw_only=True):
    """How a connector's own code is."""

    state: str
    worker_id: str = ""
    version: str | None = None
    trace: str | None = None
    restart: RestartInfo | None = None


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """How a task is."""

    id: int
    state: str
    worker_id: str = ""
    version: str | None = None
    trace: str | None = None
    restart: RestartInfo | None = None


class ConnectorStatus(msgspec.Struct, frozen=True):
    """How a connector and its tasks are."""

    name: str
    connector: ConnectorState
    tasks: list[TaskState] = []
    type: str | None = None

    @property
    def failures(self) -> list[tuple[str, str]]:
        """What has FAILED, such as `task 3`, and its trace."""
        own = [("connector", self.connector.trace or "")] if self.connector.state == "FAILED" else []
        return own + [(f"task {task.id}", task.trace or "") for task in self.tasks if task.state == "FAILED"]


class Connector(msgspec.Struct, frozen=True):
    """A connector as the list of all gives it; one that was just created has no status yet."""

    info: ConnectorInfo
    status: ConnectorStatus | None = None


class TaskInfo(msgspec.Struct, frozen=True):
    """A task and its configuration."""

    id: TaskName
    config: Config


class Offset(msgspec.Struct, frozen=True):
    """A source partition and its offset; of a sink, a topic's partition and what is committed."""

    partition: dict[str, Any]
    offset: dict[str, Any] | None = None


class Plugin(msgspec.Struct, frozen=True, rename={"class_name": "class"}):
    """An installed plugin."""

    class_name: str
    type: str
    version: str | None = None


class ConfigKey(msgspec.Struct, frozen=True):
    """The definition of a key of a plugin's configuration."""

    name: str
    type: str = "STRING"
    required: bool = False
    default_value: str | None = None
    importance: str = ""
    documentation: str | None = None


class ConfigValue(msgspec.Struct, frozen=True):
    """What a validation says about the value of a key."""

    name: str
    value: str | None = None
    errors: list[str] = []


class ValidatedKey(msgspec.Struct, frozen=True):
    """A key of a validated configuration."""

    definition: ConfigKey
    value: ConfigValue


class Validation(msgspec.Struct, frozen=True):
    """`PUT /connector-plugins/{class}/config/validate`."""

    name: str
    error_count: int
    configs: list[ValidatedKey] = []

    @property
    def faults(self) -> list[Fault]:
        """Everything that is wrong."""
        return [Fault(each.value.name, error) for each in self.configs for error in each.value.errors]


class LoggerLevel(msgspec.Struct, frozen=True):
    """The level of a logger, and when it was set (ms since the epoch)."""

    level: str
    last_modified: int | None = None


class Message(msgspec.Struct, frozen=True):
    """A sentence that says what was done."""

    message: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of an error."""

    message: str
    error_code: int = 0
