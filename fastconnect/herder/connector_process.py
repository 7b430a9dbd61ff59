"""What runs in a connector's own process: its code is asked how the work is divided, and the answer goes back as data.

A fault in a plugin (an exception, a crash, a call that never returns) ends this process only: neither the supervisor nor the
herder ever runs a plugin's code.
"""

from __future__ import annotations

import logging
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fastconnect import masking, plugins
from fastconnect.api.config import Config
from fastconnect.api.connector import SinkConnector, SourceConnector
from fastconnect.config.providers import Providers, restored
from fastconnect.config.validation import validate
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError, ConnectError, Fault
from fastconnect.herder import plugin_answers
from fastconnect.herder.connector_context import END, ConnectorContext
from fastconnect.herder.connector_report import ConnectorReport, Failure
from fastconnect.supervisor.control import RunConnector

logger = logging.getLogger(__name__)


def run(request: RunConnector, worker: WorkerConfig, tell: Callable[[bytes], None]) -> bytes:
    """Validate a connector's configuration and, if that is asked, get the configurations of its tasks.

    A connector that watches its source goes on: this returns when it is told to stop (SIGTERM), or when it has ended itself.

    Args:
        tell: takes an answer while the process goes on.
    Returns:
        A `ConnectorReport` as MessagePack; what goes wrong in the plugin is in it, never raised. Nothing, if all was told.
    """
    first, connector = _begin(request, worker)
    if connector is None:
        nothing_to_say = request.action == "watch" and not first.faults and first.failure is None
        return b"" if nothing_to_say else _encoded(first)
    tell(b"" if request.action == "watch" else _encoded(first))
    try:
        return connector.watch(lambda report: tell(_encoded(report)))
    finally:
        connector.stop()


def report(request: RunConnector, worker: WorkerConfig) -> ConnectorReport:
    """The first answer of `run` alone, as an object."""
    first, connector = _begin(request, worker)
    if connector is not None:
        connector.stop()
    return first


def _encoded(report: ConnectorReport) -> bytes:
    return msgspec.msgpack.encode(report)


def _begin(request: RunConnector, worker: WorkerConfig) -> tuple[ConnectorReport, _Running | None]:
    """The first answer, and the connector, if it is one that watches its source."""
    try:
        if request.action not in ("task_configs", "watch"):
            return plugin_answers.answer(request, worker), None
        validation = validate(request.config, worker)
        warnings = [str(warning) for warning in validation.warnings]
        if validation.faults:
            return ConnectorReport(faults=list(validation.faults), warnings=warnings), None
        worker = worker.resolved()
        config = Providers.of(worker.originals).resolve(request.config, f"connector {request.name}")
        connector = _Running(request, config, worker)
        try:
            configs = [] if request.action == "watch" else connector.task_configs()
        except BaseException:
            connector.stop()
            raise
        if not connector.watches:
            connector.stop()
        first = ConnectorReport(warnings=warnings, task_configs=configs, kind=connector.kind, version=connector.plugin.version)
        return first, connector if connector.watches else None
    except (Exception, SystemExit) as error:
        return _failed(error), None


def _failed(error: BaseException) -> ConnectorReport:
    if isinstance(error, ConfigError):
        faults = list(error.faults) or [Fault("", str(error))]
        return ConnectorReport(faults=[Fault(fault.key, masking.hide(fault.message)) for fault in faults])
    return ConnectorReport(failure=_failure(error))


def _failure(error: BaseException) -> Failure:
    if isinstance(error, SystemExit):
        reason = f"the connector's code has called sys.exit({error.code!r})"
    else:
        reason = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
    retry_helps = error.retry_helps if isinstance(error, ConnectError) else isinstance(error, OSError)
    trace = "".join(traceback.format_exception(error))
    return Failure(masking.hide(reason), masking.hide(trace), retry_helps)


class _Running:
    """A connector that was started."""

    def __init__(self, request: RunConnector, config: Mapping[str, str | None], worker: WorkerConfig) -> None:
        self._name = request.name
        self._raw = request.config
        self._config = config
        class_name = config.get("connector.class") or ""
        self.kind = plugins.kind_of_connector(class_name)
        self.plugin = plugins.find_plugin(self.kind, class_name)
        connector_class: type[Any] = self.plugin.cls
        self._connector: SourceConnector[Any] | SinkConnector[Any] = connector_class()
        self._context = ConnectorContext(request.name, worker, config)
        self._connector.context = self._context
        try:
            self._connector.start(connector_class.config_class.parse(config))
        except BaseException:
            self._context.close()
            raise

    @property
    def watches(self) -> bool:
        """Whether it has something to do behind its answer."""
        return isinstance(self._connector, SourceConnector) and type(self._connector).watch is not SourceConnector.watch

    def task_configs(self) -> list[dict[str, str]]:
        """Ask it for the configurations of its tasks."""
        max_tasks = int(self._config.get("tasks.max") or 1)
        configs = [self._as_properties(config) for config in self._connector.task_configs(max_tasks)]
        added = {"task.class": _task_class(self.plugin.name)}
        if self.kind == "sink":
            added |= _topics(self._config)
        configs = [{**added, **config} for config in configs]
        if len(configs) > max_tasks and (self._config.get("tasks.max.enforce") or "true").strip().lower() != "false":
            # Kafka Connect's wording, from its TooManyTasksException.
            raise ConnectError(
                f"The connector {self._name} has generated {len(configs)} tasks, which is greater than {max_tasks}, "
                "the maximum number of tasks it is configured to create",
                hint="raise tasks.max, or report this to the author of the connector",
            )
        return [restored(each, self._raw, self._config) for each in configs]

    def _as_properties(self, config: Mapping[str, str] | Config) -> dict[str, str]:
        if config is self._connector.config:  # as it was given: without the defaults, and with what the task's class adds
            return {key: value for key, value in self._config.items() if value is not None}
        return config.to_properties() if isinstance(config, Config) else _checked(config)

    def watch(self, tell: Callable[[ConnectorReport], None]) -> bytes:
        """Let it watch its source; tell its tasks' configurations whenever it asks for that."""
        context = self._context
        signal.signal(signal.SIGTERM, lambda *_: context.end())
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        while True:
            wish = context.wishes.get()
            if wish is END or context.stopping:
                return b""
            if isinstance(wish, BaseException):
                return _encoded(_failed(wish))
            try:
                tell(ConnectorReport(task_configs=self.task_configs()))
            except (Exception, SystemExit) as error:
                return _encoded(_failed(error))

    def _watch(self) -> None:
        assert isinstance(self._connector, SourceConnector)
        try:
            self._connector.watch()
        except BaseException as error:
            self._context.wishes.put(error)
        else:
            self._context.wishes.put(END)

    def stop(self) -> None:
        """Stop it; what its stop() runs into is logged, for its answer is given."""
        self._context.end()
        try:
            self._connector.stop()
        except Exception:
            logger.exception("The connector's stop() failed.")
        finally:
            self._context.close()


def _topics(config: Mapping[str, str | None]) -> dict[str, str]:
    """What a sink reads, which its tasks are told beside what the connector tells them. Source: Kafka Connect's Worker."""
    return {key: value for key in ("topics", "topics.regex") if (value := config.get(key))}


def _task_class(connector: str) -> str:
    """The name of a connector's task class, which a worker of Kafka Connect wants to find in each task's configuration."""
    return connector.removesuffix("Connector") + "Task"


def _checked(config: Mapping[str, str]) -> dict[str, str]:
    for key, value in config.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"task_configs must give strings for strings, but {key!r} has the value {value!r}")
    return dict(config)
