"""`fastconnect context`: names for clusters, so that nobody types addresses and passwords."""

from __future__ import annotations

import os
import sys

import click
from click.shell_completion import CompletionItem

from fastconnect.cli.output import print_json, print_table, printable, say
from fastconnect.errors import ConnectError


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fastconnect.client import contexts

    try:
        return [CompletionItem(name) for name in contexts.load().clusters if name.startswith(incomplete)]
    except ConnectError:
        return []


@click.group()
def context() -> None:
    """Name clusters; the one in use is asked by all commands that ask a cluster, if nothing else is said.

    They are kept in the user's config folder, in a file that only its owner can read.

    \b
    Examples:
      fastconnect context add test http://connect-test:8083
      fastconnect context use test
    """


@context.command()
@click.argument("name")
@click.argument("url")
@click.option("--user", metavar="NAME", help="Who asks.")
@click.option(
    "--password-file", metavar="FILE", help="The file with the password; without it the password is asked for and kept."
)
@click.option("--ca-file", metavar="FILE", help="The certificates to trust for https, instead of the system's.")
@click.option("--cert-file", metavar="FILE", help="The certificate to show for https, with its key or beside --key-file.")
@click.option("--key-file", metavar="FILE", help="The certificate's key.")
@click.option("--insecure", is_flag=True, help="Take any certificate for https.")
def add(
    *,
    name: str,
    url: str,
    user: str | None,
    password_file: str | None,
    ca_file: str | None,
    cert_file: str | None,
    key_file: str | None,
    insecure: bool,
) -> None:
    """Call the cluster at URL by NAME, or change what is known of it. The first one is in use at once.

    Several workers of a cluster are given with commas between. The password of --user is read from a terminal, or from
    standard input: it is never an argument.

    \b
    Examples:
      fastconnect context add test http://connect-test:8083
      fastconnect context add prod https://connect-1:8443,https://connect-2:8443 --user alice --ca-file ca.pem
      echo "$PASSWORD" | fastconnect context add ci https://connect:8443 --user ci
    """
    from fastconnect.client import contexts
    from fastconnect.client.cluster import Cluster, parse_urls

    urls, url_user, password = parse_urls(url)
    user = user or url_user
    if user is not None and password_file is None and not password:
        password = _read_password(user)
    # A context is used from any folder.
    files = {"password_file": password_file, "ca_file": ca_file, "cert_file": cert_file, "key_file": key_file}
    absolute = {key: os.path.abspath(os.path.expanduser(value)) for key, value in files.items() if value is not None}
    cluster = Cluster(urls, user, None if password_file else password, insecure=insecure, **absolute)
    cluster.tls()  # what is wrong with a certificate is told now
    known = contexts.load()
    known.add(name, cluster)
    contexts.save(known)
    say(f"Context {name} is {', '.join(urls)}{', and is in use' if known.current == name else ''}.")


@context.command()
@click.argument("name", shell_complete=_complete)
def use(name: str) -> None:
    """Have the cluster NAME asked from now on.

    \b
    Examples:
      fastconnect context use prod
    """
    from fastconnect.client import contexts

    known = contexts.load()
    known.use(name)
    contexts.save(known)
    say(f"Context {name} is in use.")


@context.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of {name, current, urls, user}.")
def list_contexts(as_json: bool) -> None:
    """List the clusters that have names, without their passwords.

    \b
    Examples:
      fastconnect context list
    """
    from fastconnect.client import contexts

    known = contexts.load()
    rows = [
        {"name": name, "current": name == known.current, "urls": cluster.urls, "user": cluster.user}
        for name, cluster in sorted(known.clusters.items())
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            ("", "NAME", "URL", "USER"),
            [
                ("*" if name == known.current else "", name, ",".join(c.urls), c.user)
                for name, c in sorted(known.clusters.items())
            ],
        )
    else:
        say("No cluster has a name: `fastconnect context add NAME URL` gives it one.")


@context.command()
@click.argument("name", shell_complete=_complete)
def remove(name: str) -> None:
    """Forget the cluster NAME, and its password.

    \b
    Examples:
      fastconnect context remove test
    """
    from fastconnect.client import contexts

    known = contexts.load()
    known.remove(name)
    contexts.save(known)
    say(f"Context {name} is forgotten{'; none is in use now' if known.current is None else ''}.")


def _read_password(user: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(f"Password of {printable(user)}", hide_input=True, err=True))
    password = os.environ.get("FASTCONNECT_PASSWORD") or sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("no password was given on standard input")
    return password
