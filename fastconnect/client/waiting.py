"""Waits until a connector is as it should be, or has FAILED; asks now and then, and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastconnect.client.answers import ConnectorStatus
from fastconnect.client.rest_client import RestClient
from fastconnect.errors import ClusterError, WaitedTooLongError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0
NO_TASKS_FOR_S = 3.0
"""So long a connector may be without tasks before it is believed that it has none: they come a moment after itself."""


class ConnectorFailedError(ClusterError):
    """The connector or one of its tasks has FAILED; the message has its trace."""


def wait_for(
    client: RestClient,
    name: str,
    state: str = "RUNNING",
    *,
    timeout_s: float,
    holds_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> ConnectorStatus:
    """Wait until a connector and all its tasks are RUNNING, PAUSED or STOPPED.

    Args:
        timeout_s: longest wait.
        holds_s: how long it must be so: behind a restart or a change, workers show for a moment what was before.
    Returns:
        The status.
    Raises:
        ConnectorFailedError: something has FAILED, where that was not waited for.
        WaitedTooLongError: it took too long; says how it is now.
        ClusterRefusedError: there is no such connector.
    """
    begun = clock()
    wait_s = FIRST_WAIT_S
    since: tuple[str, float] | None = None
    while True:
        status = client.status_if_known(name)
        now = clock()
        outcome = _outcome(client, status, name, state)
        since = None if outcome is None else since if since is not None and since[0] == outcome else (outcome, now)
        if status is not None and since is not None:
            longest = max(holds_s, NO_TASKS_FOR_S if outcome == "no tasks" else 0.0)
            if now - since[1] >= longest:
                if outcome == "FAILED":
                    raise _failed(name, status)
                return status
        if now - begun >= timeout_s:
            raise WaitedTooLongError(
                f"connector {name} was not {state} within {timeout_s:g} s: {_described(status)}",
                hint="`fastconnect status` goes on telling; --timeout sets how long to wait",
            )
        sleep(min(wait_s, max(0.01, timeout_s - (now - begun))))
        wait_s = min(1.5 * wait_s, LONGEST_WAIT_S)


def _outcome(client: RestClient, status: ConnectorStatus | None, name: str, state: str) -> str | None:
    """What the connector has come to: `state`, FAILED, `no tasks`; None while it is under way."""
    if status is None:
        client.connector(name)  # refused if there is none
        return None
    if state == "STOPPED":  # then it has no tasks
        return state if status.connector.state == state and not status.tasks else None
    if status.failures and state == "RUNNING":
        return "FAILED"
    # A task that has failed stays FAILED while its connector is paused.
    if status.connector.state != state or any(task.state not in (state, "FAILED") for task in status.tasks):
        return None
    if state == "RUNNING" and len(client.connector(name).tasks) != len(status.tasks):
        return None
    return state if status.tasks or state != "RUNNING" else "no tasks"


def _failed(name: str, status: ConnectorStatus) -> ConnectorFailedError:
    parts = [f"connector {name} has FAILED"]
    for what, trace in status.failures:
        indented = "\n".join(f"    {line}" for line in trace.strip().splitlines())
        parts.append(f"  {what}:\n{indented}" if indented else f"  {what}, without saying why")
    return ConnectorFailedError("\n".join(parts))


def _described(status: ConnectorStatus | None) -> str:
    if status is None:
        return "nothing is known of it yet"
    tasks = [f"task {task.id} {task.state}" for task in status.tasks if task.state != "RUNNING"]
    if not tasks:
        tasks = [f"{len(status.tasks)} tasks RUNNING" if status.tasks else "no tasks"]
    return f"it is {status.connector.state}, {', '.join(tasks[:5])}"
