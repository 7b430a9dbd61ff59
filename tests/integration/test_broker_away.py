"""A broker that is down at the start, goes away in the middle, or lacks the topic: nothing is lost, nobody panics."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from fakes.commands import Command, Shell, shell, until
from fakes.own_broker import OwnBroker
from fakes.topics import Audit, Topics

pytestmark = pytest.mark.integration

TASKS = 2
COUNT = 2_500
RATE = 1_000
FLUSH_MS = 250


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    own = OwnBroker(
        tmp_path_factory.mktemp("broker") / "own",
        auto_create_topics_enable="false",
        broker_session_timeout_ms="2000",  # how long its controller takes a killed broker for alive
        broker_heartbeat_interval_ms="500",
    )
    own.start()
    yield own
    own.close()


@pytest.fixture(scope="module")
def theirs(broker: OwnBroker) -> Topics:
    """The topics of that broker, seen through the same relay."""
    return Topics(broker.bootstrap_servers)


WRONG_ADDRESSES = {"127.0.0.1:1": "Connection refused", "no-such-host.invalid:9092": "Failed to resolve"}


@pytest.fixture(scope="module", autouse=True)
def in_vain(broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Command]]:
    """Commands that wait long for what will not come: begun before all other tests of this file, and looked at last."""
    with shell(tmp_path_factory.mktemp("in-vain")) as run:
        found = {"no topic": run.start(*words_for("no-such-topic", broker, **{"restart.max.failures": 1}))}
        for server in WRONG_ADDRESSES:
            words = words_for("any", broker, **{"bootstrap.timeout.ms": 1_200, "restart.max.failures": 1})
            words[words.index(broker.bootstrap_servers)] = server
            found[server] = run.start(*words)
        yield found


def words_for(topic: str, broker: OwnBroker, **more: object) -> list[object]:
    settings: dict[str, object] = {
        "name": "seq",
        "connector.class": "SequenceSource",
        "topic": topic,
        "rate": RATE,
        "count": COUNT,
        "offset.flush.interval.ms": FLUSH_MS,
        **more,
    }
    words: list[object] = ["run", "--bootstrap-servers", broker.bootstrap_servers, "--tasks", TASKS, "--until-done"]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return words


def starts(command: Command) -> int:
    return command.err.count("Task process started.")


def test_a_broker_that_is_down_at_the_start_is_waited_for(
    run: Shell, broker: OwnBroker, theirs: Topics, fresh_topic: str
) -> None:
    theirs.create(fresh_topic)
    broker.relay.cut()
    try:
        command = run.start(*words_for(fresh_topic, broker, rate=0))
        command.until_says("No broker answers yet; trying on.")
        assert "Connection refused" in command.err
    finally:
        broker.relay.mend()
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert "A broker answers." in ended.err
    assert starts(command) == TASKS
    audit = Audit.of(theirs.read(fresh_topic))
    assert audit.missing(TASKS, COUNT) == []
    assert (audit.duplicates, audit.disorder) == (0, 0)


def test_ctrl_c_ends_a_command_that_waits_for_a_broker(run: Shell, broker: OwnBroker) -> None:
    broker.relay.cut()
    try:
        command = run.start(*words_for("any", broker))
        command.until_says("No broker answers yet; trying on.")
        command.send(signal.SIGINT)
        ended = command.wait(timeout_s=5)
    finally:
        broker.relay.mend()
    assert ended.code == 130, str(ended)


class Cut(AbstractContextManager[None]):
    """All connections break, and new ones are refused."""

    def __init__(self, broker: OwnBroker) -> None:
        self.broker = broker

    def __enter__(self) -> None:
        self.broker.relay.cut()

    def __exit__(self, *_: Any) -> None:
        self.broker.relay.mend()


class Killed(Cut):
    """kill -9, and started again."""

    def __enter__(self) -> None:
        self.broker.kill()

    def __exit__(self, *_: Any) -> None:
        self.broker.start()


class Restarted(Killed):
    """Ended in an orderly way, and started again."""

    def __enter__(self) -> None:
        self.broker.stop()


class Frozen(Cut):
    """It keeps its connections, but does not answer."""

    def __enter__(self) -> None:
        self._frozen = self.broker.frozen()
        self._frozen.__enter__()

    def __exit__(self, *_: Any) -> None:
        self._frozen.__exit__(None, None, None)


@pytest.mark.parametrize("away", [Cut, Frozen, Restarted, Killed], ids=["cut", "frozen", "restarted", "killed"])
def test_a_broker_that_is_away_for_a_while_costs_no_record_and_no_task(
    run: Shell, broker: OwnBroker, theirs: Topics, fresh_topic: str, away: type[Cut]
) -> None:
    theirs.create(fresh_topic)
    # Slow enough that the records last longer than a broker needs for ending in an orderly way.
    command = run.start(*words_for(fresh_topic, broker, rate=RATE // 4))
    until(lambda: theirs.count(fresh_topic) > 500, "records arrive")
    tasks = command.tasks()
    with away(broker):
        until_at = time.monotonic() + 2
        until(lambda: time.monotonic() > until_at, "it was away for two seconds")
        assert command.is_running
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert starts(command) == len(tasks) == TASKS, "no task was started again"
    audit = Audit.of(theirs.read(fresh_topic))
    assert audit.missing(TASKS, COUNT) == []
    assert (audit.duplicates, audit.disorder) == (0, 0), "the producer is idempotent"


def test_a_file_loaded_while_the_broker_comes_and_goes_is_there_line_by_line(
    run: Shell, broker: OwnBroker, theirs: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    content = [b"%d" % number for number in range(60_000)]
    (tmp_path / "lines.txt").write_bytes(b"\n".join(content) + b"\n")
    theirs.create(fresh_topic)
    command = run.start(
        "ingest", "lines.txt", "--topic", fresh_topic, "--tasks", 1, "--bootstrap-servers", broker.bootstrap_servers,
        "--set", "producer.queue.buffering.max.messages=500", "--set", "producer.linger.ms=20",
    )  # fmt: skip
    for share in (0.1, 0.2, 0.3):
        until(lambda: theirs.count(fresh_topic) > share * len(content) or not command.is_running, "lines arrive")  # noqa: B023
        assert command.is_running, str(command.wait())
        with Cut(broker):
            pass
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert Counter(theirs.values(fresh_topic)) == Counter(content)


def test_a_stop_without_a_broker_ends_in_time_and_says_what_is_not_delivered(
    run: Shell, broker: OwnBroker, theirs: Topics, fresh_topic: str
) -> None:
    theirs.create(fresh_topic)
    words = words_for(fresh_topic, broker, **{"task.shutdown.graceful.timeout.ms": 700})
    command = run.start(*words)
    until(lambda: theirs.count(fresh_topic) > 500, "records arrive")
    with Cut(broker):
        until_at = time.monotonic() + 0.3
        until(lambda: time.monotonic() > until_at, "records are in flight")
        command.send(signal.SIGTERM)
        told = time.monotonic()
        ended = command.wait()
        assert time.monotonic() - told < 30
    assert ended.code == 3, str(ended)
    assert "Stopped with records in flight; they will be read and sent again. in_flight=" in ended.err
    assert "could not deliver and flush all in time: seq-0, seq-1" in ended.err, str(ended)
    assert "a part will be sent again" in ended.err
    ended = run.run(*words_for(fresh_topic, broker, rate=0))
    assert ended.code == 0, str(ended)
    audit = Audit.of(theirs.read(fresh_topic))
    assert audit.missing(TASKS, COUNT) == []
    assert audit.duplicates <= TASKS * RATE * 2


@pytest.mark.parametrize("server", ["localhost", "localhost:kafka", "a:1,b"])
def test_an_address_that_is_none_is_a_fault_of_the_config(run: Shell, broker: OwnBroker, server: str) -> None:
    words = words_for("any", broker)
    words[words.index(broker.bootstrap_servers)] = server
    ended = run.run(*words)
    assert ended.code == 2, str(ended)
    assert f"Invalid url in bootstrap.servers: {server.rpartition(',')[2]} (write it as host:port)" in ended.err


def test_a_topic_that_is_created_late_is_written_to(run: Shell, broker: OwnBroker, theirs: Topics, fresh_topic: str) -> None:
    command = run.start(*words_for(fresh_topic, broker, rate=0))
    command.until_says(f"topic {fresh_topic} does not exist")
    theirs.create(fresh_topic)
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert starts(command) == TASKS
    audit = Audit.of(theirs.read(fresh_topic))
    assert audit.missing(TASKS, COUNT) == []
    assert audit.duplicates == 0


@pytest.mark.parametrize("server", WRONG_ADDRESSES)
def test_a_wrong_address_fails_with_the_reason(in_vain: dict[str, Command], server: str) -> None:
    ended = in_vain[server].wait()
    assert ended.code == 1, str(ended)
    assert f"bootstrap.servers={server}: no broker has answered for" in ended.err
    assert WRONG_ADDRESSES[server] in ended.err
    assert "(check the address, and that the broker runs)" in ended.err
    assert "Traceback" not in ended.err


def test_a_topic_that_nobody_creates_fails_the_tasks_with_what_to_do(in_vain: dict[str, Command]) -> None:
    ended = in_vain["no topic"].wait()
    assert ended.code == 1, str(ended)
    sentence = "topic no-such-topic does not exist, and the broker has not created it (create the topic, or allow the broker to"
    assert f"Failed: seq-0: failed: {sentence}" in ended.err
    assert "Sending has to wait. topic no-such-topic does not exist" in ended.err
    assert starts(in_vain["no topic"]) == TASKS
