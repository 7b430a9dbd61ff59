"""Waiting for a connector, with time in the test's hands."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.rest_cluster import Scripted, error

from fastconnect.client.cluster import Cluster
from fastconnect.client.rest_client import RestClient
from fastconnect.client.waiting import ConnectorFailedError, wait_for
from fastconnect.errors import ClusterRefusedError, WaitedTooLongError

INFO = (200, {"name": "a", "config": {}, "tasks": [{"connector": "a", "task": 0}], "type": "source"})
NO_STATUS = error(404, "No status found for connector a")


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def status(connector: str, *tasks: str, trace: str | None = None) -> tuple[int, Any]:
    return 200, {
        "name": "a",
        "connector": {"state": connector, "worker_id": "w"},
        "tasks": [{"id": n, "state": state, "worker_id": "w", "trace": trace} for n, state in enumerate(tasks)],
        "type": "source",
    }


def wait(time: Time, *script: Any, state: str = "RUNNING", timeout_s: float = 60, holds_s: float = 0) -> Any:
    with Scripted(*script) as server, RestClient(Cluster((server.url,))) as client:
        return wait_for(client, "a", state, timeout_s=timeout_s, holds_s=holds_s, clock=time.clock, sleep=time.sleep)


def test_it_waits_until_connector_and_tasks_run(time: Time):
    ended = wait(
        time, NO_STATUS, INFO, status("UNASSIGNED"), status("RUNNING", "UNASSIGNED"), status("RUNNING", "RUNNING"), INFO
    )
    assert ended.tasks[0].state == "RUNNING"


def test_tasks_that_are_not_there_yet_are_waited_for(time: Time):
    two = (200, {**INFO[1], "tasks": [{"connector": "a", "task": n} for n in range(2)]})
    ended = wait(
        time,
        status("RUNNING", "RUNNING"),
        two,
        status("RUNNING", "RUNNING", "UNASSIGNED"),
        status("RUNNING", *["RUNNING"] * 2),
        two,
    )
    assert len(ended.tasks) == 2


def test_a_connector_without_tasks_is_believed_after_a_while(time: Time):
    none = (200, {**INFO[1], "tasks": []})
    wait(time, *[status("RUNNING"), none] * 30)
    assert 3 <= time.now < 6


def test_a_failure_ends_the_waiting_with_the_trace(time: Time):
    with pytest.raises(ConnectorFailedError) as failed:
        wait(time, status("RUNNING", "RUNNING", "FAILED", trace="Broken: yes\n  at line 3"))
    assert str(failed.value) == "connector a has FAILED\n  task 1:\n    Broken: yes\n      at line 3"


def test_a_failure_from_before_a_restart_does_not_count(time: Time):
    old = status("RUNNING", "FAILED", trace="old")
    ended = wait(time, old, old, status("RUNNING", "UNASSIGNED"), *[status("RUNNING", "RUNNING"), INFO] * 20, holds_s=1)
    assert ended.tasks[0].state == "RUNNING"


def test_a_failure_that_stays_counts(time: Time):
    with pytest.raises(ConnectorFailedError):
        wait(time, status("RUNNING", "FAILED"), holds_s=1)
    assert time.now >= 1


def test_what_was_before_a_change_does_not_count(time: Time):
    wait(time, status("RUNNING", "RUNNING"), INFO, status("UNASSIGNED"), *[status("RUNNING", "RUNNING"), INFO] * 20, holds_s=1)
    assert time.now >= 1


def test_it_ends_when_the_time_is_over_and_says_how_it_is(time: Time):
    with pytest.raises(WaitedTooLongError, match=r"not RUNNING within 5 s: it is RUNNING, task 1 RESTARTING"):
        wait(time, status("RUNNING", "RUNNING", "RESTARTING"), timeout_s=5)
    assert time.now >= 5


def test_a_connector_that_is_not_there_is_not_waited_for(time: Time):
    with pytest.raises(ClusterRefusedError, match="Connector a not found"):
        wait(time, NO_STATUS, error(404, "Connector a not found"))


def test_stopped_means_without_tasks(time: Time):
    wait(time, status("RUNNING", "RUNNING"), status("STOPPED", "RUNNING"), status("STOPPED"), state="STOPPED")


def test_a_task_that_has_failed_does_not_keep_its_connector_from_being_paused(time: Time):
    wait(time, status("RUNNING", "RUNNING", "FAILED"), status("PAUSED", "PAUSED", "FAILED"), state="PAUSED")
