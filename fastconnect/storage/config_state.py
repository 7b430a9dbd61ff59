"""What is known of the connectors, put together record by record; the rules are those of Kafka Connect's config topic.

Both config stores keep one: the topic's store tells it what it reads, the one in memory what is put.

The configurations of tasks come one by one and wait until their number is told (the *commit*): then all come into force, or
none if some are missing. They are missing where a compaction took them away: the connector is `inconsistent` until its tasks
are given anew. Source: Kafka Connect's KafkaConfigBackingStore.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from fastconnect.states import TargetState
from fastconnect.storage.config_store import ConfigSnapshot, SessionKey, StoredConnector

Config: TypeAlias = dict[str, str | None]


class ConfigState:
    """Takes changes from one thread at a time; its snapshot may be asked for by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connectors: dict[str, StoredConnector] = {}
        self._targets: dict[str, TargetState] = {}  # may be there before its connector: it is written first
        self._fenced: dict[str, int] = {}  # outlives its connector: a new one of this name must fence the old one's tasks
        self._waiting: dict[str, dict[int, Config]] = {}
        self._session_key: SessionKey | None = None
        self._offset = -1
        self._snapshot: ConfigSnapshot | None = None

    def snapshot(self) -> ConfigSnapshot:
        """All of it, as it is now."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = ConfigSnapshot(self._offset, dict(self._connectors), self._session_key)
            return self._snapshot

    def at(self, offset: int) -> None:
        """The position behind the last change."""
        with self._lock:
            self._offset = offset
            self._snapshot = None

    def connector(self, name: str, config: Mapping[str, str | None]) -> None:
        """A connector's configuration."""
        with self._lock:
            known = self._connectors.get(name)
            if known is None:
                changed = StoredConnector(
                    name=name,
                    config=dict(config),
                    target=self._targets.get(name, TargetState.STARTED),
                    fenced_task_count=self._fenced.get(name),
                )
            else:
                changed = msgspec.structs.replace(known, config=dict(config))
            self._keep(changed)

    def removed(self, name: str) -> None:
        """A connector is gone; what is told of its tasks from now on counts for nothing."""
        with self._lock:
            self._waiting.pop(name, None)
            if self._connectors.pop(name, None) is not None:
                self._snapshot = None

    def target(self, name: str, target: TargetState | None) -> bool:
        """What a connector is to be; None: nothing special. Says whether a known connector changes by it."""
        with self._lock:
            if target is None:
                self._targets.pop(name, None)
            else:
                self._targets[name] = target
            known = self._connectors.get(name)
            wanted = TargetState.STARTED if target is None else target
            if known is None or known.target is wanted:
                return False
            self._keep(msgspec.structs.replace(known, target=wanted))
            return target is not None

    def task(self, name: str, number: int, config: Mapping[str, str | None]) -> None:
        """One task's configuration, which waits for the commit."""
        with self._lock:
            self._waiting.setdefault(name, {})[number] = dict(config)

    def commit(self, name: str, count: int) -> bool:
        """So many tasks were given. Says whether there is such a connector.

        Without one they are what a deleted connector left behind: its deletion may be compacted away (KAFKA-16838).
        """
        with self._lock:
            waiting = self._waiting.pop(name, {})
            known = self._connectors.get(name)
            if known is None:
                return False
            complete = all(number in waiting for number in range(count))
            self._keep(
                msgspec.structs.replace(
                    known,
                    task_configs=[waiting[number] for number in range(count)] if complete else None,
                    task_count=count,
                    inconsistent=not complete,
                    applied_config=known.config,
                    task_generation=known.task_generation + complete,
                    pending_fencing=True,
                )
            )
            return True

    def fenced(self, name: str, count: int) -> None:
        """The producers of so many earlier tasks are fenced."""
        with self._lock:
            self._fenced[name] = count
            if (known := self._connectors.get(name)) is not None:
                self._keep(msgspec.structs.replace(known, fenced_task_count=count, pending_fencing=False))

    def session_key(self, key: SessionKey) -> None:
        """The workers' key."""
        with self._lock:
            self._session_key = key
            self._snapshot = None

    def _keep(self, connector: StoredConnector) -> None:
        self._connectors[connector.name] = connector
        self._snapshot = None
