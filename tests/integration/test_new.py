"""What `fastconnect new` makes: its own tests pass, it can be installed, and `fastconnect run` finds it then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from fakes.commands import Shell, shell, until
from fakes.topics import Topics

pytestmark = pytest.mark.integration

FORMS = [("source", "--function"), ("source", "--class"), ("sink", "--function"), ("sink", "--class")]


def do(*words: object, folder: Path) -> str:
    command = [sys.executable, "-m", *map(str, words)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_its_tests_pass_and_its_code_is_in_order(run: Shell, kind: str, form: str) -> None:
    ended = run.run("new", kind, "web-clicks", form)
    assert ended.code == 0, str(ended)
    project = run.folder / "web-clicks"
    assert "passed" in do("pytest", "-q", "-p", "no:cacheprovider", folder=project)
    do("ruff", "check", "--no-cache", "--isolated", "--select=E,F,W,I,B,UP", "--line-length=128", "src", folder=project)


@pytest.fixture
def installed(run: Shell, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shell]:
    """A shell in the folder of a new project that is installed: as pip does it, but into a folder of its own."""
    kind, form = request.param
    assert run.run("new", kind, "web-clicks", form).code == 0
    project, packages = run.folder / "web-clicks", tmp_path / "packages"
    do("pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", packages, project, folder=project)
    path = os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")]).strip(":")
    with shell(project, PYTHONPATH=path) as commands:
        yield commands


@pytest.mark.parametrize("installed", FORMS[:2], indirect=True, ids=["function", "class"])
def test_an_installed_source_is_found_and_runs(installed: Shell, topics: Topics, fresh_topic: str) -> None:
    ended = installed.run(
        "run", "web-clicks.properties", "--set", f"topic={fresh_topic}", "--until-done", "--bootstrap-servers", topics.bootstrap
    )
    assert ended.code == 0, str(ended)
    lines = (installed.folder / "README.md").read_text().splitlines()
    assert len(topics.values(fresh_topic)) >= len([line for line in lines if line])


@pytest.mark.parametrize("installed", FORMS[2:], indirect=True, ids=["function", "class"])
def test_an_installed_sink_is_found_and_runs(installed: Shell, topics: Topics, fresh_topic: str) -> None:
    topics.create(fresh_topic, partitions=1)
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    for value in (b'{"a": 1}', b'"two"'):
        producer.produce(fresh_topic, value)
    assert producer.flush(30) == 0
    command = installed.start(
        "run", "web-clicks.properties", "--set", f"topics={fresh_topic}", "--bootstrap-servers", topics.bootstrap
    )
    path = installed.folder / "web-clicks.jsonl"
    until(lambda: path.exists() and path.read_text() == '{"a": 1}\n"two"\n', "the values are in the file")
    assert command.is_running
