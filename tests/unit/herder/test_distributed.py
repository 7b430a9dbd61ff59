from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from fakes.group_worker import HERE, THERE, GroupWorker

from fastconnect.herder.answers import RestartRequest, Signature
from fastconnect.herder.refusals import ConflictError, OtherWorkerError, RequestRefusedError
from fastconnect.herder.session_keys import new_key, sign
from fastconnect.states import TargetState, TaskId
from fastconnect.storage.status_store import StoredStatus
from fastconnect.supervisor.control import RestartTask, RunConnector, SetLogLevel, SetTarget, StartTask

CONFIG: dict[str, str | None] = {"connector.class": "A", "tasks.max": "2"}
T0, T1 = TaskId("a", 0), TaskId("a", 1)


@pytest.fixture
def leader(new_worker: Callable[..., GroupWorker]) -> GroupWorker:
    worker = new_worker()
    worker.joins()
    worker.until(lambda: worker.configs.snapshot().session_key)
    return worker


@pytest.fixture
def follower(new_worker: Callable[..., GroupWorker]) -> GroupWorker:
    worker = new_worker()
    worker.joins(leads=False)
    return worker


def refused(worker: GroupWorker, future: Any) -> tuple[int, str]:
    with pytest.raises(RequestRefusedError) as error:
        worker.of(future)
    return error.value.status, str(error.value)


def sent_on(worker: GroupWorker, future: Any) -> str | None:
    """Where the worker says that must be asked."""
    with pytest.raises(OtherWorkerError) as error:
        worker.of(future)
    return error.value.url


def put(worker: GroupWorker, config: dict[str, str | None] = CONFIG, **options: Any) -> Any:
    return worker.of(worker.herder.put_connector("a", config, replace=options.pop("replace", True), **options))


def with_tasks(worker: GroupWorker, *, leads: bool = True) -> None:
    """The worker runs the connector `a` and its two tasks."""
    worker.configs.put_connector("a", {**CONFIG, "name": "a"})
    worker.configs.put_task_configs("a", [{"n": "0"}, {"n": "1"}])
    worker.joins("a", T0, T1, leads=leads)
    worker.divides({"n": "0"}, {"n": "1"})
    worker.runs("a", 0, 0)
    worker.runs("a", 1, 1)
    worker.taken(StartTask)


# Configurations


def test_the_leader_stores_a_new_connector_and_has_the_work_shared_anew(leader: GroupWorker) -> None:
    rejoins = leader.member.rejoins
    is_new, described = put(leader)

    assert is_new
    assert described.name == "a"
    assert described.tasks == []
    assert leader.configs.snapshot().connectors["a"].config == {**CONFIG, "name": "a"}
    leader.until(lambda: leader.member.rejoins == rejoins + 1)


def test_a_connector_may_begin_paused(leader: GroupWorker) -> None:
    put(leader, initial_state=TargetState.PAUSED)
    assert leader.configs.snapshot().connectors["a"].target is TargetState.PAUSED

    leader.joins("a")
    assert leader.taken(RunConnector, lambda each: each.action == "task_configs") == []
    assert leader.of(leader.herder.connector_status("a")).connector.state == "PAUSED"


def test_only_one_connector_may_have_a_name(leader: GroupWorker) -> None:
    put(leader, replace=False)

    assert refused(leader, leader.herder.put_connector("a", CONFIG, replace=False)) == (409, "Connector a already exists")


def test_a_follower_knows_that_the_leader_must_be_asked(follower: GroupWorker) -> None:
    herder = follower.herder
    follower.configs.put_connector("a", CONFIG)

    assert sent_on(follower, herder.put_connector("a", CONFIG, replace=True)) == THERE
    assert sent_on(follower, herder.patch_connector("a", {})) == THERE
    assert sent_on(follower, herder.delete_connector("a")) == THERE
    assert sent_on(follower, herder.set_target("a", TargetState.STOPPED)) == THERE
    assert sent_on(follower, herder.alter_offsets("a", [({}, {})])) == THERE
    assert sent_on(follower, herder.reset_offsets("a")) == THERE
    request = RestartRequest(connector="a", include_tasks=True)
    assert sent_on(follower, herder.restart_connector_and_tasks(request)) == THERE


def test_a_leader_whose_session_may_have_ended_writes_nothing(leader: GroupWorker) -> None:
    leader.lease(-1)

    assert sent_on(leader, leader.herder.put_connector("a", CONFIG, replace=True)) is None
    assert leader.configs.snapshot().connectors == {}


def test_a_patch_changes_some_keys_and_takes_others_away(leader: GroupWorker) -> None:
    put(leader)

    changed = leader.of(leader.herder.patch_connector("a", {"tasks.max": None, "x": "1"}))

    assert changed.config == {"connector.class": "A", "name": "a", "x": "1"}
    assert refused(leader, leader.herder.patch_connector("a", {"name": "b"}))[0] == 400
    assert refused(leader, leader.herder.patch_connector("b", {})) == (404, "Connector b not found")


def test_with_a_deleted_connector_its_tasks_end_and_its_statuses_are_forgotten(leader: GroupWorker) -> None:
    with_tasks(leader)
    assert leader.statuses.connectors() == {"a"}

    leader.of(leader.herder.delete_connector("a"))
    leader.until(lambda: not leader.herder.work.tasks)
    leader.ended("a", 0)
    leader.ended("a", 1, 1)

    assert leader.statuses.connectors() == set()
    assert refused(leader, leader.herder.delete_connector("a")) == (404, "Connector a not found")


def test_any_worker_may_pause_and_resume(follower: GroupWorker) -> None:
    with_tasks(follower, leads=False)

    follower.of(follower.herder.set_target("a", TargetState.PAUSED))
    follower.until(lambda: follower.taken(SetTarget) == [SetTarget("a", TargetState.PAUSED)])
    status = follower.statuses.get("a")
    assert status is not None
    assert status.state == "PAUSED"
    assert refused(follower, follower.herder.set_target("b", TargetState.PAUSED)) == (404, "Unknown connector b")


def test_a_stopped_connector_has_no_tasks(leader: GroupWorker) -> None:
    with_tasks(leader)

    leader.of(leader.herder.set_target("a", TargetState.STOPPED))
    leader.until(lambda: not leader.herder.work.tasks)
    leader.ended("a", 0)
    leader.ended("a", 1, 1)

    shown = leader.of(leader.herder.connector_status("a"))
    assert (shown.connector.state, shown.tasks) == ("STOPPED", [])
    assert leader.of(leader.herder.tasks("a")) == []


# Restarts


def test_a_connector_is_restarted_by_its_owner(leader: GroupWorker) -> None:
    with_tasks(leader)
    leader.taken(RunConnector)

    restarted = leader.herder.restart_connector("a")
    leader.until(lambda: leader.divides({"n": "0"}, {"n": "1"}))
    leader.of(restarted)

    assert leader.taken(StartTask) == [], "not its tasks"
    assert refused(leader, leader.herder.restart_connector("b")) == (404, "Unknown connector: b")


def test_the_leader_knows_who_runs_what_and_the_others_know_the_leader(leader: GroupWorker, follower: GroupWorker) -> None:
    for worker in (leader, follower):
        worker.configs.put_connector("a", CONFIG)
        worker.configs.put_task_configs("a", [{}, {}])
        worker.joins(leads=worker is leader)
    leader.member.owners = {"a": THERE, T0: "http://third:8083"}

    assert sent_on(leader, leader.herder.restart_connector("a")) == THERE
    assert sent_on(leader, leader.herder.restart_task(T0)) == "http://third:8083"
    assert sent_on(leader, leader.herder.restart_task(T1)) is None, "nobody runs it now"
    assert sent_on(follower, follower.herder.restart_task(T0)) == THERE


def test_a_task_is_restarted_where_it_runs(leader: GroupWorker) -> None:
    with_tasks(leader)

    leader.of(leader.herder.restart_task(T1))

    assert leader.taken(RestartTask) == [RestartTask(T1)]
    assert leader.of(leader.herder.task_status(T1)).state == "RESTARTING"
    assert refused(leader, leader.herder.restart_task(TaskId("a", 2))) == (404, "Unknown task: a-2")
    assert refused(leader, leader.herder.restart_task(TaskId("b", 0))) == (404, "Unknown connector: b")

    leader.of(leader.herder.set_target("a", TargetState.STOPPED))
    assert sent_on(leader, leader.herder.restart_task(T1)) is None, "as Kafka Connect answers"


def test_a_request_for_the_owner_waits_for_a_rebalance_that_is_due_and_not_for_ever(leader: GroupWorker) -> None:
    with_tasks(leader)
    leader.configs.put_task_configs("a", [{"n": "0"}, {"n": "1"}, {"n": "2"}])
    leader.turn()

    late = leader.herder.restart_task(T0)
    leader.turn()
    assert not late.done()
    for _ in range(300):
        leader.wait(0.05)
    with pytest.raises(ConflictError, match="stale configuration"):
        late.result(0)

    soon = leader.herder.restart_task(T0)
    leader.joins("a", T0, T1)
    leader.wait(0.1)
    leader.of(soon)


def test_a_restart_of_all_goes_through_the_config_store_to_every_worker(leader: GroupWorker) -> None:
    with_tasks(leader)
    leader.statuses.put(T1, StoredStatus(state="FAILED", worker_id="here:8083"))

    shown = leader.of(
        leader.herder.restart_connector_and_tasks(RestartRequest(connector="a", only_failed=True, include_tasks=True))
    )

    assert [task.state for task in shown.tasks] == ["RUNNING", "RESTARTING"]
    leader.until(lambda: leader.taken(RestartTask) == [RestartTask(T1)])


# Offsets


def test_offsets_are_changed_of_stopped_connectors_only(leader: GroupWorker) -> None:
    put(leader)
    leader.joins("a")

    assert refused(leader, leader.herder.alter_offsets("a", []))[0] == 400
    assert refused(leader, leader.herder.alter_offsets("a", [({}, {})]))[1].startswith(
        "Connectors must be in the STOPPED state before their offsets can be modified."
    )
    assert refused(leader, leader.herder.reset_offsets("b")) == (404, "Connector b not found")


def test_offsets_wait_for_tasks_that_still_end_on_other_workers(leader: GroupWorker) -> None:
    put(leader)
    leader.of(leader.herder.set_target("a", TargetState.STOPPED))
    leader.joins("a")
    leader.statuses.put(T0, StoredStatus(state="RUNNING", worker_id="there:8083"))

    asked = leader.herder.reset_offsets("a")
    for _ in range(300):
        leader.wait(0.05)

    with pytest.raises(ConflictError):
        leader.of(asked)


# Loggers


def test_a_level_for_the_cluster_is_set_on_every_worker_that_reads_it(follower: GroupWorker) -> None:
    changed = follower.of(follower.herder.set_logger_level("fastconnect.nobody", "debug", cluster=True))

    assert changed == []
    follower.until(lambda: follower.taken(SetLogLevel) == [SetLogLevel("fastconnect.nobody", 10)])
    assert refused(follower, follower.herder.set_logger_level("x", "loud", cluster=True))[0] == 404


# From worker to worker


def signed(worker: GroupWorker, body: bytes = b"[]") -> Signature:
    key = worker.configs.snapshot().session_key
    assert key is not None
    return Signature(body, "HmacSHA256", sign(key, body, "HmacSHA256"))


def test_task_configurations_are_taken_from_who_has_signed_them(leader: GroupWorker) -> None:
    put(leader)

    leader.of(leader.herder.put_task_configs("a", [{"n": "0"}], signed(leader)))

    assert leader.configs.snapshot().connectors["a"].task_configs == [{"n": "0"}]


def test_what_is_not_signed_or_wrongly_is_refused(leader: GroupWorker) -> None:
    put(leader)
    other = new_key("HmacSHA256", None, 0)

    def answer(signature: Signature) -> int:
        return refused(leader, leader.herder.put_task_configs("a", [{}], signature))[0]

    assert answer(Signature(b"[]", None, None)) == 400
    assert answer(Signature(b"[]", "HmacSHA256", sign(other, b"[]", "HmacSHA256"))) == 403
    assert answer(Signature(b"[1]", "HmacSHA256", signed(leader).signature)) == 403
    assert leader.configs.snapshot().connectors["a"].task_configs is None


def test_before_there_is_a_key_no_signature_can_be_checked(follower: GroupWorker) -> None:
    assert refused(follower, follower.herder.put_task_configs("a", [], Signature(b"", "HmacSHA256", b"x")))[0] == 503


def test_in_a_group_without_session_keys_nothing_is_signed(new_worker: Callable[..., GroupWorker]) -> None:
    leader = new_worker(connect_protocol="compatible")
    leader.joins()
    put(leader)

    leader.of(leader.herder.put_task_configs("a", [{}], Signature(b"[{}]", None, None)))

    assert leader.configs.snapshot().connectors["a"].task_count == 1


def test_tasks_of_a_connector_that_was_stopped_meanwhile_are_not_stored(leader: GroupWorker) -> None:
    put(leader)
    leader.of(leader.herder.set_target("a", TargetState.STOPPED))

    assert refused(leader, leader.herder.put_task_configs("a", [{}], signed(leader)))[0] == 409


def test_what_a_connector_says_of_its_tasks_goes_to_the_leader_signed(follower: GroupWorker) -> None:
    follower.configs.put_session_key(new_key("HmacSHA256", None, 0))
    follower.configs.put_connector("a b", CONFIG)
    follower.joins("a b", leads=False)

    follower.divides({"n": "0"})
    follower.until(lambda: follower.posted)

    ((url, body, headers),) = follower.posted
    assert url == f"{THERE}/connectors/a%20b/tasks"
    assert msgspec.json.decode(body) == [{"n": "0"}]
    key = follower.configs.snapshot().session_key
    assert key is not None
    assert base64.b64decode(headers["X-Connect-Authorization"]) == sign(key, body, "HmacSHA256")
    assert headers["X-Connect-Request-Signature-Algorithm"] == "HmacSHA256"


def test_an_exactly_once_source_needs_no_fencing_before_its_first_tasks(leader: GroupWorker) -> None:
    put(leader)
    leader.of(leader.herder.put_task_configs("a", [{}, {}], signed(leader)))

    leader.of(leader.herder.fence("a", signed(leader, b"")))

    assert leader.configs.snapshot().connectors["a"].fenced_task_count == 2
    put(leader, {"connector.class": "B"})
    assert refused(leader, leader.herder.fence("a", signed(leader, b""))) == (400, "Connector a is not a source connector")


def test_this_worker_is_called_by_its_address(leader: GroupWorker) -> None:
    assert (leader.herder.url, leader.herder.worker_id) == (HERE, "here:8083")
