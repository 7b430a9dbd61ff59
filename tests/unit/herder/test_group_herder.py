from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from fakes.group_worker import HERE, GroupWorker

from fastconnect.errors import ConfigError, StoreError
from fastconnect.herder.connector_report import Failure
from fastconnect.states import State, TaskId
from fastconnect.storage.memory_configs import MemoryConfigStore
from fastconnect.storage.status_store import StoredStatus
from fastconnect.supervisor.control import (
    Finish,
    Inventory,
    ResetTopics,
    RunConnector,
    StartTask,
    Stopping,
    StopTask,
    TaskStatus,
    TaskTopic,
)

CONFIG: dict[str, str | None] = {"name": "a", "connector.class": "A"}
T0, T1, T2 = (TaskId("a", number) for number in range(3))


@pytest.fixture
def leader(new_worker: Callable[..., GroupWorker]) -> GroupWorker:
    worker = new_worker()
    worker.joins()
    return worker


def state(worker: GroupWorker, of: str | TaskId) -> str | None:
    status = worker.statuses.get(of)
    return None if status is None else status.state


def running(*tasks: int) -> list[TaskStatus]:
    return [TaskStatus(TaskId("a", task), task, 1, State.RUNNING, pid=5 + task, started_count=1) for task in tasks]


# The beginning


def test_questions_wait_and_health_says_why_until_the_worker_is_a_member(new_worker: Callable[..., GroupWorker]) -> None:
    made = threading.Event()
    worker = new_worker(prepare=made.wait)
    asked, health = worker.herder.connectors(), worker.herder.health()

    worker.until(health.done)
    assert health.result().status == "starting"
    assert "creating or checking the internal topics" in health.result().message
    assert not asked.done()

    made.set()
    worker.until_joining()
    assert not asked.done()
    worker.joins()
    assert worker.of(asked) == []
    assert worker.of(worker.herder.health()).status == "healthy"


def test_a_worker_whose_topics_are_not_as_they_must_be_ends(new_worker: Callable[..., GroupWorker]) -> None:
    def prepare() -> None:
        raise ConfigError("the topic configs has cleanup.policy=delete")

    worker = new_worker(prepare=prepare)
    ended: list[Finish] = []
    worker.until(lambda: ended or ended.extend(worker.taken(Finish)))

    assert (ended[0].exit_code, ended[0].reason) == (2, "the topic configs has cleanup.policy=delete")
    assert not worker.member.started


def test_brokers_that_do_not_answer_are_waited_for(new_worker: Callable[..., GroupWorker]) -> None:
    tries: list[bool] = []

    def prepare() -> None:
        tries.append(True)
        if len(tries) < 3:
            raise StoreError("no broker answers")

    worker = new_worker(prepare=prepare)
    for count in (1, 2):
        worker.until(lambda: len(tries) == count)  # noqa: B023
        worker.until(lambda: worker.loop.stage is None)
        worker.wait(1.0)

    worker.joins()
    assert len(tries) == 3
    assert worker.taken(Finish) == []


# What changes


def test_what_a_connector_says_of_its_tasks_is_stored_by_the_leader_and_shared_anew(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.joins("a")
    rejoins = leader.member.rejoins

    leader.divides({"n": "0"}, {"n": "1"})
    leader.until(lambda: leader.configs.snapshot().connectors["a"].task_count == 2)
    leader.until(lambda: leader.member.rejoins > rejoins)
    assert leader.taken(StartTask) == [], "nobody has given them to this worker yet"

    leader.joins("a", T1)
    assert [(each.id, each.task_config) for each in leader.taken(StartTask)] == [(T1, {"n": "1"})]


def test_a_group_that_has_shared_its_work_knowing_of_a_change_is_not_asked_again(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.turn()
    leader.joins("a", offset=0)
    rejoins = leader.member.rejoins
    assert rejoins > 0, "who has shared it did not know"

    leader.joins("a")
    leader.configs.put_connector("a", {**CONFIG, "x": "1"})
    leader.turn()
    assert leader.member.rejoins == rejoins, "it is the same work"


def test_a_connector_that_says_the_same_as_before_changes_nothing(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{"n": "0"}])
    leader.joins("a", T0)
    before = leader.configs.snapshot()

    leader.divides({"n": "0"})

    assert leader.configs.snapshot() == before
    assert state(leader, "a") == "RUNNING"


def test_only_tasks_whose_configuration_has_changed_are_told_so(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{"n": "0"}, {"n": "1"}])
    leader.joins("a", T0, T1)
    leader.taken(StartTask)

    leader.configs.put_task_configs("a", [{"n": "0"}, {"n": "other"}])
    leader.turn()

    assert [(each.id, each.task_config) for each in leader.taken(StartTask)] == [(T1, {"n": "other"})]


def test_a_new_configuration_asks_the_connector_anew_and_a_failed_one_even_if_it_is_the_same(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.joins("a")
    asked = leader.divides()
    assert len(asked) == 1

    leader.configs.put_connector("a", {**CONFIG, "x": "1"})
    leader.turn()
    (request,) = leader.taken(RunConnector, lambda each: each.action == "task_configs")
    assert request.config["x"] == "1"
    leader.says(request.request, failure=Failure("no such file", "trace", retry_helps=False))
    assert state(leader, "a") == "FAILED"

    leader.configs.put_connector("a", {**CONFIG, "x": "1"})
    leader.turn()
    assert len(leader.taken(RunConnector, lambda each: each.action == "task_configs")) == 1


def test_with_fewer_tasks_those_that_are_too_many_end_and_their_statuses_are_forgotten(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{}, {}, {}])
    leader.joins("a", T0, T1, T2)
    for task in range(3):
        leader.runs("a", task, task)

    leader.configs.put_task_configs("a", [{}])
    leader.turn()

    assert [each.id for each in leader.taken(StopTask)] == [T1, T2]
    leader.ended("a", 1, 1)
    leader.ended("a", 2, 2)
    assert list(leader.statuses.tasks("a")) == [0]


def test_statuses_say_who_runs_what_in_which_generation(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{}])
    leader.joins("a", T0)
    leader.divides({})
    leader.hear(TaskStatus(T0, 0, 1, State.FAILED, reason="bad luck", trace="at line 1"))

    status = leader.statuses.get(T0)
    assert status is not None
    assert (status.state, status.worker_id, status.generation) == ("FAILED", "here:8083", leader.member.generation)
    assert (status.trace, status.version) == ("at line 1", "1")


def test_topics_are_noted_unless_that_is_switched_off(new_worker: Callable[..., GroupWorker]) -> None:
    on, off = new_worker(), new_worker(topic_tracking_enable="false")
    for worker in (on, off):
        worker.configs.put_connector("a", CONFIG)
        worker.joins("a")
        worker.hear(TaskTopic(T0, "t"))

    assert on.of(on.herder.active_topics("a")) == ["t"]
    assert off.of(off.herder.active_topics("a")) == []


def test_topics_that_another_worker_has_forgotten_are_told_anew_by_the_tasks_here(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.joins("a")
    leader.hear(TaskTopic(T0, "t"))
    leader.wait(5)
    assert leader.taken(ResetTopics) == []

    leader.statuses.delete_topics("a")
    leader.wait(5)
    leader.wait(5)
    assert leader.taken(ResetTopics) == [ResetTopics("a")]


def test_a_status_that_a_worker_has_covered_which_was_away_comes_back(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{}])
    leader.joins("a", T0)
    leader.runs("a", 0, 0)
    leader.statuses.put(T0, StoredStatus(state="UNASSIGNED", worker_id="there:8083", generation=-1))

    leader.wait(3)

    assert state(leader, T0) == "RUNNING"


# The leader's own business


def test_the_leader_makes_a_session_key_and_a_new_one_when_it_is_old(new_worker: Callable[..., GroupWorker]) -> None:
    worker = new_worker(inter_worker_key_ttl_ms="1")
    worker.joins()
    worker.until(lambda: worker.configs.snapshot().session_key)
    first = worker.configs.snapshot().session_key

    worker.until(lambda: worker.wait(1) or worker.configs.snapshot().session_key != first)


def test_a_follower_makes_none(new_worker: Callable[..., GroupWorker]) -> None:
    worker = new_worker()
    worker.joins(leads=False)
    worker.wait(1)

    assert worker.configs.snapshot().session_key is None


def test_a_new_leader_forgets_what_the_one_before_it_could_not(new_worker: Callable[..., GroupWorker]) -> None:
    worker = new_worker()
    worker.joins(leads=False)
    worker.herder.own_statuses.put("gone", State.RUNNING)
    worker.herder.own_statuses.put(TaskId("gone", 0), State.RUNNING)

    worker.joins(leads=True)

    assert worker.statuses.connectors() == set()


def test_the_status_of_a_task_that_still_ends_is_left_to_the_worker_that_runs_it(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    for task, worker in enumerate(("there:8083", "lost:8083")):
        leader.statuses.put(TaskId("a", task), StoredStatus(state="RUNNING", worker_id=worker))
    leader.statuses.put(T2, StoredStatus(state="FAILED", worker_id="there:8083"))

    leader.configs.put_task_configs("a", [])
    leader.turn()

    assert list(leader.statuses.tasks("a")) == [0]


def test_what_this_worker_once_said_of_a_task_that_is_not_any_more_is_forgotten(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{}])
    for task in range(2):
        leader.statuses.put(TaskId("a", task), StoredStatus(state="RUNNING", worker_id="here:8083"))

    leader.joins(leads=False)

    assert list(leader.statuses.tasks("a")) == [0]


def test_two_workers_with_one_address_are_named_in_health(leader: GroupWorker) -> None:
    leader.member.member_urls = [HERE, HERE + "/"]
    leader.member.listener.on_assigned(leader.herder.group.membership)  # type: ignore[arg-type]
    leader.turn()

    health = leader.of(leader.herder.health())
    assert (health.status, HERE in health.message) == ("unhealthy", True)


def test_a_worker_that_is_no_member_now_is_not_healthy(leader: GroupWorker) -> None:
    leader.loses()
    health = leader.of(leader.herder.health())
    assert health.status == "unhealthy"
    assert "no member of the group g" in health.message

    leader.joins()
    assert leader.of(leader.herder.health()).status == "healthy"


# Another herder of the same worker


def restarted(new_worker: Callable[..., GroupWorker], configs: MemoryConfigStore, *tasks: int) -> GroupWorker:
    """The second herder of a worker that has run these tasks of `a`, and the connector."""
    first = new_worker(configs=configs)
    first.joins("a", *(TaskId("a", task) for task in tasks))
    first.divides({}, {})
    first.taken(RunConnector)
    second: GroupWorker = new_worker(Inventory(running(0, 1), remembered=first.remembered), configs=configs)
    second.taken(RunConnector, lambda each: False)
    return second


@pytest.fixture
def configs() -> MemoryConfigStore:
    configs = MemoryConfigStore()
    configs.put_connector("a", CONFIG)
    configs.put_task_configs("a", [{}, {}])
    return configs


def test_a_new_herder_goes_on_as_the_member_that_the_old_one_was(
    new_worker: Callable[..., GroupWorker], configs: MemoryConfigStore
) -> None:
    worker = restarted(new_worker, configs, 0, 1)

    worker.until(lambda: worker.member.started)
    assert worker.member.restored == b"who it is"
    worker.joins("a", T0, T1)

    assert worker.taken(StopTask) == []
    assert [each.action for each in worker.taken(RunConnector, lambda each: each.name == "a")] == ["watch"]
    assert worker.member.rejoins == 1, "what the old one had on its way may be lost"


def test_a_new_herder_stops_what_is_not_this_workers_before_the_group_hears_of_it(
    new_worker: Callable[..., GroupWorker], configs: MemoryConfigStore
) -> None:
    worker = restarted(new_worker, configs, 0)

    stopped: list[StopTask] = []
    worker.until(lambda: stopped or stopped.extend(worker.taken(StopTask)))
    assert stopped == [StopTask(T1)]
    assert not worker.member.started
    worker.ended("a", 1, 1)
    worker.until(lambda: worker.member.started)


def test_a_new_herder_that_knows_of_no_membership_begins_with_nothing(new_worker: Callable[..., GroupWorker]) -> None:
    worker = new_worker(Inventory(running(0, 1)))

    stopped: list[StopTask] = []
    worker.until(lambda: len(stopped) == 2 or stopped.extend(worker.taken(StopTask)))
    worker.ended("a", 0)
    worker.ended("a", 1, 1)
    worker.until_joining()
    assert worker.member.restored is None


# The end


def test_at_the_end_it_leaves_the_group_and_says_that_nothing_runs_here(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{}])
    leader.joins("a", T0)
    leader.divides({})
    leader.runs("a", 0, 0)

    leader.hear(Stopping("SIGTERM"))
    leader.ended("a", 0)
    leader.joins("a", T0)
    assert [each.id for each in leader.taken(StartTask)] == [T0], "nothing more is started"
    assert state(leader, T0) == "RUNNING"
    leader.herder.close()

    assert (state(leader, "a"), state(leader, T0)) == ("UNASSIGNED", "UNASSIGNED")
    assert leader.member.left


def test_leases_are_longer_with_every_heartbeat(leader: GroupWorker) -> None:
    leader.configs.put_connector("a", CONFIG)
    leader.configs.put_task_configs("a", [{}])
    leader.joins("a", T0)
    leader.runs("a", 0, 3)
    (start,) = leader.taken(StartTask)
    assert start.lease_until_ns == leader.member.lease_until_ns > time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    leader.lease(60)
    leader.wait(0.3)

    assert leader.region.page(3).lease_until_ns == leader.member.lease_until_ns
