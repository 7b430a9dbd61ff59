"""What a store of statuses must do. Source: Kafka Connect's StatusBackingStore.

`memory_statuses.py` keeps them in memory, `kafka_statuses.py` in Kafka Connect's status topic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from fastconnect.states import TaskId


class StoredStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a connector or a task is, as the worker that runs it has said. `state` is a name of states.State."""

    state: str
    worker_id: str
    generation: int = 0
    trace: str | None = None
    version: str | None = None


class StoredTopic(msgspec.Struct, frozen=True):
    """A topic that a connector has used, and which of its tasks first."""

    name: str
    connector: str
    task: int
    discovered_ms: int


class StatusStore(ABC):
    """Keeps statuses and active topics. Reads answer at once from memory; writes go out in the background, in order."""

    @property
    def trouble(self) -> str | None:
        """A sentence about what is wrong with what it is kept in, for who asks how the worker is; None if nothing is."""
        return None

    @abstractmethod
    def start(self) -> None:
        """Read everything that is stored."""

    @abstractmethod
    def stop(self) -> None:
        """Write out what was put, close all that is open."""

    @abstractmethod
    def refresh(self, timeout_ms: int) -> None:
        """Read to the end of what is stored at this moment."""

    @abstractmethod
    def put(self, of: str | TaskId, status: StoredStatus, *, safe: bool = False) -> None:
        """Store the status of a connector (its name) or a task.

        Args:
            safe: not if another worker has stored one with a higher generation.
        """

    @abstractmethod
    def delete(self, of: str | TaskId) -> None:
        """Forget a status."""

    @abstractmethod
    def get(self, of: str | TaskId) -> StoredStatus | None:
        """The last known status."""

    @abstractmethod
    def tasks(self, connector: str) -> dict[int, StoredStatus]:
        """The last known statuses of a connector's tasks."""

    @abstractmethod
    def connectors(self) -> set[str]:
        """The names of all connectors with a status of their own or of a task."""

    @abstractmethod
    def put_topic(self, topic: StoredTopic) -> None:
        """Store that a connector has used a topic, unless that is known."""

    @abstractmethod
    def topics(self, connector: str) -> list[StoredTopic]:
        """The topics that a connector has used."""

    @abstractmethod
    def delete_topics(self, connector: str) -> None:
        """Forget the topics that a connector has used."""
