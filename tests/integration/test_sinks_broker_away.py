"""A sink whose broker goes away and comes back: nothing is lost, nothing written twice, and the task is the same process."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from fakes.commands import Shell, until
from fakes.own_broker import OwnBroker
from fakes.topics import Topics

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    own = OwnBroker(tmp_path_factory.mktemp("broker") / "own")
    own.start()
    yield own
    own.close()


def cut(broker: OwnBroker) -> None:
    broker.relay.cut()
    time.sleep(3)
    broker.relay.mend()


def kill(broker: OwnBroker) -> None:
    broker.kill()
    broker.start()


def freeze(broker: OwnBroker) -> None:
    with broker.frozen():
        time.sleep(3)


@pytest.mark.parametrize("trouble", [cut, kill, freeze])
def test_a_broker_that_is_away_for_a_while_costs_time_only(
    run: Shell, broker: OwnBroker, fresh_topic: str, trouble: Callable[[OwnBroker], None]
) -> None:
    topics = Topics(broker.bootstrap_servers)
    topics.create(fresh_topic, 4)
    out = run.folder / "out"
    settings = {
        "name": fresh_topic,
        "connector.class": "FileSink",
        "topics": fresh_topic,
        "path": out,
        "tasks.max": 2,
        "roll.interval.ms": 100,
        "offset.flush.interval.ms": 100,
    }
    words: list[object] = ["run", "--bootstrap-servers", broker.bootstrap_servers]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    command = run.start(*words)

    def numbers() -> Counter[int]:
        if not out.exists():
            return Counter()
        files = [path for path in out.iterdir() if not path.name.startswith(".")]
        return Counter(json.loads(line)["n"] for path in files for line in path.read_text().splitlines())

    topics.write(fresh_topic, *(b'{"n":%d}' % n for n in range(1000)))
    until(lambda: numbers() == Counter(range(1000)), "the first records are in files")
    trouble(broker)
    topics.write(fresh_topic, *(b'{"n":%d}' % n for n in range(1000, 2000)))
    until(lambda: numbers() == Counter(range(2000)), "the records after it are in files, too, and none twice")
    assert command.err.count("Task process started.") == 2
