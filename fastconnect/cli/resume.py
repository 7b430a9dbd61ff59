"""`fastconnect resume`: paused or stopped connectors run again."""

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
def resume(client: RestClient, names: tuple[str, ...], wait: bool, timeout_s: float) -> int:
    """Have CONNECTORs run that were paused or stopped. They go on where they were.

    \b
    Examples:
      fastconnect resume orders-file
      fastconnect resume orders-file --wait --timeout 30
    """
    from fastconnect.client.waiting import wait_for

    def do(name: str) -> None:
        client.resume(name)
        if wait:
            wait_for(client, name, timeout_s=timeout_s)
        say(f"Connector {name} {'is' if wait else 'will be'} RUNNING.")

    return for_each(names, do)
