"""The command `fastconnect`: its subcommands, and how an error is told. Each subcommand is a file beside this one."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module
from typing import Any

import click

from fastconnect.cli.exit_codes import exit_code_of
from fastconnect.cli.output import printable_lines
from fastconnect.errors import ConnectError

SUBCOMMANDS = {
    "run": ("fastconnect.cli.run:run", "Run connectors until stopped, or until their sources have ended."),
    "ingest": ("fastconnect.cli.ingest:ingest", "Load files into a topic, and go on where an earlier run ended."),
    "validate": ("fastconnect.cli.validate:validate", "Say everything that is wrong with connector files."),
    "new": ("fastconnect.cli.new:new", "Make a project folder for a connector of your own."),
    "plugins": (
        "fastconnect.cli.plugins:plugins",
        "List the connectors and converters that are installed, here or in a cluster.",
    ),
    "broker": ("fastconnect.cli.broker:broker", "Start, stop and look after the embedded Kafka broker."),
    "offsets": ("fastconnect.cli.offsets:offsets", "Show, change or reset how far connectors have come."),
    "rest-user": ("fastconnect.cli.rest_user:rest_user", "Make a line for the password file of the REST API."),
    "completion": ("fastconnect.cli.completion:completion", "Print what a shell needs to complete fastconnect's commands."),
}
"""Name -> where it is, and its line in the help. A subcommand is imported when it is called, so that starting stays quick."""

CLUSTER_SUBCOMMANDS = {
    "connectors": ("fastconnect.cli.connectors:connectors", "List the connectors and their states."),
    "status": ("fastconnect.cli.status:status", "Say how connectors and their tasks are, and why one has failed."),
    "create": ("fastconnect.cli.create:create", "Create connectors."),
    "apply": ("fastconnect.cli.apply:apply", "Make the connectors what files say: create, update, and delete if wanted."),
    "config": ("fastconnect.cli.config:config", "Show and change the configuration of a connector."),
    "delete": ("fastconnect.cli.delete:delete", "Delete connectors."),
    "pause": ("fastconnect.cli.pause:pause", "Have connectors do nothing for a while."),
    "resume": ("fastconnect.cli.resume:resume", "Have paused or stopped connectors run again."),
    "stop": ("fastconnect.cli.stop:stop", "Take the tasks of connectors away; what they are stays."),
    "restart": ("fastconnect.cli.restart:restart", "Restart connectors, their tasks, or what has failed."),
    "tasks": ("fastconnect.cli.tasks:tasks", "List the tasks of a connector."),
    "topics": ("fastconnect.cli.topics:topics", "List the topics that a connector has used."),
    "loggers": ("fastconnect.cli.loggers:loggers", "List and set log levels."),
    "context": ("fastconnect.cli.context:context", "Name clusters, and say which one is asked."),
}
"""Those that ask a running cluster over REST, ours or Kafka Connect's."""


class LazyGroup(click.Group):
    """A group that knows its subcommands by name only, until one of them is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the tables."""
        return [*SUBCOMMANDS, *CLUSTER_SUBCOMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; None if there is none of this name."""
        found = SUBCOMMANDS.get(cmd_name) or CLUSTER_SUBCOMMANDS.get(cmd_name)
        if found is None:
            return None
        module, _, name = found[0].partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{name} is not a command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of one that is not there, say which one was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from fastconnect.nearest import did_you_mean

            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(error.message.rstrip(".") + (hint or "."), error.ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        for title, table in (("Commands", SUBCOMMANDS), ("Commands that ask a cluster, ours or Java's", CLUSTER_SUBCOMMANDS)):
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in table.items()])


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"fastconnect {_version()}")
        ctx.exit()


def _version() -> str:
    """The installed version, from the name of the folder that says what is installed.

    importlib.metadata answers the same, but its import takes as long as all the rest of this command.
    """
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for name in os.listdir(folder or "."):
                if name.startswith("fastconnect_kafka-") and name.endswith(".dist-info"):
                    return name.removeprefix("fastconnect_kafka-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version("fastconnect-kafka")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version and exit."
)
@click.option("-v", "--verbose", is_flag=True, help="Log more, and show where an error came from.")
@click.pass_context
def fastconnect(ctx: click.Context, verbose: bool) -> None:
    """Kafka Connect without the JVM: connectors in Python, records at librdkafka's own speed.

    \b
    Examples:
      fastconnect ingest 'logs/*.jsonl.gz' --topic logs --tasks 8
      fastconnect run orders.properties --worker worker.properties
      fastconnect validate orders.properties
      fastconnect status --url http://connect:8083

    Exit codes: 0 all went well; 1 a task failed, or not everything was delivered; 2 the command or a configuration cannot
    be used; 3 a task could not deliver all in time when it was stopped, or had to be killed; 130 and 143 a job that
    should have run to its end was interrupted (by Ctrl-C, by SIGTERM) after everything it had read was delivered.
    Of a cluster: 1 it refuses, or something FAILED; 4 no such connector; 5 nobody answers; 6 --wait waited too long.
    """
    ctx.ensure_object(dict)["verbose"] = verbose


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; an error is one clear message on stderr, without a traceback."""
    words = sys.argv[1:] if arguments is None else arguments
    _open_standard_files()
    sys.exit(_exit_code(words))


def _open_standard_files() -> None:
    """Give a command that was started without standard input, output or error (`>&-`) /dev/null for it.

    Else the next file to be opened took its number, and what is meant for the user were written into the offset store.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - for good


def _exit_code(words: list[str]) -> int:
    try:
        answer: Any = fastconnect.main(words, prog_name="fastconnect", standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return 130
    except click.ClickException as error:  # usage: click's own texts, exit code 2
        error.show()
        return error.exit_code
    except ConnectError as error:
        return _tell(error, verbose=_wants_detail(words))
    except KeyboardInterrupt:
        return 130
    return answer if isinstance(answer, int) else 0


def _tell(error: ConnectError, *, verbose: bool) -> int:
    if verbose:
        import traceback

        traceback.print_exception(error)
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {printable_lines(str(error))}", err=True)
    return exit_code_of(error)


def _wants_detail(words: list[str]) -> bool:
    return "-v" in words or "--verbose" in words


if __name__ == "__main__":
    main()
