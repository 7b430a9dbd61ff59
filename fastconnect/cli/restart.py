"""`fastconnect restart`: a connector's own code, its tasks, or what of them has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options, connectors_argument, for_each, wait_options
from fastconnect.cli.output import say

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient

HOLDS_S = 1.5
"""A worker carries a restart out a moment after it has answered; what it shows before does not count."""


@click.command()
@connectors_argument
@click.option("--include-tasks", is_flag=True, help="The tasks too.")
@click.option("--only-failed", is_flag=True, help="Only what has FAILED.")
@click.option(
    "--task", "tasks", type=click.IntRange(min=0), metavar="N", multiple=True, help="Only this task; may be given again."
)
@wait_options
@cluster_options
def restart(
    client: RestClient,
    *,
    names: tuple[str, ...],
    include_tasks: bool,
    only_failed: bool,
    tasks: tuple[int, ...],
    wait: bool,
    timeout_s: float,
) -> int:
    """Restart CONNECTORs. Without an option that is the connector's own code only, which divides the work, as in Kafka Connect.

    \b
    Examples:
      fastconnect restart orders-file --include-tasks
      fastconnect restart orders-file --only-failed --include-tasks --wait
      fastconnect restart orders-file --task 0 --task 3
    """
    from fastconnect.client.waiting import wait_for

    if tasks and (include_tasks or only_failed or len(names) > 1):
        raise click.UsageError("--task restarts tasks of one connector, whatever they are: leave the other options out.")

    def do(name: str) -> None:
        for task in tasks:
            client.restart_task(name, task)
        if not tasks:
            client.restart(name, include_tasks=include_tasks, only_failed=only_failed)
        if wait:
            wait_for(client, name, timeout_s=timeout_s, holds_s=HOLDS_S)
        what = f"{'Task' if len(tasks) == 1 else 'Tasks'} {', '.join(map(str, tasks))} of connector" if tasks else "Connector"
        are = "were" if len(tasks) > 1 else "was"
        say(f"{what} {name} {are} restarted{', and it is RUNNING' if wait else ''}.")

    return for_each(names, do)
