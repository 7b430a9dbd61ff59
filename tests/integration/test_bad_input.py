"""Bad files, bad records and bad configs: the sentence a user sees, the exit code, and what was delivered before."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from fakes.commands import Command, Ended, Shell, until
from fakes.topics import Audit, Topics

pytestmark = pytest.mark.integration

CONTINUES = "running the same command again continues there"

# Also root shall meet files that may not be read: drops CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, then runs the rest.
PERMISSIONS_COUNT = [
    sys.executable,
    "-c",
    "import ctypes, os, sys; libc = ctypes.CDLL(None)\nfor cap in (1, 2): libc.prctl(24, cap, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
]


def lines(first: int, last: int) -> list[bytes]:
    return [b'{"id":%d}' % number for number in range(first, last)]


def text_of(content: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in content)


class Ingest:
    """Runs the same `ingest` into one topic, again and again."""

    def __init__(self, run: Shell, topics: Topics, topic: str) -> None:
        self.run = run
        self.topics = topics
        self.topic = topic

    def words(self, *words: object) -> list[object]:
        return ["ingest", *words, "--topic", self.topic, "--bootstrap-servers", self.topics.bootstrap, "--tasks", 1]

    def __call__(self, *words: object) -> Ended:
        return self.run.run(*self.words(*words))

    def arrived(self) -> list[bytes | None]:
        return self.topics.values(self.topic)


@pytest.fixture
def ingest(run: Shell, topics: Topics, fresh_topic: str) -> Ingest:
    return Ingest(run, topics, fresh_topic)


def failure(ended: Ended) -> str:
    """The sentence about the one task that failed."""
    assert ended.code == 1, str(ended)
    assert "Traceback" not in ended.err, "a user's mistake is no crash"
    (line,) = [line for line in ended.err.splitlines() if line.startswith("Failed: ")]
    return line.partition("-0: ")[2]


# Files


def test_all_paths_that_lead_nowhere_are_told_at_once_and_nothing_is_started(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.txt").write_bytes(b"good\n")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "old.zip").write_bytes(b"PK\x03\x04rest")
    os.mkfifo(tmp_path / "pipe")
    ended = ingest("good.txt", "missing.txt", "*.csv", "empty", "loop", "old.zip", "pipe")
    assert ended.code == 2, str(ended)
    assert "Error: the configuration has 6 faults, so nothing was started" in ended.err
    for sentence in (
        f"paths: {tmp_path}/missing.txt does not exist",
        f"paths: no file matches {tmp_path}/*.csv (looked from {tmp_path})",
        f"paths: folder {tmp_path}/empty has no files in it",
        f"paths: {tmp_path}/loop cannot be read: Too many levels of symbolic links",
        f"paths: {tmp_path}/old.zip is a zip file, which cannot be read (decompress it, or compress it with gzip or zstd)",
        f"paths: {tmp_path}/pipe is not a regular file (FileStreamSource reads pipes and the standard input)",
    ):
        assert f"  - {sentence}" in ended.err
    assert "Task process started" not in ended.err
    assert not ingest.topics.exists(ingest.topic)


def test_a_file_that_may_not_be_read_is_named(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(b"secret\n")
    (tmp_path / "secret.txt").chmod(0)
    ended = ingest.run.start(*ingest.words("secret.txt"), wrapper=PERMISSIONS_COUNT).wait()
    assert ended.code == 2, str(ended)
    assert f"  - paths: {tmp_path}/secret.txt cannot be read: Permission denied" in ended.err


def test_a_file_that_vanishes_before_its_turn_is_named_and_the_others_are_delivered(ingest: Ingest, tmp_path: Path) -> None:
    first = lines(0, 30_000)
    (tmp_path / "a.jsonl").write_bytes(text_of(first))
    (tmp_path / "b.jsonl").write_bytes(text_of(lines(0, 10)))
    slowly = (
        "--set",
        "producer.queue.buffering.max.messages=400",
        "--set",
        "producer.linger.ms=20",
        "--set",
        "block.bytes=64k",
    )
    command = ingest.run.start(*ingest.words("a.jsonl", "b.jsonl", *slowly))
    until(lambda: ingest.topics.exists(ingest.topic) and ingest.topics.count(ingest.topic) > 100, "the first file is read")
    (tmp_path / "b.jsonl").unlink()
    assert failure(command.wait()) == f"{tmp_path}/b.jsonl: the file has vanished since it was found"
    assert Counter(ingest.arrived()) == Counter(first)


def test_a_line_that_is_not_json_is_named_and_all_before_it_is_delivered_and_kept(ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    good, rest = lines(0, 12_344), lines(12_345, 20_000)
    path.write_bytes(text_of([*good, b'{"id":', *rest]))
    ended = ingest("orders.jsonl", "--format", "json")
    assert failure(ended) == (
        f"{path} line 12345: not JSON: Input data was truncated "
        "(correct the line, or set json.validate=false to send it as it is)"
    )
    assert CONTINUES in ended.err
    assert Counter(ingest.arrived()) == Counter(good)

    with path.open("r+b") as file:  # corrected in the same file, by the same number of bytes
        file.seek(len(text_of(good)))
        file.write(b"     1")
    ended = ingest("orders.jsonl", "--format", "json")
    assert ended.code == 0, str(ended)
    assert Counter(ingest.arrived()) == Counter([*good, b"1", *rest]), "what was delivered before is not sent again"


def test_a_line_that_is_not_utf_8_is_named(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id":1}\n{"name":"Zo\xeb"}\n')
    assert failure(ingest("a.jsonl", "--format", "json")).startswith(
        f"{tmp_path}/a.jsonl line 2: not UTF-8: byte 0xeb at byte 11 of the line (convert the file to UTF-8"
    )
    assert ingest.arrived() == [b'{"id":1}']


def test_a_csv_row_with_too_many_fields_is_named(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,name\n1,Ann\n2,Bob,extra\n")
    assert f"{tmp_path}/a.csv line 3" in failure(ingest("a.csv", "--format", "csv"))
    assert [json.loads(value or b"") for value in ingest.arrived()] == [{"id": "1", "name": "Ann"}]


@pytest.mark.parametrize("kind", ["truncated", "damaged"])
def test_broken_gzip_is_named_by_line_and_all_before_it_is_delivered(ingest: Ingest, tmp_path: Path, kind: str) -> None:
    content = [b"%d %s" % (number, os.urandom(20).hex().encode()) for number in range(20_000)]
    packed = bytearray(gzip.compress(text_of(content)))
    if kind == "truncated":
        packed = packed[: len(packed) // 2]
    else:
        packed[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    (tmp_path / "a.gz").write_bytes(packed)
    ended = ingest("a.gz")
    sentence = failure(ended)
    arrived = ingest.arrived()
    assert 5_000 < len(arrived) < 20_000
    if kind == "truncated":
        assert sentence.startswith(f"{tmp_path}/a.gz line {len(arrived) + 1}: the gzip data end in the middle")
        assert Counter(arrived) == Counter(content[: len(arrived)])
    else:  # in the damaged part zlib may have found some bytes more, which nobody can tell from good ones
        assert f"{tmp_path}/a.gz line " in sentence
        assert "the gzip data are damaged: Error -3 while decompressing" in sentence
    assert "(fetch the file again from where it came from)" in sentence


def test_a_file_that_was_replaced_shortened_or_emptied_between_two_runs_is_told(ingest: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    anew = "to read the file anew, reset the connector's offsets (fastconnect offsets reset, or ingest --restart)"
    path.write_bytes(b"one\ntwo\nthree\n")
    assert ingest("a.txt").code == 0

    with path.open("r+b") as file:
        file.truncate(4)
    assert (
        failure(ingest("a.txt")) == f"{path}: the file became shorter: it had 14 bytes when it was read, and has 4 now ({anew})"
    )
    with path.open("r+b") as file:
        file.truncate(0)
    assert (
        failure(ingest("a.txt")) == f"{path}: the file became shorter: it had 14 bytes when it was read, and has 0 now ({anew})"
    )

    inode = path.stat().st_ino
    (tmp_path / "new").write_bytes(b"one\ntwo\nthree\nfour\n")
    (tmp_path / "new").rename(path)
    assert failure(ingest("a.txt")) == (
        f"{path}: the file was replaced by another one (inode {inode} before, {path.stat().st_ino} now) ({anew})"
    )
    assert len(ingest.arrived()) == 3, "nothing of it is sent unasked"
    assert ingest("a.txt", "--restart").code == 0
    assert len(ingest.arrived()) == 7


# Records that the broker does not take


def test_a_line_that_is_longer_than_the_topic_takes_is_named_with_its_size(ingest: Ingest, tmp_path: Path) -> None:
    ingest.topics.create(ingest.topic, partitions=2, max_message_bytes="200000")
    before, after = lines(0, 1_000), lines(1_000, 2_000)
    (tmp_path / "a.txt").write_bytes(text_of([*before, b"x" * 300_000, *after]))
    sentence = failure(ingest("a.txt"))
    assert f"'position': {len(text_of(before)) + 300_001}" in sentence
    assert f"of source partition {{'path': '{tmp_path}/a.txt', 'start': 0}}" in sentence
    assert "the record is too large: 300000 bytes (MSG_SIZE_TOO_LARGE" in sentence
    assert "(raise max.message.bytes of the topic, and producer.max.request.size if that is lower; " in sentence
    assert set(ingest.arrived()) >= set(before)

    ingest.topics.alter(ingest.topic, max_message_bytes="400000")
    ended = ingest("a.txt")
    assert ended.code == 0, str(ended)
    assert set(ingest.arrived()) == {*before, b"x" * 300_000, *after}


def test_only_the_line_that_is_too_long_is_skipped_when_that_is_wanted(ingest: Ingest, tmp_path: Path) -> None:
    ingest.topics.create(ingest.topic, partitions=2, max_message_bytes="200000")
    good = lines(0, 50_000)
    (tmp_path / "a.txt").write_bytes(text_of([*good[:100], b"x" * 300_000, *good[100:]]))
    ended = ingest("a.txt", "--set", "errors.tolerance=all", "--json")
    assert ended.code == 0, str(ended)
    assert set(ingest.arrived()) == set(good)
    summary = json.loads(ended.out)
    assert (summary["failed"], summary["skipped"]) == (1, 1)


def test_a_topic_that_takes_only_small_batches_gets_small_batches(ingest: Ingest, tmp_path: Path) -> None:
    ingest.topics.create(ingest.topic, partitions=2, max_message_bytes="50000")
    good = lines(0, 100_000)
    (tmp_path / "a.txt").write_bytes(text_of(good))
    ended = ingest("a.txt", "--json")
    assert ended.code == 0, str(ended)
    assert set(ingest.arrived()) == set(good)
    assert json.loads(ended.out)["failed"] == 0
    assert "Going on with smaller batches: the broker takes no batches of 1000000 bytes" in ended.err


# Configs


def test_unknown_keys_are_warned_of_with_the_nearest_known_one(run: Shell, topics: Topics, fresh_topic: str) -> None:
    (run.folder / "seq.properties").write_text(
        f"name=seq\nconnector.class=SequenceSource\ntopic={fresh_topic}\ncount=5\ntask.max=3\npoll.sizes=4\n"
        "value.convertor=x\nutterly.different=1\n"
    )
    (run.folder / "worker.properties").write_text(f"bootstrap.servers={topics.bootstrap}\noffset.flush.intervall.ms=5\n")
    ended = run.run("run", "seq.properties", "--worker", "worker.properties", "--until-done")
    assert ended.code == 0, str(ended)
    for warning in (
        "WARNING offset.flush.intervall.ms is not known to a worker; did you mean offset.flush.interval.ms?",
        "WARNING [seq] task.max is not known to SequenceSource; did you mean tasks.max?",
        "WARNING [seq] poll.sizes is not known to SequenceSource; did you mean poll.size?",
        "WARNING [seq] value.convertor is not known to SequenceSource; did you mean value.converter?",
        "WARNING [seq] utterly.different is not known to SequenceSource",
    ):
        assert ended.err.count(warning) == 1, f"{warning}\n{ended.err}"
    audit = Audit.of(topics.read(fresh_topic))
    assert (set(audit.times), audit.missing(1, 5)) == ({0}, [])


def test_everything_that_is_wrong_with_all_connectors_is_said_at_once(run: Shell, topics: Topics) -> None:
    (run.folder / "types.properties").write_text(
        "name=seq\nconnector.class=SequenceSource\ncount=many\nrate=-1\nsize=10 apples\ntasks.max=0\nformat=xml\n"
        "errors.tolerance=some\nvalue.converter=NoSuchConverter\nproducer.override.ackss=1\n"
    )
    (run.folder / "class.properties").write_text("name=other\nconnector.class=NoSuchSource\n")
    (run.folder / "good.properties").write_text("name=good\nconnector.class=SequenceSource\ntopic=good\ncount=1\n")
    files = ("types.properties", "class.properties", "good.properties")
    faults = (
        "connector seq (types.properties):\n",
        "  - tasks.max: Invalid value 0 for configuration tasks.max: Value must be at least 1\n",
        "  - errors.tolerance: Invalid value some for configuration errors.tolerance: String must be one of: none, all\n",
        '  - topic: Missing required configuration "topic" which has no default value.\n',
        "  - rate: Invalid value -1 for configuration rate: Value must be at least 0\n",
        "  - count: Invalid value many for configuration count: Not a number of type INT\n",
        "  - size: Invalid value 10 apples for configuration size: Not a size",
        "  - format: Invalid value xml for configuration format: String must be one of: json, bytes\n",
        "  - producer.override.ackss: ackss is no setting of a Kafka producer; did you mean acks?\n",
        "  - value.converter: Invalid value NoSuchConverter for configuration value.converter: "
        "Class NoSuchConverter could not be found.\n",
        "connector other (class.properties):\n",
        "  - connector.class: Failed to find any class that implements Connector and which name matches NoSuchSource, "
        "available connectors are: ",
    )
    ended = run.run("run", *files, "--bootstrap-servers", topics.bootstrap)
    assert ended.code == 2, str(ended)
    assert "Error: the configuration has 10 faults, so nothing was started\n" in ended.err
    for fault in faults:
        assert ended.err.count(fault) == 1, f"{fault}\n{ended.err}"
    assert "Task process started" not in ended.err

    checked = run.run("validate", *files)
    assert checked.code == 2, str(checked)
    for fault in faults:
        if fault.startswith("  - "):
            assert checked.out.count(fault) == 1, f"{fault}\n{checked}"


def test_a_worker_files_faults_are_said_at_once(run: Shell) -> None:
    (run.folder / "worker.properties").write_text("offset.flush.interval.ms=soon\nrestart.max.failures=x\nproducer.acks=7x\n")
    (run.folder / "seq.properties").write_text("name=seq\nconnector.class=SequenceSource\ntopic=any\n")
    ended = run.run("run", "seq.properties", "--worker", "worker.properties", "--bootstrap-servers", "127.0.0.1:1")
    assert ended.code == 2, str(ended)
    assert "Error: worker.properties: the configuration has 3 faults\n" in ended.err
    assert (
        "  - offset.flush.interval.ms: Invalid value soon for configuration offset.flush.interval.ms: Not a time" in ended.err
    )
    assert (
        "  - restart.max.failures: Invalid value x for configuration restart.max.failures: Not a number of type INT"
        in ended.err
    )
    assert "  - producer.acks: Invalid value 7x for configuration" in ended.err


UNREADABLE = [
    ("x.json", '{"name": "a", ', "Error: x.json: not valid JSON: "),
    ("x.yaml", "name: seq\n  connector.class: [", "Error: x.yaml: not valid YAML: "),
    ("x.toml", "name = \n", "Error: x.toml: not valid TOML: "),
]


@pytest.mark.parametrize(("name", "text", "sentence"), UNREADABLE, ids=[name for name, _, _ in UNREADABLE])
def test_a_file_that_is_not_what_its_name_says_is_told(run: Shell, name: str, text: str, sentence: str) -> None:
    (run.folder / name).write_text(text)
    ended = run.run("run", name, "--bootstrap-servers", "127.0.0.1:1")
    assert ended.code == 2, str(ended)
    assert ended.err.startswith(sentence)
    assert "Traceback" not in ended.err


def test_offsets_in_a_file_of_another_program_are_not_touched(run: Shell, topics: Topics) -> None:
    store = run.folder / "offsets.dat"
    store.write_bytes(b"\xac\xed\x00\x05 a serialised Java object")
    command: Command = run.start(
        "run", "--set", "name=seq", "--set", "connector.class=SequenceSource", "--set", "topic=any", "--until-done",
        "--set", f"offset.storage.file.filename={store}", "--bootstrap-servers", topics.bootstrap,
    )  # fmt: skip
    ended = command.wait()
    assert ended.code == 1, str(ended)
    assert "it is an offsets file of Kafka Connect in Java, which is of another form" in failure(ended)
    assert "name another file with offset.storage.file.filename" in ended.err
    assert store.read_bytes() == b"\xac\xed\x00\x05 a serialised Java object"
