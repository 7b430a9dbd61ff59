"""Sinks as users run them: real commands, a real broker, kill -9."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests
from confluent_kafka import Consumer, ConsumerGroupState, TopicPartition
from confluent_kafka.admin import AdminClient
from fakes.commands import Shell, until
from fakes.topics import Topics

pytestmark = pytest.mark.integration

PARTITIONS = 8


def words(name: str, bootstrap: str, connector: str, **settings: object) -> list[object]:
    """A `fastconnect run` of one sink; keys have `_` for `.`."""
    every = {"name": name, "connector.class": connector, **{key.replace("_", "."): value for key, value in settings.items()}}
    found: list[object] = ["run", "--bootstrap-servers", bootstrap]
    for key, value in every.items():
        found += ["--set", f"{key}={value}"]
    return found


def fill(run: Shell, topic: str, bootstrap: str, count: int, first: int = 0) -> list[str]:
    """Put numbered JSON lines into a topic."""
    lines = [json.dumps({"n": n, "text": f"line {n}"}, separators=(",", ":")) for n in range(first, first + count)]
    source = run.folder / f"{topic}-{first}.jsonl"
    source.write_text("".join(f"{line}\n" for line in lines))
    ended = run.run("ingest", source, "--topic", topic, "--format", "json", "--bootstrap-servers", bootstrap)
    assert ended.code == 0, ended
    return lines


def written(folder: Path) -> list[str]:
    """The lines of all complete files."""
    return [
        line for path in sorted(folder.iterdir()) if not path.name.startswith(".") for line in path.read_text().splitlines()
    ]


def members(bootstrap: str, group: str) -> Mapping[str, int]:
    """The group's members by their static names, with the number of partitions that each has."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    described = admin.describe_consumer_groups([group])[group].result()
    if described.state is not ConsumerGroupState.STABLE:
        return {}
    return {member.group_instance_id: len(member.assignment.topic_partitions) for member in described.members}


def state(bootstrap: str, group: str) -> ConsumerGroupState:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    return admin.describe_consumer_groups([group])[group].result().state  # type: ignore[no-any-return]


def test_a_kafka_connect_config_of_the_file_sink_runs_as_it_is(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str
) -> None:
    topics.create(fresh_topic, 1)
    topics.write(fresh_topic, b"first", b"second line", "dritte Zeile ä".encode())
    config = run.folder / "connect-file-sink.properties"
    config.write_text(
        f"name=local-file-sink\nconnector.class=FileStreamSink\ntasks.max=1\nfile={run.folder}/out\ntopics={fresh_topic}\n"
        "value.converter=org.apache.kafka.connect.storage.StringConverter\n"
    )
    ended = run.run("run", config, "--bootstrap-servers", kafka, "--until-done")
    assert ended.code == 0, ended
    assert (run.folder / "out").read_text() == "first\nsecond line\ndritte Zeile ä\n"


def test_topics_that_are_made_after_the_sink_has_started_are_read_soon(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str
) -> None:
    # The client itself would look for new topics once an hour.
    settings = {
        "consumer.override.topic.metadata.refresh.interval.ms": "3600000",
        "consumer.override.allow.auto.create.topics": "false",
        "value.converter": "StringConverter",
    }
    more = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    by_name = run.start(
        *words("by-name", kafka, "FileStreamSink", topics=f"{fresh_topic}-a", file=run.folder / "by-name"), *more
    )
    by_pattern = run.start(
        *words("by-pattern", kafka, "FileStreamSink", topics_regex=f"{fresh_topic}-.*", file=run.folder / "by-pattern"), *more
    )
    for command in (by_name, by_pattern):
        command.until_says("does not exist")
    topics.create(f"{fresh_topic}-a", 1)
    topics.write(f"{fresh_topic}-a", b"here")
    read = [run.folder / "by-name", run.folder / "by-pattern"]
    until(lambda: all(path.exists() and path.read_text() == "here\n" for path in read), "both sinks have read the record")
    for command in (by_name, by_pattern):
        command.send(signal.SIGTERM)
        assert command.wait().code == 0


def test_a_job_goes_on_where_it_ended(run: Shell, topics: Topics, kafka: str, fresh_topic: str) -> None:
    topics.create(fresh_topic, PARTITIONS)
    out = run.folder / "out"
    command = words(fresh_topic, kafka, "FileSink", topics=fresh_topic, path=out, tasks_max=2)
    for round_number in range(3):
        fill(run, fresh_topic, kafka, 1000, first=round_number * 1000)
        ended = run.run(*command, "--until-done")
        assert ended.code == 0, ended
    numbers = Counter(json.loads(line)["n"] for line in written(out))
    assert numbers == Counter(range(3000))


def test_a_job_without_anything_to_read_ends(run: Shell, topics: Topics, kafka: str, fresh_topic: str) -> None:
    topics.create(fresh_topic, 2)
    ended = run.run(*words(fresh_topic, kafka, "NullSink", topics=fresh_topic, tasks_max=2), "--until-done")
    assert ended.code == 0, ended


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_killed_tasks_lose_nothing_and_write_nothing_twice(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str, compression: str
) -> None:
    topics.create(fresh_topic, PARTITIONS)
    lines = fill(run, fresh_topic, kafka, 200_000)
    out = run.folder / "out"
    settings = {
        "consumer.override.max.poll.records": 8,
        "roll.records": 3_000,
        "offset.flush.interval.ms": 100,
        "restart.max.failures": -1,
        "restart.healthy.after.ms": 100,
        "compression": compression,
    }
    more = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    argv = [*words(fresh_topic, kafka, "FileSink", topics=fresh_topic, path=out, tasks_max=3), *more, "--until-done"]
    command = run.start(*argv)
    kills = 0
    chance = random.Random(7)
    until_s = time.monotonic() + 120
    while command.is_running:
        assert time.monotonic() < until_s, "the job does not end"
        time.sleep(0.2)
        tasks = command.tasks()
        if kills < 12 and tasks:
            chance.choice(tasks).send(signal.SIGKILL)
            kills += 1
    ended = command.wait()
    if "Task process did not end well: killed by SIGKILL" in ended.err:  # a kill that hit a task which was done
        ended = run.run(*argv)
    assert ended.code == 0, ended
    assert kills >= 3
    if compression == "none":
        assert sorted(written(out)) == sorted(lines)
    spans: dict[int, list[tuple[int, int]]] = {}
    for path in out.iterdir():
        if found := re.fullmatch(rf"{fresh_topic}-(\d+)-(\d+)-(\d+)\.jsonl(?:\.zst)?", path.name):
            spans.setdefault(int(found[1]), []).append((int(found[2]), int(found[3])))
    for partition, of_partition in spans.items():
        of_partition.sort()
        ends = [last + 1 for _, last in of_partition]
        assert [first for first, _ in of_partition] == [0, *ends[:-1]], f"gaps or doubles in partition {partition}"
    assert sum(sorted(of_partition)[-1][1] + 1 for of_partition in spans.values()) == len(lines)
    assert not list(out.glob(".*.tmp"))


def test_a_job_ends_though_its_files_are_ahead_of_what_its_group_has_committed(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str
) -> None:
    """As after a kill between the last file and its commit: there is nothing to read any more, but something to commit."""
    topics.create(fresh_topic, 2)
    lines = fill(run, fresh_topic, kafka, 1_000)
    argv = [*words(fresh_topic, kafka, "FileSink", topics=fresh_topic, path=run.folder / "out"), "--until-done"]
    assert run.run(*argv).code == 0
    admin = AdminClient({"bootstrap.servers": kafka})
    group = f"connect-{fresh_topic}"
    admin.delete_consumer_groups([group])[group].result()
    ended = run.run(*argv)
    assert ended.code == 0, ended
    assert sorted(written(run.folder / "out")) == sorted(lines)


def test_a_plain_sink_has_each_record_at_least_once_whatever_is_killed(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str
) -> None:
    topics.create(fresh_topic, PARTITIONS)
    fill(run, fresh_topic, kafka, 100_000)
    out = run.folder / "out"
    argv = [
        *words(
            fresh_topic,
            kafka,
            "FileStreamSink",
            topics=fresh_topic,
            file=out,
            tasks_max=3,
            offset_flush_interval_ms=100,
            consumer_override_max_poll_records=25,
            restart_max_failures=-1,
            value_converter="org.apache.kafka.connect.storage.StringConverter",
        ),
        "--until-done",
    ]
    command = run.start(*argv)
    chance = random.Random(3)
    for _ in range(6):
        until(lambda: not command.is_running or len(command.tasks()) == 3, "three tasks run")
        if command.is_running:
            chance.choice(command.tasks()).send(signal.SIGKILL)
        time.sleep(0.2)
    ended = command.wait()
    if "Task process did not end well: killed by SIGKILL" in ended.err:  # a kill that hit a task which was done
        ended = run.run(*argv)
    assert ended.code == 0, ended
    # A kill in the middle of a write may leave half a line, which another task's line follows.
    numbers = {int(number) for number in re.findall(r'"n":(\d+),"text":"line \d+"\}', out.read_text())}
    assert numbers == set(range(100_000))


def committed(bootstrap: str, group: str, topic: str) -> int:
    """What a group has committed in partition 0; below 0: nothing."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 2})
    (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=30)
    consumer.close()
    return int(found.offset)


def test_a_killed_task_is_back_in_its_group_before_the_end_of_its_session(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str
) -> None:
    topics.create(fresh_topic, 1)
    out = run.folder / "out"
    command = run.start(
        *words(fresh_topic, kafka, "FileStreamSink", topics=fresh_topic, file=out),
        *("--set", "value.converter=StringConverter"),
    )
    command.until_says("Partitions are assigned.")
    topics.write(fresh_topic, b"before")
    until(lambda: out.read_text() == "before\n", "the first record is written")
    until(lambda: committed(kafka, f"connect-{fresh_topic}", fresh_topic) == 1, "it is committed")
    command.tasks()[0].send(signal.SIGKILL)
    killed_at = time.monotonic()
    topics.write(fresh_topic, b"after")
    until(lambda: out.read_text().endswith("after\n"), "the record after the kill is written")
    assert time.monotonic() - killed_at < 30  # half a second on a quiet machine; a dynamic member takes a session, 45 s
    assert out.read_text() == "before\nafter\n"


def test_the_group_divides_partitions_among_tasks_and_is_left_empty(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str
) -> None:
    topics.create(fresh_topic, PARTITIONS)
    group = f"connect-{fresh_topic}"
    command = run.start(*words(fresh_topic, kafka, "NullSink", topics=fresh_topic, tasks_max=3))
    until(lambda: sorted(members(kafka, group).values()) == [2, 3, 3], "the partitions are divided")
    names = set(members(kafka, group))
    assert all(re.fullmatch(rf"connect-{fresh_topic}-\d-[0-9a-f]{{8}}", name) for name in names)
    command.send(signal.SIGTERM)
    ended = command.wait()
    assert ended.code == 0, ended
    assert state(kafka, group) is ConsumerGroupState.EMPTY


def test_two_workers_share_a_group_and_write_each_record_once(run: Shell, topics: Topics, kafka: str, fresh_topic: str) -> None:
    topics.create(fresh_topic, PARTITIONS)
    fill(run, fresh_topic, kafka, 100_000)
    out, group = run.folder / "out", f"connect-{fresh_topic}"
    common = {"topics": fresh_topic, "path": out, "tasks_max": 2, "consumer_override_max_poll_records": 25}
    first = run.start(*words(fresh_topic, kafka, "FileSink", **common))
    first.until_says("Partitions are assigned.")
    second = run.start(
        *words(fresh_topic, kafka, "FileSink", **common), "--set", f"offset.storage.file.filename={run.folder}/other.sqlite"
    )
    until(lambda: sorted(members(kafka, group).values()) == [2, 2, 2, 2], "the partitions are divided among both")
    first.send(signal.SIGTERM)
    assert first.wait().code == 0
    until(lambda: sorted(members(kafka, group).values()) == [4, 4], "the second worker has all partitions")
    second.send(signal.SIGTERM)
    assert second.wait().code == 0
    rest = run.run(*words(fresh_topic, kafka, "FileSink", **common), "--until-done")
    assert rest.code == 0, rest
    assert Counter(json.loads(line)["n"] for line in written(out)) == Counter(range(100_000))


def test_topics_of_a_pattern_are_read_as_they_come(run: Shell, topics: Topics, kafka: str, fresh_topic: str) -> None:
    first, later, other = f"{fresh_topic}-a1", f"{fresh_topic}-a2", f"{fresh_topic}-b"
    for name in (first, other):
        topics.create(name, 1)
        topics.write(name, name.encode())
    out = run.folder / "out"
    settings = {
        "topics.regex": rf"{fresh_topic}-a\d+",
        "value.converter": "StringConverter",
        "consumer.override.topic.metadata.refresh.interval.ms": 200,
        "file": out,
    }
    command = run.start(*words(fresh_topic, kafka, "FileStreamSink", **settings))
    until(lambda: out.exists() and out.read_text() == f"{first}\n", "the topic is read")
    topics.create(later, 1)
    topics.write(later, later.encode())
    until(lambda: out.read_text() == f"{first}\n{later}\n", "the new topic is read too")
    command.send(signal.SIGTERM)
    assert command.wait().code == 0


def test_a_record_that_cannot_be_read_is_named_and_ends_the_job(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str
) -> None:
    topics.create(fresh_topic, 1)
    topics.write(fresh_topic, b'{"n":1}', b'{"n":')
    ended = run.run(*words(fresh_topic, kafka, "NullSink", topics=fresh_topic), "--until-done")
    assert ended.code == 1
    assert "topic " + fresh_topic + ", partition 0, offset 1" in ended.err
    assert "errors.tolerance=all skips such records" in ended.err


def test_a_paused_sink_is_a_member_that_reads_nothing(run: Shell, topics: Topics, kafka: str, fresh_topic: str) -> None:
    topics.create(fresh_topic, 1)
    topics.write(fresh_topic, b"before")
    out = run.folder / "out"
    settings = ("--set", "value.converter=StringConverter", "--rest", "127.0.0.1:0")
    command = run.start(*words(fresh_topic, kafka, "FileStreamSink", topics=fresh_topic, file=out), *settings)
    command.until_says("The REST API is ready.")
    url = command.err.partition(" url=")[2].split()[0]
    until(lambda: out.exists() and out.read_text() == "before\n", "what was there is read")
    assert requests.put(f"{url}/connectors/{fresh_topic}/pause", timeout=10).status_code == 202
    task = f"{url}/connectors/{fresh_topic}/tasks/0/status"
    until(lambda: requests.get(task, timeout=10).json()["state"] == "PAUSED", "the task is paused")
    topics.write(fresh_topic, b"meanwhile")
    time.sleep(1)
    assert out.read_text() == "before\n"
    assert list(members(kafka, f"connect-{fresh_topic}").values()) == [1]
    assert requests.put(f"{url}/connectors/{fresh_topic}/resume", timeout=10).status_code == 202
    until(lambda: out.read_text() == "before\nmeanwhile\n", "it goes on where it was")
    command.send(signal.SIGTERM)
    assert command.wait().code == 0


def test_faults_of_a_sink_are_told_at_once_in_kafka_connects_words(run: Shell, kafka: str) -> None:
    ended = run.run(*words("sink", kafka, "FileStreamSink", consumer_override_group_protocol="consumer"))
    assert ended.code == 2
    assert "topics: Must configure one of topics or topics.regex" in ended.err
    assert "consumer.override.group.protocol: group.protocol cannot be set" in ended.err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_sink_that_is_started_again_with_other_topics_reads_those_and_no_others(
    run: Shell, topics: Topics, kafka: str, fresh_topic: str, how: signal.Signals
) -> None:
    """At once, while its former members' session lasts: a static member gets back what it had."""
    before, after = f"{fresh_topic}-before", f"{fresh_topic}-after"
    for topic in (before, after):
        topics.create(topic, 2)
        fill(run, topic, kafka, 100)
    out = run.folder / "out"
    session = ("--set", "consumer.override.session.timeout.ms=6000")
    first = run.start(*words(fresh_topic, kafka, "NullSink", topics=before, tasks_max=2), *session)
    until(lambda: sum(members(kafka, f"connect-{fresh_topic}").values()) == 2, "the first topic's partitions are assigned")
    first.send(how)
    first.wait()
    again = words(fresh_topic, kafka, "FileSink", topics=after, path=out, tasks_max=2)
    ended = run.run(*again, *session, "--until-done")
    assert ended.code == 0, ended
    assert Counter(json.loads(line)["n"] for line in written(out)) == Counter(range(100))
