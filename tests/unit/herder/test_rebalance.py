from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from fakes.group_worker import GroupWorker

from fastconnect.herder.connect_protocol import NOTHING
from fastconnect.herder.leases import OVER
from fastconnect.herder.membership import GroupError
from fastconnect.states import State, TargetState, TaskId
from fastconnect.supervisor.control import Finish, RunConnector, StartTask, StopTask, TaskStatus

CONFIG: dict[str, str | None] = {"name": "a", "connector.class": "A"}
T0, T1 = TaskId("a", 0), TaskId("a", 1)


@pytest.fixture
def worker() -> Iterator[GroupWorker]:
    """It runs the connector `a` and its two tasks."""
    worker = GroupWorker()
    worker.configs.put_connector("a", CONFIG)
    worker.configs.put_task_configs("a", [{"n": "0"}, {"n": "1"}])
    worker.joins("a", T0, T1)
    worker.divides({"n": "0"}, {"n": "1"})
    yield worker
    worker.close()


@pytest.fixture
def busy(worker: GroupWorker) -> GroupWorker:
    """Its tasks have processes."""
    worker.runs("a", 0, 0)
    worker.runs("a", 1, 1)
    worker.taken(StartTask)
    return worker


def state(worker: GroupWorker, of: str | TaskId) -> str | None:
    status = worker.statuses.get(of)
    return None if status is None else status.state


def test_what_is_given_is_started_with_its_configurations_and_a_lease(worker: GroupWorker) -> None:
    started = worker.taken(StartTask)

    assert [(each.id, each.connector_config, each.task_config) for each in started] == [
        (T0, CONFIG, {"n": "0"}),
        (T1, CONFIG, {"n": "1"}),
    ]
    assert {each.lease_until_ns for each in started} == {worker.member.lease_until_ns}
    assert worker.held.tasks == {T0, T1}


def test_tasks_have_the_connectors_configuration_for_which_they_were_divided(worker: GroupWorker) -> None:
    worker.taken(StartTask)
    worker.configs.put_connector("a", {**CONFIG, "x": "1"})
    worker.turn()
    worker.joins("a", T0, T1)

    assert worker.taken(StartTask) == []


def test_a_rebalance_that_changes_nothing_disturbs_nothing(busy: GroupWorker) -> None:
    busy.taken(RunConnector)
    busy.joins("a", T0, T1)

    assert busy.taken(StartTask) == []
    assert busy.taken(StopTask) == []
    assert busy.taken(RunConnector) == []


def test_the_group_hears_that_something_is_stopped_only_when_its_process_has_ended(busy: GroupWorker) -> None:
    done = busy.revokes("a", T1)

    assert busy.taken(StopTask) == [StopTask(T1)]
    assert done == []
    assert state(busy, "a") == "UNASSIGNED"
    busy.hear(TaskStatus(T1, 1, 1, State.RESTARTING, next_start_ms=100))
    assert done == [], "a process of it may still be started"

    busy.ended("a", 1, 1)
    assert done == [True]
    assert (state(busy, T1), state(busy, T0)) == ("UNASSIGNED", "RUNNING")
    assert busy.held.tasks == {T0}


def test_what_was_never_here_has_ended_already(busy: GroupWorker) -> None:
    assert busy.revokes("b", TaskId("b", 0)) == [True]


def test_a_status_that_another_worker_has_written_meanwhile_stays(busy: GroupWorker) -> None:
    busy.revokes(T1)
    newer = busy.statuses.get(T1)
    assert newer is not None
    busy.statuses.put(T1, msgspec.structs.replace(newer, worker_id="there:8083", generation=7))
    busy.ended("a", 1, 1)

    assert state(busy, T1) == "RUNNING"


def test_without_membership_the_leases_end_at_once_and_all_work_after_it(busy: GroupWorker) -> None:
    done = busy.loses()

    assert [busy.region.page(slot).lease_until_ns for slot in (0, 1)] == [OVER, OVER]
    assert [each.id for each in busy.taken(StopTask)] == [T0, T1]
    assert done == []
    busy.ended("a", 0)
    busy.ended("a", 1, 1)
    assert done == [True]
    assert busy.held == NOTHING
    assert {state(busy, of) for of in ("a", T0, T1)} == {"RUNNING"}, "what others say of it by now must not be covered"

    busy.joins("a", T0)
    assert [each.id for each in busy.taken(StartTask)] == [T0]


def test_a_lease_that_ended_is_not_made_longer_by_a_heartbeat_of_before(busy: GroupWorker) -> None:
    until_ns = busy.member.lease_until_ns
    busy.loses()
    busy.member.lease_until_ns = until_ns + 1
    busy.wait(1)

    assert busy.region.page(0).lease_until_ns == OVER


def test_a_task_whose_lease_was_over_goes_on_if_it_is_still_this_workers(busy: GroupWorker) -> None:
    busy.ended("a", 0, state=State.UNASSIGNED)

    assert [each.id for each in busy.taken(StartTask)] == [T0]


def test_a_worker_that_can_be_no_member_ends(busy: GroupWorker) -> None:
    busy.member.listener.on_failed(GroupError("not allowed to join"))
    busy.turn()
    assert busy.taken(Finish) == []
    busy.ended("a", 0)
    busy.ended("a", 1, 1)

    assert busy.taken(Finish) == [Finish(1, "not allowed to join")]


def test_tasks_whose_configurations_a_compaction_has_taken_away_do_not_run(busy: GroupWorker) -> None:
    state = busy.configs._state
    state.commit("a", 2)  # without their configurations
    busy.herder.config_changed("a")
    busy.turn()

    assert [each.id for each in busy.taken(StopTask)] == [T0, T1]


@pytest.mark.parametrize("target", [TargetState.PAUSED, TargetState.STOPPED])
def test_what_is_not_to_run_is_given_that_from_the_beginning(worker: GroupWorker, target: TargetState) -> None:
    worker.configs.put_connector("b", {**CONFIG, "name": "b"}, target)
    worker.configs.put_task_configs("b", [{}])
    worker.taken(RunConnector)
    worker.taken(StartTask)
    worker.joins("a", T0, T1, "b", TaskId("b", 0))

    assert worker.taken(RunConnector) == []
    assert [each.target for each in worker.taken(StartTask)] == [target]
    assert state(worker, "b") == target.name
