"""`fastconnect status`: how connectors and their tasks are, and why one has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options, complete_connector
from fastconnect.cli.exit_codes import FAILED
from fastconnect.cli.output import counted, print_json, print_table, printable, printable_lines, say, state_text

if TYPE_CHECKING:
    from fastconnect.client.answers import ConnectorState, ConnectorStatus, RestartInfo, TaskState
    from fastconnect.client.rest_client import RestClient


@click.command()
@click.argument("names", metavar="[CONNECTOR]...", nargs=-1, shell_complete=complete_connector)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: a list of statuses as GET /connectors/NAME/status gives them."
)
@cluster_options
def status(client: RestClient, names: tuple[str, ...], as_json: bool) -> int:
    """Say how CONNECTORs and their tasks are, with the trace of what has failed; without a name: the cluster and all of them.

    Exit code 0 if nothing has FAILED, 1 if something has, 4 if there is no such connector.

    \b
    Examples:
      fastconnect status
      fastconnect status orders-file
      fastconnect status --json | jq '.[].tasks[] | select(.state == "FAILED").trace'
    """
    if names:
        found = [client.status(name) for name in names]
    else:
        found = [each.status for each in client.connectors().values() if each.status is not None]
    if as_json:
        print_json(found)
    else:
        if not names:
            info = client.server_info()
            say(
                f"Kafka Connect {printable(info.version)}, Kafka cluster {printable(info.kafka_cluster_id or 'unknown')}: "
                f"{counted(len(found), 'connector')}."
            )
        for number, each in enumerate(found):
            if number:
                click.echo()
            _print(each)
    return FAILED if any(each.failures for each in found) else 0


def _print(status: ConnectorStatus) -> None:
    head = f"{click.style(printable(status.name), bold=True)}  {state_text(status.connector.state)}"
    facts = [status.type or "", _where(status.connector), _restart(status.connector.restart)]
    click.echo("  ".join([head, *(printable(fact) for fact in facts if fact)]))
    _print_trace(status.connector.trace)
    if status.tasks:
        rows = [(f"task {each.id}", each.state, _where(each), _restart(each.restart)) for each in status.tasks]
        print_table(("TASK", "STATE", "WORKER", ""), rows)
    for task in status.tasks:
        if task.trace:
            click.echo(f"task {task.id}:")
            _print_trace(task.trace)


def _where(state: ConnectorState | TaskState) -> str:
    return state.worker_id


def _restart(restart: RestartInfo | None) -> str:
    if restart is None:
        return ""
    tried = f"started again {counted(restart.attempts, 'time')}"
    if restart.next_start is None:
        return tried
    import time

    return f"{tried}, next in {max(0.0, restart.next_start / 1000 - time.time()):.0f} s"


def _print_trace(trace: str | None) -> None:
    if trace:
        for line in printable_lines(trace.rstrip()).splitlines():
            click.echo(f"    {line}")
