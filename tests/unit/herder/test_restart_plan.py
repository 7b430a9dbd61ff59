from __future__ import annotations

import pytest

from fastconnect.herder.answers import ConnectorState, ConnectorStatus, RestartInfo, RestartRequest, TaskState
from fastconnect.herder.restart_plan import restart_plan

WAITS = RestartInfo(2, 1_800_000_000_000)
RESTARTS = RestartInfo(2)


def status(connector: str, *tasks: str, restart: RestartInfo | None = None) -> ConnectorStatus:
    more = {} if restart is None else {"restart": restart}
    return ConnectorStatus(
        "a",
        ConnectorState(state=connector, worker_id="here:1", trace="Traceback: here"),
        [TaskState(id=number, state=state, worker_id="here:1", **more) for number, state in enumerate(tasks)],
        "source",
    )


@pytest.mark.parametrize(
    ("only_failed", "include_tasks", "connector", "tasks"),
    [
        (False, False, True, []),
        (False, True, True, [0, 1, 2]),
        (True, False, False, []),
        (True, True, False, [1]),
    ],
    ids=["connector", "connector-and-tasks", "failed-connector", "failed-connector-and-tasks"],
)
def test_what_is_restarted_is_shown_as_restarting(only_failed, include_tasks, connector, tasks):
    request = RestartRequest(connector="a", only_failed=only_failed, include_tasks=include_tasks)
    plan = restart_plan(request, status("RUNNING", "RUNNING", "FAILED", "PAUSED"))

    assert (plan.connector, plan.tasks) == (connector, tasks)
    assert (plan.status.connector.state == "RESTARTING") is connector
    assert [task.id for task in plan.status.tasks if task.state == "RESTARTING"] == tasks
    assert plan.status.connector.trace == "Traceback: here"


def test_a_failed_connector_is_restarted_where_only_failed_ones_are():
    plan = restart_plan(RestartRequest(connector="a", only_failed=True), status("FAILED", "FAILED"))

    assert (plan.connector, plan.tasks) == (True, [])


@pytest.mark.parametrize(("restart", "restarted"), [(WAITS, [0]), (RESTARTS, []), (None, [])], ids=["waits", "starts", "asked"])
def test_what_waits_for_its_restart_has_failed_and_what_is_being_restarted_has_not(restart, restarted):
    request = RestartRequest(connector="a", only_failed=True, include_tasks=True)

    assert restart_plan(request, status("RUNNING", "RESTARTING", restart=restart)).tasks == restarted
