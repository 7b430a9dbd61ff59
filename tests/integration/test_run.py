"""`fastconnect run` with connector files of every kind, a followed file, and sources that end."""

from __future__ import annotations

import gzip
import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from fakes.commands import Shell, until
from fakes.topics import Audit, Topics

pytestmark = pytest.mark.integration


def follow(path: Path, topic: str) -> str:
    """A connector file for FileStreamSource, as one has it from Kafka Connect."""
    return (
        "name=follow\nconnector.class=org.apache.kafka.connect.file.FileStreamSourceConnector\ntasks.max=1\n"
        f"file={path}\ntopic={topic}\nvalue.converter=org.apache.kafka.connect.storage.StringConverter\n"
    )


def test_a_file_is_waited_for_followed_as_it_grows_and_resumed_at_the_exact_line(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    config = tmp_path / "follow.properties"
    config.write_text(follow(log, fresh_topic))
    words = ("run", config, "--bootstrap-servers", topics.bootstrap)

    def arrived() -> list[bytes | None]:
        return topics.values(fresh_topic)

    command = run.start(*words)
    command.until_says("Waiting for the file to read.")
    log.write_bytes(b"one\ntwo\nthr")
    until(lambda: arrived() == [b"one", b"two"], "the complete lines arrive")
    with log.open("ab") as file:
        file.write("ee\nz\u00f6lf\n".encode())
    until(lambda: len(arrived()) == 4, "the rest arrives")
    command.send(signal.SIGTERM)
    ended = command.wait()
    assert ended.code == 0, str(ended)

    with log.open("ab") as file:
        file.write(b"while nobody read\n")
    again = run.start(*words)
    until(lambda: len(arrived()) == 5, "what came meanwhile arrives")
    with log.open("ab") as file:
        file.write(b"and on\n")
    until(lambda: len(arrived()) == 6, "and what comes now")
    again.send(signal.SIGINT)
    ended = again.wait()
    assert ended.code == 0, "a job that does not end by itself has ended well: " + str(ended)
    assert Counter(arrived()) == Counter([b"one", b"two", b"three", "z\u00f6lf".encode(), b"while nobody read", b"and on"])

    shown = json.loads(run.run("offsets", "show", "--json").out)
    assert {"filename": str(log)} in [each["partition"] for each in shown]
    assert {"position": log.stat().st_size} in [each["offset"] for each in shown]


def test_a_followed_file_survives_kill_9_of_its_task_at_the_exact_line(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    config = tmp_path / "follow.properties"
    config.write_text(follow(log, fresh_topic))
    log.write_bytes(b"one\ntwo\n")
    command = run.start("run", config, "--bootstrap-servers", topics.bootstrap, "--set", "offset.flush.interval.ms=20")
    until(lambda: topics.count(fresh_topic) == 2 if topics.exists(fresh_topic) else False, "the lines arrive")
    until(lambda: json.loads(run.run("offsets", "show", "--json").out), "the offsets are flushed")
    command.tasks()[0].send(signal.SIGKILL)
    with log.open("ab") as file:
        file.write(b"three\n")
    until(lambda: topics.count(fresh_topic) == 3, "the next line arrives")
    command.send(signal.SIGTERM)
    assert command.wait().code == 0
    assert Counter(topics.values(fresh_topic)) == Counter([b"one", b"two", b"three"])


def test_files_of_all_four_kinds_run_at_once_until_all_are_done(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    def topic(kind: str) -> str:
        return f"{fresh_topic}-{kind}"

    (tmp_path / "a.properties").write_text(
        f"name=a\nconnector.class=SequenceSource\ntopic={topic('a')}\ncount=1000\ntasks.max=2\n"
    )
    (tmp_path / "b.json").write_text(
        json.dumps(
            {"name": "b", "config": {"connector.class": "fastconnect.SequenceSource", "topic": topic("b"), "count": "2000"}}
        )
    )
    (tmp_path / "c.toml").write_text(
        f'name = "c"\n"connector.class" = "SequenceSource"\ntopic = "{topic("c")}"\ncount = 3000\n'
    )
    (tmp_path / "d.yaml").write_text(f"name: d\nconnector.class: SequenceSource\ntopic: {topic('d')}\ncount: 4000\n")
    ended = run.run(
        "run", "a.properties", "b.json", "c.toml", "d.yaml", "--bootstrap-servers", topics.bootstrap, "--until-done"
    )
    assert ended.code == 0, str(ended)
    for kind, tasks, count in (("a", 2, 1_000), ("b", 1, 2_000), ("c", 1, 3_000), ("d", 1, 4_000)):
        audit = Audit.of(topics.read(topic(kind)))
        assert audit.missing(tasks, count) == []
        assert (audit.duplicates, audit.disorder) == (0, 0)
        assert set(audit.times) == set(range(tasks))


def test_settings_come_from_the_worker_file_the_connector_file_and_the_command_line(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    store = tmp_path / "elsewhere" / "offsets.sqlite"
    (tmp_path / "worker.properties").write_text(
        f"bootstrap.servers={topics.bootstrap}\noffset.storage.file.filename={store}\n"
        "key.converter=org.apache.kafka.connect.storage.StringConverter\n"
        "value.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter.schemas.enable=false\n"
        "plugin.path=/usr/share/java\nproducer.linger.ms=5\n"
    )
    (tmp_path / "seq.properties").write_text(
        f"name=seq\nconnector.class=SequenceSource\ntopic={fresh_topic}\ncount=10\ntasks.max=1\n"
    )
    ended = run.run(
        "run", "seq.properties", "--worker", "worker.properties", "--until-done",
        "--tasks", 3, "--set", "count=500", "--set", "format=json", "--set", "offset.flush.interval.ms=50",
    )  # fmt: skip
    assert ended.code == 0, str(ended)
    assert "plugin.path has no effect: plugins are found by the entry points" in ended.err
    audit = Audit.of(topics.read(fresh_topic))
    assert audit.missing(3, 500) == []
    assert audit.duplicates == 0
    assert set(audit.times) == {0, 1, 2}
    assert store.exists()
    assert not (run.home / "offsets.sqlite").exists()


def test_a_second_run_until_done_has_nothing_to_do(run: Shell, topics: Topics, fresh_topic: str) -> None:
    words = [
        "run", "--set", "name=seq", "--set", "connector.class=SequenceSource", "--set", f"topic={fresh_topic}",
        "--set", "count=700", "--until-done", "--bootstrap-servers", topics.bootstrap,
    ]  # fmt: skip
    for _ in range(2):
        ended = run.run(*words)
        assert ended.code == 0, str(ended)
        assert topics.count(fresh_topic) == 700


def test_ctrl_c_in_a_run_until_done_drains_and_the_next_one_continues_without_a_duplicate(
    run: Shell, topics: Topics, fresh_topic: str
) -> None:
    words = [
        "run", "--set", "name=seq", "--set", "connector.class=SequenceSource", "--set", f"topic={fresh_topic}",
        "--set", "count=6000", "--tasks", 4, "--until-done", "--bootstrap-servers", topics.bootstrap,
    ]  # fmt: skip
    command = run.start(*words, "--set", "rate=3000")
    until(lambda: topics.exists(fresh_topic) and topics.count(fresh_topic) > 1_000, "records arrive")
    command.send(signal.SIGINT)
    ended = command.wait()
    assert ended.code == 130, str(ended)
    ended = run.run(*words)
    assert ended.code == 0, str(ended)
    audit = Audit.of(topics.read(fresh_topic))
    assert audit.missing(4, 6_000) == []
    assert (audit.duplicates, audit.disorder) == (0, 0)


def test_a_watched_folder_gives_each_line_of_new_and_growing_files_through_kills(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    words = [
        "run", "--set", "name=watch", "--set", "connector.class=FileSource", "--set", f"topic={fresh_topic}",
        "--set", f"paths={folder}", "--set", "watch=true", "--set", "watch.interval.ms=100", "--tasks", 2,
        "--set", "value.converter=org.apache.kafka.connect.storage.StringConverter",
        "--set", "offset.flush.interval.ms=50", "--bootstrap-servers", topics.bootstrap,
    ]  # fmt: skip
    topics.create(fresh_topic)
    expected: set[bytes] = set()

    def put(name: str, content: list[bytes], pack: bool = False) -> None:
        text = b"".join(line + b"\n" for line in content)
        with (tmp_path / name).open("wb") as file:
            file.write(gzip.compress(text) if pack else text)
        (tmp_path / name).rename(folder / name)  # all of it at once, as it should be done
        expected.update(content)

    def all_is_there() -> bool:
        return set(topics.values(fresh_topic)) == expected

    command = run.start(*words)
    put("a.txt", [b"a-%d" % number for number in range(5_000)])
    until(all_is_there, "the first file arrives")
    command.tasks()[0].send(signal.SIGKILL)
    put("b.gz", [b"b-%d" % number for number in range(5_000)], pack=True)
    until(all_is_there, "the second one does")
    with (folder / "a.txt").open("ab") as file:
        file.write(b"more\n")
    expected.add(b"more")
    until(all_is_there, "what was added does")
    command.kill()
    put("c.txt", [b"c"])
    again = run.start(*words)
    until(all_is_there, "what came while nobody watched does")
    again.send(signal.SIGTERM)
    assert again.wait().code == 0
    found = topics.values(fresh_topic)
    assert len(found) - len(expected) <= 5_000, "at most the file of the killed task comes twice"


CLOSED = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]


@pytest.mark.parametrize("closed", CLOSED)
def test_a_command_without_standard_files_works(
    run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path, closed: str
) -> None:
    (tmp_path / "some.txt").write_bytes(b"one\ntwo\n")
    command = run.start(
        "ingest", "some.txt", "--topic", fresh_topic, "--bootstrap-servers", topics.bootstrap, "--tasks", 1,
        wrapper=["sh", "-c", f'exec "$@" {closed}', "sh"],
    )  # fmt: skip
    assert command.wait().code == 0
    assert sorted(value or b"" for value in topics.values(fresh_topic)) == [b"one", b"two"]
    assert len(json.loads(run.run("offsets", "show", "--json").out)) == 1, "the store is whole"


def test_a_reader_of_the_log_that_goes_away_stops_nothing(run: Shell, topics: Topics, fresh_topic: str, tmp_path: Path) -> None:
    run.start(
        "run", "--set", "name=seq", "--set", "connector.class=SequenceSource", "--set", f"topic={fresh_topic}",
        "--set", "count=1000", "--until-done", "--bootstrap-servers", topics.bootstrap,
        wrapper=["sh", "-c", '{ "$@" >/dev/null; echo $? >code; } 2>&1 | head -c 1', "sh"],
    ).wait()  # fmt: skip
    assert (tmp_path / "code").read_text() == "0\n"
    audit = Audit.of(topics.read(fresh_topic))
    assert (audit.missing(1, 1_000), audit.duplicates) == ([], 0)
