"""The questions that the command line and the REST API may ask about connectors, whoever answers them.

`standalone.py` answers for one machine. A herder decides what should run; making it so is the supervisor's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import msgspec

from fastconnect.errors import ConnectError
from fastconnect.states import State, TargetState, TaskId

Properties = Mapping[str, str | None]
"""A configuration as Kafka Connect writes it: strings, None for a key that is there without a value."""


class ConnectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A connector that is wanted: its name, its configuration, and where that was read."""

    name: str
    config: dict[str, str | None]
    target: TargetState = TargetState.STARTED
    origin: str = "command line"


class TaskInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How a task is, and what it has done since it was first started.

    `counters` are those of metrics.py, of all its processes; `restarts` counts how often its process was started again.
    """

    id: TaskId
    state: State
    reason: str | None = None
    trace: str | None = None
    pid: int | None = None
    restarts: int = 0
    next_start_ms: int | None = None
    counters: dict[str, int] = {}


class ConnectorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How a connector is: UNASSIGNED until its tasks' configurations are known, FAILED if its own code failed."""

    name: str
    state: State
    reason: str | None = None
    trace: str | None = None
    tasks: list[TaskInfo] = []


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to show of a worker at one moment; `stopping` says why it is being stopped, if it is."""

    connectors: list[ConnectorInfo]
    stopping: str | None = None

    @property
    def tasks(self) -> list[TaskInfo]:
        """The tasks of all connectors."""
        return [task for connector in self.connectors for task in connector.tasks]


class View(Protocol):
    """Something that shows how the worker is doing, such as the table on a terminal; told a few times a second."""

    interval_ms: int
    """How long until it wants to be told again."""

    def show(self, snapshot: Snapshot) -> None:
        """Show this; never blocks for long, for the herder waits meanwhile."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found."""
        ...


class ConnectorNotFoundError(ConnectError):
    """No connector has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Connector {name} not found")


class TaskNotFoundError(ConnectError):
    """The connector has no task of this number."""

    def __init__(self, task: TaskId) -> None:
        super().__init__(f"Task {task} not found")


class Herder(ABC):
    """Answers for the connectors of a worker, or of a cluster of them.

    Every method that names a connector raises `ConnectorNotFoundError` if there is none of this name.
    """

    @abstractmethod
    def connectors(self) -> list[str]:
        """The names of all connectors, in the order in which they came."""

    @abstractmethod
    def config(self, name: str) -> dict[str, str | None]:
        """A connector's configuration, as it was given."""

    @abstractmethod
    def task_configs(self, name: str) -> dict[TaskId, dict[str, str | None]]:
        """The configurations that the connector gave its tasks; empty until it was asked."""

    @abstractmethod
    def status(self, name: str) -> ConnectorInfo:
        """How the connector and its tasks are."""

    @abstractmethod
    def set_target(self, name: str, target: TargetState) -> None:
        """Have the connector's tasks run, pause or stop."""

    @abstractmethod
    def restart_task(self, task: TaskId) -> None:
        """Stop a task if it runs and start it anew, with a clean count of failures.

        Raises:
            TaskNotFoundError: the connector has no such task.
        """
