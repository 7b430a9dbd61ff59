"""What a store of connector configurations must do, and what one knows at a moment. Source: Kafka Connect's ConfigBackingStore.

`memory_configs.py` keeps it in memory, `kafka_configs.py` in Kafka Connect's config topic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from fastconnect.states import TargetState

Properties = Mapping[str, str | None]


class SessionKey(msgspec.Struct, frozen=True):
    """With what the workers of a group sign their requests to each other (KIP-507)."""

    key: bytes
    algorithm: str
    created_ms: int


class StoredConnector(msgspec.Struct, frozen=True, kw_only=True):
    """All that is stored of one connector; nothing in it is ever changed."""

    name: str
    config: dict[str, str | None]
    target: TargetState = TargetState.STARTED
    task_configs: list[dict[str, str | None]] | None = None
    """None: never given, or inconsistent after a compaction."""
    task_count: int = 0
    inconsistent: bool = False
    applied_config: dict[str, str | None] | None = None
    """The connector's configuration when its tasks' were given."""
    task_generation: int = 0
    """How often its tasks' configurations were given, as far as was seen."""
    fenced_task_count: int | None = None
    pending_fencing: bool = False


class ConfigSnapshot(msgspec.Struct, frozen=True):
    """Everything that is stored, as it was at an offset of the config topic (-1: nothing was read)."""

    offset: int
    connectors: dict[str, StoredConnector]
    session_key: SessionKey | None = None


class ConfigListener(Protocol):
    """Who wants to know what changes. Called on the store's own thread, for changes after the start only."""

    def on_connector_config(self, name: str) -> None:
        """A connector is new, or its configuration has changed."""

    def on_connector_removed(self, name: str) -> None:
        """A connector is deleted."""

    def on_task_configs(self, name: str) -> None:
        """The configurations of a connector's tasks were given, all of them."""

    def on_target(self, name: str) -> None:
        """A connector's target state has changed."""

    def on_restart(self, name: str, *, only_failed: bool, include_tasks: bool) -> None:
        """A connector is to be restarted."""

    def on_session_key(self, key: SessionKey) -> None:
        """There is a new session key."""

    def on_logger_level(self, logger: str, level: str) -> None:
        """The level of a logger is to be set on every worker."""


class ConfigStore(ABC):
    """Keeps configurations and target states. What is put is read back before the call returns.

    Every method but `snapshot` may block, and raises ConfigStoreError if the store is out of reach.
    """

    @property
    def trouble(self) -> str | None:
        """A sentence about what is wrong with what it is kept in, for who asks how the worker is; None if nothing is."""
        return None

    @abstractmethod
    def start(self, listener: ConfigListener) -> None:
        """Read everything that is stored; from then on tell the listener what changes."""

    @abstractmethod
    def stop(self) -> None:
        """Close all that is open."""

    @abstractmethod
    def snapshot(self) -> ConfigSnapshot:
        """What is stored, as far as it was read; at once, from any thread."""

    @abstractmethod
    def refresh(self, timeout_ms: int) -> None:
        """Read to the end of what is stored at this moment."""

    @abstractmethod
    def put_connector(self, name: str, config: Properties, target: TargetState | None = None) -> None:
        """Store a connector's configuration, and before it its target state if one is given."""

    @abstractmethod
    def remove_connector(self, name: str) -> None:
        """Delete a connector and its tasks."""

    @abstractmethod
    def put_task_configs(self, name: str, configs: Sequence[Properties]) -> None:
        """Store the configurations of all tasks of a connector: either all come into force, or none."""

    @abstractmethod
    def put_target(self, name: str, target: TargetState) -> None:
        """Store what a connector is to be."""

    @abstractmethod
    def put_restart(self, name: str, *, only_failed: bool, include_tasks: bool) -> None:
        """Have every worker restart what it runs of a connector."""

    @abstractmethod
    def put_session_key(self, key: SessionKey) -> None:
        """Store a new session key."""

    @abstractmethod
    def put_task_count(self, name: str, count: int) -> None:
        """Store for how many tasks the producers of earlier ones were fenced."""

    @abstractmethod
    def put_logger_level(self, logger: str, level: str) -> None:
        """Have every worker set the level of a logger."""
