"""A source task in this process, with a lease that nobody prolongs: `python leased_task.py TOPIC BOOTSTRAP LEASE_MS`.

It sends numbered records as fast as it can, from its first line on. Its exit code is that of the task.
"""

from __future__ import annotations

import os
import sys

from fastconnect._core import StatusRegion, boottime_ns
from fastconnect.config.worker import WorkerConfig
from fastconnect.reports import TaskChannel, TaskSpec
from fastconnect.states import TaskId
from fastconnect.task import main


def run(topic: str, bootstrap: str, lease_ms: str) -> int:
    region = StatusRegion(1)
    page = region.page(0)
    page.reset(1)
    page.order(lease_until_ns=boottime_ns() + int(lease_ms) * 1_000_000)
    lifeline, _other_end = os.pipe()
    channel = TaskChannel(page, region.ring(0), lifeline, os.eventfd(0, os.EFD_NONBLOCK))
    config = {"connector.class": "SequenceSource", "topic": topic, "poll.size": "1000"}
    worker = WorkerConfig.parse({"bootstrap.servers": bootstrap, "offset.flush.interval.ms": "100"})
    return main.run(TaskSpec(TaskId("leased", 0), 1, 0, config, {**config, "task.number": "0"}), channel, worker)


if __name__ == "__main__":
    os._exit(run(*sys.argv[1:]))
