"""`fastconnect run`: a worker. Its connectors come from Kafka Connect's config files, from Python files, or over REST."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from fastconnect.cli.local_file import LocalFile
from fastconnect.cli.options import (
    EXISTING_FILE,
    parse_settings,
    refuse_twins,
    split_settings,
    worker_options,
    worker_properties,
)

if TYPE_CHECKING:
    from fastconnect.herder.snapshot import ConnectorSpec


class _ConnectorFile(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """A config file that exists, or a Python file and the name of a connector in it."""

    name = "connector file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | LocalFile:
        """Give a LocalFile for `FILE.py` and `FILE.py:NAME`, else a Path."""
        local = LocalFile.parse(str(value))
        path = EXISTING_FILE.convert(str(local.path) if local else value, param, ctx)
        return local or Path(path)


@click.command()
@click.argument("connector_files", metavar="[CONNECTOR_FILE]...", nargs=-1, type=_ConnectorFile())
@worker_options
@click.option(
    "--topic", metavar="T", help="The topic of a connector in a Python file: where its records go or, of a sink, come from."
)
@click.option(
    "--name", metavar="NAME", help="The connector's name, to which its offsets belong; FILE-FUNCTION for a Python file."
)
@click.option(
    "--until-done",
    is_flag=True,
    help="End when every source has reached its end and all of it is delivered and flushed: exit code 0. "
    "If a task failed for good, end with 1 when the others are done.",
)
@click.option(
    "--rest",
    "rest",
    metavar="[HOST:PORT]",
    is_flag=False,
    flag_value="",
    help="Answer Kafka Connect's REST API, at http://127.0.0.1:8083 by default. Without it that is done if a worker file is "
    "given, or no connector is.",
)
@click.option("--no-rest", is_flag=True, help="Answer nothing over HTTP.")
@click.option(
    "--distributed",
    is_flag=True,
    help="Be one of a group of workers (group.id of the worker file) that share the connectors; those come over REST.",
)
@click.pass_context
def run(
    ctx: click.Context,
    *,
    connector_files: tuple[Path | LocalFile, ...],
    topic: str | None,
    name: str | None,
    tasks: int | None,
    worker_file: Path | None,
    bootstrap_servers: str | None,
    settings: tuple[str, ...],
    verbose: bool,
    log_format: str | None,
    until_done: bool,
    rest: str | None,
    no_rest: bool,
    distributed: bool,
) -> int:
    """Run the connectors that are described in CONNECTOR_FILEs, with Kafka Connect's keys, until Ctrl-C or SIGTERM.

    Without any it is a worker whose connectors come over the REST API, as it is with --rest or with a worker file.

    A file is .properties, JSON (flat, or {"name", "config", "initial_state"}), TOML or YAML. Without a file the connector
    is what --set says. FILE.py:NAME is a connector in a Python file: a function with @source or @sink, or a class; NAME may
    be left out where there is only one. Source offsets are kept, so that a connector goes on where it ended.

    \b
    Examples:
      fastconnect run orders.properties
      fastconnect run orders.properties clicks.json --worker worker.properties --tasks 8
      fastconnect run orders.toml --until-done --set producer.override.linger.ms=50
      fastconnect run clicks.py:clicks --topic clicks --set url=https://example.org/clicks
      fastconnect run --set name=seq --set connector.class=SequenceSource --set topic=numbers
      fastconnect run --bootstrap-servers kafka:9092
      fastconnect run --distributed --worker worker.properties

    The first Ctrl-C drains what was read and flushes its offsets, a second one ends at once.
    """
    for_worker, for_connectors = split_settings(parse_settings(settings))
    given = bool(connector_files) or "connector.class" in for_connectors
    answers = not no_rest and (
        rest is not None or distributed or "listeners" in for_worker or (not (given and worker_file is None) and not until_done)
    )
    _refuse_nonsense(rest=rest, no_rest=no_rest, distributed=distributed, given=given, worker_file=worker_file)
    if not given and not answers:
        raise click.UsageError(
            "Nothing to run: give a connector file, or say what to run by --set connector.class=... --set name=..."
        )
    if rest:
        for_worker["listeners"] = f"http://{rest}"
    from fastconnect.cli import extras, job, summary
    from fastconnect.cli.console import view_for_run

    if distributed:
        extras.require("distributed", "A distributed worker")
    elif answers:
        extras.require("rest", "The REST API (--no-rest does without)")
    connectors = _connectors(connector_files, for_connectors, tasks, name) if given else []
    files = _local_files(connector_files, connectors, topic)
    properties = worker_properties(worker_file, bootstrap_servers, for_worker)
    json_lines = (log_format or properties.get("log.format")) == "json"
    job.set_up_logs(verbose=verbose or ctx.ensure_object(dict).get("verbose", False), json_lines=json_lines)
    # What comes over REST may need the worker's Kafka, whatever those that are given now say.
    with job.kafka(properties, () if answers else connectors) as kafka:
        worker = job.parse_worker(kafka.properties, worker_file, distributed=distributed)
        if answers:
            from fastconnect.config.rest import RestConfig

            RestConfig.of(worker)  # what is wrong with it shall be told before anything is started
        if distributed:
            from fastconnect.config.distributed import DistributedConfig

            DistributedConfig.of(worker)
        ended = job.run(connectors, worker, view_for_run(), until_done=until_done, rest=answers, files=files)
        job.tell(ended, until_done=until_done)
        if until_done:
            summary.print_summary(ended.summary)
        elif ended.exit_code == 0:
            click.echo(summary.stopped(ended.summary), err=True)
        return ended.exit_code


def _refuse_nonsense(*, rest: str | None, no_rest: bool, distributed: bool, given: bool, worker_file: Path | None) -> None:
    if rest is not None and no_rest:
        raise click.UsageError("--rest and --no-rest exclude each other.")
    if rest and not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[0-9a-zA-Z._-]*):[0-9]{1,5}", rest):
        raise click.UsageError(f"--rest takes HOST:PORT, not {rest!r}; without an address put it behind the files.")
    if not distributed:
        return
    if no_rest:
        raise click.UsageError("A distributed worker answers the REST API: each of its group asks it, too.")
    if given:
        raise click.UsageError("The connectors of distributed workers come over the REST API: leave the connector files out.")
    if worker_file is None:
        raise click.UsageError("A distributed worker needs a worker file: --worker FILE.")


def _connectors(
    files: tuple[Path | LocalFile, ...], settings: Mapping[str, str], tasks: int | None, name: str | None
) -> list[ConnectorSpec]:
    from fastconnect.config.properties import ConnectorFile, load_connector_file
    from fastconnect.herder.snapshot import ConnectorSpec
    from fastconnect.states import TargetState

    targets = {"RUNNING": TargetState.STARTED, "PAUSED": TargetState.PAUSED, "STOPPED": TargetState.STOPPED}
    found: list[tuple[str, ConnectorFile]] = []
    for file in files:
        if isinstance(file, LocalFile):
            config: dict[str, str | None] = {"name": file.connector_name, "connector.class": file.connector_class}
            found.append((str(file.path), ConnectorFile(file.connector_name, config)))
        else:
            found += [(str(file), connector) for connector in load_connector_file(file)]
    if not files:
        found = [("command line", ConnectorFile(settings.get("name", ""), {}))]
    if name is not None and len(found) > 1:
        raise click.UsageError(f"--name is for one connector, but there are {len(found)}.")
    specs = []
    for origin, connector in found:
        config = {**connector.config, **settings}
        if name is not None:
            config["name"] = name
        if tasks is not None:
            config["tasks.max"] = str(tasks)
        specs.append(
            ConnectorSpec(name=config.get("name") or "", config=config, target=targets[connector.initial_state], origin=origin)
        )
    refuse_twins([(spec.name, spec.origin) for spec in specs])
    return specs


def _local_files(
    files: tuple[Path | LocalFile, ...], connectors: list[ConnectorSpec], topic: str | None
) -> dict[str, LocalFile]:
    """The Python files among the files, by the names of their connectors."""
    local = [file for file in files if isinstance(file, LocalFile)]
    if topic is not None and not local:
        raise click.UsageError("--topic is for connectors in Python files; elsewhere say --set topic=...")
    by_class = {(str(file.path), file.connector_class): file for file in local}
    return {
        spec.name: msgspec.structs.replace(file, topic=topic)
        for spec in connectors
        if (file := by_class.get((spec.origin, spec.config.get("connector.class") or ""))) is not None
    }
