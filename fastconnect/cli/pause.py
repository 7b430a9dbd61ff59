"""`fastconnect pause`: connectors do nothing for a while, and keep their tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options, connectors_argument, for_each, wait_options
from fastconnect.cli.output import say

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@connectors_argument
@wait_options
@cluster_options
def pause(client: RestClient, names: tuple[str, ...], wait: bool, timeout_s: float) -> int:
    """Pause CONNECTORs: their tasks stay where they are and handle no records until `fastconnect resume`.

    \b
    Examples:
      fastconnect pause orders-file
      fastconnect pause orders-file clicks --wait
    """
    from fastconnect.client.waiting import wait_for

    def do(name: str) -> None:
        client.pause(name)
        if wait:
            wait_for(client, name, "PAUSED", timeout_s=timeout_s)
        say(f"Connector {name} {'is' if wait else 'will be'} PAUSED.")

    return for_each(names, do)
