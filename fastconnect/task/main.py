"""The first and the last lines of a task process: set up, run the loop, and end with an exit code that says how it went."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any

from fastconnect import plugins
from fastconnect._core import BatchTooLarge, LeaseLost, SendLoop
from fastconnect.api.connector import SourceConnector
from fastconnect.api.task import SourceTask
from fastconnect.config.connector import SourceConnectorConfig, client_properties
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError, FatalClientError, RetriableError
from fastconnect.logs import facts
from fastconnect.reports import TaskChannel, TaskSpec
from fastconnect.states import Exit, State
from fastconnect.storage.sqlite import SqliteOffsetStore
from fastconnect.task.context import TaskContext
from fastconnect.task.conversion import Conversion
from fastconnect.task.offsets import OffsetFlusher
from fastconnect.task.source import SourceLoop
from fastconnect.task.waiting import Orders

logger = logging.getLogger(__name__)

def run(spec: TaskSpec, channel: TaskChannel, worker: WorkerConfig) -> Exit:
    """Run one task in this process, which was forked for it, until it is told to stop; return its exit code."""
    orders = Orders(channel)
    orders.catch_signals()
    try:
        drained = _run_with_batches_that_fit(spec, channel, orders, worker)
    except LeaseLost:
        logger.warning("The lease is over: the task belongs to another worker now, nothing more is sent.")
        return Exit.LEASE_LOST
    except BaseException as error:  # also a plugin's SystemExit: it would end the process without a word
        return _fail(channel, error)
    channel.tell_state(State.UNASSIGNED)
    return Exit.OK if drained else Exit.UNDRAINED


def _run_with_batches_that_fit(spec: TaskSpec, channel: TaskChannel, orders: Orders, worker: WorkerConfig) -> bool:
    """Run the task; begin again behind what is flushed, with batches half as large, as often as the broker refuses theirs."""
    batch_bytes: int | None = None
    while True:
        try:
            return _run_source(spec, channel, orders, worker, batch_bytes)
        except BatchTooLarge as error:
            batch_bytes = error.batch_bytes // 2
            logger.warning("Going on with smaller batches: %s", error, extra=facts(batch_bytes=batch_bytes))


def _run_source(
    spec: TaskSpec, channel: TaskChannel, orders: Orders, worker: WorkerConfig, batch_bytes: int | None = None
) -> bool:
    connector_class: type[SourceConnector[Any]] = plugins.find("source", spec.connector_config.get("connector.class") or "")
    config = SourceConnectorConfig.parse(spec.connector_config)
    task: SourceTask[Any] = connector_class.task_class()
    store = SqliteOffsetStore(worker.offset_storage_file_filename)
    client = client_properties(worker, spec.connector_config, spec.id.connector, spec.id.task)
    if batch_bytes is not None:
        client["batch.size"] = str(batch_bytes)
    send_loop = SendLoop(
        client,
        channel.page,
        most_in_flight=int(client.pop("queue.buffering.max.messages")),
        most_bytes_in_flight=int(client.pop("queue.buffering.max.kbytes")) * 1024,
        skip_failed_records=config.errors_tolerance == "all",
    )
    try:
        send_loop.wake_by(orders.wake_fd)
        offsets = OffsetFlusher(store, spec.id.connector, send_loop, channel.page, worker.offset_flush_interval_ms)
        loop = SourceLoop(
            task,
            Conversion.of(worker, spec.connector_config),
            send_loop,
            offsets,
            orders,
            channel,
            stop_within_ms=worker.task_shutdown_graceful_timeout_ms,
            fail_within_ms=worker.offset_flush_timeout_ms,
        )
        task.context = TaskContext(
            spec.id,
            {key: value for key, value in spec.task_config.items() if value is not None},
            channel.page,
            offsets=offsets.stored,
            stopping=lambda: loop.stopping,
            wait=loop.wait,
        )
        connect(send_loop, worker, channel, orders)
        try:
            task.start(task.config_class.parse(spec.task_config, where=f"task {spec.id}"))
            channel.tell_state(State.RUNNING)
            return loop.run()
        finally:
            _stop(task)
    finally:
        send_loop.close()
        store.close()


def connect(send_loop: SendLoop, worker: WorkerConfig, channel: TaskChannel, orders: Orders) -> None:
    """Wait until a broker answers.

    This is also what makes a fresh producer's first acknowledgement come after 15 ms and not after 500: it gets its producer id
    from a 500 ms timer, but looks at once when metadata arrives while a broker is connected.

    Raises:
        ConnectError: none has answered within bootstrap.timeout.ms.
    """
    began = time.monotonic()
    said = False
    while not orders.stop_asked:
        try:
            send_loop.reach()
        except RetriableError as error:
            send_loop.poll(0)  # reads why: a connection refused, a name not found
            reason = send_loop.last_error or str(error)
            waited_ms = (time.monotonic() - began) * 1000
            if waited_ms > worker.bootstrap_timeout_ms:
                raise ConnectError(
                    f"no broker has answered for {waited_ms / 1000:.0f} s: {reason}",
                    where=f"bootstrap.servers={','.join(worker.bootstrap_servers)}",
                    hint="check the address, and that the broker runs",
                ) from error
            if not said:
                logger.warning("No broker answers yet; trying on. %s", reason)
                channel.tell_state(State.RUNNING, f"waiting for a broker: {reason}")
                said = True
            channel.page.beat()
            orders.wait(200)
            continue
        break
    if said:
        logger.info("A broker answers.", extra=facts(waited_s=round(time.monotonic() - began, 1)))


def _stop(task: SourceTask[Any]) -> None:
    try:
        task.stop()
    except Exception:
        # What is delivered is delivered, whatever the plugin's clean-up runs into.
        logger.exception("The task's stop() failed.")


def _fail(channel: TaskChannel, error: BaseException) -> Exit:
    if isinstance(error, SystemExit):
        reason = f"the connector's code has called sys.exit({error.code!r})"
    else:
        reason = str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    channel.tell_state(State.FAILED, reason, trace, explained=isinstance(error, ConnectError))
    if isinstance(error, FatalClientError):
        return Exit.FATAL_CLIENT
    if isinstance(error, ConnectError) and not error.retry_helps:
        return Exit.UNUSABLE
    return Exit.FAILED
