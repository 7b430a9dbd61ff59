"""`fastconnect create`: new connectors, from files or from what the command line says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fastconnect.cli.cluster import cluster_options, for_each, wait_options
from fastconnect.cli.options import EXISTING_FILE, parse_settings, refuse_twins
from fastconnect.cli.output import say

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=EXISTING_FILE)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set a key, over what the files say.")
@click.option(
    "--initial-state",
    type=click.Choice(["RUNNING", "PAUSED", "STOPPED"], case_sensitive=False),
    help="What it does at first, over what the files say; RUNNING otherwise.",
)
@wait_options
@cluster_options
def create(
    client: RestClient,
    *,
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    initial_state: str | None,
    wait: bool,
    timeout_s: float,
) -> int:
    """Create the connectors in FILEs, or the one that --set describes. One of the same name must not exist: see `apply`.

    \b
    Examples:
      fastconnect create orders.properties --wait
      fastconnect create --set name=seq --set connector.class=SequenceSource --set topic=numbers
    """
    from fastconnect.cli.connector_files import wanted_by, wanted_in
    from fastconnect.cli.secrets import refuse_hidden
    from fastconnect.client.waiting import wait_for

    given = parse_settings(settings)
    if not files and not given:
        raise click.UsageError("Nothing to create: give a connector file, or say what to create by --set.")
    wanted = wanted_in(files, given) if files else [wanted_by(given, "RUNNING")]
    refuse_twins([(each.name, each.origin) for each in wanted])
    refuse_hidden((each.origin, each.config) for each in wanted)
    by_name = {each.name: each for each in wanted}
    if initial_state is not None:
        by_name = {name: msgspec.structs.replace(each, initial_state=initial_state.upper()) for name, each in by_name.items()}

    def do(name: str) -> None:
        each = by_name[name]
        client.create(name, each.config, each.initial_state)
        if wait:
            wait_for(client, name, each.initial_state, timeout_s=timeout_s)
        say(f"Connector {name} is {f'created and {each.initial_state}' if wait else 'created'}.")

    return for_each(tuple(by_name), do)
