"""What _core costs: a status page's updates, and a batch's whole way through the send loop, to a broker inside librdkafka.

pytest bench/micro/test_core.py --import-mode=importlib
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fastconnect import CountOffsets, RecordBatch
from fastconnect._core import SendLoop, StatusPage, StatusRegion

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from fakes.mock_cluster import MockCluster

RECORDS = 50_000
LINES = b"\n".join([b"x" * 86] * RECORDS) + b"\n"
HERE = {"file": "a"}


@pytest.fixture
def page() -> StatusPage:
    page = StatusRegion(1).page(0)
    page.reset(1)
    return page


@pytest.fixture
def send_loop(page: StatusPage) -> Iterator[SendLoop]:
    with MockCluster() as cluster:
        cluster.create_topic("t", 8)
        settings = {"bootstrap.servers": cluster.bootstrap_servers, "linger.ms": "5", "batch.size": "1000000"}
        loop = SendLoop(settings, page, most_in_flight=RECORDS)
        loop.learn("t", 5000)
        yield loop
        loop.close()


def test_a_counter_of_the_page(benchmark: BenchmarkFixture, page: StatusPage) -> None:
    def count_to_1000() -> None:
        for _ in range(1000):
            page.polls += 1

    benchmark(count_to_1000)


def test_a_heartbeat(benchmark: BenchmarkFixture, page: StatusPage) -> None:
    benchmark(page.beat)


def test_a_state_of_100_bytes(benchmark: BenchmarkFixture, page: StatusPage) -> None:
    benchmark(page.write_state, 1, "x" * 100)


def test_reading_all_counters(benchmark: BenchmarkFixture, page: StatusPage) -> None:
    benchmark(page.counters)


def test_splitting_sending_and_tracking_50_000_lines(benchmark: BenchmarkFixture, send_loop: SendLoop) -> None:
    batch = RecordBatch.lines("t", LINES, source_partition=HERE, offsets=CountOffsets(0))

    def send() -> None:
        send_loop.queue_batch(batch, LINES)
        while not send_loop.push(1000):
            pass
        assert send_loop.flush(10_000)
        assert send_loop.take_committable() == [(HERE, {"seq": RECORDS - 1})]

    benchmark(send)
