from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from fakes.mock_cluster import MockCluster

from fastconnect import _core

PARTITIONS = 4


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        cluster.create_topic("t", PARTITIONS)
        cluster.create_topic("other", PARTITIONS)
        yield cluster


@pytest.fixture
def page() -> _core.StatusPage:
    page = _core.StatusRegion(1).page(0)
    page.reset(1)
    return page


@pytest.fixture
def send_loop(cluster: MockCluster, page: _core.StatusPage) -> Iterator[Callable[..., _core.SendLoop]]:
    made: list[_core.SendLoop] = []

    def make(settings: dict[str, str] | None = None, **options: Any) -> _core.SendLoop:
        conf = {"bootstrap.servers": cluster.bootstrap_servers, "linger.ms": "1", "partitioner": "murmur2_random"}
        loop = _core.SendLoop(conf | (settings or {}), page, **options)
        made.append(loop)
        return loop

    yield make
    for loop in made:
        loop.close()


@pytest.fixture
def read(cluster: MockCluster) -> Callable[..., list[Message]]:
    def read(count: int, topic: str = "t") -> list[Message]:
        """The first `count` messages of a topic, by partition and offset."""
        consumer = Consumer(
            {"bootstrap.servers": cluster.bootstrap_servers, "group.id": "test", "auto.offset.reset": "earliest"}
        )
        try:
            consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
            messages: list[Message] = []
            while len(messages) < count:
                more = consumer.consume(count - len(messages), timeout=10)
                assert more, f"{len(messages)} of {count} messages came"
                messages += more
            return sorted(messages, key=lambda message: (message.partition(), message.offset()))
        finally:
            consumer.close()

    return read
