"""Brings what the config store tells, on its own thread, to the herder's."""

from __future__ import annotations

import logging
from typing import Protocol

from fastconnect.herder.answers import RestartRequest
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.logs import facts
from fastconnect.storage.config_store import SessionKey

logger = logging.getLogger(__name__)


class Changing(Protocol):
    """Who acts on it, on the herder's thread."""

    def config_changed(self, name: str, *, given: bool = False) -> None:
        """Something of a connector has changed; `given`: its own configuration, maybe to the same."""

    def restart_what_is_here(self, request: RestartRequest) -> None:
        """Restart what runs here of that which is meant."""

    def set_level_here(self, logger: str, level: str) -> list[str]:
        """Set the level of a logger in every process of this worker."""


class ConfigEvents:
    """A `ConfigListener`. What has changed is not said: the store's snapshot has it, and maybe later changes too."""

    def __init__(self, loop: HerderLoop, herder: Changing) -> None:
        self._loop = loop
        self._herder = herder

    def on_connector_config(self, name: str) -> None:
        """See ConfigListener."""
        self._loop.post(lambda: self._herder.config_changed(name, given=True))

    def on_connector_removed(self, name: str) -> None:
        """See ConfigListener."""
        self._loop.post(lambda: self._herder.config_changed(name))

    def on_task_configs(self, name: str) -> None:
        """See ConfigListener."""
        self._loop.post(lambda: self._herder.config_changed(name))

    def on_target(self, name: str) -> None:
        """See ConfigListener."""
        self._loop.post(lambda: self._herder.config_changed(name))

    def on_restart(self, name: str, *, only_failed: bool, include_tasks: bool) -> None:
        """See ConfigListener."""
        request = RestartRequest(connector=name, only_failed=only_failed, include_tasks=include_tasks)
        self._loop.post(lambda: self._herder.restart_what_is_here(request))

    def on_session_key(self, key: SessionKey) -> None:
        """See ConfigListener. Whoever needs the newest takes it from the snapshot."""

    def on_logger_level(self, logger: str, level: str) -> None:
        """See ConfigListener."""
        self._loop.post(lambda: self._set_level(logger, level))

    def _set_level(self, name: str, level: str) -> None:
        try:
            self._herder.set_level_here(name, level)
        except RequestRefusedError as error:
            logger.warning("A logger's level cannot be set.", extra=facts(logger=name, reason=error))
