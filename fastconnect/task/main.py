"""The first and the last lines of a task process: set up, run the loop, and end with an exit code that says how it went."""

from __future__ import annotations

import logging
import resource
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from fastconnect import plugins
from fastconnect._core import BatchSpoilt, BatchTooLarge, LeaseLost, SendLoop, guard_lease
from fastconnect.api.connector import SourceConnector
from fastconnect.api.task import SourceTask
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.config.offset_storage import OffsetStorage
from fastconnect.config.providers import Providers
from fastconnect.config.task_clients import admin_properties, producer_properties
from fastconnect.config.topic_creation import TopicCreation
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError, FatalClientError
from fastconnect.logs import facts
from fastconnect.reports import TaskChannel, TaskSpec
from fastconnect.states import Exit, State
from fastconnect.storage.open_offsets import open_offset_store
from fastconnect.task import rights, sink_main
from fastconnect.task.connecting import connect, live
from fastconnect.task.context import TaskContext
from fastconnect.task.dead_letters import Reporters
from fastconnect.task.delivered import Delivered, has_commit_record
from fastconnect.task.offsets import OffsetFlusher
from fastconnect.task.source import SourceLoop
from fastconnect.task.source_conversion import SourceConversion
from fastconnect.task.topics import TopicCreator
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)


def run(spec: TaskSpec, channel: TaskChannel, worker: WorkerConfig, *, until_done: bool = False) -> Exit:
    """Run one task in this process, which was forked for it, until it is told to stop; return its exit code.

    Args:
        until_done: the job has an end, which a sink has to find (a source says it itself).
    """
    orders = Orders(channel)
    orders.catch_signals()
    _guard_lease(channel)
    _limit_memory(worker.task_memory_max)
    try:
        spec, worker = _resolved(spec, worker)
        if plugins.kind_of_connector(spec.connector_config.get("connector.class") or "") == "sink":
            drained = sink_main.run(spec, channel, orders, worker, until_done=until_done)
        else:
            drained = _run_with_batches_that_fit(spec, channel, orders, worker)
    except LeaseLost:
        logger.warning("The lease is over: the task belongs to another worker now, nothing more is sent.")
        return Exit.LEASE_LOST
    except BaseException as error:  # also a plugin's SystemExit: it would end the process without a word
        return _fail(channel, error)
    channel.tell_state(State.UNASSIGNED)
    return Exit.OK if drained else Exit.UNDRAINED


def _guard_lease(channel: TaskChannel) -> None:
    """Where the task has a lease, have the kernel keep it too: this process may be stopped when it ends, and go on later."""
    if channel.page.lease_until_ns:
        try:
            guard_lease(channel.page)
        except OSError as error:
            logger.warning("The task's lease is kept by its loop alone: %s", error)


def _limit_memory(most: int) -> None:
    """Have the kernel refuse this process more memory of its own than that: it fails alone, before the machine is out of it."""
    if most:
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _out_of_memory(error: MemoryError) -> str:
    """Make room to end in order, and say what happened."""
    most, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    traceback.clear_frames(error.__traceback__)
    limit = "" if most == resource.RLIM_INFINITY else f": task.memory.max allows it {most / 1e6:,.0f} MB"
    return f"the task wants more memory than it may have{limit}"


def _resolved(spec: TaskSpec, worker: WorkerConfig) -> tuple[TaskSpec, WorkerConfig]:
    """Replace the variables of config providers: here, in the task's own process, and nowhere before."""
    worker = worker.resolved()
    providers = Providers.of(worker.originals)
    connector_config = providers.resolve(spec.connector_config, f"connector {spec.id.connector}")
    task_config = providers.resolve(spec.task_config, f"task {spec.id}")
    return msgspec.structs.replace(spec, connector_config=connector_config, task_config=task_config), worker


def _run_with_batches_that_fit(spec: TaskSpec, channel: TaskChannel, orders: Orders, worker: WorkerConfig) -> bool:
    """Run the task; begin again behind what is flushed, with smaller batches, as often as the broker refuses theirs.

    Batches that are too large become half as large. Where single records are refused and to be skipped, each gets a batch of
    its own from then on: that is slow, but the only way to have those beside them delivered in their order.
    """
    batch_bytes: int | None = None
    while True:
        try:
            return _run_source(spec, channel, orders, worker, batch_bytes)
        except BatchTooLarge as error:
            batch_bytes = error.batch_bytes // 2
            logger.warning("Going on with smaller batches: %s", error, extra=facts(batch_bytes=batch_bytes))
        except BatchSpoilt as error:
            batch_bytes = 1
            logger.warning("Going on with each record alone, slowly, until the task is started again: %s.", error)


def _run_source(
    spec: TaskSpec, channel: TaskChannel, orders: Orders, worker: WorkerConfig, batch_bytes: int | None = None
) -> bool:
    connector_class: type[SourceConnector[Any]] = plugins.find("source", spec.connector_config.get("connector.class") or "")
    task: SourceTask[Any] = connector_class.task_class()
    client_id = f"connector-offsets-{spec.id.connector}-{spec.id.task}"
    store = open_offset_store(OffsetStorage.of(worker, spec.connector_config, client_id=client_id), spec.id.connector)
    client = producer_properties(worker, spec.connector_config, spec.id.connector, spec.id.task)
    if batch_bytes is not None:
        client["batch.size"] = str(batch_bytes)
    creation = TopicCreation.of(worker, spec.connector_config)
    topics: TopicCreator | None = None
    if creation is not None:
        client["allow.auto.create.topics"] = "false"
        admin = admin_properties(worker, spec.connector_config, f"connector-adminclient-{spec.id.connector}-{spec.id.task}")
        topics = TopicCreator(creation, admin)
    reporters = Reporters(worker, spec.connector_config, spec.id, channel.page)
    tells_task = has_commit_record(task)
    send_loop = SendLoop(
        client,
        channel.page,
        most_in_flight=int(client.pop("queue.buffering.max.messages")),
        most_bytes_in_flight=int(client.pop("queue.buffering.max.kbytes")) * 1024,
        skip_failed_records=ErrorSettings.parse(spec.connector_config).errors_tolerance == "all",
        report_acks=tells_task,
        report_skipped=tells_task or reporters.wanted,
    )
    try:
        send_loop.wake_by(orders.wake_fd)
        conversion = SourceConversion.of(
            worker,
            spec.connector_config,
            wait=lambda wait_ms: loop.wait_for_retry(wait_ms),  # noqa: PLW0108 - the loop is made below
            page=channel.page,
            reporters=reporters.all,
        )
        delivered = Delivered(send_loop, task, conversion.tolerance) if tells_task or reporters.wanted else None
        offsets = OffsetFlusher(
            store,
            spec.id.connector,
            send_loop,
            channel.page,
            worker.offset_flush_interval_ms,
            reports=reporters,
            reports_within_ms=worker.offset_flush_timeout_ms,
            before=None if delivered is None else delivered.tell,
            after=_commit_of(task),
        )
        loop = SourceLoop(
            task,
            conversion,
            send_loop,
            offsets,
            orders,
            channel,
            stop_within_ms=worker.task_shutdown_graceful_timeout_ms,
            fail_within_ms=worker.offset_flush_timeout_ms,
            delivered=delivered,
            topics=topics,
        )
        task.context = TaskContext(
            spec.id,
            {key: value for key, value in spec.task_config.items() if value is not None},
            channel.page,
            offsets=offsets.stored,
            stopping=lambda: loop.stopping,
            wait=loop.wait,
        )
        with rights.explained(client):
            connect(send_loop, worker, channel, orders)
            reporters.open()
            return live(task, spec, channel, conversion, loop.run)
    finally:
        reporters.close()
        send_loop.close()
        store.close()


def _commit_of(task: SourceTask[Any]) -> Callable[[], None] | None:
    """What calls the task's own commit(), if it has one."""
    if type(task).commit is SourceTask.commit:
        return None

    def commit() -> None:
        try:
            task.commit()
        except Exception:
            logger.exception("The task's commit() failed.")  # the offsets are flushed all the same; as Kafka Connect

    return commit


def _fail(channel: TaskChannel, error: BaseException) -> Exit:
    if isinstance(error, SystemExit):
        reason = f"the connector's code has called sys.exit({error.code!r})"
    elif isinstance(error, MemoryError):
        reason = _out_of_memory(error)
    else:
        reason = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    channel.tell_state(State.FAILED, reason, trace, explained=isinstance(error, ConnectError))
    if isinstance(error, FatalClientError):
        return Exit.FATAL_CLIENT
    if isinstance(error, ConnectError) and not error.retry_helps:
        return Exit.UNUSABLE
    return Exit.FAILED
