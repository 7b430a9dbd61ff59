"""A sink task's own first and last lines: its consumer, its converters and its loop, put together and taken apart.

What sinks and sources have in common is in main.py.
"""

from __future__ import annotations

import time
from typing import Any

from fastconnect import plugins
from fastconnect._core import FetchLoop
from fastconnect.api.connector import SinkConnector
from fastconnect.api.task import SinkTask
from fastconnect.config.sink_connector import SinkConnectorConfig
from fastconnect.config.task_clients import consumer_properties
from fastconnect.config.worker import WorkerConfig
from fastconnect.reports import TaskChannel, TaskSpec
from fastconnect.states import TargetState
from fastconnect.task import rights
from fastconnect.task.connecting import connect, live
from fastconnect.task.dead_letters import ErrantRecords, Reporters
from fastconnect.task.partitions import Partitions
from fastconnect.task.sink import SinkLoop
from fastconnect.task.sink_batch import MOST_IN_A_BATCH
from fastconnect.task.sink_context import SinkContext
from fastconnect.task.sink_conversion import SinkConversion
from fastconnect.task.waiting import Orders


def run(spec: TaskSpec, channel: TaskChannel, orders: Orders, worker: WorkerConfig, *, until_done: bool) -> bool:
    """Run a sink task until it is told to stop; False if the last commit has failed."""
    connector_class: type[SinkConnector[Any]] = plugins.find("sink", spec.connector_config.get("connector.class") or "")
    config = SinkConnectorConfig.parse(spec.connector_config)
    task: SinkTask[Any] = connector_class.task_class()
    client = consumer_properties(worker, spec.connector_config, spec.id.connector, spec.id.task)
    batch_most = int(client.pop("max.poll.records", 0)) or None
    if until_done:
        client["enable.partition.eof"] = "true"
    reporters = Reporters(worker, spec.connector_config, spec.id, channel.page)
    fetch_loop = FetchLoop(client, channel.page, batch_most or MOST_IN_A_BATCH)
    try:
        fetch_loop.wake_by(orders.wake_fd)
        partitions = Partitions()
        conversion = SinkConversion.of(
            worker,
            spec.connector_config,
            wait=lambda wait_ms: _wait(channel, orders, wait_ms),
            page=channel.page,
            reporters=reporters.all,
        )
        errant = ErrantRecords(reporters, conversion, f"{type(task).__module__}.{type(task).__qualname__}")
        loop = SinkLoop(
            task,
            conversion,
            fetch_loop,
            partitions,
            orders,
            channel,
            topics=config.pattern or config.topics,
            reset=client["auto.offset.reset"],
            batch_most=batch_most,
            commit_interval_ms=worker.offset_flush_interval_ms,
            commit_timeout_ms=worker.offset_flush_timeout_ms,
            stop_within_ms=worker.task_shutdown_graceful_timeout_ms,
            topics_again_ms=int(client["topic.metadata.refresh.interval.ms"]),
            reports=reporters,
            errant=errant,
            last_try=spec.last_try,
            until_done=until_done,
        )
        task.context = SinkContext(
            spec.id,
            {key: value for key, value in spec.task_config.items() if value is not None},
            partitions,
            set_paused=loop.set_paused,
            stopping=lambda: loop.stopping,
            reporter=errant if reporters.wanted else None,
        )
        with rights.explained(client):
            connect(fetch_loop, worker, channel, orders)
            reporters.open()
            return live(task, spec, channel, conversion, loop.run)
    finally:
        reporters.close()
        fetch_loop.close()


def _wait(channel: TaskChannel, orders: Orders, wait_ms: int) -> bool:
    """Wait between two tries of a conversion; True when the task is to stop."""
    until = time.monotonic() + wait_ms / 1000
    while orders.target is not TargetState.STOPPED and (left := until - time.monotonic()) > 0:
        channel.page.beat()
        orders.wait(max(1, min(500, int(left * 1000))))  # wakes for whatever comes from the broker, too
    return orders.target is TargetState.STOPPED
