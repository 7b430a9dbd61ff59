"""`fastconnect broker`: starts, stops and looks after the embedded broker (broker/embedded.py)."""

from __future__ import annotations

import click

from fastconnect.broker import embedded


@click.group()
def broker() -> None:
    """A real Apache Kafka on this machine, for trying and testing.

    `run` and `ingest` start it by themselves when no bootstrap servers are named, and end it when they end. Its topics stay
    until `reset`. It needs no Java and no container: pip install 'fastconnect-kafka[broker]'

    \b
    Examples:
      fastconnect broker start              # stays until `broker stop`
      fastconnect broker status --json
      fastconnect broker reset --yes        # delete all its topics

    Its data is in the user-data folder, or in FASTCONNECT_HOME.
    """


@broker.command()
def start() -> None:
    """Start the broker, and leave it running until `broker stop`.

    Prints its bootstrap servers on standard output. The first start fetches Apache Kafka, 45 MB.

    \b
    Examples:
      fastconnect broker start
      kcat -L -b "$(fastconnect broker start)"
    """
    started = embedded.start(on_progress=_tell)
    _tell("The broker runs already; it stays until `fastconnect broker stop`." if started.was_running else "The broker runs.")
    click.echo(started.bootstrap_servers)


@broker.command()
@click.option("--force", is_flag=True, help="Stop it even if another command is using it.")
def stop(force: bool) -> None:
    """Stop the broker; its topics stay.

    Exit codes: 0 it runs no more (or did not run); 2 another command is using it, or it does not end.

    \b
    Example:
      fastconnect broker stop
    """
    _tell("The broker has been stopped." if embedded.stop(force=force) else "No broker was running.")


@broker.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Say whether the broker runs, where, and for whom.

    Exit codes: 0 it runs; 1 it does not.

    \b
    Examples:
      fastconnect broker status
      fastconnect broker status --json | jq -r .bootstrap_servers
    """
    found = embedded.status()
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(found).decode())
    else:
        for name, value in _lines(found):
            click.echo(f"{name + ':':<19}{value}")
    click.get_current_context().exit(0 if found.running else 1)


@broker.command()
@click.option("--force", is_flag=True, help="Do so even if another command is using it.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def reset(force: bool, yes: bool) -> None:
    """Stop the broker and delete all its topics.

    Offsets of connectors that wrote to it stay: see `fastconnect offsets reset`.

    Exit codes: 0 it is empty; 1 not wanted after all; 2 another command is using it, or it does not end.

    \b
    Example:
      fastconnect broker reset --yes
    """
    found = embedded.status()
    if not yes:
        click.confirm(f"Delete all topics of the broker in {found.folder} ({_size(found.data_bytes)})?", abort=True, err=True)
    _tell("The broker is empty." if embedded.reset(force=force) else "The broker was empty already.")


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _lines(found: embedded.Status) -> list[tuple[str, str]]:
    lines = [("phase", click.style(found.phase, fg="green" if found.running else "yellow"))]
    if found.bootstrap_servers:
        until = "until `fastconnect broker stop`" if found.started_by_hand else "until the last command that uses it ends"
        lines += [
            ("bootstrap servers", found.bootstrap_servers),
            ("stays", until),
            ("in use", "yes" if found.in_use else "no"),
            ("Apache Kafka", f"{found.kafka_version}, pid {found.kafka_pid}, kept by pid {found.keeper_pid}"),
            ("up for", f"{found.uptime_s:.0f} s"),
        ]
    return [*lines, ("data", f"{_size(found.data_bytes)} in {found.folder}"), ("log", found.log)]


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:.1f} GB"
