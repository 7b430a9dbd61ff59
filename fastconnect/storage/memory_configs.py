"""Configurations in memory: what a standalone worker has, whose connectors are given anew each time. Nothing outlives it."""

from __future__ import annotations

from collections.abc import Sequence

from fastconnect.states import TargetState
from fastconnect.storage.config_state import ConfigState
from fastconnect.storage.config_store import ConfigListener, ConfigSnapshot, ConfigStore, Properties, SessionKey


class MemoryConfigStore(ConfigStore):
    """Keeps everything in this process. The listener is called by whoever puts, before `put_...` returns."""

    def __init__(self) -> None:
        self._state = ConfigState()
        self._listener: ConfigListener | None = None
        self._changes = 0

    def start(self, listener: ConfigListener) -> None:
        """See ConfigStore."""
        self._listener = listener

    def stop(self) -> None:
        """See ConfigStore."""
        self._listener = None

    def snapshot(self) -> ConfigSnapshot:
        """See ConfigStore."""
        return self._state.snapshot()

    def refresh(self, timeout_ms: int) -> None:
        """See ConfigStore. There is nothing to read."""

    def put_connector(self, name: str, config: Properties, target: TargetState | None = None) -> None:
        """See ConfigStore."""
        if target is not None:
            self.put_target(name, target)
        self._state.connector(name, config)
        self._changed()
        if self._listener is not None:
            self._listener.on_connector_config(name)

    def remove_connector(self, name: str) -> None:
        """See ConfigStore."""
        self._state.removed(name)
        self._state.target(name, None)
        self._changed()
        if self._listener is not None:
            self._listener.on_connector_removed(name)

    def put_task_configs(self, name: str, configs: Sequence[Properties]) -> None:
        """See ConfigStore."""
        for number, config in enumerate(configs):
            self._state.task(name, number, config)
        known = self._state.commit(name, len(configs))
        self._changed()
        if known and self._listener is not None:
            self._listener.on_task_configs(name)

    def put_target(self, name: str, target: TargetState) -> None:
        """See ConfigStore."""
        changed = self._state.target(name, target)
        self._changed()
        if changed and self._listener is not None:
            self._listener.on_target(name)

    def put_restart(self, name: str, *, only_failed: bool, include_tasks: bool) -> None:
        """See ConfigStore."""
        if self._listener is not None:
            self._listener.on_restart(name, only_failed=only_failed, include_tasks=include_tasks)

    def put_session_key(self, key: SessionKey) -> None:
        """See ConfigStore."""
        self._state.session_key(key)
        self._changed()
        if self._listener is not None:
            self._listener.on_session_key(key)

    def put_task_count(self, name: str, count: int) -> None:
        """See ConfigStore."""
        self._state.fenced(name, count)
        self._changed()

    def put_logger_level(self, logger: str, level: str) -> None:
        """See ConfigStore."""
        if self._listener is not None:
            self._listener.on_logger_level(logger, level)

    def _changed(self) -> None:
        self._changes += 1
        self._state.at(self._changes)
