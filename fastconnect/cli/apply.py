"""`fastconnect apply`: a cluster's connectors become what files say. What would change is shown and checked first."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastconnect.cli.cluster import cluster_options, wait_options
from fastconnect.cli.exit_codes import FAILED, exit_code_of
from fastconnect.cli.output import confirmed, counted, print_json, printable, say
from fastconnect.errors import ClusterError, ConfigError, Fault

if TYPE_CHECKING:
    from fastconnect.cli.secrets import Secrets
    from fastconnect.client.answers import Connector
    from fastconnect.client.plan import Change, Plan
    from fastconnect.client.rest_client import RestClient

HOLDS_S = 1.5
"""Behind an update, a worker shows for a moment what was before."""

SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
DONE = {"create": "created", "update": "updated", "delete": "deleted"}


@click.command()
@click.option(
    "-f",
    "--file",
    "paths",
    metavar="FILE|FOLDER",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    help="A connector file, or a folder of them (with the folders in it); may be given again.",
)
@click.option("--prune", is_flag=True, help="Delete the connectors of the cluster that are in none of the files.")
@click.option("--dry-run", is_flag=True, help="Only show and check what would be done.")
@click.option("--check", is_flag=True, help="As --dry-run, and exit code 1 if there is something to do.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--no-validate", is_flag=True, help="Don't have the cluster check all configurations before the first change.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON; needs --yes, --dry-run or --check.")
@wait_options
@cluster_options
def apply(
    client: RestClient,
    *,
    paths: tuple[Path, ...],
    prune: bool,
    dry_run: bool,
    check: bool,
    yes: bool,
    no_validate: bool,
    as_json: bool,
    wait: bool,
    timeout_s: float,
) -> int:
    """Make a cluster's connectors what FILEs say: create those that are missing, update those that differ.

    What would change is shown first, with secrets hidden, and the cluster checks all of it: if something is wrong with one
    configuration, nothing is changed at all. An initial state counts only for connectors that are created. Running it again
    changes nothing.

    \b
    Examples:
      fastconnect apply -f connectors/
      fastconnect apply -f connectors/ --prune --dry-run
      fastconnect apply -f orders.properties -f clicks.json --yes --wait
    """
    from fastconnect.cli.connector_files import wanted_in
    from fastconnect.cli.secrets import Secrets, refuse_hidden
    from fastconnect.client.plan import plan

    if as_json and not (yes or dry_run or check):
        raise click.UsageError("--json asks no questions: give it --yes, --dry-run or --check.")
    wanted = wanted_in(paths)
    if not wanted:
        # With --prune this would delete everything: a folder that is empty by mistake shall not.
        raise ConfigError("there are no connector files in it", where=", ".join(map(str, paths)))
    refuse_hidden((each.origin, each.config) for each in wanted)
    existing = client.connectors()
    todo = plan(wanted, {name: each.info.config for name, each in existing.items()}, prune=prune)
    secrets = Secrets(client)
    if as_json:
        print_json(_as_data(todo, secrets))
    else:
        _show(todo, existing, secrets)
    if not no_validate:
        _validate(client, todo)
    if not todo.changes:
        return 0
    if dry_run or check:
        return FAILED if check else 0
    if not confirmed(_question(todo), yes=yes):
        say("Nothing was changed.")
        return FAILED
    failures = _carry_out(client, todo)
    if wait:
        failures += _wait(client, [each for each in todo.changes if _is_awaited(each, existing)], timeout_s)
    if not failures:
        return 0
    say(f"{counted(len(failures), 'connector')} of {len(todo.changes)} could not be brought to what the files say.")
    return exit_code_of(failures[0])


def _show(todo: Plan, existing: dict[str, Connector], secrets: Secrets) -> None:
    for change in todo.changes:
        sign, colour = SIGNS[change.kind]
        click.echo(click.style(f"{sign} {change.kind} {printable(change.name)}", fg=colour, bold=True))
        for key, before, after in _shown_keys(change, existing, secrets):
            if before is None:
                click.echo(click.style(f"    + {key} = {after}", fg="green"))
            elif after is None:
                click.echo(click.style(f"    - {key} = {before}", fg="red"))
            else:
                same = "  (another value)" if before == after else ""
                click.echo(click.style(f"    ~ {key}: {before} -> {after}{same}", fg="yellow"))
    same = counted(len(todo.unchanged), "connector")
    if not todo.changes:
        say(f"Nothing to change: {same} as the files say.")
    elif todo.unchanged:
        say(f"{same} unchanged.")


def _shown_keys(change: Change, existing: dict[str, Connector], secrets: Secrets) -> list[tuple[str, str | None, str | None]]:
    """Key, value before and after, as they may be shown; None: the key is not there."""
    old_class = existing[change.name].info.config.get("connector.class") if change.name in existing else None
    new_class = change.wanted.config.get("connector.class") if change.wanted else None
    rows = []
    for each in change.keys:
        before, after = (
            None if not isinstance(value, str | None) else printable(secrets.text(cls or "", each.key, value) or "")
            for cls, value in ((old_class or new_class, each.before), (new_class, each.after))
        )
        rows.append((printable(each.key), before, after))
    return rows


def _as_data(todo: Plan, secrets: Secrets) -> list[dict[str, Any]]:
    """The changes for `--json`; a key that is not there has no `before` or no `after`."""
    found: list[dict[str, Any]] = []
    for change in todo.changes:
        cls = (change.wanted.config.get("connector.class") if change.wanted else None) or ""
        keys = [
            {
                "key": each.key,
                **{
                    side: secrets.text(cls, each.key, value)
                    for side, value in (("before", each.before), ("after", each.after))
                    if isinstance(value, str | None)
                },
            }
            for each in change.keys
        ]
        found.append({"change": change.kind, "name": change.name, "file": change.wanted and change.wanted.origin, "keys": keys})
    return found + [{"change": "unchanged", "name": name, "file": None, "keys": []} for name in todo.unchanged]


def _validate(client: RestClient, todo: Plan) -> None:
    """Have the cluster check every configuration that would be written.

    Raises:
        ConfigError: with everything that is wrong with all of them.
    """
    faults = []
    for change in todo.changes:
        if change.wanted is not None:
            where = f"{change.wanted.origin}, connector {change.name}"
            config = {"name": change.name, **change.wanted.config}
            faults += [Fault(f"{where}: {each.key}", each.message) for each in client.faults(config)]
    if faults:
        raise ConfigError("nothing was changed, for the cluster finds faults", faults=faults)


def _question(todo: Plan) -> str:
    parts = [f"{kind} {len(changes)}" for kind in ("create", "update", "delete") if (changes := todo.of(kind))]
    return f"{', '.join(parts).capitalize()}: do it?"


def _carry_out(client: RestClient, todo: Plan) -> list[ClusterError]:
    """Make all changes; one that fails does not keep the others back, since each connector is for itself."""
    failures = []
    for change in todo.changes:
        try:
            if change.wanted is None:
                client.delete(change.name)
            elif change.kind == "create":
                client.create(change.name, change.wanted.config, change.wanted.initial_state)
            else:
                client.put_config(change.name, change.wanted.config)
        except ClusterError as error:
            failures.append(error)
            say(f"Error: connector {change.name} could not be {DONE[change.kind]}: {error}")
        else:
            say(f"Connector {change.name} is {DONE[change.kind]}.")
    return failures


def _is_awaited(change: Change, existing: dict[str, Connector]) -> bool:
    """Whether it is meant to run: what is paused or stopped stays so behind an update."""
    if change.wanted is None:
        return False
    if change.kind == "create":
        return change.wanted.initial_state == "RUNNING"
    status = existing[change.name].status
    return status is None or status.connector.state not in ("PAUSED", "STOPPED")


def _wait(client: RestClient, changes: list[Change], timeout_s: float) -> list[ClusterError]:
    from fastconnect.client.waiting import wait_for

    deadline = time.monotonic() + timeout_s
    failures = []
    for change in changes:
        try:
            left_s = max(0.0, deadline - time.monotonic())
            wait_for(client, change.name, timeout_s=left_s, holds_s=HOLDS_S if change.kind == "update" else 0.0)
        except ClusterError as error:
            failures.append(error)
            say(f"Error: {error}")
        else:
            say(f"Connector {change.name} is RUNNING.")
    return failures
