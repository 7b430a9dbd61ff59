"""Bad records at every stage of their way: what a user is told, what goes on, and what the dead letter topic has."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from fakes.commands import Ended, Shell, until
from fakes.topics import Record, Topics

pytestmark = pytest.mark.integration

GOLDEN = json.loads((Path(__file__).parent / "dead_letter_headers.json").read_text())

BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
STAGES = ["HEADER_CONVERTER", "KEY_CONVERTER", "VALUE_CONVERTER", "TRANSFORMATION", "PREDICATE", "KAFKA_PRODUCE"]


def header(record: Record, name: str) -> str | None:
    values = [value for key, value in record.headers if key == f"__connect.errors.{name}"]
    assert len(values) == 1, record.headers
    return None if values[0] is None else values[0].decode()


def dead(topic: str) -> dict[str, str]:
    return {
        "errors.deadletterqueue.topic.name": topic,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    }


class Job:
    """Runs one connector until it is done."""

    def __init__(self, run: Shell, topics: Topics, folder: Path) -> None:
        self.run = run
        self.topics = topics
        self.folder = folder

    def words(self, config: dict[str, str], *more: object) -> list[object]:
        file = self.folder / "connector.json"
        file.write_text(json.dumps(config))
        return ["run", file, "--bootstrap-servers", self.topics.bootstrap, "--until-done", *more]

    def __call__(self, config: dict[str, str], *more: object) -> Ended:
        return self.run.run(*self.words(config, *more))


@pytest.fixture
def job(run: Shell, topics: Topics, tmp_path: Path) -> Job:
    return Job(run, topics, tmp_path)


def poison(topic: str, stage: str, **more: str) -> dict[str, str]:
    """A source of three records, the second of which fails at this stage."""
    config = {
        "name": "poison",
        "connector.class": "poison.PoisonSource",
        "topic": topic,
        "stage": stage,
        "key.converter": BYTES,
        "value.converter": BYTES,
        "header.converter": "org.apache.kafka.connect.json.JsonConverter",
        "producer.override.batch.num.messages": "1",  # a broker that refuses one record refuses all of its batch
    }
    if stage in ("TRANSFORMATION", "PREDICATE"):
        config |= {"transforms": "break", "transforms.break.type": "poison.Break"}
    if stage == "PREDICATE":
        config |= {"transforms.break.predicate": "unsure", "predicates": "unsure", "predicates.unsure.type": "poison.Unsure"}
    return config | more


def topic_for(stage: str, topics: Topics, name: str) -> str:
    """A topic that refuses records without a key, where that is the stage."""
    return topics.create(name, 1, cleanup_policy="compact" if stage == "KAFKA_PRODUCE" else "delete")


@pytest.mark.parametrize("stage", STAGES)
def test_without_tolerance_a_bad_record_fails_the_task_and_those_before_it_are_delivered(
    job: Job, topics: Topics, fresh_topic: str, stage: str
) -> None:
    topic_for(stage, topics, fresh_topic)
    ended = job(poison(fresh_topic, stage))
    assert ended.code == 1, str(ended)
    shown = "TRANSFORMATION" if stage == "PREDICATE" else stage
    failure = next(line for line in ended.err.splitlines() if line.startswith("Failed:"))
    if stage != "KAFKA_PRODUCE":
        assert re.search(rf'{shown} with class .*, the record of source partition {{"of":"poison"}} .*{{"next":2}}', failure)
        assert "Tolerance exceeded in error handler" in failure
    assert "errors.tolerance=all skips such records" in failure
    if stage == "KAFKA_PRODUCE":  # the broker's refusal comes when others may be on their way
        assert set(topics.values(fresh_topic)) <= {b"value-0", b"value-2"}
    else:
        assert topics.values(fresh_topic) == [b"value-0"]


@pytest.mark.parametrize("stage", STAGES)
def test_with_tolerance_the_bad_record_goes_to_the_dead_letters_and_the_others_to_the_topic(
    job: Job, topics: Topics, fresh_topic: str, stage: str, tmp_path: Path
) -> None:
    topic_for(stage, topics, fresh_topic)
    log = tmp_path / "told"
    letters = f"{fresh_topic}-dead"
    ended = job(
        poison(fresh_topic, stage, log=str(log), **{"errors.tolerance": "all", "errors.log.enable": "true"}, **dead(letters))
    )
    assert ended.code == 0, str(ended)
    assert topics.values(fresh_topic) == [b"value-0", b"value-2"]
    (letter,) = topics.read(letters)
    shown = "TRANSFORMATION" if stage == "PREDICATE" else stage
    assert header(letter, "stage") == shown
    assert header(letter, "topic") == fresh_topic
    assert header(letter, "source.partition") == '{"of":"poison"}'
    assert header(letter, "source.offset") == '{"next":2}'
    assert header(letter, "connector.name") == "poison"
    expected = {
        "VALUE_CONVERTER": b'["no bytes"]',
        "TRANSFORMATION": b"poison",
        "PREDICATE": b"poison",
    }.get(stage, b"value-1")
    assert letter.value == expected
    assert f"Error encountered in task poison-0. Executing stage '{shown}' with class" in ended.err
    told = log.read_text().splitlines()
    assert {line for line in told if line.startswith("record")} == {"record 1 0", "record 2 None", "record 3 1"}
    assert "commit" in told
    assert "skipped  1" in ended.err + ended.out


def test_a_failure_that_passes_is_tried_again(job: Job, topics: Topics, fresh_topic: str) -> None:
    topics.create(fresh_topic, 1)
    flaky = {"transforms": "flaky", "transforms.flaky.type": "poison.Flaky", "errors.retry.delay.max.ms": "20"}
    ended = job(poison(fresh_topic, "", **flaky))
    assert ended.code == 1
    assert "TRANSFORMATION with class poison.Flaky" in ended.err
    ended = job(poison(fresh_topic, "", **flaky, **{"errors.retry.timeout": "30000"}))
    assert ended.code == 0, str(ended)
    assert topics.values(fresh_topic) == [b"value-0", b"value-1", b"value-2"]


def test_a_dead_letter_topic_that_cannot_be_made_is_told_before_anything_is_read(
    job: Job, topics: Topics, fresh_topic: str
) -> None:
    config = poison(fresh_topic, "", **dead(f"{fresh_topic}-dead"))
    del config["errors.deadletterqueue.topic.replication.factor"]  # 3, as in Kafka Connect; there is one broker
    ended = job({**config, "producer.override.client.id": "me"}, "--set", "restart.max.failures=1")
    assert ended.code == 1, str(ended)
    assert f"Could not initialize dead letter queue with topic={fresh_topic}-dead" in ended.err
    assert "errors.deadletterqueue.topic.replication.factor may not be greater than the number of brokers" in ended.err
    assert not topics.exists(fresh_topic)


def test_a_bulk_load_with_many_bad_lines_loses_nothing_when_its_task_is_killed(
    run: Shell, job: Job, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    topics.create(fresh_topic, 4)
    lines = [b'{"n":%d}' % number if number % 10 else b'{"n":%d' % number for number in range(40_000)]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    config = {
        "name": "load",
        "connector.class": "FileSource",
        "paths": str(tmp_path / "in.jsonl"),
        "format": "json",
        "topic": fresh_topic,
        "block.bytes": "2000",
        "transforms": "mask",
        "transforms.mask.type": "org.apache.kafka.connect.transforms.InsertField$Value",
        "transforms.mask.static.field": "s",
        "transforms.mask.static.value": "v",
        "errors.tolerance": "all",
        **dead(f"{fresh_topic}-dead"),
    }
    command = run.start(*job.words(config), "--set", "offset.flush.interval.ms=50")
    for _ in range(3):
        until(lambda: command.tasks() or not command.is_running, "a task runs")
        seen = topics.count(fresh_topic) if topics.exists(fresh_topic) else 0
        until(lambda seen=seen: not command.is_running or topics.count(fresh_topic) > seen + 200, "some are delivered")  # type: ignore[misc]
        for task in command.tasks():
            task.send(signal.SIGKILL)
    ended = command.wait()
    assert ended.code == 0, str(ended)
    arrived = Counter(json.loads(value)["n"] for value in topics.values(fresh_topic) if value)
    letters = set(topics.values(f"{fresh_topic}-dead"))
    assert set(arrived) == {number for number in range(40_000) if number % 10}
    assert letters == {line for line in lines if not line.endswith(b"}")}


# Sinks.


def sink(topic: str, file: Path, **more: str) -> dict[str, str]:
    return {
        "name": "dlq-sink",
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "topics": topic,
        "file": str(file),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        **more,
    }


def test_the_dead_letters_of_a_sink_have_kafka_connects_headers_byte_for_byte(
    job: Job, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    topics.create(fresh_topic, 1)
    topics.write(fresh_topic, b'{"schema":{"type":"string"},"payload":"good"}')
    topics.write(fresh_topic, *(record["value"].encode() for record in GOLDEN["records"]))
    letters = f"{fresh_topic}-dead"
    ended = job(sink(fresh_topic, tmp_path / "out", **{"errors.tolerance": "all"}, **dead(letters)))
    assert ended.code == 0, str(ended)
    assert (tmp_path / "out").read_text() == "good\n"
    found = topics.read(letters)
    assert len(found) == len(GOLDEN["records"])
    for letter, expected in zip(found, GOLDEN["records"], strict=True):
        assert letter.value == expected["value"].encode()
        wanted = [(name, text.replace("{topic}", fresh_topic)) for name, text in expected["headers"]]
        given = [(name, (value or b"").decode()) for name, value in letter.headers]
        assert [name for name, _ in given] == [*(name for name, _ in wanted), "__connect.errors.exception.stacktrace"]
        assert given[:-2] == wanted[:-1]
        # Behind Kafka Connect's message ours goes on, where there is more to say.
        assert given[-2][1].startswith(wanted[-1][1])
        assert given[-1][1].startswith(f"{wanted[-2][1]}: {wanted[-1][1]}")


@pytest.mark.parametrize("stage", ["KEY_CONVERTER", "VALUE_CONVERTER", "HEADER_CONVERTER", "TRANSFORMATION", "TASK_PUT"])
@pytest.mark.parametrize("tolerance", ["none", "all"])
def test_a_bad_message_of_a_sink_is_named_or_set_aside_at_every_stage(
    job: Job, topics: Topics, fresh_topic: str, tmp_path: Path, stage: str, tolerance: str
) -> None:
    topics.create(fresh_topic, 1)
    good = {"key": b"1", "headers": [("h", b"1")]}
    bad = {
        "KEY_CONVERTER": (b'"x"', {**good, "key": b"{"}),
        "VALUE_CONVERTER": (b"{", good),
        "HEADER_CONVERTER": (b'"x"', {**good, "headers": [("h", b"{")]}),
        "TRANSFORMATION": (b'"no map"', good),
        "TASK_PUT": (b'"bad"', good),
    }[stage]
    value = b'{"a":1}' if stage == "TRANSFORMATION" else b'"fine"'
    topics.write(fresh_topic, value, **good)
    topics.write(fresh_topic, bad[0], **bad[1])
    topics.write(fresh_topic, value, **good)
    letters = f"{fresh_topic}-dead"
    config = {
        "name": "picky",
        "connector.class": "poison.PickySink",
        "topics": fresh_topic,
        "file": str(tmp_path / "out"),
        "errors.tolerance": tolerance,
        **{f"{kind}.converter": "JsonConverter" for kind in ("key", "value", "header")},
        **{f"{kind}.converter.schemas.enable": "false" for kind in ("key", "value", "header")},
        **dead(letters),
    }
    if stage == "TRANSFORMATION":
        config |= {
            "transforms": "mask",
            "transforms.mask.type": "org.apache.kafka.connect.transforms.MaskField$Value",
            "transforms.mask.fields": "a",
        }
    ended = job(config, "--set", "restart.max.failures=1")
    (letter, *_) = topics.read(letters)
    assert letter.value == bad[0]
    assert (header(letter, "stage"), header(letter, "offset"), header(letter, "topic")) == (stage, "1", fresh_topic)
    if tolerance == "none":
        assert ended.code == 1, str(ended)
        failure = next(line for line in ended.err.splitlines() if line.startswith("Failed:"))
        assert re.search(rf"{stage} with class .*, the record of topic {fresh_topic}, partition 0, offset 1: ", failure)
        assert "errors.tolerance=all" in failure
    else:
        assert ended.code == 0, str(ended)
        assert len((tmp_path / "out").read_text().splitlines()) == 2
        assert len(topics.read(letters)) == 1
