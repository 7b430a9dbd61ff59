from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from fastconnect.cli import main
from fastconnect.errors import (
    BrokerError,
    ClusterRefusedError,
    ClusterUnreachableError,
    ConfigError,
    ConnectError,
    Fault,
    WaitedTooLongError,
)

ALL = {**main.SUBCOMMANDS, **main.CLUSTER_SUBCOMMANDS}
COMMAND = [sys.executable, "-m", "fastconnect.cli.main"]


def fastconnect(*words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=30, check=False, **options)


def subcommand(name: str) -> click.Command:
    module, _, attribute = ALL[name][0].partition(":")
    return getattr(import_module(module), attribute)


def test_the_version_is_told():
    ended = fastconnect("--version")

    assert ended.returncode == 0
    assert ended.stdout.startswith("fastconnect 0.")


def test_telling_the_version_or_the_help_imports_no_subcommand_and_nothing_heavy():
    code = (
        "import sys; from fastconnect.cli import main\n"
        "try: main.main([sys.argv[1]])\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    for word in ("--version", "--help"):
        ended = subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, timeout=30, check=False)
        loaded = set(ended.stderr.split())
        assert "fastconnect.cli.main" in loaded
        assert not loaded & {
            "rich",
            "sqlite3",
            "confluent_kafka",
            "fastconnect._core",
            "httpx2",
            "fastconnect.cli.run",
            "fastconnect.cli.ingest",
        }


def test_a_command_that_asks_a_cluster_imports_nothing_of_workers():
    code = (
        "import sys; from fastconnect.cli import main\n"
        "try: main.main(['connectors', '--url', 'http://127.0.0.1:1', '--retry-for', '0'])\n"
        "except SystemExit as ended: assert ended.code == 5, ended.code\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    loaded = set(ended.stderr.split())
    assert "fastconnect.client.rest_client" in loaded
    assert not loaded & {
        "rich",
        "sqlite3",
        "asyncio",
        "starlette",
        "uvicorn",
        "confluent_kafka",
        "fastconnect._core",
        "fastconnect.config",
        "fastconnect.herder",
    }


def test_the_help_names_every_command():
    text = CliRunner().invoke(main.fastconnect, ["--help"]).output

    for name in ALL:
        assert f"\n  {name} " in text


@pytest.mark.parametrize("name", ALL)
def test_every_commands_help_has_an_example(name):
    command = subcommand(name)
    ended = CliRunner().invoke(main.fastconnect, [name, "--help"])

    assert ended.exit_code == 0
    texts = [ended.output] + [
        CliRunner().invoke(main.fastconnect, [name, each, "--help"]).output for each in getattr(command, "commands", ())
    ]
    assert any(f"  fastconnect {name}" in text for text in texts)


def test_an_unknown_command_is_a_usage_error():
    ended = fastconnect("rum")

    assert ended.returncode == 2
    assert "No such command 'rum'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [pytest.param("statuss", "status", id="one too many"), pytest.param("pauze", "pause", id="wrong letter")],
)
def test_a_mistyped_command_is_told_what_was_probably_meant(typed, meant):
    ended = fastconnect(typed, "orders")

    assert ended.returncode == 2
    assert f"No such command '{typed}'; did you mean {meant}?" in ended.stderr


def test_an_unknown_option_is_a_usage_error():
    ended = fastconnect("plugins", "--jsom")

    assert ended.returncode == 2
    assert "--jsom" in ended.stderr


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConfigError("no good", faults=[Fault("topic", "is missing"), Fault("tasks.max", "is 0")]), 2),
        (BrokerError("no broker", hint="pip install 'fastconnect-kafka[broker]'"), 2),
        (ConnectError("lost the way", where="connector a"), 1),
        (ClusterRefusedError(404, "Connector a not found"), 4),
        (ClusterRefusedError(400, "Connector configuration is invalid"), 2),
        (ClusterRefusedError(409, "Connector a already exists"), 1),
        (ClusterUnreachableError("nobody is there"), 5),
        (WaitedTooLongError("still not RUNNING"), 6),
    ],
)
def test_an_error_is_one_message_without_a_traceback(monkeypatch, capsys, error, exit_code):
    monkeypatch.setitem(main.SUBCOMMANDS, "plugins", (f"{__name__}:nothing", ""))
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: click.Command("x", callback=_raiser(error)))

    with pytest.raises(SystemExit) as ended:
        main.main(["x"])

    shown = capsys.readouterr().err
    assert ended.value.code == exit_code
    assert shown == f"Error: {error}\n"


def test_an_error_cannot_steer_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr(
        main.LazyGroup, "get_command", lambda *_: click.Command("x", callback=_raiser(ConnectError("a\x1b[2J")))
    )

    with pytest.raises(SystemExit):
        main.main(["x"])

    assert capsys.readouterr().err == "Error: a\\x1b[2J\n"


def _raiser(error: Exception):
    def run() -> None:
        raise error

    return run


def test_verbose_shows_where_an_error_came_from(monkeypatch, capsys):
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: click.Command("x", callback=_raiser(ConnectError("lost"))))

    with pytest.raises(SystemExit):
        main.main(["-v", "x"])

    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error():
    process = subprocess.Popen([*COMMAND, "plugins", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=30)

    assert errors == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell):
    ended = CliRunner().invoke(main.fastconnect, ["completion", shell])

    assert ended.exit_code == 0
    assert "_FASTCONNECT_COMPLETE" in ended.output


def test_commands_and_options_are_completed():
    import os

    def completed(words: str, index: int) -> str:
        environment = {"_FASTCONNECT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)}
        return fastconnect(env={**os.environ, **environment}).stdout

    assert "plain,ingest" in completed("fastconnect in", 1)
    assert "plain,--json" in completed("fastconnect plugins --js", 2)
