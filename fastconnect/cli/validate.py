"""`fastconnect validate`: everything that is wrong with connector files, at once; nothing is started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fastconnect.errors import ConfigError, Fault


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def validate(files: tuple[Path, ...], as_json: bool) -> int:
    """Say everything that is wrong with the connectors in FILEs. Exit code 0 if they can be run, 2 if not.

    \b
    Examples:
      fastconnect validate orders.properties clicks.json
      fastconnect validate connectors/*.toml --json | jq '.[] | select(.faults != [])'
    """
    findings = [finding for path in files for finding in _findings(path)]
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        for finding in findings:
            _print(finding)
    return 2 if any(finding["faults"] for finding in findings) else 0


def _findings(path: Path) -> list[dict[str, Any]]:
    """One for each connector in the file, or one for the file if it cannot be read."""
    from fastconnect.config.properties import load_connector_file

    try:
        connectors = load_connector_file(path)
    except ConfigError as error:
        faults = list(error.faults) or [Fault("", str(error))]
        return [{"file": str(path), "connector": None, "faults": faults, "warnings": []}]
    from fastconnect.config.validation import validate as validate_config

    findings = []
    for connector in connectors:
        validation = validate_config(connector.config)
        findings.append(
            {
                "file": str(path),
                "connector": connector.name or None,
                "faults": list(validation.faults),
                "warnings": [str(warning) for warning in validation.warnings],
            }
        )
    return findings


def _print(finding: dict[str, Any]) -> None:
    what = f"{finding['file']}: connector {finding['connector']}" if finding["connector"] else finding["file"]
    for warning in finding["warnings"]:
        click.echo(f"{what}: {click.style('warning:', fg='yellow')} {warning}")
    if not finding["faults"]:
        click.echo(f"{what}: {click.style('ok', fg='green')}")
        return
    click.echo(f"{what}: {click.style(_count(len(finding['faults'])), fg='red')}")
    for fault in finding["faults"]:
        click.echo(f"  - {fault}")
    sys.stdout.flush()


def _count(faults: int) -> str:
    return "1 fault" if faults == 1 else f"{faults} faults"
