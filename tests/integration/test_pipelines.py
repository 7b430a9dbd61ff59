"""The connector files of users of Kafka Connect: what they give here is what they give there, byte for byte.

The files and their input are tests/compat/pipelines/cases.py; what Kafka Connect made of them was recorded by record.py beside
it. What differs is said there, with the reason, at the pipeline that shows it.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from compat.pipelines.cases import PIPELINES, Pipeline
from compat.pipelines.records import PipelineTopics, plain
from fakes.commands import Command, Ended, Shell, shell

pytestmark = pytest.mark.integration

VECTORS = Path(__file__).parents[1] / "compat" / "vectors" / "pipelines.json"
RECORDED: Mapping[str, Any] = json.loads(VECTORS.read_text())["pipelines"]
BY_NAME = {pipeline.name: pipeline for pipeline in PIPELINES}

WAIT_S = 60.0
MESSAGE = "header __connect.errors.exception.message"


@dataclass(frozen=True)
class Found:
    """What all pipelines gave here, by their names, and how the commands ended that ran them."""

    results: Mapping[str, Mapping[str, Any]]
    sources: Ended
    sinks: Ended
    failing: Ended


@pytest.fixture(scope="module")
def found(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Run all pipelines: those that go well in one run for sources and one for sinks, the others in a third."""
    folder = tmp_path_factory.mktemp("pipelines")
    topics = PipelineTopics(kafka)
    topics.make()
    failing = [each for each in PIPELINES if RECORDED[each.name]["failed"]]
    with shell(folder) as commands:
        sources = _run_sources(commands, kafka, topics)
        sinks = _start(commands, kafka, [each for each in _well() if not each.is_source], "--until-done").wait()
        failed = _start(commands, kafka, failing, "--until-done").wait()
    return Found({each.name: _result(each, topics, folder) for each in PIPELINES}, sources, sinks, failed)


def _well() -> list[Pipeline]:
    return [each for each in PIPELINES if not RECORDED[each.name]["failed"]]


def _run_sources(commands: Shell, kafka: str, topics: PipelineTopics) -> Ended:
    """A file source waits for more lines for ever: it is stopped when all is there that Kafka Connect wrote."""
    sources = [each for each in _well() if each.is_source]
    command = _start(commands, kafka, sources)
    wanted = {
        topic: len(each.lines) if "more" in each.differs else len(RECORDED[each.name]["topics"][topic])
        for each in sources
        for topic in each.output_topics()
    }
    deadline = time.monotonic() + WAIT_S
    while command.is_running and time.monotonic() < deadline:  # what is missing then is told pipeline by pipeline
        counts = topics.counts()
        if all(counts[topic] >= count for topic, count in wanted.items()):
            break
        time.sleep(0.1)
    command.send(signal.SIGTERM)
    return command.wait()


def _start(commands: Shell, kafka: str, pipelines: Sequence[Pipeline], *options: str) -> Command:
    folder = commands.folder
    files = []
    for pipeline in pipelines:
        if pipeline.is_source:
            (folder / f"{pipeline.name}.txt").write_bytes("".join(f"{line}\n" for line in pipeline.lines).encode())
        files.append(folder / f"{pipeline.name}.properties")
        files[-1].write_text(pipeline.properties(str(folder)))
    return commands.start("run", *files, "--bootstrap-servers", kafka, *options)


def _result(pipeline: Pipeline, topics: PipelineTopics, folder: Path) -> Mapping[str, Any]:
    result: dict[str, Any] = {"topics": {topic: topics.read(topic) for topic in pipeline.output_topics()}}
    if not pipeline.is_source:
        file = folder / f"{pipeline.name}.txt"
        result["file"] = plain(file.read_bytes()) if file.exists() else None
    return result


def test_the_commands_end_as_they_should(found: Found) -> None:
    assert found.sources.code == 0, str(found.sources)
    assert found.sinks.code == 0, str(found.sinks)
    assert found.failing.code == 1, str(found.failing)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_pipeline_gives_what_it_gives_on_kafka_connect(found: Found, name: str) -> None:
    ours, theirs, differs = found.results[name], RECORDED[name], BY_NAME[name].differs
    for topic in theirs["topics"]:
        left, right = ([_comparable(each, differs) for each in side["topics"][topic]] for side in (ours, theirs))
        if "more" in differs:
            left = left[: len(right)]
        if "fewer" in differs:
            right = right[: len(left)]
        for mine, recorded in zip_longest(left, right):
            if "message" in differs and mine and recorded:
                assert mine["message"].startswith(recorded["message"].replace("java.lang.String", "str"))
                del mine["message"], recorded["message"]
            assert mine == recorded
    if "file" in theirs:
        expected = BY_NAME[name].ours if "file" in differs else theirs["file"]
        assert _lines(ours["file"], differs) == _lines(expected, differs)


def _comparable(record: Mapping[str, Any], differs: Mapping[str, str]) -> dict[str, Any]:
    """A record without the values of headers that are compared in another way; the headers themselves have to be there."""
    headers = {f"header {name}": value for name, value in record["headers"]}
    ignored = {MESSAGE, *differs} if "message" in differs else {*differs}
    rest = [[name, None if f"header {name}" in ignored else value] for name, value in record["headers"]]
    return {**record, "headers": rest, **({"message": headers[MESSAGE]} if "message" in differs else {})}


def _lines(text: str, differs: Mapping[str, str]) -> Any:
    if "line order" in differs:
        return sorted(text.split("\n"))
    if "value order" in differs:
        return [sorted(line.replace("{", " ").replace("}", " ").replace(",", " ").split()) for line in text.split("\n")]
    return text


def test_each_recorded_pipeline_is_there_and_each_difference_has_its_reason() -> None:
    assert set(RECORDED) == set(BY_NAME)
    assert len(RECORDED) >= 25
    assert all(len(reason) > 20 for each in PIPELINES for reason in each.differs.values())
