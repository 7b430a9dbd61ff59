"""The questions that the command line and the REST API may ask about connectors, whoever answers them.

`standalone.py` answers for one machine, `distributed.py` for a group of them. A herder decides what should run; making it so
is the supervisor's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec

from fastconnect.herder.answers import (
    ConnectorDescription,
    ConnectorOffset,
    ConnectorStatus,
    Health,
    LoggerLevel,
    PluginDescription,
    RestartRequest,
    ServerInfo,
    Signature,
    TaskDescription,
    TaskState,
)
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.states import TargetState, TaskId

Properties = Mapping[str, str | None]
"""A configuration as Kafka Connect writes it: strings, None for a key that is there without a value."""


class Herder(ABC):
    """Answers for the connectors of a worker, or of a cluster of them.

    Every method may be called from any thread; the answer comes as a `Future` from the herder's own thread. What it raises is
    a `RequestRefusedError` with the HTTP status that Kafka Connect gives, `OtherWorkerError` if another worker must be asked,
    or a `ConfigError`. Names of connectors are not checked before.
    """

    # The worker

    @abstractmethod
    def server_info(self) -> Future[ServerInfo]:
        """Versions, and which Kafka cluster it is."""

    @abstractmethod
    def health(self) -> Future[Health]:
        """Whether the worker is ready; done within ten seconds even if the herder hangs."""

    @property
    @abstractmethod
    def stage(self) -> str | None:
        """What the herder does at this moment that may take long, for whoever waits too long for an answer.

        Such as `reading to the end of the config topic, which began at 2026-01-02T03:04:05.678Z`; None: nothing.
        """

    def metrics(self) -> Future[bytes]:
        """The numbers of this worker, in Prometheus' text format; a herder that keeps none refuses."""
        none: Future[bytes] = Future()
        none.set_exception(RequestRefusedError(404, "This worker keeps no metrics"))
        return none

    # Connectors

    @abstractmethod
    def connectors(self) -> Future[list[str]]:
        """The names of all connectors."""

    @abstractmethod
    def connector(self, name: str) -> Future[ConnectorDescription]:
        """A connector's configuration and its tasks."""

    @abstractmethod
    def connector_status(self, name: str) -> Future[ConnectorStatus]:
        """How a connector and its tasks are."""

    @abstractmethod
    def put_connector(
        self, name: str, config: Mapping[str, str | None], *, initial_state: TargetState | None = None, replace: bool
    ) -> Future[tuple[bool, ConnectorDescription]]:
        """Validate a configuration and make it a connector's; whether the connector is new, and how it is.

        Args:
            replace: whether there may be one of this name already.
        """

    @abstractmethod
    def patch_connector(self, name: str, patch: Mapping[str, str | None]) -> Future[ConnectorDescription]:
        """Change some keys of a connector's configuration; None takes a key away."""

    @abstractmethod
    def delete_connector(self, name: str) -> Future[None]:
        """Stop a connector and forget it; its offsets stay."""

    @abstractmethod
    def restart_connector(self, name: str) -> Future[None]:
        """Restart the connector's own code, not its tasks; done when that is done."""

    @abstractmethod
    def restart_connector_and_tasks(self, request: RestartRequest) -> Future[ConnectorStatus]:
        """Have everything restarted that the request means; answers what will be, before it is done."""

    @abstractmethod
    def set_target(self, name: str, target: TargetState) -> Future[None]:
        """Have a connector and its tasks run, pause or stop."""

    # Tasks

    @abstractmethod
    def tasks(self, name: str) -> Future[list[TaskDescription]]:
        """The configurations of a connector's tasks, variables unresolved."""

    @abstractmethod
    def task_status(self, task: TaskId) -> Future[TaskState]:
        """How a task is."""

    @abstractmethod
    def restart_task(self, task: TaskId) -> Future[None]:
        """Stop a task if it runs and start it anew, with a clean count of failures."""

    # Topics and offsets

    @abstractmethod
    def active_topics(self, name: str) -> Future[list[str]]:
        """The topics that a connector's tasks have used; an unknown connector has none."""

    @abstractmethod
    def reset_active_topics(self, name: str) -> Future[None]:
        """Forget which topics a connector's tasks have used."""

    @abstractmethod
    def offsets(self, name: str) -> Future[list[ConnectorOffset]]:
        """A connector's offsets: those in the offset store, or those that its consumer group has committed."""

    @abstractmethod
    def alter_offsets(self, name: str, offsets: Sequence[tuple[Any, Any]]) -> Future[str]:
        """Change offsets of a stopped connector, given as (partition, offset or None); the sentence that says so."""

    @abstractmethod
    def reset_offsets(self, name: str) -> Future[str]:
        """Forget all offsets of a stopped connector; the sentence that says so."""

    # Plugins

    @abstractmethod
    def plugins(self) -> Future[list[PluginDescription]]:
        """All installed plugins, in Kafka Connect's order: sinks, sources, transformations, predicates, converters ..."""

    @abstractmethod
    def plugin_config(self, plugin: str, version: str | None = None) -> Future[msgspec.Raw]:
        """The configuration definitions of a plugin, as the JSON of `GET /connector-plugins/{plugin}/config`."""

    @abstractmethod
    def validate(self, plugin: str, config: Mapping[str, str | None]) -> Future[msgspec.Raw]:
        """What `PUT /connector-plugins/{plugin}/config/validate` answers, as JSON."""

    # Loggers

    @abstractmethod
    def loggers(self) -> Future[dict[str, LoggerLevel]]:
        """All loggers, sorted by name."""

    @abstractmethod
    def set_logger_level(self, logger: str, level: str, *, cluster: bool) -> Future[list[str]]:
        """Set the level of a logger and of all below it; the names of those changed (none for `cluster`)."""

    # From worker to worker

    @abstractmethod
    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str | None]], signature: Signature) -> Future[None]:
        """Take in the task configurations that the connector's owner sends to the leader."""

    @abstractmethod
    def fence(self, name: str, signature: Signature) -> Future[None]:
        """Fence the producers of earlier tasks of an exactly-once source."""
