"""What runs in a connector's own process: its code is asked how the work is divided, and the answer goes back as data.

A fault in a plugin (an exception, a crash, a call that never returns) ends this process only: neither the supervisor nor the
herder ever runs a plugin's code.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fastconnect import masking, plugins
from fastconnect.api.config import Config
from fastconnect.api.connector import SinkConnector, SourceConnector
from fastconnect.api.record import Offset, Partition
from fastconnect.config.providers import Providers, restored
from fastconnect.config.validation import validate
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError, ConnectError, Fault
from fastconnect.herder.connector_report import ConnectorReport, Failure
from fastconnect.storage.stores import OffsetStore
from fastconnect.supervisor.control import RunConnector


def run(request: RunConnector, worker: WorkerConfig) -> bytes:
    """Validate a connector's configuration and, if that is asked, get the configurations of its tasks.

    Returns:
        A `ConnectorReport` as MessagePack; what goes wrong in the plugin is in it, never raised.
    """
    return msgspec.msgpack.encode(report(request, worker))


def report(request: RunConnector, worker: WorkerConfig) -> ConnectorReport:
    """Do as `run` does; the answer as an object."""
    try:
        validation = validate(request.config, worker)
        warnings = [str(warning) for warning in validation.warnings]
        if validation.faults or request.action == "validate":
            return ConnectorReport(faults=list(validation.faults), warnings=warnings)
        worker = worker.resolved()
        config = Providers.of(worker.originals).resolve(request.config, f"connector {request.name}")
        configs = _task_configs(msgspec.structs.replace(request, config=config), worker)
        return ConnectorReport(warnings=warnings, task_configs=[restored(each, request.config, config) for each in configs])
    except ConfigError as error:
        faults = list(error.faults) or [Fault("", str(error))]
        return ConnectorReport(faults=[Fault(fault.key, masking.hide(fault.message)) for fault in faults])
    except (Exception, SystemExit) as error:
        return ConnectorReport(failure=_failure(error))


def _failure(error: BaseException) -> Failure:
    if isinstance(error, SystemExit):
        reason = f"the connector's code has called sys.exit({error.code!r})"
    else:
        reason = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
    retry_helps = error.retry_helps if isinstance(error, ConnectError) else isinstance(error, OSError)
    trace = "".join(traceback.format_exception(error))
    return Failure(masking.hide(reason), masking.hide(trace), retry_helps)


def _task_configs(request: RunConnector, worker: WorkerConfig) -> list[dict[str, str]]:
    class_name = request.config.get("connector.class") or ""
    kind = plugins.kind_of_connector(class_name)
    connector_class = plugins.find(kind, class_name)
    max_tasks = int(request.config.get("tasks.max") or 1)
    connector: SourceConnector[Any] | SinkConnector[Any] = connector_class()
    context = ConnectorContext(request.name, worker)
    connector.context = context
    try:
        connector.start(connector_class.config_class.parse(request.config))
        try:
            configs = [_as_properties(config) for config in connector.task_configs(max_tasks)]
            if kind == "sink":
                configs = [{**_topics(request.config), **config} for config in configs]
        finally:
            connector.stop()
    finally:
        context.close()
    if len(configs) > max_tasks and request.config.get("tasks.max.enforce") != "false":
        # Kafka Connect's wording, from its TooManyTasksException.
        raise ConnectError(
            f"The connector {request.name} has generated {len(configs)} tasks, which is greater than {max_tasks}, the maximum "
            "number of tasks it is configured to create",
            hint="raise tasks.max, or report this to the author of the connector",
        )
    return configs


def _topics(config: Mapping[str, str | None]) -> dict[str, str]:
    """What a sink reads, which its tasks are told beside what the connector tells them. Source: Kafka Connect's Worker."""
    return {key: value for key in ("topics", "topics.regex") if (value := config.get(key))}


def _as_properties(config: Mapping[str, str] | Config) -> dict[str, str]:
    if isinstance(config, Config):
        return config.to_properties()
    for key, value in config.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"task_configs must give strings for strings, but {key!r} has the value {value!r}")
    return dict(config)


class ConnectorContext:
    """The api's SourceConnectorContext; the offset store is opened only if the connector asks for an offset."""

    def __init__(self, connector: str, worker: WorkerConfig) -> None:
        self._connector = connector
        self._worker = worker
        self._store: OffsetStore | None = None

    @property
    def connector(self) -> str:
        """The connector's name."""
        return self._connector

    def source_offset(self, partition: Partition, default: Any = None) -> Any:
        """The offset last flushed for a source partition; `default` if there is none."""
        (offset,) = self.source_offsets([partition])
        return default if offset is None else offset

    def source_offsets(self, partitions: Iterable[Partition]) -> list[Offset | None]:
        """The offsets last flushed for many source partitions, in their order."""
        if self._store is None:
            from fastconnect.storage.sqlite import SqliteOffsetStore

            self._store = SqliteOffsetStore(self._worker.offset_storage_file_filename)
        return self._store.get(self._connector, list(partitions))

    def close(self) -> None:
        """Close the offset store, if it was opened."""
        if self._store is not None:
            self._store.close()
