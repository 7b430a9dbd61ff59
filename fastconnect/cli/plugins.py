"""`fastconnect plugins`: what is installed, and by which names a config may call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options_if_given
from fastconnect.cli.output import print_json, print_table

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@click.argument("plugin", metavar="[CLASS]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@cluster_options_if_given
def plugins(client: RestClient | None, plugin: str | None, as_json: bool) -> None:
    """List the connectors, converters and transforms that are installed here or, with --url or --context, in a cluster.

    CLASS and ALIAS are names that a config may use, such as `connector.class=FileSource`. Of a cluster, CLASS lists what
    can be configured of a plugin.

    \b
    Examples:
      fastconnect plugins
      fastconnect plugins --url http://connect:8083
      fastconnect plugins FileStreamSourceConnector --url http://connect:8083
      fastconnect plugins --json | jq -r '.[] | select(.kind == "source").class'
    """
    if client is not None:
        _of_cluster(client, plugin, as_json=as_json)
        return
    if plugin is not None:
        raise click.UsageError("What can be configured of a plugin is told by a cluster: give --url or --context.")
    from fastconnect.plugins import all as all_plugins
    from fastconnect.plugins import broken

    found = [
        {
            "kind": plugin.kind,
            "class": plugin.name,
            "alias": plugin.alias,
            "version": plugin.version,
            "distribution": plugin.distribution,
        }
        for plugin in all_plugins()
    ]
    for failed in broken():
        click.echo(f"{failed.name} of {failed.distribution} cannot be used: {failed.reason}", err=True)
    if as_json:
        print_json(found)
        return
    rows = [("KIND", "CLASS", "ALIAS", "VERSION"), *((p["kind"], p["class"], p["alias"], p["version"] or "") for p in found)]
    widths = [max(len(str(row[column])) for row in rows) for column in range(4)]
    for number, row in enumerate(rows):
        line = "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def _of_cluster(client: RestClient, plugin: str | None, *, as_json: bool) -> None:
    if plugin is not None:
        keys = client.plugin_config(plugin)
        if as_json:
            print_json(keys)
        else:
            rows = [
                (key.name, key.type, "required" if key.required else key.default_value, key.importance, key.documentation)
                for key in keys
            ]
            print_table(("KEY", "TYPE", "DEFAULT", "IMPORTANCE", "WHAT IT IS"), rows)
        return
    found = client.plugins()
    if as_json:
        print_json([{"kind": each.type, "class": each.class_name, "version": each.version} for each in found])
    else:
        print_table(("KIND", "CLASS", "VERSION"), [(each.type, each.class_name, each.version) for each in found])
