"""`fastconnect offsets`: looks into the offset store of standalone workers, and resets what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from fastconnect import paths
from fastconnect.storage.sqlite import SqliteOffsetStore

_file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The worker's offset.storage.file.filename; the default one if not given.",
)


@click.group()
def offsets() -> None:
    """Show or reset the source offsets of standalone connectors.

    A source offset is how far a connector has delivered one part of its source (a file, a table): where it goes on when it is
    started again.

    \b
    Examples:
      fastconnect offsets show
      fastconnect offsets reset orders-file
    """


@offsets.command()
@click.argument("connector", required=False)
@_file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of {connector, partition, offset}.")
def show(connector: str | None, file: Path | None, as_json: bool) -> None:
    """Show the offsets of CONNECTOR, or of all connectors.

    Exit codes: 0 also if there are none; 1 the file cannot be read; 2 it is no offset store.

    \b
    Examples:
      fastconnect offsets show orders-file
      fastconnect offsets show --json | jq '.[].offset'
    """
    with _store(file) as store:
        names = [] if store is None else store.connectors() if connector is None else [connector]
        rows = [(name, *row) for name in names for row in store.all(name)] if store else []
    if as_json:
        found = [{"connector": name, "partition": partition, "offset": offset} for name, partition, offset in rows]
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for name, partition, offset in rows:
        click.echo(f"{name}  {_text(partition)}  {_text(offset)}")
    if not rows:
        whose = f"Connector {connector} has" if connector else "No connector has"
        click.echo(f"{whose} {'no ' if connector else ''}offsets in {_path(file)}.", err=True)


@offsets.command()
@click.argument("connector")
@click.option("--partition", "partitions", multiple=True, metavar="JSON", help="Only this source partition; can be repeated.")
@_file_option
@click.option("--yes", is_flag=True, help="Don't ask.")
def reset(connector: str, partitions: tuple[str, ...], file: Path | None, yes: bool) -> None:
    """Forget the offsets of CONNECTOR: it begins anew when it is started again.

    The connector must not be running: it would go on writing its offsets.

    Exit codes: 0 also if it has none; 1 the file cannot be written; 2 it is no offset store.

    \b
    Examples:
      fastconnect offsets reset orders-file
      fastconnect offsets reset orders-file --partition '{"filename": "/data/orders.jsonl"}' --yes
    """
    wanted = [_partition(text) for text in partitions] or None
    with _store(file) as store:
        held = [] if store is None else store.all(connector)
        if wanted is not None:
            held = [row for row in held if row[0] in wanted]
        if not held or store is None:
            click.echo(f"Connector {connector} has no such offsets in {_path(file)}.", err=True)
            return
        if not yes:
            for partition, offset in held[:10]:
                click.echo(f"{_text(partition)}  {_text(offset)}", err=True)
            if len(held) > 10:
                click.echo(f"... and {len(held) - 10} more", err=True)
            click.confirm(f"Forget {_offsets(len(held))} of connector {connector}?", abort=True, err=True)
        count = store.delete(connector, wanted)
    click.echo(f"{_offsets(count)} of connector {connector} forgotten.", err=True)


@contextmanager
def _store(file: Path | None) -> Iterator[SqliteOffsetStore | None]:
    """The store; None if the file does not exist: looking at it should not make one."""
    path = _path(file)
    if not path.exists():
        yield None
        return
    store = SqliteOffsetStore(path)
    try:
        yield store
    finally:
        store.close()


def _path(file: Path | None) -> Path:
    return file or paths.default_offsets_file()


def _partition(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise click.BadParameter(f"{text!r} is no JSON object: {error}", param_hint="--partition") from error


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _offsets(count: int) -> str:
    return f"{count} offset" if count == 1 else f"{count} offsets"
