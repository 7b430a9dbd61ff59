"""What the command line gives a herder, and what it shows of it: connectors to run, and how everything is at one moment."""

from __future__ import annotations

from typing import Protocol

import msgspec

from fastconnect.states import State, TargetState, TaskId


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
