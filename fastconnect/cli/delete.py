"""`fastconnect delete`: connectors that nobody needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options, connectors_argument, for_each
from fastconnect.cli.exit_codes import FAILED
from fastconnect.cli.output import confirmed, counted, say

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@connectors_argument
@click.option("--yes", is_flag=True, help="Don't ask.")
@cluster_options
def delete(client: RestClient, names: tuple[str, ...], yes: bool) -> int:
    """Delete CONNECTORs: their tasks end, and their configurations are forgotten. Their offsets stay in the cluster.

    \b
    Examples:
      fastconnect delete orders-file
      fastconnect delete orders-file clicks --yes
    """
    if not confirmed(f"Delete {counted(len(names), 'connector')} ({', '.join(names)})?", yes=yes):
        say("Nothing was deleted.")
        return FAILED

    def do(name: str) -> None:
        client.delete(name)
        say(f"Connector {name} is deleted.")

    return for_each(names, do)
