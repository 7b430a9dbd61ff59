"""Members of a group at a real coordinator: they come, lead, go, die, sleep and come back; nothing runs twice."""

from __future__ import annotations

import gc
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import confluent_kafka
import pytest
from fakes.commands import until
from fakes.group_member import HEARTBEAT_MS, SESSION_MS, MemberProcess, Running, Worker, store
from fakes.own_broker import OwnBroker

from fastconnect.herder.connect_protocol import Allocation, Protocol
from fastconnect.herder.leadership import configured
from fastconnect.states import TaskId

CONNECTORS = {"a": 3, "b": 3, "c": 2}


class Group:
    """A group of this test's own, whose members share a config store where they are in this process."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.name = f"group-{uuid.uuid4().hex[:8]}"
        self.configs = store(CONNECTORS)
        self.running = Running()
        self.members: list[Worker] = []
        self.processes: list[MemberProcess] = []

    def worker(self, name: str, **settings: object) -> Worker:
        worker = Worker(self.bootstrap, self.name, name, settings.pop("configs", self.configs), self.running, **settings)
        self.members.append(worker)
        return worker

    def process(self, name: str) -> MemberProcess:
        process = MemberProcess(self.bootstrap, self.name, name, CONNECTORS)
        self.processes.append(process)
        return process

    def share(self, *workers: Worker, timeout_s: float = 30) -> None:
        """Wait until these run all there is, each thing once, evenly."""
        until(lambda: self._is_shared(workers), f"{len(workers)} members share the work", timeout_s)

    def _is_shared(self, workers: tuple[Worker, ...]) -> bool:
        everything = configured(self.configs.snapshot())
        counts: Counter[object] = Counter()
        for worker in workers:
            counts.update(worker.work.connectors)
            counts.update(worker.work.tasks)
        loads = [(len(worker.work.connectors), len(worker.work.tasks)) for worker in workers]
        return counts == dict.fromkeys(everything.connectors | everything.tasks, 1) and all(
            max(sizes) - min(sizes) < 2 for sizes in zip(*loads, strict=True)
        )

    def close(self) -> None:
        for worker in self.members:
            worker.close()
        for process in self.processes:
            process.close()
        self.members.clear()


@pytest.fixture
def group(kafka: str) -> Iterator[Group]:
    one = Group(kafka)
    yield one
    one.close()
    assert one.running.twice == []


def boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_members_share_the_work_and_all_know_who_leads(group):
    first = group.worker("w1")
    group.share(first)
    others = [group.worker(name, stop_s=0.05) for name in ("w2", "w3")]

    group.share(first, *others)

    until(lambda: {each.member.generation for each in group.members} == {first.member.generation}, "all are in one generation")
    assert [each.member.is_leader for each in group.members] == [True, False, False]
    assert {each.member.leader_url for each in group.members} == {"http://w1:8083/"}
    assert first.member.member_urls == ["http://w1:8083/", "http://w2:8083/", "http://w3:8083/"]
    for each in group.members:
        for what in each.work.connectors | each.work.tasks:
            assert first.member.owner_url(what) == f"http://{each.name}:8083/"
    assert others[0].member.owner_url("a") is None
    assert first.member.owner_url(TaskId("a", 9)) is None


def test_what_should_run_changes(group):
    one, other = group.worker("w1"), group.worker("w2")
    group.share(one, other)

    group.configs.put_connector("d", {})
    group.configs.put_task_configs("d", [{}, {}])
    group.configs.remove_connector("a")
    other.member.request_rejoin()

    group.share(one, other)


def test_the_work_of_one_that_leaves_goes_to_the_others(group):
    members = [group.worker(name) for name in ("w1", "w2", "w3")]
    group.share(*members)
    left = time.monotonic()

    members[0].leave()  # the leader

    group.share(*members[1:])
    assert time.monotonic() - left < SESSION_MS / 1000
    assert "lost" not in members[0].words
    assert [each.member.is_leader for each in members].count(True) == 1


def test_a_member_stops_what_it_has_to_before_it_joins_again(group):
    slow = group.worker("w1", stop_s=1.0)
    group.share(slow)

    other = group.worker("w2")

    until(lambda: "revoked" in slow.words, "something is taken from the first")
    stopping = time.monotonic()
    group.share(slow, other)
    assert time.monotonic() - stopping > 0.9


def test_the_work_of_a_killed_member_runs_elsewhere_after_its_session(group):
    survivor = group.worker("w1")
    victim = group.process("w2")
    victim.is_told("assigned")
    until(lambda: len(survivor.work.tasks) == 4, "the work is shared")
    killed = time.monotonic()

    victim.process.kill()

    group.share(survivor)
    assert time.monotonic() - killed < SESSION_MS / 1000 + 10
    assert "lost" not in survivor.words


def test_one_that_was_stopped_for_longer_than_its_session_stops_its_work_before_it_joins_again(group):
    survivor = group.worker("w1")
    sleeper = group.process("w2")
    until(lambda: len(survivor.work.tasks) == 4, "the work is shared")
    sleeper.is_given_work()
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    group.share(survivor)
    before = len(sleeper.told)

    os.kill(sleeper.process.pid, signal.SIGCONT)

    sleeper.is_given_work(since=before)
    assert sleeper.told[before]["told"] == "lost"
    until(lambda: len(survivor.work.tasks) == 4, "the work is shared again")


def test_leases_go_on_while_a_join_waits_for_a_dead_member(group):
    # A killed worker that comes back at once: the coordinator waits for the session of the one that was killed.
    survivor = group.worker("w1")
    victim = group.process("w2")
    until(lambda: len(survivor.work.tasks) == 4, "the work is shared")
    victim.process.kill()

    group.process("w2 again").is_told("assigned")

    assert "lost" not in survivor.words
    assert survivor.member.lease_until_ns > boot_ns()


def test_another_process_goes_on_as_the_same_member_and_nobody_notices(group):
    session: dict[str, object] = {"session_timeout_ms": 30_000}  # longer than any pause of a busy machine
    one, other = group.worker("w1", **session), group.worker("w2", **session)
    group.share(one, other)
    if other.member.is_leader:
        one, other = other, one
    told, generation, work = len(other.told), one.member.generation, one.work
    state = one.member.state()
    assert state is not None
    one.member.close()

    again = group.worker(one.name, state=state, **session)

    until(lambda: again.told, "it is a member again")
    assert again.words == ["assigned"]
    assert (again.work, again.member.generation, again.member.is_leader) == (work, generation, True)
    assert again.member.owner_url("a") in ("http://w1:8083/", "http://w2:8083/")
    assert again.member.lease_until_ns > boot_ns() + 1_000_000_000
    time.sleep(3 * HEARTBEAT_MS / 1000)  # that nothing happens has no other sign
    assert len(other.told) == told
    third = group.worker("w3")
    group.share(again, other, third)


def test_a_process_that_comes_too_late_is_told_that_it_has_lost_its_work(group):
    one, other = group.worker("w1"), group.worker("w2")
    group.share(one, other)
    state = one.member.state()
    one.close()
    group.share(other)

    late = group.worker("w1", state=state)

    group.share(late, other)
    assert late.words[0] == "lost"


def test_a_member_that_speaks_only_the_old_protocol_makes_the_group_speak_it(group):
    new = group.worker("w1")
    group.share(new)

    old = group.worker("w2", protocol=Protocol.EAGER)

    group.share(new, old)
    assert new.member.protocol is Protocol.EAGER
    group.configs.put_connector("d", {})
    old.member.request_rejoin()
    group.share(new, old)
    old.leave()
    new.member.request_rejoin()
    until(lambda: new.member.protocol is Protocol.SESSIONED, "the group speaks the new one again")
    group.share(new)


class LateStore:
    """A config store that has not read everything before it is told to."""

    def __init__(self, configs, offset: int) -> None:
        self._configs = configs
        self._late = offset
        self.refreshed = 0

    def snapshot(self):
        snapshot = self._configs.snapshot()
        return snapshot if self.refreshed else type(snapshot)(self._late, {})

    def refresh(self, timeout_ms: int) -> None:
        self.refreshed += 1


@pytest.mark.parametrize("leads", [True, False], ids=["the leader", "a follower"])
def test_one_that_has_not_read_all_configurations_reads_on_before_it_does_anything(group, leads):
    late = LateStore(group.configs, offset=0)
    names = {"w1": late, "w2": group.configs} if leads else {"w1": group.configs, "w2": late}

    workers = [group.worker(name, configs=configs) for name, configs in names.items()]

    group.share(*workers)
    assert late.refreshed


class NoStore(LateStore):
    """A config store whose topic cannot be read."""

    def refresh(self, timeout_ms: int) -> None:
        from fastconnect.errors import OffsetStoreError

        raise OffsetStoreError("the topic is out of reach")


def test_one_that_cannot_read_the_configurations_leaves_the_work_to_the_others(group):
    able = group.worker("w1")
    group.share(able)

    unable = group.worker("w2", configs=NoStore(group.configs, offset=0))

    until(lambda: unable.words.count("lost") >= 1, "it gives up for now")
    group.share(able)
    assert "assigned" not in unable.words


def test_a_member_does_not_keep_its_process_from_ending(group):
    process = group.process("w1")
    process.is_told("assigned")

    assert process.ends_with_its_main_thread()


def failure(worker: Worker) -> str:
    until(lambda: "failed" in worker.words, "the member gives up")
    return str(worker.told[-1][1])


def test_a_group_of_another_kind_cannot_be_joined(group, kafka, topics, fresh_topic):
    topics.create(fresh_topic)
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka, "group.id": group.name, "log_level": 0})
    consumer.subscribe([fresh_topic])
    try:
        until(lambda: (consumer.poll(0.05), consumer.memberid())[1], "the consumer has joined")
        assert "it is not a group of Kafka Connect workers" in failure(group.worker("w1"))
    finally:
        consumer.close()


def test_a_session_that_the_brokers_do_not_allow_is_said_so(group):
    assert "do not allow a session timeout of 100 ms" in failure(
        group.worker("w1", session_timeout_ms=100, heartbeat_interval_ms=20)
    )


class Away:
    """A broker that can be away, with a group at it."""

    def __init__(self, folder: Path) -> None:
        self.broker = OwnBroker(folder / "broker", group_initial_rebalance_delay_ms="0", offsets_topic_num_partitions="1")
        self.broker.start()
        self.group = Group(self.broker.bootstrap_servers)

    def close(self) -> None:
        self.group.close()
        self.broker.close()


@pytest.fixture
def away(tmp_path: Path, kafka: str) -> Iterator[Away]:  # kafka: its jars are there
    one = Away(tmp_path)
    yield one
    one.close()
    gc.collect()  # the clients' sockets, while the warnings are let pass


def lost_within(worker: Worker, what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    until(lambda: "lost" in worker.words, "the member notices")
    return next(when for word, when in worker.told if word == "lost") - began


# kafka-python leaves it to Python to close a socket whose connection has failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_member_without_a_coordinator_stops_its_work_and_begins_again_when_there_is_one(away):
    worker = away.group.worker("w1")
    away.group.share(worker)

    # Without connections: after a heartbeat interval. Frozen: before the session ends.
    assert lost_within(worker, away.broker.relay.cut) < 3 * HEARTBEAT_MS / 1000 + 1
    assert worker.work == Allocation()
    assert worker.member.lease_until_ns == 0
    away.broker.relay.mend()
    away.group.share(worker)

    worker.told.clear()
    with away.broker.frozen():
        assert lost_within(worker, lambda: None) < SESSION_MS / 1000 - 1
    away.group.share(worker)

    worker.told.clear()
    away.broker.kill()
    until(lambda: "lost" in worker.words, "the member notices")
    away.broker.start()
    away.group.share(worker)
