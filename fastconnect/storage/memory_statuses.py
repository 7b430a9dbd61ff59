"""Statuses in memory: what a standalone worker has. Nothing outlives it."""

from __future__ import annotations

import threading
from typing import TypeVar

from fastconnect.states import TaskId
from fastconnect.storage.status_store import StatusStore, StoredStatus, StoredTopic

Key = TypeVar("Key")
Value = TypeVar("Value")


class StatusTable:
    """The last status of each connector and task, and the topics they use; any thread may ask and change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connectors: dict[str, StoredStatus] = {}
        self._tasks: dict[str, dict[int, StoredStatus]] = {}
        self._topics: dict[str, dict[str, StoredTopic]] = {}

    def get(self, of: str | TaskId) -> StoredStatus | None:
        """The status of a connector or a task."""
        with self._lock:
            return self._connectors.get(of) if isinstance(of, str) else self._tasks.get(of.connector, {}).get(of.task)

    def tasks(self, connector: str) -> dict[int, StoredStatus]:
        """The statuses of a connector's tasks, by their number."""
        with self._lock:
            return dict(sorted(self._tasks.get(connector, {}).items()))

    def connectors(self) -> set[str]:
        """All connectors of which something is known."""
        with self._lock:
            return self._connectors.keys() | self._tasks.keys()

    def topics(self, connector: str) -> list[StoredTopic]:
        """The topics of a connector, in the order in which they were found."""
        with self._lock:
            return list(self._topics.get(connector, {}).values())

    def topic(self, connector: str, topic: str) -> StoredTopic | None:
        """What is known of a connector's use of a topic."""
        with self._lock:
            return self._topics.get(connector, {}).get(topic)

    def set(self, of: str | TaskId, status: StoredStatus | None) -> None:
        """Keep a status; None forgets it."""
        with self._lock:
            if isinstance(of, str):
                _set(self._connectors, of, status)
                return
            tasks = self._tasks.setdefault(of.connector, {})
            _set(tasks, of.task, status)
            if not tasks:
                del self._tasks[of.connector]

    def set_topic(self, connector: str, topic: str, found: StoredTopic | None) -> None:
        """Keep that a connector uses a topic; None forgets it."""
        with self._lock:
            topics = self._topics.setdefault(connector, {})
            _set(topics, topic, found)
            if not topics:
                del self._topics[connector]


def _set(table: dict[Key, Value], key: Key, value: Value | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def may_replace(known: StoredStatus | None, new: StoredStatus) -> bool:
    """Whether a `safe` status may be written: not over what another worker said in a later generation of the group."""
    return known is None or known.worker_id == new.worker_id or known.generation <= new.generation


class MemoryStatusStore(StatusStore):
    """Keeps everything in this process."""

    def __init__(self) -> None:
        self._table = StatusTable()

    def start(self) -> None:
        """See StatusStore."""

    def stop(self) -> None:
        """See StatusStore."""

    def refresh(self, timeout_ms: int) -> None:
        """See StatusStore. There is nothing to read."""

    def put(self, of: str | TaskId, status: StoredStatus, *, safe: bool = False) -> None:
        """See StatusStore."""
        if not safe or may_replace(self._table.get(of), status):
            self._table.set(of, status)

    def delete(self, of: str | TaskId) -> None:
        """See StatusStore."""
        self._table.set(of, None)

    def get(self, of: str | TaskId) -> StoredStatus | None:
        """See StatusStore."""
        return self._table.get(of)

    def tasks(self, connector: str) -> dict[int, StoredStatus]:
        """See StatusStore."""
        return self._table.tasks(connector)

    def connectors(self) -> set[str]:
        """See StatusStore."""
        return self._table.connectors()

    def put_topic(self, topic: StoredTopic) -> None:
        """See StatusStore."""
        if self._table.topic(topic.connector, topic.name) is None:
            self._table.set_topic(topic.connector, topic.name, topic)

    def topics(self, connector: str) -> list[StoredTopic]:
        """See StatusStore."""
        return self._table.topics(connector)

    def delete_topics(self, connector: str) -> None:
        """See StatusStore."""
        for topic in self._table.topics(connector):
            self._table.set_topic(connector, topic.name, None)
