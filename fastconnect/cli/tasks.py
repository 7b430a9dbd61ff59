"""`fastconnect tasks`: the tasks of a connector, how they are and how they are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options, connector_argument
from fastconnect.cli.output import print_json, print_table, say, value_text

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@connector_argument
@click.option("--configs", is_flag=True, help="Show the tasks' configurations too, with their secrets hidden.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of {id, state, worker_id, trace, config}.")
@cluster_options
def tasks(client: RestClient, name: str, configs: bool, as_json: bool) -> None:
    """List the tasks of CONNECTOR.

    \b
    Examples:
      fastconnect tasks orders-file
      fastconnect tasks orders-file --json | jq '.[].config'
    """
    from fastconnect.cli.secrets import Secrets

    infos = client.tasks(name)
    status = client.status_if_known(name)
    states = {task.id: task for task in status.tasks} if status else {}
    secrets = Secrets(client)
    connector_class = client.config(name).get("connector.class") if configs or as_json else None
    rows = []
    for info in infos:
        state = states.get(info.id.task)
        rows.append(
            {
                "id": info.id.task,
                "state": state.state if state else "UNASSIGNED",
                "worker_id": state.worker_id if state else None,
                "trace": state.trace if state else None,
                "config": {key: secrets.text(connector_class or "", key, value) for key, value in info.config.items()},
            }
        )
    if as_json:
        print_json(rows)
        return
    shown = []
    for row in rows:
        config = (value_text(row["config"]),) if configs else ()
        shown.append((str(row["id"]), str(row["state"]), str(row["worker_id"] or ""), *config))
    if shown:
        print_table(("TASK", "STATE", "WORKER", *(["CONFIG"] if configs else [])), shown)
    else:
        say(f"Connector {name} has no tasks.")
