"""What a herder answers from what is stored and from plugins: the same in standalone and in distributed mode.

What changes something, and so may be another worker's business, is in standalone.py and distributed.py.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError
from fastconnect.herder import metrics_export
from fastconnect.herder.answers import (
    ConnectorDescription,
    ConnectorOffset,
    ConnectorState,
    ConnectorStatus,
    ConnectorType,
    Health,
    LoggerLevel,
    PluginDescription,
    RestartInfo,
    ServerInfo,
    TaskDescription,
    TaskState,
)
from fastconnect.herder.herder import Herder
from fastconnect.herder.loggers import ROOT, Loggers, level_number, python_name
from fastconnect.herder.loop import HerderLoop, result_of
from fastconnect.herder.metrics_export import Rebalances
from fastconnect.herder.observed import Pages
from fastconnect.herder.offsets import ConnectorOffsets
from fastconnect.herder.refusals import ConnectorNotFoundError, RequestRefusedError, TaskNotFoundError
from fastconnect.herder.work import Work
from fastconnect.states import TaskId
from fastconnect.storage.config_store import ConfigStore, StoredConnector
from fastconnect.storage.status_store import StatusStore, StoredStatus

Properties: TypeAlias = Mapping[str, str | None]

HEALTHY_WITHIN_S = 10.0
CLUSTER_WITHIN_S = 5.0

HEALTHY = "Worker has completed startup and is ready to handle requests."
UNHEALTHY = "Worker was unable to handle this request and may be unable to handle other requests."
STARTING = "Worker is still starting up."


class StoredHerder(Herder):
    """A herder whose knowledge is in a config store and a status store.

    Args:
        loop: its thread.
        worker: the worker's configuration.
        worker_id: this worker's name in statuses, `host:port`.
        work: what runs on this worker.
    """

    def __init__(
        self,
        loop: HerderLoop,
        worker: WorkerConfig,
        worker_id: str,
        work: Work,
        configs: ConfigStore,
        statuses: StatusStore,
    ) -> None:
        self.loop = loop
        self.worker = worker
        self.worker_id = worker_id
        self.work = work
        self.configs = configs
        self.statuses = statuses
        self.connector_offsets = ConnectorOffsets(loop, self.work.questions, worker)
        self.pages: Pages | None = None
        """The shared mapping with the tasks' status pages; to be set by who has it, for `metrics`."""
        self._loggers = Loggers()
        self._cluster_id: Future[str] | None = None

    # The worker

    def server_info(self) -> Future[ServerInfo]:
        """See Herder."""
        return self.loop.submit(self._server_info)

    async def _server_info(self) -> ServerInfo:
        if self._cluster_id is None or (self._cluster_id.done() and not self._cluster_id.result()):
            self._cluster_id = self.loop.run_in_pool(lambda: cluster_id(self.worker))
        return ServerInfo(version(), "unknown", await result_of(self._cluster_id))

    def health(self) -> Future[Health]:
        """See Herder."""
        answer: Future[Health] = Future()
        answer.set_running_or_notify_cancel()

        def give(health: Health) -> None:
            with lock:
                if not answer.done():
                    answer.set_result(health)

        lock = threading.Lock()
        stage = f" {self.stage}" if self.stage else ""
        too_late = threading.Timer(HEALTHY_WITHIN_S, lambda: give(Health("unhealthy", UNHEALTHY + stage)))
        too_late.daemon = True
        too_late.start()
        answer.add_done_callback(lambda _: too_late.cancel())
        self.loop.post(lambda: give(self._health()))
        return answer

    def _health(self) -> Health:
        if self.has_started:
            return Health("healthy", HEALTHY)
        return Health("starting", STARTING + (f" The worker is currently {self.stage}." if self.stage else ""))

    @property
    def has_started(self) -> bool:
        """Whether it can answer for its connectors."""
        return self.work.begun

    @property
    def stage(self) -> str | None:
        """See Herder."""
        return self.loop.stage

    def metrics(self) -> Future[bytes]:
        """See Herder."""

        async def collect() -> bytes:
            if self.pages is None:
                raise RequestRefusedError(404, "This worker keeps no metrics")
            configs = {name: each.config for name, each in self.configs.snapshot().connectors.items()}
            taken = metrics_export.take(self.work, self.pages, configs, self.rebalances())
            return await result_of(self.loop.run_in_pool(lambda: metrics_export.render(taken)))

        return self.loop.submit(collect)

    def rebalances(self) -> Rebalances | None:
        """What is known of the group's rebalances; None where there is no group."""
        return None

    # Connectors and tasks

    def connectors(self) -> Future[list[str]]:
        """See Herder."""
        return self.loop.submit(lambda: list(self.configs.snapshot().connectors))

    def connector(self, name: str) -> Future[ConnectorDescription]:
        """See Herder."""
        return self.loop.submit(lambda: self._connector(name))

    async def _connector(self, name: str) -> ConnectorDescription:
        await self.know_plugins(self.stored(name).config)
        return self.description(name)

    def connector_status(self, name: str) -> Future[ConnectorStatus]:
        """See Herder."""
        return self.loop.submit(lambda: self._connector_status(name))

    async def _connector_status(self, name: str) -> ConnectorStatus:
        connector = self.configs.snapshot().connectors.get(name)
        if connector is not None:
            await self.know_plugins(connector.config)
        return self.status(name)

    def tasks(self, name: str) -> Future[list[TaskDescription]]:
        """See Herder."""

        def tasks() -> list[TaskDescription]:
            configs = self.stored(name).task_configs or []
            return [TaskDescription(TaskId(name, number), config) for number, config in enumerate(configs)]

        return self.loop.submit(tasks)

    def task_status(self, task: TaskId) -> Future[TaskState]:
        """See Herder."""

        def status() -> TaskState:
            stored = self.statuses.get(task)
            if stored is None:
                raise TaskNotFoundError(task, f"No status found for task {task}")
            return self._task_state(task, stored)

        return self.loop.submit(status)

    def stored(self, name: str, message: str | None = None) -> StoredConnector:
        """What is stored of a connector; a ConnectorNotFoundError if there is none."""
        connector = self.configs.snapshot().connectors.get(name)
        if connector is None:
            raise ConnectorNotFoundError(name, message)
        return connector

    def kind(self, name: str) -> ConnectorType:
        """What a connector is, as far as is known (`know_plugins`)."""
        connector = self.configs.snapshot().connectors.get(name)
        return "unknown" if connector is None else self.work.questions.kind_of(connector.config)

    async def know_plugins(self, config: Properties) -> None:
        """Wait until it is known what the connector of this configuration is, if that can be known."""
        if self.work.questions.kind_of(config) == "unknown" and not self.work.questions.knows_plugins:
            with contextlib.suppress(ConnectError):  # then it stays unknown
                await result_of(self.work.questions.plugins())

    def description(self, name: str) -> ConnectorDescription:
        """A connector as `GET /connectors/{name}` shows it."""
        connector = self.stored(name)
        count = len(connector.task_configs or ())
        tasks = [TaskId(name, number) for number in range(count)]
        return ConnectorDescription(name, connector.config, tasks, self.work.questions.kind_of(connector.config))

    def status(self, name: str) -> ConnectorStatus:
        """A connector as `GET /connectors/{name}/status` shows it."""
        stored = self.statuses.get(name)
        if stored is None:
            raise ConnectorNotFoundError(name, f"No status found for connector {name}")
        state = ConnectorState(
            state=stored.state,
            worker_id=stored.worker_id,
            version=stored.version or UNSET,
            trace=stored.trace or UNSET,
            restart=self._restart_of(name, stored) or UNSET,
        )
        tasks = [self._task_state(TaskId(name, number), status) for number, status in self.statuses.tasks(name).items()]
        return ConnectorStatus(name, state, sorted(tasks, key=lambda task: task.id), self.kind(name))

    def _task_state(self, task: TaskId, stored: StoredStatus) -> TaskState:
        return TaskState(
            id=task.task,
            state=stored.state,
            worker_id=stored.worker_id,
            version=stored.version or UNSET,
            trace=stored.trace or UNSET,
            restart=self._restart_of(task, stored) or UNSET,
        )

    def _restart_of(self, of: str | TaskId, stored: StoredStatus) -> RestartInfo | None:
        """What only the worker knows that runs it: when it is started again."""
        return self.work.restarts.get(of) if stored.worker_id == self.worker_id else None

    # Topics and offsets

    def active_topics(self, name: str) -> Future[list[str]]:
        """See Herder."""
        return self.loop.submit(lambda: sorted(topic.name for topic in self.statuses.topics(name)))

    def reset_active_topics(self, name: str) -> Future[None]:
        """See Herder."""

        def reset() -> None:
            self.statuses.delete_topics(name)
            self.work.reset_topics(name)

        return self.loop.submit(reset)

    def offsets(self, name: str) -> Future[list[ConnectorOffset]]:
        """See Herder."""

        async def offsets() -> list[ConnectorOffset]:
            return await self.connector_offsets.read(name, self.stored(name).config)

        return self.loop.submit(offsets)

    # Plugins

    def plugins(self) -> Future[list[PluginDescription]]:
        """See Herder."""

        async def plugins() -> list[PluginDescription]:
            return await result_of(self.work.questions.plugins())

        return self.loop.submit(plugins)

    def plugin_config(self, plugin: str, version: str | None = None) -> Future[msgspec.Raw]:
        """See Herder."""

        async def plugin_config() -> msgspec.Raw:
            with self.loop.doing(f"asking the plugin {plugin} what can be configured"):
                return await result_of(self.work.questions.plugin_config(plugin, version))

        return self.loop.submit(plugin_config)

    def validate(self, plugin: str, config: Properties) -> Future[msgspec.Raw]:
        """See Herder."""

        async def validate() -> msgspec.Raw:
            given = (config.get("connector.class") or "").strip()
            if given and not given.removesuffix("Connector").endswith(plugin.removesuffix("Connector")):
                raise RequestRefusedError(400, f"Included connector type {given} does not match request type {plugin}")
            with self.loop.doing(f"validating a configuration of the plugin {plugin}"):
                report = await result_of(self.work.questions.validate(config, recommend=True))
            return msgspec.Raw(report.body)

        return self.loop.submit(validate)

    async def checked(self, name: str, config: Properties) -> dict[str, str | None]:
        """A connector's configuration with its name in it, if it can be used.

        Raises:
            RequestRefusedError: it names another connector, or has faults: all of them are told.
        """
        named = config.get("name")
        if named is not None and named.strip() != name:
            why = f"Connector name configuration ({named}) doesn't match connector name in the URL ({name})"
            raise RequestRefusedError(400, why)
        complete = {**config, "name": name}
        with self.loop.doing(f"validating the configuration of connector {name}"):
            report = await result_of(self.work.questions.validate(complete))
        if report.faults:
            raise RequestRefusedError(400, report.summary)
        return complete

    # Loggers

    def loggers(self) -> Future[dict[str, LoggerLevel]]:
        """See Herder."""
        return self.loop.submit(lambda: self._known_loggers().levels())

    def set_level_here(self, logger: str, level: str) -> list[str]:
        """Set the level of a logger in every process of this worker; the names of those changed."""
        changed = self._known_loggers().set_level(logger, level)
        self.work.set_logger_level(python_name(logger), level_number(level), logger)
        return changed

    def _known_loggers(self) -> Loggers:
        for each in self.work.take_levels():
            self._loggers.restore(each.logger or ROOT, each.level, each.at_ms)
        return self._loggers


@functools.cache
def version() -> str:
    """The version of what runs here."""
    import importlib.metadata  # 9 ms that only those who ask have to wait for

    try:
        return importlib.metadata.version("fastconnect-kafka")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def cluster_id(worker: WorkerConfig) -> str:
    """The id of the worker's Kafka cluster; empty if it does not answer soon."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from fastconnect.config.task_clients import admin_properties

    properties: dict[str, Any] = {**admin_properties(worker.resolved(), {}, "connect-worker"), "log_level": "2"}
    admin = AdminClient(properties)
    try:
        return admin.list_topics(timeout=CLUSTER_WITHIN_S).cluster_id or ""
    except KafkaException:
        return ""
