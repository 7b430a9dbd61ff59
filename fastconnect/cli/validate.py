"""`fastconnect validate`: everything that is wrong with connector files, at once; nothing is started.

With an address a cluster is asked, whose plugins may be others; else nobody is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastconnect.cli.cluster import cluster_options_if_given
from fastconnect.cli.output import printable_lines
from fastconnect.errors import ConfigError, Fault

if TYPE_CHECKING:
    from fastconnect.client.rest_client import RestClient


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@cluster_options_if_given
def validate(client: RestClient | None, files: tuple[Path, ...], as_json: bool) -> int:
    """Say everything that is wrong with the connectors in FILEs. Exit code 0 if they can be run, 2 if not.

    With --url or --context that is what the cluster says, with the plugins that it has.

    \b
    Examples:
      fastconnect validate orders.properties clicks.json
      fastconnect validate orders.properties --url http://connect:8083
      fastconnect validate connectors/*.toml --json | jq '.[] | select(.faults != [])'
    """
    findings = [finding for path in files for finding in _findings(path, client)]
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        for finding in findings:
            _print(finding)
    return 2 if any(finding["faults"] for finding in findings) else 0


def _findings(path: Path, client: RestClient | None) -> list[dict[str, Any]]:
    """One for each connector in the file, or one for the file if it cannot be read."""
    from fastconnect.config.properties import load_connector_file

    try:
        connectors = load_connector_file(path)
    except ConfigError as error:
        faults = list(error.faults) or [Fault("", str(error))]
        return [{"file": str(path), "connector": None, "faults": faults, "warnings": []}]
    findings = []
    for connector in connectors:
        faults, warnings = _checked(connector.config) if client is None else (client.faults(connector.config), [])
        findings.append({"file": str(path), "connector": connector.name or None, "faults": faults, "warnings": warnings})
    return findings


def _checked(config: dict[str, str | None]) -> tuple[list[Fault], list[str]]:
    """Faults and warnings, by the plugins that are installed here."""
    from fastconnect.config.validation import validate as validate_config

    validation = validate_config(config)
    return list(validation.faults), [str(warning) for warning in validation.warnings]


def _print(finding: dict[str, Any]) -> None:
    what = f"{finding['file']}: connector {finding['connector']}" if finding["connector"] else finding["file"]
    for warning in finding["warnings"]:
        click.echo(f"{what}: {click.style('warning:', fg='yellow')} {warning}")
    if not finding["faults"]:
        click.echo(f"{what}: {click.style('ok', fg='green')}")
        return
    click.echo(f"{what}: {click.style(_count(len(finding['faults'])), fg='red')}")
    for fault in finding["faults"]:
        click.echo(f"  - {printable_lines(str(fault))}")
    sys.stdout.flush()


def _count(faults: int) -> str:
    return "1 fault" if faults == 1 else f"{faults} faults"
