"""`fastconnect offsets`: how far connectors have come. Looks into the offset store of standalone workers, or asks a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import msgspec

from fastconnect import paths
from fastconnect.cli.cluster import cluster_options, cluster_options_if_given, connector_argument
from fastconnect.cli.exit_codes import FAILED
from fastconnect.cli.output import confirmed, counted, print_json, printable, say
from fastconnect.errors import ConfigError
from fastconnect.storage.sqlite import SqliteOffsetStore

if TYPE_CHECKING:
    from fastconnect.client.answers import Offset
    from fastconnect.client.rest_client import RestClient

_file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The worker's offset.storage.file.filename; the default one if not given.",
)


@click.group()
def offsets() -> None:
    """Show, change or reset how far connectors have come.

    A source offset is how far a connector has delivered one part of its source (a file, a table): where it goes on when it is
    started again. Of a sink it is what its consumer group has committed of each topic's partitions. `show` and `reset` look
    into the file of standalone workers unless --url or --context is given; `get` and `alter` ask a cluster.

    \b
    Examples:
      fastconnect offsets show
      fastconnect offsets reset orders-file
      fastconnect offsets get orders-file --url http://connect:8083
    """


@offsets.command()
@click.argument("connector", required=False)
@_file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of {connector, partition, offset}.")
@cluster_options_if_given
def show(client: RestClient | None, connector: str | None, file: Path | None, as_json: bool) -> None:
    """Show the offsets of CONNECTOR, or of all connectors.

    Exit codes: 0 also if there are none; 1 the file cannot be read; 2 it is no offset store.

    \b
    Examples:
      fastconnect offsets show orders-file
      fastconnect offsets show --json | jq '.[].offset'
    """
    if client is not None:
        _refuse_file(file)
        names = client.connector_names() if connector is None else [connector]
        _print([(name, each.partition, each.offset) for name in names for each in client.offsets(name)], as_json=as_json)
        return
    with _store(file) as store:
        names = [] if store is None else store.connectors() if connector is None else [connector]
        rows = [(name, *row) for name in names for row in store.all(name)] if store else []
    _print(rows, as_json=as_json)
    if not rows and not as_json:
        whose = f"Connector {connector} has" if connector else "No connector has"
        click.echo(f"{whose} {'no ' if connector else ''}offsets in {_path(file)}.", err=True)


@offsets.command()
@connector_argument
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, which `offsets alter` reads: {offsets: [{partition, offset}]}."
)
@cluster_options
def get(client: RestClient, name: str, as_json: bool) -> None:
    """Show the offsets of CONNECTOR in a cluster.

    \b
    Examples:
      fastconnect offsets get orders-file
      fastconnect offsets get orders-file --json > offsets.json
    """
    found = client.offsets(name)
    if as_json:
        print_json({"offsets": found})
        return
    _print([(name, each.partition, each.offset) for each in found], as_json=False)
    if not found:
        say(f"Connector {name} has no offsets.")


@offsets.command()
@connector_argument
@click.argument("file", required=False, type=click.File("rb"))
@click.option("--partition", "partition", metavar="JSON", help="The source partition to change, instead of FILE.")
@click.option("--offset", "offset", metavar="JSON", help="Its new offset; `null` forgets it.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@cluster_options
def alter(
    client: RestClient, *, name: str, file: IO[bytes] | None, partition: str | None, offset: str | None, yes: bool
) -> int:
    """Change offsets of CONNECTOR, which must be STOPPED, in a cluster; partitions that are not named stay.

    FILE is what `offsets get --json` prints, changed; `-` is standard input. The partition of a sink is
    {"kafka_topic": "t", "kafka_partition": 0}, its offset {"kafka_offset": 5}.

    \b
    Examples:
      fastconnect offsets alter orders-file offsets.json
      fastconnect offsets alter orders-file --partition '{"filename": "/data/orders.log"}' --offset '{"position": 0}'
    """
    if (file is None) == (partition is None) or (partition is None) != (offset is None):
        raise click.UsageError("Give either FILE, or --partition and --offset.")
    if file is not None:
        wanted = _offsets_in(file.read(), file.name)
    else:
        from fastconnect.client.answers import Offset

        assert partition is not None
        assert offset is not None
        wanted = [Offset(_object(partition, "--partition"), None if offset.strip() == "null" else _object(offset, "--offset"))]
    if not yes:
        held = {_text(each.partition): each.offset for each in client.offsets(name)}
        for each in wanted:
            before = _text(held.get(_text(each.partition)))
            say(f"{printable(_text(each.partition))}  {printable(before)} -> {printable(_text(each.offset))}")
    if not confirmed(f"Change {counted(len(wanted), 'offset')} of connector {name}?", yes=yes):
        say("Nothing was changed.")
        return FAILED
    say(client.alter_offsets(name, wanted))
    return 0


@offsets.command()
@click.argument("connector")
@click.option("--partition", "partitions", multiple=True, metavar="JSON", help="Only this source partition; can be repeated.")
@_file_option
@click.option("--yes", is_flag=True, help="Don't ask.")
@cluster_options_if_given
def reset(client: RestClient | None, *, connector: str, partitions: tuple[str, ...], file: Path | None, yes: bool) -> int:
    """Forget the offsets of CONNECTOR: it begins anew when it is started again.

    The connector must not be running: it would go on writing its offsets. In a cluster (--url, --context) it must be STOPPED.

    Exit codes: 0 also if it has none; 1 the file cannot be written; 2 it is no offset store.

    \b
    Examples:
      fastconnect offsets reset orders-file
      fastconnect offsets reset orders-file --partition '{"filename": "/data/orders.jsonl"}' --yes
      fastconnect offsets reset orders-file --url http://connect:8083
    """
    if client is not None:
        _refuse_file(file)
        return _reset_in_cluster(client, connector, [_object(text, "--partition") for text in partitions], yes=yes)
    wanted = [_object(text, "--partition") for text in partitions] or None
    with _store(file) as store:
        held = [] if store is None else store.all(connector)
        if wanted is not None:
            held = [row for row in held if row[0] in wanted]
        if not held or store is None:
            say(f"Connector {connector} has no such offsets in {_path(file)}. (--url or --context asks a cluster.)")
            return 0
        if not yes:
            for partition, offset in held[:10]:
                click.echo(f"{_text(partition)}  {_text(offset)}", err=True)
            if len(held) > 10:
                click.echo(f"... and {len(held) - 10} more", err=True)
            click.confirm(f"Forget {_offsets(len(held))} of connector {connector}?", abort=True, err=True)
        count = store.delete(connector, wanted)
    click.echo(f"{_offsets(count)} of connector {connector} forgotten.", err=True)
    return 0


def _reset_in_cluster(client: RestClient, name: str, partitions: list[dict[str, Any]], *, yes: bool) -> int:
    from fastconnect.client.answers import Offset

    what = counted(len(partitions), "offset") if partitions else "all offsets"
    if not confirmed(f"Forget {what} of connector {name}?", yes=yes):
        say("Nothing was changed.")
        return FAILED
    if partitions:
        say(client.alter_offsets(name, [Offset(partition, None) for partition in partitions]))
    else:
        say(client.reset_offsets(name))
    return 0


def _print(rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any] | None]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"connector": name, "partition": partition, "offset": offset} for name, partition, offset in rows])
        return
    for name, partition, offset in rows:
        click.echo(f"{printable(name)}  {printable(_text(partition))}  {printable(_text(offset))}")


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


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise click.BadParameter(f"{text!r} is no JSON object: {error}", param_hint=option) from error


def _offsets_in(content: bytes, where: str) -> list[Offset]:
    from fastconnect.client.answers import Offset

    try:
        found = msgspec.json.decode(content, type=dict[str, list[Offset]] | list[Offset])
    except msgspec.MsgspecError as error:
        raise ConfigError(f"no offsets as `offsets get --json` prints them: {error}", where=where) from None
    return found if isinstance(found, list) else found.get("offsets", [])


def _refuse_file(file: Path | None) -> None:
    if file is not None:
        raise click.UsageError("--file is a standalone worker's, --url and --context are a cluster: give one of them.")


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _offsets(count: int) -> str:
    return f"{count} offset" if count == 1 else f"{count} offsets"
