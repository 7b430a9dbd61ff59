"""`fastconnect ingest` with real files into a real Kafka: every line arrives, once, and a second run goes on."""

from __future__ import annotations

import gzip
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fakes.commands import Command, Ended, Shell, until
from fakes.topics import Topics

pytestmark = pytest.mark.integration


def summary_of(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, str(ended)
    return json.loads(ended.out)


def lines(first: int, count: int) -> list[bytes]:
    return [b'{"id":%d,"user":"u-%d"}' % (number, number % 97) for number in range(first, first + count)]


def write(path: Path, content: list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in content))
    return path


def zstd(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.compress(data)


def test_each_line_becomes_a_record_and_the_summary_agrees_with_the_topic(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    content = [*lines(0, 20_000), b"", b"no JSON, no UTF-8: \xff", b"with \r in it", b"the last one has no newline"]
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\n".join(content))
    summary = summary_of(run.run("ingest", path, "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--json"))
    records = topics.read(fresh_topic)
    assert Counter(record.value for record in records) == Counter(content)
    assert {record.key for record in records} == {None}
    place = {line: number for number, line in enumerate(content)}
    for partition in {record.partition for record in records}:
        places = [place[record.value or b""] for record in records if record.partition == partition]
        assert places == sorted(places), "a partition has the lines in the file's order"
    assert summary["records"] == summary["delivered"] == len(content)
    assert summary["bytes"] == sum(map(len, content))
    assert (summary["failed"], summary["skipped"], summary["restarts"], summary["complete"]) == (0, 0, 0, True)
    assert 0 <= summary["send_seconds"] < summary["seconds"]


def test_a_summary_for_people_goes_to_stdout_and_all_else_to_stderr(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "some.txt", lines(0, 1_234))
    ended = run.run("ingest", path, "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--tasks", 1)
    assert ended.code == 0, str(ended)
    assert [row.split()[0] for row in ended.out.splitlines()] == [
        "records", "delivered", "failed", "seconds", "records/s", "tasks",
    ]  # fmt: skip
    assert "1,234" in ended.out.splitlines()[0]
    assert "\x1b" not in ended.out + ended.err, "no colours but on a terminal"


def test_json_lines_get_their_key_from_a_field(run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.jsonl", [*lines(0, 5_000), b'{"user":null,"id":1}', b'{"user":7,"id":2}'])
    ended = run.run(
        "ingest",
        path,
        "--topic",
        fresh_topic,
        "--bootstrap-servers",
        topics.bootstrap,
        "--format",
        "json",
        "--key-field",
        "user",
    )
    assert ended.code == 0, str(ended)
    records = topics.read(fresh_topic)
    keys = Counter(record.key for record in records)
    assert len(records) == 5_002
    assert keys[None] == 1
    assert keys[b"7"] == 1
    partitions: dict[bytes | None, set[int]] = {}
    for record in records:
        assert record.value is not None
        user = json.loads(record.value)["user"]
        assert record.key == (None if user is None else str(user).encode())
        partitions.setdefault(record.key, set()).add(record.partition)
    assert all(len(where) == 1 for key, where in partitions.items() if key is not None), "a key has one partition"


def test_a_csv_row_becomes_a_json_object_with_its_column_as_key(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "people.csv", [b"id,name", b'1,"Ann, B."', b'2,"two\nlines"', "3,Zo\u00eb".encode()])
    ended = run.run(
        "ingest", path, "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--format", "csv", "--key-field", "id"
    )
    assert ended.code == 0, str(ended)
    records = sorted(topics.read(fresh_topic), key=lambda record: record.key or b"")
    assert [(record.key, json.loads(record.value or b"")) for record in records] == [
        (b"1", {"id": "1", "name": "Ann, B."}),
        (b"2", {"id": "2", "name": "two\nlines"}),
        (b"3", {"id": "3", "name": "Zo\u00eb"}),
    ]


def test_many_files_a_folder_and_a_glob_plain_and_compressed_go_through_several_tasks(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    parts = [lines(number * 1_000, 1_000) for number in range(12)]
    raw = [b"".join(line + b"\n" for line in part) for part in parts]
    for number in range(4):
        write(tmp_path / "folder" / "deep" / f"{number}.jsonl", parts[number])
    for number in range(4, 8):
        (tmp_path / f"{number}.jsonl.gz").write_bytes(gzip.compress(raw[number]))
    # Several members and frames in one file, as `cat a.gz b.gz` makes them.
    (tmp_path / "two.gz").write_bytes(gzip.compress(raw[8]) + gzip.compress(raw[9]))
    (tmp_path / "two.zst").write_bytes(zstd(raw[10]) + zstd(raw[11]))
    ended = run.run(
        "ingest", "folder", "*.jsonl.gz", tmp_path / "two.gz", "two.zst", "--topic", fresh_topic, "--tasks", 3,
        "--bootstrap-servers", topics.bootstrap, "--json", "--format", "json",
    )  # fmt: skip
    summary = summary_of(ended)
    assert Counter(topics.values(fresh_topic)) == Counter(line for part in parts for line in part)
    assert (summary["records"], summary["tasks"]) == (12_000, 3)


def test_one_file_is_shared_by_eight_tasks(run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path) -> None:
    content = lines(0, 100_000)
    path = write(tmp_path / "one.jsonl", content)
    ended = run.run(
        "ingest", path, "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--tasks", 8, "--json",
        "--set", "split.bytes=256k",
    )  # fmt: skip
    summary = summary_of(ended)
    assert summary["tasks"] == 8
    assert Counter(topics.values(fresh_topic)) == Counter(content)


def test_a_second_run_sends_nothing_and_says_so_and_restart_begins_anew(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    content = lines(0, 3_000)
    path = write(tmp_path / "one.jsonl", content)
    command = ("ingest", path, "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--json", "--tasks", 1)
    first = run.run(*command)
    assert summary_of(first)["delivered"] == 3_000
    assert "Continues" not in first.err

    again = run.run(*command)
    assert summary_of(again)["records"] == summary_of(again)["delivered"] == 0
    assert "Continues after" in again.err
    assert "of 1 file of an earlier run (--restart begins anew)" in again.err
    assert topics.count(fresh_topic) == 3_000

    with path.open("ab") as file:
        file.write(b"one more\n")
    longer = run.run(*command)
    assert summary_of(longer)["delivered"] == 1, "what was added since then is new"

    anew = run.run(*command, "--restart")
    assert summary_of(anew)["delivered"] == 3_001
    assert "Begins anew" in anew.err
    assert Counter(topics.values(fresh_topic)) == Counter(content * 2 + [b"one more"] * 2)


@pytest.fixture
def slow(run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path) -> tuple[list[bytes], list[object]]:
    """Some files, and a command that loads them slowly enough to be interrupted in the middle."""
    content = [lines(number * 50_000, 50_000) for number in range(2)]
    paths = [write(tmp_path / f"{number}.jsonl", part) for number, part in enumerate(content)]
    words = [
        "ingest", *paths, "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--tasks", 2, "--json",
        "--set", "block.bytes=64k",
    ]  # fmt: skip
    return [line for part in content for line in part], words


SLOWLY = ("--set", "producer.queue.buffering.max.messages=400", "--set", "producer.linger.ms=20")
"""The producer waits 20 ms for records to fill a batch, of which it is not given enough."""


def interrupt(command: Command, topics: Topics, topic: str) -> None:
    """Ctrl-C when something has arrived, but not nearly all."""
    until(lambda: topics.exists(topic) and topics.count(topic) > 0, "records arrive")
    command.send(signal.SIGINT)


def test_ctrl_c_drains_says_that_it_can_go_on_and_the_next_run_sends_the_rest_and_nothing_twice(
    run: Shell, topics: Topics, fresh_topic: str, slow: tuple[list[bytes], list[object]]
) -> None:
    content, words = slow
    command = run.start(*words, *SLOWLY)
    interrupt(command, topics, fresh_topic)
    ended = command.wait()
    assert ended.code == 130, str(ended)
    assert "stopped by SIGINT" in ended.err
    assert "running the same command again continues there" in ended.err
    part = json.loads(ended.out)
    assert part["complete"] is False
    assert 0 < part["delivered"] == topics.count(fresh_topic) < len(content), "all that was sent is delivered and counted"

    rest = run.run(*words)
    assert "Continues after" in rest.err
    assert summary_of(rest)["delivered"] == len(content) - part["delivered"]
    assert Counter(topics.values(fresh_topic)) == Counter(content)


def test_sigterm_is_told_by_143(run: Shell, topics: Topics, fresh_topic: str, slow: tuple[list[bytes], list[object]]) -> None:
    _, words = slow
    command = run.start(*words, *SLOWLY)
    until(lambda: topics.exists(fresh_topic) and topics.count(fresh_topic) > 0, "records arrive")
    command.send(signal.SIGTERM)
    assert command.wait().code == 143


def test_a_second_ctrl_c_ends_at_once_and_the_next_run_still_loses_nothing(
    run: Shell, topics: Topics, fresh_topic: str, slow: tuple[list[bytes], list[object]]
) -> None:
    content, words = slow
    command = run.start(*words, *SLOWLY)
    until(lambda: topics.exists(fresh_topic) and topics.count(fresh_topic) > 0, "records arrive")
    for task in command.tasks():
        task.send(signal.SIGSTOP)  # so it can't drain, and the first Ctrl-C alone would take its time
    command.send(signal.SIGINT)
    command.until_says("Stopping: stopped by SIGINT")
    command.send(signal.SIGINT)
    ended = command.wait(timeout_s=30)
    assert ended.code == 3, str(ended)
    assert "Ending all at once. signal=SIGINT" in ended.err
    assert "a part will be sent again" in ended.err
    assert command.processes() == []

    rest = run.run(*words)
    assert rest.code == 0, str(rest)
    found = Counter(topics.values(fresh_topic))
    assert found.keys() == set(content)


def test_without_bootstrap_servers_the_embedded_broker_is_used_and_said(run: Shell, fresh_topic: str, tmp_path: Path) -> None:
    path = write(tmp_path / "one.txt", lines(0, 10))
    ended = run.run("ingest", path, "--topic", fresh_topic, "--tasks", 1, "--json")
    assert summary_of(ended)["delivered"] == 10
    assert "No bootstrap.servers are given: using the embedded broker at 127.0.0.1:" in ended.err
