from __future__ import annotations

import json
import signal
import socket

import pytest
from fakes.commands import Shell, shell

NOWHERE = ("--bootstrap-servers", "127.0.0.1:9")
SEQUENCE = ("--set", "name=seq", "--set", "connector.class=SequenceSource", "--set", "topic=t")


@pytest.fixture
def run(tmp_path):
    with shell(tmp_path) as of_test:
        yield of_test


def test_without_a_connector_there_is_nothing_to_run(run: Shell):
    ended = run.run("run", "--no-rest")

    assert ended.code == 2
    assert "Nothing to run: give a connector file" in ended.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rest", "--no-rest", "a.properties"), "exclude each other"),
        (("--rest", "a.properties"), "--rest takes HOST:PORT, not 'a.properties'"),
        (("--distributed",), "A distributed worker needs a worker file"),
        (("--distributed", "--no-rest", "--worker", "a.properties"), "asks it, too"),
        (("--distributed", *SEQUENCE, "--worker", "a.properties"), "leave the connector files out"),
        (("--until-done",), "Nothing to run"),
    ],
    ids=["rest-and-no-rest", "no-address", "no-worker-file", "distributed-without-rest", "distributed-with-files", "no-job"],
)
def test_options_that_make_no_sense_together_are_a_usage_error(run: Shell, words, message):
    (run.folder / "a.properties").write_text("group.id=g\n")
    ended = run.run("run", *words)

    assert ended.code == 2
    assert message in " ".join(ended.err.split())


def test_a_port_that_is_taken_is_told_before_anything_starts(run: Shell):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run.run("run", *SEQUENCE, *NOWHERE, "--rest", address)

    assert ended.code == 2
    assert f"http://{address} cannot be listened to: Address already in use" in ended.err
    assert "Traceback" not in ended.err


def test_a_file_that_is_not_there_is_a_usage_error(run: Shell):
    ended = run.run("run", "none.properties")

    assert ended.code == 2
    assert "none.properties" in ended.err


def test_all_faults_of_all_connectors_are_told_and_no_task_starts(run: Shell):
    (run.folder / "a.properties").write_text("name=a\nconnector.class=SequenceSource\ntasks.max=0\nrate=fast\n")
    (run.folder / "b.json").write_text(json.dumps({"name": "b", "config": {"connector.class": "SequenceSorce", "topic": "t"}}))
    (run.folder / "c.toml").write_text('name = "c"\n"connector.class" = "SequenceSource"\ntopic = "t"\n')
    ended = run.run("run", "a.properties", "b.json", "c.toml", *NOWHERE)

    assert ended.code == 2, str(ended)
    message = ended.err.partition("Error: ")[2]
    assert message.startswith("the configuration has 4 faults, so nothing was started\nconnector a (a.properties):\n")
    assert all(f"  - {key}: " in message for key in ("topic", "tasks.max", "rate", "connector.class"))
    assert "connector b (b.json):" in message
    assert "connector c" not in message
    assert "Task process started" not in ended.err
    assert "Traceback" not in ended.err


def test_a_broken_file_is_named_with_its_line(run: Shell):
    (run.folder / "a.json").write_text('{"name": "a",\n"config": {]}')
    ended = run.run("run", "a.json", *NOWHERE)

    assert ended.code == 2
    assert "a.json" in ended.err
    assert "Traceback" not in ended.err


def test_two_connectors_of_one_name_are_refused(run: Shell):
    for name in ("a.properties", "b.properties"):
        (run.folder / name).write_text("name=same\nconnector.class=SequenceSource\ntopic=t\n")
    ended = run.run("run", "a.properties", "b.properties", *NOWHERE)

    assert ended.code == 2
    assert "Connector same already exists: it is in a.properties and in b.properties" in ended.err


def test_all_faults_of_the_worker_are_told(run: Shell):
    ended = run.run("run", *SEQUENCE, *NOWHERE, "--set", "restart.max.failures=x", "--set", "slots.max=0")

    assert ended.code == 2
    assert "restart.max.failures" in ended.err
    assert "slots.max" in ended.err


def test_a_setting_without_a_value_is_a_usage_error(run: Shell):
    ended = run.run("run", *SEQUENCE, "--set", "topic")

    assert ended.code == 2
    assert "'topic' is not KEY=VALUE" in ended.err


@pytest.mark.parametrize(
    ("number", "options", "code"),
    [(signal.SIGTERM, (), 0), (signal.SIGINT, ("--until-done",), 130), (signal.SIGTERM, ("--until-done",), 143)],
)
def test_a_signal_ends_it_also_while_no_broker_answers(run: Shell, number, options, code):
    command = run.start("run", *SEQUENCE, *NOWHERE, *options)
    command.until_says("No broker answers yet")
    command.send(number)
    ended = command.wait()

    assert ended.code == code, str(ended)
    assert ("running the same command again continues" in ended.err) is bool(options)
