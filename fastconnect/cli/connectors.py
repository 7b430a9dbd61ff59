"""`fastconnect connectors`: the connectors of a cluster, and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options
from fastconnect.cli.output import on_terminal, print_json, print_table, printable, say, task_counts

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@click.option("--names", is_flag=True, help="Only the names, one a line.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of {name, type, class, state, worker_id, tasks}.")
@cluster_options
def connectors(client: RestClient, names: bool, as_json: bool) -> None:
    """List the connectors of a cluster with their states. Columns: name, type, state, tasks, worker.

    \b
    Examples:
      fastconnect connectors
      fastconnect connectors --url http://connect:8083 --json | jq -r '.[] | select(.state == "FAILED").name'
      fastconnect connectors --names | xargs -d '\\n' fastconnect restart --only-failed --include-tasks
    """
    if names:
        for name in client.connector_names():
            click.echo(printable(name) if on_terminal() else name)
        return
    found = client.connectors()
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "type": each.info.type,
                    "class": each.info.config.get("connector.class"),
                    "state": each.status.connector.state if each.status else "UNASSIGNED",
                    "worker_id": each.status.connector.worker_id if each.status else None,
                    "tasks": [
                        {"id": task.id, "state": task.state, "worker_id": task.worker_id}
                        for task in (each.status.tasks if each.status else ())
                    ],
                }
                for name, each in found.items()
            ]
        )
        return
    rows = []
    for name, each in found.items():
        status = each.status
        state = status.connector.state if status else "UNASSIGNED"
        tasks = task_counts([task.state for task in status.tasks]) if status else ""
        rows.append((name, each.info.type, state, tasks, status.connector.worker_id if status else ""))
    if rows:
        print_table(("NAME", "TYPE", "STATE", "TASKS", "WORKER"), rows)
    else:
        say("The cluster has no connectors.")
