"""Which cluster a client command asks: the options that say so, and the client that they make.

`@cluster_options` gives a command the options, and its function the open client as `client`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.shell_completion import CompletionItem

from fastconnect.cli import extras
from fastconnect.cli.output import printable, say
from fastconnect.errors import ClusterError, ConfigError, ConnectError

if TYPE_CHECKING:
    from fastconnect.client.cluster import Cluster

RETRY_FOR_S = 15.0

Command = Callable[..., Any]

OPTIONS = (
    click.option(
        "--url",
        metavar="URL",
        help="Where the cluster's REST API is; several workers with commas between. Otherwise FASTCONNECT_URL, then the "
        "context in use, then http://127.0.0.1:8083.",
    ),
    click.option("--context", metavar="NAME", help="A cluster named by `fastconnect context add`."),
    click.option("--user", metavar="NAME", help="Who asks; the password is FASTCONNECT_PASSWORD, or asked for."),
    click.option("--ca-file", metavar="FILE", help="The certificates to trust for https, instead of the system's."),
    click.option("--cert-file", metavar="FILE", help="The certificate to show for https, with its key or beside --key-file."),
    click.option("--key-file", metavar="FILE", help="The certificate's key."),
    click.option("--insecure", is_flag=True, help="Take any certificate for https."),
    click.option(
        "--retry-for",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        default=RETRY_FOR_S,
        show_default=True,
        help="How long to try again while nobody answers, or the group rebalances.",
    ),
)
NAMES = ("url", "context", "user", "ca_file", "cert_file", "key_file", "insecure")


def cluster_options(command: Command) -> Command:
    """Give a command the options that name a cluster, and its function a client of it."""
    return _with_options(command, lambda _given: True)


def cluster_options_if_given(command: Command) -> Command:
    """As `cluster_options`, for a command that works without a cluster: without --url or --context its client is None."""
    return _with_options(command, lambda given: given["url"] is not None or given["context"] is not None)


def _with_options(command: Command, wanted: Callable[[Mapping[str, Any]], bool]) -> Command:
    @functools.wraps(command)
    def with_client(*args: Any, retry_for: float, **values: Any) -> Any:
        given = {name: values.pop(name) for name in NAMES}
        if not wanted(given):
            return command(*args, client=None, **values)
        extras.require("rest", "Asking a cluster", ["httpx2"])
        from fastconnect.client.rest_client import RestClient

        with RestClient(cluster_of(**given), retry_for_s=retry_for, on_trouble=say) as client:
            return command(*args, client=client, **values)

    for option in reversed(OPTIONS):
        with_client = option(with_client)
    return with_client


def cluster_of(
    *,
    url: str | None = None,
    context: str | None = None,
    user: str | None = None,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    insecure: bool = False,
    ask_password: bool = True,
) -> Cluster:
    """The cluster that is meant: by its address, its name, the environment, or the context in use.

    Raises:
        ConfigError: there is no such context, an address is none, or a password is missing.
    """
    from fastconnect.client import contexts
    from fastconnect.client.cluster import Cluster, parse_urls

    if url is not None and context is not None:
        raise click.UsageError("--url and --context exclude each other.")
    url = url or (os.environ.get("FASTCONNECT_URL") if context is None else None)
    if url:
        urls, url_user, url_password = parse_urls(url)
        cluster = Cluster(urls, url_user, url_password)
    else:
        known = contexts.load()
        name = context or known.current
        cluster = known.get(name) if name is not None else Cluster()
    changes: dict[str, Any] = {"ca_file": ca_file, "cert_file": cert_file, "key_file": key_file, "insecure": insecure or None}
    if user is not None:
        changes |= {"user": user}
        if user != cluster.user:
            cluster = msgspec.structs.replace(cluster, password=None, password_file=None)
    cluster = msgspec.structs.replace(cluster, **{key: value for key, value in changes.items() if value is not None})
    if cluster.user is not None and cluster.password is None and cluster.password_file is None:
        cluster = msgspec.structs.replace(cluster, password=_password(cluster.user, ask=ask_password))
    return cluster


def _password(user: str, *, ask: bool) -> str:
    password = os.environ.get("FASTCONNECT_PASSWORD")
    if password is not None:
        return password
    if not ask or not sys.stdin.isatty():
        raise ConfigError(f"the password of user {user} is not known", hint="set FASTCONNECT_PASSWORD, or make a context")
    return str(click.prompt(f"Password of {printable(user)}", hide_input=True, err=True))


def complete_connector(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of connectors that begin so, where a cluster answers within a second; a shell shall not hang."""
    try:
        from fastconnect.client.rest_client import RestClient

        given: dict[str, Any] = {name: ctx.params[name] for name in NAMES if ctx.params.get(name) is not None}
        cluster = cluster_of(**given, ask_password=False)
        with RestClient(cluster, answer_within_s=1.0, retry_for_s=0) as client:
            return [CompletionItem(name) for name in client.connector_names() if name.startswith(incomplete)]
    except (ConnectError, click.ClickException):
        return []


connector_argument = click.argument("name", metavar="CONNECTOR", shell_complete=complete_connector)
connectors_argument = click.argument(
    "names", metavar="CONNECTOR...", nargs=-1, required=True, shell_complete=complete_connector
)


def wait_options(command: Command) -> Command:
    """Give a command `--wait` and `--timeout`."""
    command = click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        default=60.0,
        show_default=True,
        help="How long --wait waits; exit code 6 if that was not enough.",
    )(command)
    return click.option("--wait", is_flag=True, help="Wait until it is so, or has FAILED: then exit code 1, with the trace.")(
        command
    )


def for_each(names: tuple[str, ...], do: Callable[[str], None]) -> int:
    """Do something for each connector, for the others too if one of them fails.

    Returns:
        The exit code: 0, or that of the first failure.
    """
    from fastconnect.cli.exit_codes import exit_code_of

    codes = []
    for name in names:
        try:
            do(name)
        except ClusterError as error:
            if len(names) == 1:
                raise
            codes.append(exit_code_of(error))
            say(f"Error: {error}")
    return codes[0] if codes else 0
