"""`fastconnect config`: shows and changes a connector's configuration in a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options, connector_argument, wait_options
from fastconnect.cli.options import EXISTING_FILE, parse_settings
from fastconnect.cli.output import on_terminal, print_json, printable, say
from fastconnect.errors import ClusterRefusedError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastconnect.client.rest_client import RestClient

HOLDS_S = 1.5
"""Behind a change, a worker shows for a moment what was before."""


@click.group()
def config() -> None:
    """Show and change the configuration of a connector in a cluster.

    \b
    Examples:
      fastconnect config get orders-file
      fastconnect config patch orders-file --set tasks.max=4 --unset transforms
    """


@config.command()
@connector_argument
@click.argument("key", required=False)
@click.option("--secrets", is_flag=True, help="Show secrets as they are, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which `create`, `apply` and `config set` read.")
@cluster_options
def get(client: RestClient, *, name: str, key: str | None, secrets: bool, as_json: bool) -> None:
    """Print the configuration of CONNECTOR as a .properties file, or the value of one KEY; secrets are hidden.

    \b
    Examples:
      fastconnect config get orders-file
      fastconnect config get orders-file tasks.max
      fastconnect config get orders-file --secrets --json > orders-file.json
    """
    from fastconnect.cli.secrets import Secrets
    from fastconnect.config.properties import format_properties

    found = client.config(name)
    shown = dict(found) if secrets else Secrets(client).config(found)
    if key is not None:
        if key not in shown:
            from fastconnect.nearest import did_you_mean

            raise ConfigError(f"there is no {key} in it{did_you_mean(key, shown)}", where=f"connector {name}")
        value = shown[key] or ""
        if as_json:
            print_json(shown[key])
        else:
            click.echo(printable(value) if on_terminal() else value)
    elif as_json:
        print_json(shown)
    else:
        # What could steer a terminal is escaped there as Java does it.
        click.echo(format_properties({key: value or "" for key, value in shown.items()}), nl=False)


@config.command("set")
@connector_argument
@click.argument("file", required=False, type=EXISTING_FILE)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set a key, over what the file says.")
@wait_options
@cluster_options
def set_config(
    client: RestClient, *, name: str, file: Path | None, settings: tuple[str, ...], wait: bool, timeout_s: float
) -> None:
    """Give CONNECTOR the configuration in FILE, or what --set says, instead of the one it has. `patch` changes some keys.

    \b
    Examples:
      fastconnect config set orders-file orders.properties --wait
    """
    from fastconnect.cli.connector_files import wanted_in
    from fastconnect.cli.secrets import refuse_hidden

    new: Mapping[str, str | None] = parse_settings(settings)
    if file is None and not new:
        raise click.UsageError("Nothing to set: give a file, or say what to set by --set.")
    if file is not None:
        wanted = wanted_in([file], {"name": name, **parse_settings(settings)})
        if len(wanted) != 1:
            raise ConfigError(
                f"there are {len(wanted)} connectors in it", where=str(file), hint="`fastconnect apply` takes them"
            )
        new = wanted[0].config
    refuse_hidden([(str(file or "command line"), new)])
    before = client.config(name)
    client.put_config(name, new)
    _tell(client, name, before, {"name": name, **new}, wait=wait, timeout_s=timeout_s)


@config.command()
@connector_argument
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Give a key this value; may be given again.")
@click.option("--unset", "gone", metavar="KEY", multiple=True, help="Take a key away; may be given again.")
@wait_options
@cluster_options
def patch(
    client: RestClient, *, name: str, settings: tuple[str, ...], gone: tuple[str, ...], wait: bool, timeout_s: float
) -> None:
    """Change some keys of the configuration of CONNECTOR; all others stay.

    \b
    Examples:
      fastconnect config patch orders-file --set tasks.max=4
      fastconnect config patch orders-file --set topic=orders-v2 --unset transforms --wait
    """
    from fastconnect.cli.secrets import refuse_hidden

    changes: dict[str, str | None] = {**parse_settings(settings), **dict.fromkeys(gone)}
    if not changes:
        raise click.UsageError("Nothing to change: say what by --set and --unset.")
    refuse_hidden([("command line", changes)])
    before = client.config(name)
    try:
        after = client.patch_config(name, changes).config
    except ClusterRefusedError as error:
        if error.status != 405:
            raise
        merged = {key: value for key, value in {**before, **changes}.items() if value is not None}
        after = client.put_config(name, merged).config  # a worker before Kafka 3.8
    _tell(client, name, before, after, wait=wait, timeout_s=timeout_s)


def _tell(
    client: RestClient,
    name: str,
    before: Mapping[str, str | None],
    after: Mapping[str, str | None],
    *,
    wait: bool,
    timeout_s: float,
) -> None:
    from fastconnect.client.plan import key_changes
    from fastconnect.client.waiting import wait_for

    changed = [each.key for each in key_changes(before, after)]
    if not changed:
        say(f"The configuration of connector {name} is what it was.")
        return
    say(f"Connector {name} has another configuration: {', '.join(map(printable, changed))} changed.")
    if wait:
        wait_for(client, name, timeout_s=timeout_s, holds_s=HOLDS_S)
        say(f"Connector {name} is RUNNING.")
