"""Names of tasks, their states, and how a task process may end."""

from __future__ import annotations

import enum

import msgspec


class TaskId(msgspec.Struct, frozen=True, order=True):
    """A task of a connector; written `orders-file-3`, and `[orders-file|task-3]` in logs."""

    connector: str
    task: int

    def __str__(self) -> str:
        return f"{self.connector}-{self.task}"


class State(enum.IntEnum):
    """Kafka Connect's states; the numbers are what the status page holds."""

    UNASSIGNED = 0
    RUNNING = 1
    PAUSED = 2
    FAILED = 3
    STOPPED = 4
    RESTARTING = 5


class TargetState(enum.IntEnum):
    """What a task is told to be; the numbers are what the status page holds."""

    STARTED = 0
    PAUSED = 1
    STOPPED = 2


class Exit(enum.IntEnum):
    """How a task process ends, so that its supervisor knows whether to start it again."""

    OK = 0
    FAILED = 70  # a failure that a restart may mend (EX_SOFTWARE)
    UNDRAINED = 73  # told to stop, it could not deliver or flush all in time: a part will be sent again
    FATAL_CLIENT = 75  # the Kafka client is beyond use: restart at once with a new one (EX_TEMPFAIL)
    LEASE_LOST = 77  # the task belongs to another worker now: stop quietly (EX_NOPERM)
    UNUSABLE = 78  # a restart meets the same error: leave it FAILED (EX_CONFIG)
