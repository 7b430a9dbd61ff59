"""`fastconnect ingest`: files into a topic, as one command that can be run again until it has got through."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from fastconnect.cli.options import parse_settings, split_settings, worker_options, worker_properties

if TYPE_CHECKING:
    from fastconnect.storage.stores import OffsetStore

BYTES_AS_THEY_ARE = "org.apache.kafka.connect.converters.ByteArrayConverter"
"""The values are bytes already: nothing is made of them on their way from file to topic."""


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--topic", required=True, metavar="TOPIC", help="The topic to write to.")
@click.option("--key-field", metavar="FIELD", help="The JSON field, or the CSV column, whose value becomes the record's key.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["lines", "json", "csv"]),
    default="lines",
    show_default=True,
    help="lines: each line is a record as it is. json: the same, but each line must be JSON. "
    "csv: with a header line; each row becomes a JSON object.",
)
@worker_options
@click.option("--restart", is_flag=True, help="Begin anew instead of going on where an earlier run ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def ingest(
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    topic: str,
    key_field: str | None,
    file_format: Literal["lines", "json", "csv"],
    tasks: int | None,
    worker_file: Path | None,
    bootstrap_servers: str | None,
    settings: tuple[str, ...],
    verbose: bool,
    log_format: str | None,
    restart: bool,
    as_json: bool,
) -> int:
    """Load the files that PATHs name (files, folders, or globs in quotes) into a topic; .gz and .zst are read as they are.

    Ends when everything is delivered. If it is interrupted or something fails, run it again: it continues behind the last
    record that is known to be delivered. Exit code 0 if all was delivered, 1 if not, 2 if it could not begin.

    \b
    Examples:
      fastconnect ingest 'logs/*.jsonl.gz' --topic logs --tasks 8
      fastconnect ingest orders.csv --format csv --key-field order_id --topic orders --bootstrap-servers kafka:9092
      fastconnect ingest dump/ --topic dump --set producer.compression.type=zstd --json

    --tasks is the number of cores if it is not given.
    """
    from fastconnect.cli import job, summary
    from fastconnect.cli.console import view_for_job
    from fastconnect.herder.snapshot import ConnectorSpec

    for_worker, for_connector = split_settings(parse_settings(settings))
    properties = worker_properties(worker_file, bootstrap_servers, for_worker)
    json_lines = (log_format or properties.get("log.format")) == "json"
    job.set_up_logs(verbose=verbose or ctx.ensure_object(dict).get("verbose", False), json_lines=json_lines)
    with job.kafka(properties) as kafka:
        worker = job.parse_worker(kafka.properties, worker_file)
        full_paths = [os.path.abspath(path) for path in paths]
        name = for_connector.get("name") or job_name(topic, full_paths, kafka.identity)
        config = connector_config(
            name=name,
            paths=full_paths,
            topic=topic,
            file_format=file_format,
            key_field=key_field,
            tasks=tasks or os.cpu_count() or 1,
        )
        config.update(for_connector)
        _say_where_it_begins(job.open_offsets(worker), name, restart=restart)
        spec = ConnectorSpec(name=name, config=config)
        ended = job.run([spec], worker, view_for_job(f"ingest → {topic}"), until_done=True)
        job.tell(ended, until_done=True)
        click.echo(summary.as_json(ended.summary)) if as_json else summary.print_summary(ended.summary)
        return ended.exit_code


def job_name(topic: str, paths: Sequence[str], cluster: str) -> str:
    """The connector's name: the same for the same files, topic and Kafka, so that running it again continues.

    It holds a digest, so that another Kafka, topic or set of files never takes an offset for its own.
    """
    facts = "\0".join([cluster, topic, *sorted(set(paths))])
    return f"ingest-{topic}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def connector_config(
    *, name: str, paths: Sequence[str], topic: str, file_format: str, key_field: str | None, tasks: int
) -> dict[str, str | None]:
    """The FileSource connector that does it."""
    config: dict[str, str | None] = {
        "name": name,
        "connector.class": "fastconnect.FileSource",
        "tasks.max": str(tasks),
        "topic": topic,
        "paths": _list_text(paths),
        "format": file_format,
        "key.converter": BYTES_AS_THEY_ARE,
        "value.converter": BYTES_AS_THEY_ARE,
    }
    if file_format == "lines":
        config["encoding"] = "bytes"  # a line of any bytes is a record as it is
    if key_field is not None:
        config["key.field"] = key_field
    return config


def _list_text(paths: Sequence[str]) -> str:
    """A list as one config value: with commas or, where a path has one itself, as a JSON array."""
    if any("," in path or path.startswith("[") for path in paths):
        import msgspec

        return msgspec.json.encode(list(paths)).decode()
    return ",".join(paths)


def _say_where_it_begins(store: OffsetStore | None, name: str, *, restart: bool) -> None:
    """Say whether this continues an earlier run; the store is closed again, for it must not be open across a fork."""
    if store is None:
        return
    try:
        offsets = store.all(name)
        if not offsets:
            return
        if restart:
            store.delete(name, None)
            click.echo("Begins anew: what an earlier run had delivered will be delivered once more.", err=True)
        else:
            click.echo(f"Continues after {_delivered(offsets)} of an earlier run (--restart begins anew).", err=True)
    finally:
        store.close()


def _delivered(offsets: Sequence[tuple[Mapping[str, object], Mapping[str, object]]]) -> str:
    from fastconnect.cli.progress import plural, size_text

    # A range of a file is a source partition; its offset is the place in the file up to which it is delivered.
    done = sum(_number(offset, "position") - _number(partition, "start") for partition, offset in offsets)
    files = len({partition.get("path") for partition, _ in offsets})
    return f"{size_text(done)} of {plural(files, 'file')}"


def _number(facts: Mapping[str, object], key: str) -> int:
    value = facts.get(key)
    return value if isinstance(value, int) else 0
