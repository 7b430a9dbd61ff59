"""`fastconnect rest-user NAME`: a line for the password file of the REST API (`rest.auth.file`)."""

from __future__ import annotations

import sys

import click


@click.command("rest-user")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["read", "operate", "admin"]),
    default="admin",
    show_default=True,
    help="What the user may do: only look; also pause, resume, stop and restart; or all.",
)
def rest_user(name: str, role: str) -> None:
    """Print a line for the file that the worker's rest.auth.file names; only a hash of the password is in it.

    \b
      fastconnect rest-user alice >> rest-users
      echo "$PASSWORD" | fastconnect rest-user grafana --role read >> rest-users
    """
    from fastconnect.rest.users import Role, new_user

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("no password was given")
    given: Role = "read" if role == "read" else "operate" if role == "operate" else "admin"
    click.echo(new_user(name, password, given).line())
