"""A herder that keeps everything in memory and runs nothing: what is asked for counts as done. For tests of the REST layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec

from fastconnect.herder.answers import (
    ConnectorDescription,
    ConnectorOffset,
    ConnectorState,
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
from fastconnect.herder.herder import Herder
from fastconnect.herder.loggers import Loggers
from fastconnect.herder.refusals import ConflictError, ConnectorNotFoundError, RequestRefusedError, TaskNotFoundError
from fastconnect.states import TargetState, TaskId
from fastconnect.storage.memory_configs import MemoryConfigStore

T = TypeVar("T")

WORKER_ID = "127.0.0.1:8083"
PLUGINS = [
    PluginDescription("org.example.OneSinkConnector", "sink", "1.0"),
    PluginDescription("org.example.OneSourceConnector", "source", "1.0"),
    PluginDescription("org.example.OneConverter", "converter", "1.0"),
]

_STATES = {TargetState.STARTED: "RUNNING", TargetState.PAUSED: "PAUSED", TargetState.STOPPED: "STOPPED"}


class MemoryHerder(Herder):
    """One task for each connector; a config needs a `connector.class`, and offsets a stopped connector.

    `failure`: raised by every question instead of an answer. `silent`: nothing is ever answered.
    """

    def __init__(self) -> None:
        self.store = MemoryConfigStore()
        self.saved: dict[str, dict[str, tuple[Any, Any]]] = {}
        self.failure: BaseException | None = None
        self.silent = False
        self.is_ready = True
        self.topics: dict[str, list[str]] = {}
        self.signatures: list[Signature] = []
        self.restarts: list[Any] = []
        self.now_doing: str | None = None
        self._loggers = Loggers()

    def _answered(self, question: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        if self.silent:
            return future
        try:
            if self.failure is not None:
                raise self.failure
            future.set_result(question())
        except Exception as error:
            future.set_exception(error)
        return future

    def _known(self, name: str, message: str | None = None) -> Any:
        known = self.store.snapshot().connectors.get(name)
        if known is None:
            raise ConnectorNotFoundError(name, message)
        return known

    def _tasks(self, name: str, message: str | None = None) -> list[TaskId]:
        return [] if self._known(name, message).target is TargetState.STOPPED else [TaskId(name, 0)]

    def server_info(self) -> Future[ServerInfo]:
        return self._answered(lambda: ServerInfo("4.3.0", "0123abcd", "a-cluster"))

    def health(self) -> Future[Health]:
        if self.is_ready:
            return self._answered(lambda: Health("healthy", "Worker has completed startup and is ready to handle requests."))
        return self._answered(lambda: Health("starting", "Worker is still starting up."))

    @property
    def stage(self) -> str | None:
        return self.now_doing

    def metrics(self) -> Future[bytes]:
        return self._answered(lambda: b"# TYPE fastconnect_up gauge\nfastconnect_up 1\n")

    def connectors(self) -> Future[list[str]]:
        return self._answered(lambda: list(self.store.snapshot().connectors))

    def connector(self, name: str) -> Future[ConnectorDescription]:
        return self._answered(lambda: self._describe(name))

    def _describe(self, name: str) -> ConnectorDescription:
        return ConnectorDescription(name, dict(self._known(name).config), self._tasks(name), "source")

    def connector_status(self, name: str) -> Future[ConnectorStatus]:
        def status() -> ConnectorStatus:
            known = self._known(name, f"No status found for connector {name}")
            state = _STATES[known.target]
            tasks = [TaskState(id=task.task, state=state, worker_id=WORKER_ID, version="1.0") for task in self._tasks(name)]
            return ConnectorStatus(name, ConnectorState(state=state, worker_id=WORKER_ID, version="1.0"), tasks, "source")

        return self._answered(status)

    def put_connector(
        self, name: str, config: Mapping[str, str | None], *, initial_state: TargetState | None = None, replace: bool
    ) -> Future[tuple[bool, ConnectorDescription]]:
        def put() -> tuple[bool, ConnectorDescription]:
            if not name:
                raise RequestRefusedError(400, "Invalid value  for configuration name: String may not be empty")
            if not config.get("connector.class"):
                raise RequestRefusedError(400, "Connector config contains no connector type")
            exists = name in self.store.snapshot().connectors
            if exists and not replace:
                raise ConflictError(f"Connector {name} already exists")
            self.store.put_connector(name, dict(config), initial_state)
            return not exists, self._describe(name)

        return self._answered(put)

    def patch_connector(self, name: str, patch: Mapping[str, str | None]) -> Future[ConnectorDescription]:
        def changed() -> ConnectorDescription:
            merged = {**self._known(name).config, **patch}
            self.store.put_connector(name, {key: value for key, value in merged.items() if value is not None})
            return self._describe(name)

        return self._answered(changed)

    def delete_connector(self, name: str) -> Future[None]:
        return self._answered(lambda: self.store.remove_connector(self._known(name).name))

    def restart_connector(self, name: str) -> Future[None]:
        return self._answered(lambda: self.restarts.append(self._known(name, f"Unknown connector: {name}").name))

    def restart_connector_and_tasks(self, request: RestartRequest) -> Future[ConnectorStatus]:
        self.restarts.append(request)
        return self.connector_status(request.connector)

    def set_target(self, name: str, target: TargetState) -> Future[None]:
        return self._answered(lambda: self.store.put_target(self._known(name).name, target))

    def tasks(self, name: str) -> Future[list[TaskDescription]]:
        return self._answered(lambda: [TaskDescription(task, dict(self._known(name).config)) for task in self._tasks(name)])

    def task_status(self, task: TaskId) -> Future[TaskState]:
        def status() -> TaskState:
            missing = f"No status found for task {task}"
            if task not in self._tasks(task.connector, missing):
                raise TaskNotFoundError(task, missing)
            return TaskState(id=task.task, state=_STATES[self._known(task.connector).target], worker_id=WORKER_ID)

        return self._answered(status)

    def restart_task(self, task: TaskId) -> Future[None]:
        def restart() -> None:
            if task not in self._tasks(task.connector, f"Unknown connector: {task.connector}"):
                raise TaskNotFoundError(task)
            self.restarts.append(task)

        return self._answered(restart)

    def active_topics(self, name: str) -> Future[list[str]]:
        return self._answered(lambda: self.topics.get(name, []))

    def reset_active_topics(self, name: str) -> Future[None]:
        return self._answered(lambda: self.topics.update({name: []}))

    def offsets(self, name: str) -> Future[list[ConnectorOffset]]:
        def saved() -> list[ConnectorOffset]:
            known = self.saved.get(self._known(name).name, {}).values()
            return [ConnectorOffset(partition, offset) for partition, offset in known]

        return self._answered(saved)

    def alter_offsets(self, name: str, offsets: Sequence[tuple[Any, Any]]) -> Future[str]:
        def alter() -> str:
            if self._known(name).target is not TargetState.STOPPED:
                raise RequestRefusedError(400, "Connectors must be in the STOPPED state before their offsets can be modified.")
            if not all(isinstance(partition, dict) and isinstance(offset, dict | None) for partition, offset in offsets):
                raise RequestRefusedError(400, "Partition objects cannot be null")
            own = self.saved.setdefault(name, {})
            for partition, offset in offsets:
                own[msgspec.json.encode(partition, order="sorted").decode()] = (partition, offset)
            return "The offsets for this connector have been altered successfully"

        return self._answered(alter)

    def reset_offsets(self, name: str) -> Future[str]:
        def reset() -> str:
            if self._known(name).target is not TargetState.STOPPED:
                raise RequestRefusedError(400, "Connectors must be in the STOPPED state before their offsets can be modified.")
            self.saved.pop(name, None)
            return "The offsets for this connector have been reset successfully"

        return self._answered(reset)

    def plugins(self) -> Future[list[PluginDescription]]:
        return self._answered(lambda: PLUGINS)

    def plugin_config(self, plugin: str, version: str | None = None) -> Future[msgspec.Raw]:
        def config() -> msgspec.Raw:
            if plugin not in [each.class_name for each in PLUGINS]:
                raise RequestRefusedError(404, f"Unknown plugin {plugin}.")
            return msgspec.Raw(msgspec.json.encode([{"name": "topic", "version": version}]))

        return self._answered(config)

    def validate(self, plugin: str, config: Mapping[str, str | None]) -> Future[msgspec.Raw]:
        return self._answered(lambda: msgspec.Raw(msgspec.json.encode({"name": plugin, "error_count": 0, "given": config})))

    def loggers(self) -> Future[dict[str, LoggerLevel]]:
        return self._answered(self._loggers.levels)

    def set_logger_level(self, logger: str, level: str, *, cluster: bool) -> Future[list[str]]:
        return self._answered(lambda: self._loggers.set_level(logger, level))

    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str | None]], signature: Signature) -> Future[None]:
        return self._answered(lambda: self._signed(name, signature))

    def fence(self, name: str, signature: Signature) -> Future[None]:
        return self._answered(lambda: self._signed(name, signature))

    def _signed(self, name: str, signature: Signature) -> None:
        if signature.signature is None:
            raise RequestRefusedError(400, "Internal request missing required signature")
        self.signatures.append(signature)
