"""`fastconnect stop`: connectors give their tasks up, and keep their configuration and offsets."""

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
def stop(client: RestClient, names: tuple[str, ...], wait: bool, timeout_s: float) -> int:
    """Stop CONNECTORs: their tasks end, their configurations stay; then their offsets can be changed.

    `fastconnect resume` has them run again. This stops connectors of a cluster; a worker is stopped by Ctrl-C or SIGTERM.

    \b
    Examples:
      fastconnect stop orders-file --wait
      fastconnect stop orders-file clicks
    """
    from fastconnect.client.waiting import wait_for

    def do(name: str) -> None:
        client.stop(name)
        if wait:
            wait_for(client, name, "STOPPED", timeout_s=timeout_s)
        say(f"Connector {name} {'is' if wait else 'will be'} STOPPED.")

    return for_each(names, do)
