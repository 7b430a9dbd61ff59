"""What `run` and `ingest` share: this process becomes the supervisor of the connectors, and afterwards says how it went.

Before the supervisor forks, everything that its children need is imported once, here. It opens no Kafka client, starts no
thread and runs no plugin's code, since none of that would survive the fork.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fastconnect import logs
from fastconnect.cli.console import wants_drawing
from fastconnect.cli.summary import Summary, summarize
from fastconnect.errors import ConfigError, Fault, FunctionError, PluginNotFoundError
from fastconnect.herder.snapshot import ConnectorSpec, View
from fastconnect.states import Exit, State

if TYPE_CHECKING:
    from fastconnect.cli.local_file import LocalFile
    from fastconnect.config.worker import WorkerConfig
    from fastconnect.reports import TaskChannel, TaskSpec
    from fastconnect.storage.stores import OffsetStore
    from fastconnect.supervisor.control import RunConnector
    from fastconnect.supervisor.entrypoints import HerderChannel
    from fastconnect.supervisor.supervisor import Outcome

logger = logging.getLogger(__name__)

STARTED_S = time.monotonic()
"""About when the command was started; the interpreter's own start, some 15 ms, lies before it."""

EXIT_UNUSABLE = 2
"""A configuration cannot be used; the herder says so with its Finish."""

EXIT_KILLED = 3
"""A task could not deliver and flush all in time, or had to be killed."""

PRELOADED = (
    "fastconnect.librdkafka",  # first: what _core calls is found in it
    "fastconnect.task.main",
    "fastconnect.herder.connector_process",
    "fastconnect.cli.herder_process",
    "fastconnect.storage.sqlite",
    "fastconnect.converters.json",
    "fastconnect.converters.string",
    "fastconnect.converters.byte_array",
    "fastconnect.converters.simple_header",
    "fastconnect.connectors.file_source",
    "fastconnect.connectors.file_stream_source",
    "fastconnect.connectors.sequence_source",
    "fastconnect.connectors.file_sink",
    "fastconnect.connectors.file_stream_sink",
)
"""Imported once before the first fork, so that a process costs few milliseconds and little memory of its own."""

PRELOADED_FOR_GROUPS = (
    "fastconnect.herder.distributed",
    "fastconnect.herder.connections",
    "fastconnect.storage.kafka_offsets",
    "fastconnect.rest.server",
    "confluent_kafka.admin",
    "httpx2",
)
"""The same for a distributed worker: a herder that is started anew has to be there again before the leases of its tasks end."""


class Kafka(msgspec.Struct, frozen=True):
    """The cluster to write to: the worker's properties with `bootstrap.servers`, and a name that tells clusters apart."""

    properties: dict[str, str | None]
    identity: str


@contextlib.contextmanager
def kafka(properties: Mapping[str, str | None], connectors: Sequence[ConnectorSpec] = ()) -> Iterator[Kafka]:
    """Make sure that there is a Kafka for the while of a `with`: the one that is named, else the embedded one.

    Args:
        properties: the worker's.
        connectors: those that are to run; if each of them names its own Kafka, the worker needs none.
    Raises:
        BrokerError: none is named, and none can be started; says why and what to do.
    """
    keys = ("producer.bootstrap.servers", "consumer.bootstrap.servers", "bootstrap.servers")
    named = next((value for key in keys if (value := properties.get(key))), "")
    servers = [server.strip() for server in named.split(",") if server.strip()]
    if servers or (connectors and all(_names_servers(each.config) for each in connectors)):
        yield Kafka(dict(properties), ",".join(sorted(servers)))
        return
    from fastconnect.broker import probe
    from fastconnect.broker.embedded import acquire

    with acquire(on_progress=_say) as broker:
        _say(f"No bootstrap.servers are given: using the embedded broker at {broker.bootstrap_servers}.")
        # By its cluster's id, not by its address: after `fastconnect broker reset` it is another one with nothing in it.
        cluster = probe.cluster_id(int(broker.bootstrap_servers.rpartition(":")[2]), timeout_s=5)
        yield Kafka({**properties, "bootstrap.servers": broker.bootstrap_servers}, f"embedded {cluster}")


def _names_servers(config: Mapping[str, str | None]) -> bool:
    return bool(config.get("producer.override.bootstrap.servers") or config.get("consumer.override.bootstrap.servers"))


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def parse_worker(properties: Mapping[str, str | None], file: Path | None, *, distributed: bool = False) -> WorkerConfig:
    """Make the worker's configuration of its properties.

    Args:
        distributed: whether it is one of a group of workers.
    Raises:
        ConfigError: with all its faults.
    """
    from fastconnect.config.worker import WorkerConfig

    worker = WorkerConfig.parse(properties, where=str(file) if file is not None else "worker config")
    if distributed:
        worker = worker.as_distributed()
    for warning in worker.warnings:
        logger.warning(warning)
    return worker


class _DrawnOverFormatter(logs.PlainFormatter):
    """Wipes the rest of each line it writes to: what the screen shows may stand there (see console.Screen)."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\x1b[K\n") + "\x1b[K"


def set_up_logs(*, verbose: bool, json_lines: bool = False) -> None:
    """Log to stderr: with the time where no terminal and no journal adds it. Never waits for a reader."""
    level = logging.DEBUG if verbose else logging.INFO
    if json_lines:
        logs.configure(level, json_lines=True, may_block=False)
        return
    if not wants_drawing():
        logs.configure(level, timestamps=not sys.stderr.isatty() and "JOURNAL_STREAM" not in os.environ, may_block=False)
        return
    # What the table or the bar shows already need not be told in lines too.
    logs.configure(level if verbose else logging.WARNING, may_block=False)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_DrawnOverFormatter())


class _Entrypoints:
    """The bodies of the supervisor's children."""

    def __init__(
        self,
        connectors: Sequence[ConnectorSpec],
        worker: WorkerConfig,
        view: View | None,
        files: Mapping[str, LocalFile],
        *,
        until_done: bool,
        rest: bool,
    ) -> None:
        self._connectors = connectors
        self._worker = worker
        self._view = view
        self._files = files
        self._until_done = until_done
        self._rest = rest

    def task(self, spec: TaskSpec, channel: TaskChannel) -> int | None:
        from fastconnect.task.main import run as run_task

        file = self._files.get(spec.id.connector)
        if file is not None and spec.connector_config.get("connector.class") == file.connector_class:
            signal.signal(signal.SIGTERM, lambda *_: None)  # the page says it too, when the file is imported
            try:
                config = file.register(spec.connector_config)
            except FunctionError as error:
                channel.tell_state(State.FAILED, str(error), explained=True)
                return Exit.UNUSABLE
            spec = msgspec.structs.replace(spec, connector_config=config)
        return run_task(spec, channel, self._worker, until_done=self._until_done)

    def herder(self, channel: HerderChannel) -> int | None:
        from fastconnect.cli.herder_process import be_herder

        return be_herder(channel, self._connectors, self._worker, self._view, until_done=self._until_done, rest=self._rest)

    def connector(self, request: RunConnector, worker: WorkerConfig, tell: Callable[[bytes], None]) -> bytes:
        from fastconnect.herder import connector_process
        from fastconnect.herder.connector_report import ConnectorReport

        file = self._files.get(request.name)
        if file is not None and request.config.get("connector.class") == file.connector_class:
            try:
                request = msgspec.structs.replace(request, config=file.register(request.config))
            except FunctionError as error:
                return msgspec.msgpack.encode(ConnectorReport(faults=[Fault("", str(error))]))
        return connector_process.run(request, worker, tell)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a job has ended: the command's exit code, why, what is to be said about it, and the numbers."""

    exit_code: int
    reason: str
    failures: list[str]
    """One sentence for each task, and each connector, that failed."""
    summary: Summary


def run(
    connectors: Sequence[ConnectorSpec],
    worker: WorkerConfig,
    view: View | None,
    *,
    until_done: bool,
    rest: bool = False,
    files: Mapping[str, LocalFile] | None = None,
) -> Ended:
    """Be the supervisor of these connectors until they are done, or until a signal stops them.

    Args:
        rest: whether the REST API is to be answered.
        files: the Python files that some of the connectors are in, by the connectors' names.
    Raises:
        ConfigError: a connector cannot be used, or a plugin not be loaded; no task was started.
    """
    preload(worker)
    from fastconnect.supervisor.supervisor import Supervisor

    outcome = Supervisor(worker, _Entrypoints(connectors, worker, view, files or {}, until_done=until_done, rest=rest)).run()
    if wants_drawing():
        click.echo("\r\x1b[J", nl=False, err=True)  # what a herder that was killed has left on the screen
    if outcome.exit_code == EXIT_UNUSABLE:
        raise ConfigError(outcome.reason)
    usage, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    at_end = [task.counters.get("at_end") == 1 for task in outcome.tasks]
    summary = summarize(
        [task.counters for task in outcome.tasks],
        restarts=sum(max(0, task.status.started_count - 1) for task in outcome.tasks),
        seconds=time.monotonic() - STARTED_S,
        cpu_seconds=usage.ru_utime + usage.ru_stime + children.ru_utime + children.ru_stime,
        complete=outcome.exit_code == 0 and all(at_end) and stop_signal(outcome.reason) is None,
        forgotten=outcome.forgotten,
    )
    return Ended(
        exit_code=exit_code_of(outcome.exit_code, outcome.reason, until_done=until_done, complete=summary.complete),
        reason=outcome.reason,
        failures=_failures(outcome),
        summary=summary,
    )


def _failures(outcome: Outcome) -> list[str]:
    tasks = [f"{each.status.id}: {each.status.reason}" for each in outcome.tasks if each.status.state == State.FAILED]
    # Of connectors that gave no tasks only the herder knows; it lists all failures in its reason to finish.
    listed = [line.removeprefix("  - ") for line in outcome.reason.splitlines() if line.startswith("  - ")]
    return tasks + [failure for failure in listed if failure not in tasks]


def exit_code_of(supervisors: int, reason: str, *, until_done: bool, complete: bool) -> int:
    """The command's exit code: the supervisor's, but a job that should have run to its end tells that it was interrupted.

    128 and the signal's number is what a shell makes of a program that a signal has ended.
    """
    number = stop_signal(reason)
    if supervisors == 0 and until_done and number is not None and not complete:
        return 128 + number
    return supervisors


def stop_signal(reason: str) -> int | None:
    """The signal that has stopped the supervisor, if one has."""
    name = reason.partition(";")[0].removeprefix("stopped by ")
    return signal.Signals[name] if name in signal.Signals.__members__ else None


def tell(ended: Ended, *, until_done: bool) -> None:
    """Say what is to be said when a job has not just ended well."""
    for failure in ended.failures:
        click.echo(f"{click.style('Failed:', fg='red', bold=True)} {failure}", err=True)
    if ended.exit_code == 1 and not ended.failures:
        click.echo(f"{click.style('Failed:', fg='red', bold=True)} {ended.reason}", err=True)
    elif ended.exit_code == EXIT_KILLED:
        click.echo(f"{click.style('Not drained:', fg='red', bold=True)} {ended.reason}; a part will be sent again.", err=True)
    elif ended.exit_code > 128:
        click.echo("Interrupted: all that was read is delivered.", err=True)
    if until_done and ended.exit_code != 0:
        click.echo("What is delivered is kept in the offsets: running the same command again continues there.", err=True)


def preload(worker: WorkerConfig) -> None:
    """Import what every child needs, and the plugins that `plugin.preload` names, before the first fork.

    Raises:
        ConfigError: `plugin.preload` names something that is not installed, or that cannot be imported.
    """
    for name in (*PRELOADED, *(PRELOADED_FOR_GROUPS if worker.distributed else ())):
        importlib.import_module(name)
    faults = [fault for name in worker.plugin_preload if (fault := _preload_plugin(name)) is not None]
    if faults:
        raise ConfigError("the worker's plugins cannot be loaded", faults=faults)


def _warm_up() -> None:
    """Do once what every child does first: the caches that this fills are then shared, not made anew in each (some 4 MB)."""
    import sqlite3

    from fastconnect import plugins
    from fastconnect.config.connector import SourceConnectorConfig
    from fastconnect.config.task_clients import producer_properties
    from fastconnect.config.worker import WorkerConfig
    from fastconnect.task.source_conversion import SourceConversion

    worker = WorkerConfig.parse({"bootstrap.servers": "localhost:9092"})
    config = {"name": "warm-up", "connector.class": "warm-up"}
    SourceConnectorConfig.parse(config)
    producer_properties(worker, config, "warm-up", 0)
    SourceConversion.of(worker, config)
    for name in ("FileStreamSource", "FileSource", "SequenceSource"):
        plugins.find("source", name)
    sqlite3.connect(":memory:").close()


def _preload_plugin(name: str) -> Fault | None:
    from fastconnect import plugins

    reasons = []
    for kind in ("source", "sink", "converter", "header_converter", "transform", "predicate"):
        try:
            plugins.find(kind, name)
        except PluginNotFoundError as error:
            reasons.append(str(error))
        else:
            return None
    return Fault("plugin.preload", reasons[0])


def open_offsets(worker: WorkerConfig) -> OffsetStore | None:
    """The worker's offset store, to look into before the first fork; None if it does not exist yet."""
    from fastconnect.storage.sqlite import SqliteOffsetStore

    file = Path(worker.offset_storage_file_filename)
    return SqliteOffsetStore(file) if file.exists() else None
