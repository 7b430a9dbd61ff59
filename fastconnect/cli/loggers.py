"""`fastconnect loggers`: the log levels of a worker, or of all workers of a cluster, while they run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from fastconnect.cli.cluster import cluster_options
from fastconnect.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient

LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"]


@click.command()
@click.argument("name", metavar="[LOGGER]", required=False)
@click.argument("level", metavar="[LEVEL]", required=False, type=click.Choice(LEVELS, case_sensitive=False))
@click.option("--cluster", "everywhere", is_flag=True, help="Set it on all workers of the cluster, not only on the one asked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as GET /admin/loggers gives it.")
@cluster_options
def loggers(client: RestClient, *, name: str | None, level: str | None, everywhere: bool, as_json: bool) -> None:
    """List the log levels of the worker that answers; those of LOGGER; or set LOGGER, and all below it, to LEVEL.

    Levels are TRACE, DEBUG, INFO, WARN, ERROR, FATAL and OFF. What is set holds until the worker ends.

    \b
    Examples:
      fastconnect loggers
      fastconnect loggers fastconnect.task DEBUG
      fastconnect loggers org.apache.kafka.connect.runtime TRACE --cluster
    """
    if level is None:
        if everywhere:
            raise click.UsageError("--cluster is for setting a level.")
        found = client.loggers() if name is None else {name: client.logger(name)}
        if as_json:
            print_json(found)
        else:
            rows = [(logger, each.level, _time(each.last_modified)) for logger, each in sorted(found.items())]
            print_table(("LOGGER", "LEVEL", "SET"), rows)
        return
    assert name is not None  # click fills arguments from the left
    changed = client.set_logger(name, level, cluster=everywhere)
    if as_json:
        print_json(changed)
    elif everywhere:
        say(f"All workers set logger {name} to {level}.")
    else:
        more = len(changed) - 1
        say(f"Logger {name} is set to {level}{f', with {more} below it' if more > 0 else ''}.")


def _time(at_ms: int | None) -> str:
    return "" if at_ms is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ms / 1000))
