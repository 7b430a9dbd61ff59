"""`fastconnect topics`: the topics that a connector has used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options, connector_argument
from fastconnect.cli.output import on_terminal, print_json, printable, say

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@connector_argument
@click.option("--reset", is_flag=True, help="Forget which topics it has used; the topics themselves stay.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of names.")
@cluster_options
def topics(client: RestClient, name: str, reset: bool, as_json: bool) -> None:
    """List the topics that the tasks of CONNECTOR have written to or read from.

    \b
    Examples:
      fastconnect topics orders-file
      fastconnect topics orders-file --reset
    """
    client.connector(name)  # a cluster answers for connectors that it has not, too: with no topics
    if reset:
        client.reset_topics(name)
        say(f"What topics connector {name} has used is forgotten.")
        return
    found = client.topics(name)
    if as_json:
        print_json(found)
        return
    for topic in found:
        click.echo(printable(topic) if on_terminal() else topic)
    if not found:
        say(f"Connector {name} has used no topics.")
