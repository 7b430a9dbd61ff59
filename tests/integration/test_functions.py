"""Connectors that are one function in a file, run by real commands."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from fakes.commands import Shell, until
from fakes.topics import Topics

pytestmark = pytest.mark.integration

CLICKS = """
import asyncio
import os
import time
from fastconnect import RetriableError, record, sink, source

@source
def clicks(count: int = 1000, pause_ms: int = 0, crash_at: int | None = None, marker: str = "", offset: int | None = None):
    for number in range(offset or 0, count):
        if number == crash_at and not os.path.exists(marker):
            open(marker, "w").close()
            os.abort()
        yield record({"click": number}, key=str(number), offset=number + 1)
        if pause_ms:
            time.sleep(pause_ms / 1000)

@source
def counted(offset: int | None):
    yield from range(offset or 0, 100)

@source
def blocked():
    yield "before it blocks"
    time.sleep(3600)

@source
async def ticking(folder: str):
    try:
        while True:
            yield {"tick": 1}
            await asyncio.sleep(0.001)
    finally:
        open(f"{folder}/closed", "w").close()

@sink
async def kept(records, folder: str):
    if not os.path.exists(f"{folder}/tried"):
        open(f"{folder}/tried", "w").close()
        raise RetriableError("not at the first time")
    await asyncio.sleep(0)
    with open(f"{folder}/kept", "a") as file:
        file.writelines(f"{record.topic_partition} {record.offset} {record.value['click']}\\n" for record in records)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_clicks.py"
    path.write_text(CLICKS)
    return path


def clicks_in(topics: Topics, topic: str) -> list[int]:
    return [json.loads(value)["click"] for value in topics.values(topic) if value]


def test_a_function_runs_to_its_end_and_has_nothing_to_do_again(
    run: Shell, topics: Topics, fresh_topic: str, file: Path
) -> None:
    words = ("run", f"{file}:clicks", "--topic", fresh_topic, "--until-done", "--bootstrap-servers", topics.bootstrap)
    ended = run.run(*words)
    assert ended.code == 0, str(ended)
    assert sorted(clicks_in(topics, fresh_topic)) == list(range(1000))
    assert {(record.key, record.value) for record in topics.read(fresh_topic)} >= {(b'"7"', b'{"click":7}')}
    ended = run.run(*words, "--set", "count=1003")
    assert ended.code == 0, str(ended)
    assert sorted(clicks_in(topics, fresh_topic)) == list(range(1003)), "it went on where it had ended"
    shown = json.loads(run.run("offsets", "show", "--json").out)
    assert [(each["connector"], each["partition"], each["offset"]) for each in shown] == [
        ("my_clicks-clicks", {"function": "clicks"}, {"offset": 1003})
    ]


def test_records_without_offsets_are_counted(run: Shell, topics: Topics, fresh_topic: str, file: Path) -> None:
    words = ("run", f"{file}:counted", "--topic", fresh_topic, "--until-done", "--name", "mine")
    for _ in range(2):
        ended = run.run(*words, "--bootstrap-servers", topics.bootstrap)
        assert ended.code == 0, str(ended)
    assert sorted(int(value) for value in topics.values(fresh_topic) if value) == list(range(100))
    shown = json.loads(run.run("offsets", "show", "--json").out)
    assert [(each["connector"], each["offset"]) for each in shown] == [("mine", {"count": 100})]


def test_a_crash_in_the_middle_loses_nothing(run: Shell, topics: Topics, fresh_topic: str, file: Path, tmp_path: Path) -> None:
    settings = {"crash.at": 700, "marker": tmp_path / "crashed", "offset.flush.interval.ms": 20, "pause.ms": 1}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    ended = run.run(
        "run", f"{file}:clicks", "--topic", fresh_topic, "--until-done", "--bootstrap-servers", topics.bootstrap, *words
    )
    assert ended.code == 0, str(ended)
    assert "killed by SIGABRT" in ended.err
    found = clicks_in(topics, fresh_topic)
    assert set(found) == set(range(1000))
    assert len(found) < 1700, "it did not begin anew"


def test_a_blocked_function_holds_up_neither_delivery_nor_the_stop(
    run: Shell, topics: Topics, fresh_topic: str, file: Path
) -> None:
    command = run.start("run", f"{file}:blocked", "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap)
    until(lambda: topics.values(fresh_topic) == [b'"before it blocks"'], "what it gave before is delivered")
    command.send(signal.SIGTERM)
    told = time.monotonic()
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert time.monotonic() - told < 30  # it sleeps for an hour
    assert "blocked does not end and is left behind" in ended.err
    assert "time.sleep(3600)" in ended.err


def test_an_async_generator_is_cancelled_when_it_is_to_stop(
    run: Shell, topics: Topics, fresh_topic: str, file: Path, tmp_path: Path
) -> None:
    command = run.start(
        "run", f"{file}:ticking", "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--set", f"folder={tmp_path}"
    )
    until(lambda: topics.exists(fresh_topic) and topics.count(fresh_topic) > 20, "it ticks")
    command.send(signal.SIGTERM)
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert (tmp_path / "closed").exists(), "its finally was run"


def test_a_sink_function_gets_every_record_and_goes_on_behind_the_last_one(
    run: Shell, topics: Topics, fresh_topic: str, file: Path, tmp_path: Path
) -> None:
    topics.create(fresh_topic, partitions=1)
    producer = Producer({"bootstrap.servers": topics.bootstrap})

    def run_behind(first: int, last: int) -> list[str]:
        for number in range(first, last):
            producer.produce(fresh_topic, b'{"click":%d}' % number)
        assert producer.flush(30) == 0
        words = ("run", f"{file}:kept", "--topic", fresh_topic, "--until-done", "--set", f"folder={tmp_path}")
        ended = run.run(*words, "--bootstrap-servers", topics.bootstrap)
        assert ended.code == 0, str(ended)
        return (tmp_path / "kept").read_text().splitlines()

    assert run_behind(0, 50) == [f"{fresh_topic}-0 {number} {number}" for number in range(50)]
    assert run_behind(50, 60) == [f"{fresh_topic}-0 {number} {number}" for number in range(60)]


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("click", (), "there is nothing called click in it; did you mean clicks?"),
        ("ticking", (), 'folder: Missing required configuration "folder" which has no default value.'),
        ("clicks", ("--set", "count=many"), "count: Invalid value many for configuration count: Not a number of type INT"),
    ],
)
def test_nothing_is_started_when_the_file_or_a_setting_is_wrong(
    run: Shell, topics: Topics, fresh_topic: str, file: Path, name: str, settings: tuple[str, ...], why: str
) -> None:
    ended = run.run("run", f"{file}:{name}", "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, *settings)
    assert ended.code == 2, str(ended)
    assert why in ended.err
    assert "Traceback" not in ended.err


def test_a_config_file_cannot_name_a_python_file(run: Shell, topics: Topics, file: Path) -> None:
    for name in (f"{file}:clicks", "my_clicks.py:clicks", "my_clicks:clicks", "my_clicks"):
        (run.folder / "evil.properties").write_text(f"name=evil\nconnector.class={name}\ntopic=t\n")
        ended = run.run("run", "evil.properties", "--bootstrap-servers", topics.bootstrap)
        assert ended.code == 2, str(ended)
        assert "Failed to find any class that implements Connector" in ended.err
