"""What a restart request means for a connector as it is now. Source: Kafka Connect's RestartPlan (KIP-745)."""

from __future__ import annotations

import msgspec

from fastconnect.herder.answers import ConnectorState, ConnectorStatus, RestartRequest, TaskState
from fastconnect.states import State


class RestartPlan(msgspec.Struct, frozen=True):
    """What is to be restarted, and how the connector is shown from then on."""

    connector: bool
    tasks: list[int]
    status: ConnectorStatus


def restart_plan(request: RestartRequest, status: ConnectorStatus) -> RestartPlan:
    """Say what of a connector is to be restarted.

    What waits for its own restart has failed, too: it is then started at once.
    """
    connector = not request.only_failed or _has_failed(status.connector)
    tasks = [task.id for task in status.tasks if request.include_tasks and (not request.only_failed or _has_failed(task))]
    restarting = State.RESTARTING.name
    return RestartPlan(
        connector,
        tasks,
        msgspec.structs.replace(
            status,
            connector=msgspec.structs.replace(status.connector, state=restarting) if connector else status.connector,
            tasks=[msgspec.structs.replace(task, state=restarting) if task.id in tasks else task for task in status.tasks],
        ),
    )


def _has_failed(state: ConnectorState | TaskState) -> bool:
    if state.state == State.RESTARTING.name:
        return state.restart is not msgspec.UNSET and state.restart.next_start is not msgspec.UNSET
    return state.state == State.FAILED.name
