"""Why a herder does not do what it is asked, each with the HTTP status that Kafka Connect answers then."""

from __future__ import annotations

from fastconnect.errors import ConnectError
from fastconnect.states import TaskId


class RequestRefusedError(ConnectError):
    """A request cannot be done; the message is what the user reads.

    Args:
        status: the HTTP status.
        message: Kafka Connect's wording, where it has one.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ConnectorNotFoundError(RequestRefusedError):
    """No connector has this name."""

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(404, message or f"Connector {name} not found")


class TaskNotFoundError(RequestRefusedError):
    """The connector has no task of this number."""

    def __init__(self, task: TaskId, message: str | None = None) -> None:
        super().__init__(404, message or f"Unknown task: {task}")


class ConflictError(RequestRefusedError):
    """Not now: the group is being rebalanced, or the configuration has just changed. The same request may succeed soon."""

    def __init__(self, message: str) -> None:
        super().__init__(409, message)


class OtherWorkerError(ConnectError):
    """Another worker of the group must answer this: the leader, or the owner of the connector or task.

    Args:
        url: where that worker listens; None if that is not known now.
    """

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url
