"""`fastconnect plugins`: what is installed, and by which names a config may call it."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def plugins(as_json: bool) -> None:
    """List the connectors, converters and transforms that are installed.

    CLASS and ALIAS are names that a config may use, such as `connector.class=FileSource`.

    \b
    Examples:
      fastconnect plugins
      fastconnect plugins --json | jq -r '.[] | select(.kind == "source").class'
    """
    from fastconnect.plugins import all as all_plugins
    from fastconnect.plugins import broken

    found = [
        {
            "kind": plugin.kind,
            "class": plugin.name,
            "alias": plugin.alias,
            "version": plugin.version,
            "distribution": plugin.distribution,
        }
        for plugin in all_plugins()
    ]
    for plugin in broken():
        click.echo(f"{plugin.name} of {plugin.distribution} cannot be used: {plugin.reason}", err=True)
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    rows = [("KIND", "CLASS", "ALIAS", "VERSION"), *((p["kind"], p["class"], p["alias"], p["version"] or "") for p in found)]
    widths = [max(len(str(row[column])) for row in rows) for column in range(4)]
    for number, row in enumerate(rows):
        line = "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)
