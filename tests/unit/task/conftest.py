from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from fakes.mock_cluster import MockCluster

from fastconnect import _core
from fastconnect.reports import TaskChannel


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        cluster.create_topic("t", 2)
        yield cluster


@pytest.fixture
def channel() -> Iterator[TaskChannel]:
    """A task's channel whose supervisor is this test."""
    region = _core.StatusRegion(1)
    region.page(0).reset(1)
    lifeline, other_end = os.pipe()
    doorbell = os.eventfd(0, os.EFD_NONBLOCK)
    yield TaskChannel(region.page(0), region.ring(0), lifeline, doorbell)
    for fd in (lifeline, other_end, doorbell):
        os.close(fd)


@pytest.fixture
def send_loop(cluster: MockCluster, channel: TaskChannel) -> Iterator[_core.SendLoop]:
    loop = _core.SendLoop({"bootstrap.servers": cluster.bootstrap_servers, "linger.ms": "1"}, channel.page)
    yield loop
    loop.close()
