"""`fastconnect run`: connectors from their config files, as Kafka Connect's connect-standalone runs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from fastconnect.cli.options import (
    EXISTING_FILE,
    parse_settings,
    refuse_twins,
    split_settings,
    worker_options,
    worker_properties,
)


@click.command()
@click.argument("connector_files", metavar="[CONNECTOR_FILE]...", nargs=-1, type=EXISTING_FILE)
@worker_options
@click.option(
    "--until-done",
    is_flag=True,
    help="End when every source has reached its end and all of it is delivered and flushed: exit code 0. "
    "If a task failed for good, end with 1 when the others are done.",
)
@click.pass_context
def run(
    ctx: click.Context,
    *,
    connector_files: tuple[Path, ...],
    tasks: int | None,
    worker_file: Path | None,
    bootstrap_servers: str | None,
    settings: tuple[str, ...],
    verbose: bool,
    until_done: bool,
) -> int:
    """Run the connectors that are described in CONNECTOR_FILEs, with Kafka Connect's keys, until Ctrl-C or SIGTERM.

    A file is .properties, JSON (flat, or {"name", "config", "initial_state"}), TOML or YAML. Without a file the connector
    is what --set says. Source offsets are kept, so that a connector goes on where it ended.

    \b
    Examples:
      fastconnect run orders.properties
      fastconnect run orders.properties clicks.json --worker worker.properties --tasks 8
      fastconnect run orders.toml --until-done --set producer.override.linger.ms=50
      fastconnect run --set name=seq --set connector.class=SequenceSource --set topic=numbers

    The first Ctrl-C drains what was read and flushes its offsets, a second one ends at once.
    """
    for_worker, for_connectors = split_settings(parse_settings(settings))
    if not connector_files and "connector.class" not in for_connectors:
        raise click.UsageError(
            "Nothing to run: give a connector file, or say what to run by --set connector.class=... --set name=..."
        )
    from fastconnect.cli import job, summary
    from fastconnect.cli.console import view_for_run

    connectors = _connectors(connector_files, for_connectors, tasks)
    properties = worker_properties(worker_file, bootstrap_servers, for_worker)
    job.set_up_logs(verbose=verbose or ctx.ensure_object(dict).get("verbose", False))
    with job.kafka(properties, connectors) as kafka:
        ended = job.run(connectors, job.parse_worker(kafka.properties, worker_file), view_for_run(), until_done=until_done)
        job.tell(ended, until_done=until_done)
        if until_done:
            summary.print_summary(ended.summary)
        return ended.exit_code


def _connectors(files: tuple[Path, ...], settings: Mapping[str, str], tasks: int | None) -> list:  # type: ignore[type-arg]
    from fastconnect.config.properties import ConnectorFile, load_connector_file
    from fastconnect.herder.herder import ConnectorSpec
    from fastconnect.states import TargetState

    targets = {"RUNNING": TargetState.STARTED, "PAUSED": TargetState.PAUSED, "STOPPED": TargetState.STOPPED}
    found = [(str(path), connector) for path in files for connector in load_connector_file(path)]
    if not files:
        found = [("command line", ConnectorFile(settings.get("name", ""), {}))]
    specs = []
    for origin, connector in found:
        config: dict[str, str | None] = {**connector.config, **settings}
        if tasks is not None:
            config["tasks.max"] = str(tasks)
        name = config.get("name") or ""
        specs.append(ConnectorSpec(name=name, config=config, target=targets[connector.initial_state], origin=origin))
    refuse_twins([(spec.name, spec.origin) for spec in specs])
    return specs
