"""The brokers of distributed workers go away for longer than a session, and come back: all goes on, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.cluster import Cluster
from fakes.commands import shell, until
from fakes.own_broker import OwnBroker
from fakes.topics import Audit, Topics

pytestmark = pytest.mark.integration

TASKS = 2
RATE = 200


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnBroker]:
    own = OwnBroker(tmp_path / "broker", broker_session_timeout_ms="2000", broker_heartbeat_interval_ms="500")
    own.start()
    yield own
    own.close()


def test_workers_without_brokers_stop_their_work_and_go_on_when_there_are_some_again(broker: OwnBroker, tmp_path: Path) -> None:
    topics = Topics(broker.bootstrap_servers)
    topics.create("numbers", 1)
    (tmp_path / "workers").mkdir()
    with shell(tmp_path / "workers") as run:
        cluster = Cluster(run, broker.bootstrap_servers, "away", 1)
        cluster.start()
        config = {"connector.class": "SequenceSource", "topic": "numbers", "tasks.max": str(TASKS), "rate": str(RATE)}
        cluster.workers[0].ask("PUT", "/connectors/seq/config", config)
        cluster.until_runs("seq", TASKS)
        until(lambda: topics.count("numbers") > RATE, "records arrive")

        broker.kill()
        until(lambda: not [task for worker in cluster.workers for task in worker.tasks()], "no task runs without a lease")
        assert not any(worker.is_healthy for worker in cluster.workers)
        assert cluster.workers[0].ask("GET", "/connectors") == ["seq"]

        broker.start()
        for worker in cluster.workers:
            worker.until_ready()
        cluster.until_runs("seq", TASKS)
        audit = Audit()
        with topics.reader("numbers") as reader:
            audit.add(reader.read_on())
            sent = {task: max(numbers) for task, numbers in audit.times.items()}
            until(
                lambda: audit.add(reader.read_on()) or all(max(audit.times[task]) > sent[task] + RATE for task in range(TASKS)),
                "all tasks go on",
            )
        assert [
            (task, number) for task, numbers in audit.times.items() for number in range(max(numbers)) if number not in numbers
        ] == []
