"""Connectors whose code misbehaves: what the user is told, how the command ends, and that the others do not notice."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fakes.commands import Command, Ended, Process, Shell, until
from fakes.topics import Audit, Topics, spans
from fakes.with_plugins import shell_with_plugins

pytestmark = pytest.mark.integration

GOOD = 1_500
WORKER = {
    "restart.max.failures": 3,
    "restart.backoff.initial.ms": 20,
    "task.shutdown.graceful.timeout.ms": 500,
    "offset.flush.interval.ms": 50,
}


class Beside:
    """A faulty connector and a good one in one command."""

    def __init__(self, run: Shell, topics: Topics, topic: str) -> None:
        self.run = run
        self.topics = topics
        self.topic = topic

    def start(
        self,
        fault: str,
        *,
        until_done: bool = True,
        rate: int = 3_000,
        worker: Mapping[str, object] = WORKER,
        **more: object,
    ) -> Command:
        bad = {"name": "bad", "connector.class": "FaultySource", "topic": self.topic, "fault": fault, **more}
        good = {"name": "good", "connector.class": "SequenceSource", "topic": f"{self.topic}-good", "rate": rate}
        if until_done:
            good["count"] = GOOD
        for config in (bad, good):
            text = "".join(f"{key}={value}\n" for key, value in config.items())
            (self.run.folder / f"{config['name']}.properties").write_text(text)
        words: list[object] = ["run", "bad.properties", "good.properties", "--bootstrap-servers", self.topics.bootstrap]
        for key, value in worker.items():
            words += ["--set", f"{key}={value}"]
        return self.run.start(*words, *(["--until-done"] if until_done else []))

    def ended(self, fault: str, **more: object) -> Ended:
        return self.start(fault, **more).wait()

    def neighbour_is_well(self) -> None:
        """The good connector's records are all there, once and in order: it was neither stopped nor started again."""
        records = self.topics.read(f"{self.topic}-good")
        audit = Audit.of(records)
        assert audit.missing(1, GOOD) == [], spans(records)
        assert (audit.duplicates, audit.disorder) == (0, 0)

    def values(self) -> list[bytes | None]:
        return sorted(self.topics.values(self.topic), key=lambda value: int(value or b"-1"))


@pytest.fixture
def beside(run: Shell, topics: Topics, fresh_topic: str) -> Beside:
    return Beside(run, topics, fresh_topic)


AGAIN_AND_AGAIN = [
    ("raise-in-start", "ValueError: the plugin is broken"),
    ("raise-in-poll", "ValueError: the plugin is broken"),
    ("connect-error-in-poll", "house 7: the door is locked (take the key)"),
    ("sys-exit-in-start", "the connector's code has called sys.exit(0)"),
    ("sys-exit-in-poll", "the connector's code has called sys.exit(0)"),
    ("os-exit-in-start", "ended with exit code 0 though it was not told to stop"),
    ("os-exit-in-poll", "ended with exit code 0 though it was not told to stop"),
    ("segfault-in-poll", "killed by SIGSEGV (a crash in native code)"),
    ("return-a-dict-in-poll", "TypeError: poll() has returned a dict, not a list of SourceRecord, a RecordBatch, None or END"),
]


FOR_GOOD = [
    ("data-error-in-poll", ["shelf 3: this record is bad"]),
    (
        "return-unserialisable-in-poll",
        ["the record of source partition", "faulty", "Python class object does not have corresponding schema type"],
    ),
    ("return-no-topic-in-poll", ["a record has no topic"]),
]

CONNECTOR_FAULTS = [
    ("raise-in-task-configs", "ValueError: the plugin is broken"),
    ("sys-exit-in-task-configs", "the connector's code has called sys.exit(0)"),
    ("os-exit-in-task-configs", "dividing its work into tasks: its process ended without an answer"),
    (
        "segfault-in-task-configs",
        "dividing its work into tasks: its process was killed by SIGSEGV (a crash in native code)",
    ),
    (
        "too-many-in-task-configs",
        "The connector too-many-in-task-configs has generated 3 tasks, which is greater than 1, the maximum number of tasks it "
        "is configured to create (raise tasks.max",
    ),
]


class Together:
    """One command with a connector for each of these faults, and a good one among them; it has ended."""

    def __init__(self, run: Shell, topics: Topics) -> None:
        self.topics = topics
        self.topic = f"together-{run.folder.name}"
        self.faults = [fault for faults in (AGAIN_AND_AGAIN, FOR_GOOD, CONNECTOR_FAULTS) for fault, _ in faults]
        files = []
        for fault in self.faults:
            config = {"name": fault, "connector.class": "FaultySource", "topic": f"{self.topic}-{fault}", "fault": fault}
            files.append(_file(run, config))
        good = {"name": "good", "connector.class": "SequenceSource", "topic": self.topic, "rate": 1_000, "count": GOOD}
        files.insert(3, _file(run, good))
        words: list[object] = ["run", *files, "--bootstrap-servers", topics.bootstrap, "--until-done"]
        for key, value in WORKER.items():
            words += ["--set", f"{key}={value}"]
        self.ended = run.run(*words)
        self.log = self.ended.err.splitlines()

    def failure(self, name: str) -> str:
        """The sentence at the end of the command about a task or connector that failed."""
        found = [line.partition(f"{name}: ")[2] for line in self.ended.err.splitlines() if line.startswith(_FAILED)]
        (sentence,) = [each for each in found if each]
        return sentence

    def starts(self, name: str) -> int:
        return self.ended.err.count(f"[{name}|task-0] Task process started.")

    def values(self, fault: str) -> list[bytes | None]:
        return sorted(self.topics.values(f"{self.topic}-{fault}"), key=lambda value: int(value or b"-1"))


_FAILED = ("Failed: ", "  - ")


def _file(run: Shell, config: Mapping[str, object]) -> str:
    path = run.folder / f"{config['name']}.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in config.items()))
    return path.name


@pytest.fixture(scope="module")
def together(topics: Topics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    with shell_with_plugins(tmp_path_factory.mktemp("together")) as run:
        yield Together(run, topics)


def test_one_good_connector_among_many_bad_ones_does_not_notice(together: Together) -> None:
    assert together.ended.code == 1, str(together.ended)
    all_of_them = len(together.faults) + 1
    assert f"Stopping: {len(together.faults)} of {all_of_them} failed." in together.ended.err
    records = together.topics.read(together.topic)
    audit = Audit.of(records)
    assert audit.missing(1, GOOD) == [], spans(records)
    assert (audit.duplicates, audit.disorder) == (0, 0)
    assert together.starts("good") == 1


@pytest.mark.parametrize(("fault", "reason"), AGAIN_AND_AGAIN, ids=[fault for fault, _ in AGAIN_AND_AGAIN])
def test_a_task_that_fails_again_and_again_is_left_failed_with_its_reason(together: Together, fault: str, reason: str) -> None:
    assert f"[{fault}|task-0] Task process died and will be restarted: {reason}" in together.ended.err
    assert together.starts(fault) == WORKER["restart.max.failures"]
    assert together.failure(f"{fault}-0") == f"failed 3 times in a row, at last: {reason}"
    # What came before the fault is delivered and flushed where the process could still do so, and then not sent again.
    if fault in ("raise-in-poll", "connect-error-in-poll", "return-a-dict-in-poll"):
        assert together.values(fault) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(("fault", "told"), FOR_GOOD, ids=[fault for fault, _ in FOR_GOOD])
def test_bad_data_fails_the_task_at_once_and_names_the_record(together: Together, fault: str, told: list[str]) -> None:
    for part in told:
        assert part in together.failure(f"{fault}-0")
    (line,) = [number for number, line in enumerate(together.log) if f"[{fault}|task-0] Task failed and is left FAILED" in line]
    assert not together.log[line + 1].startswith("    Traceback"), "the sentence says all"
    assert together.starts(fault) == 1
    assert together.values(fault) == [b"0", b"1", b"2", b"3", b"4"], "all before it is delivered"


@pytest.mark.parametrize(("fault", "reason"), CONNECTOR_FAULTS, ids=[fault for fault, _ in CONNECTOR_FAULTS])
def test_a_connector_that_cannot_divide_its_work_fails_alone(together: Together, fault: str, reason: str) -> None:
    assert reason in together.failure(fault)
    assert f"[{fault}] Connector failed and is left FAILED." in together.ended.err


def test_the_waits_between_restarts_double_up_to_their_limit(beside: Beside) -> None:
    limits = {"restart.max.failures": 6, "restart.backoff.initial.ms": 40, "restart.backoff.max.ms": 200}
    ended = beside.start("raise-in-start", worker=limits).wait()
    assert ended.code == 1, str(ended)
    waits = [int(wait) for wait in re.findall(r"wait_ms=(\d+) failures=", ended.err)]
    assert len(waits) == 5
    for wait, longest in zip(waits, (40, 80, 160, 200, 200), strict=True):
        assert 0.75 * longest - 1 <= wait <= longest
    assert ended.err.count("[bad|task-0] Task process started.") == 6
    assert ended.err.count("[good|task-0] Task process started.") == 1


def test_the_source_may_sleep_for_a_while(beside: Beside, tmp_path: Path) -> None:
    ended = beside.ended("retriable-in-poll", once=tmp_path / "once")
    assert ended.code == 0, str(ended)
    assert "[bad|task-0] Poll failed and is tried again. the source sleeps wait_ms=100" in ended.err
    assert ended.err.count("[bad|task-0] Task process started.") == 1
    assert len(beside.values()) == 10


def test_a_crash_that_does_not_repeat_is_mended_by_one_restart(beside: Beside, tmp_path: Path) -> None:
    ended = beside.ended("segfault-in-poll", once=tmp_path / "once")
    assert ended.code == 0, str(ended)
    assert "killed by SIGSEGV (a crash in native code). wait_ms=0 failures=1" in ended.err
    assert "in _segfault" in ended.err, "the trace shows where"
    assert set(beside.values()) == {b"%d" % number for number in range(10)}
    beside.neighbour_is_well()


def test_a_stop_that_fails_is_logged_and_loses_nothing(beside: Beside) -> None:
    ended = beside.ended("raise-in-stop")
    assert ended.code == 0, str(ended)
    assert "[bad|task-0] The task's stop() failed." in ended.err
    assert len(beside.values()) == 10


def test_what_a_plugin_leaves_behind_ends_with_its_task(beside: Beside) -> None:
    command = beside.start("leave-a-thread-and-a-child-in-poll", rate=1_000)

    def left_behind() -> list[Process]:
        return [each for each in command.descendants() if each.title == "sleep 600"]

    until(left_behind, "the plugin has started something")
    left = left_behind()
    ended = command.wait()
    assert ended.code == 0, str(ended)
    assert not any(each.is_alive for each in left)


def test_a_plugin_that_cannot_be_imported_is_a_fault_of_the_config(run: Shell, topics: Topics) -> None:
    (run.folder / "bad.properties").write_text("name=bad\nconnector.class=BrokenImportSource\ntopic=any\n")
    ended = run.run("run", "bad.properties", "--bootstrap-servers", topics.bootstrap)
    assert ended.code == 2, str(ended)
    assert "faulty.BrokenImportSource cannot be imported: ValueError: this module is broken" in ended.err
    assert "Traceback" not in ended.err


BLOCKED = [("block", "poll"), ("spin", "poll"), ("block", "start"), ("block", "stop")]


@pytest.mark.parametrize(("fault", "where"), BLOCKED, ids=[f"{fault}-in-{where}" for fault, where in BLOCKED])
def test_code_that_never_returns_is_killed_after_the_grace_period_and_shown(beside: Beside, fault: str, where: str) -> None:
    command = beside.start(f"{fault}-in-{where}", until_done=False)
    good = f"{beside.topic}-good"
    until(lambda: beside.topics.exists(good) and beside.topics.count(good) > 500, "the neighbour works")
    before = len(beside.topics.read(good))
    until(lambda: beside.topics.count(good) > before + 500, "and goes on")
    command.send(signal.SIGTERM)
    told = time.monotonic()
    ended = command.wait()
    took = time.monotonic() - told
    assert ended.code == 3, str(ended)
    assert 0.5 < took < 30, "the grace period, one second for the trace, and little more"
    assert "[bad|task-0] Task process did not end well: did not stop in time and was killed by SIGKILL." in ended.err
    assert f"in {where}\n" in ended.err, "the trace says where it was"
    assert "Not drained: stopped by SIGTERM; did not end in time and had to be killed: bad-0" in ended.err
    assert "[good|task-0] Task process ended." in ended.err
    stored = run_offsets(beside.run, "good")
    audit = Audit.of(beside.topics.read(good))
    assert stored == [{"seq": audit.contiguous(0)}], "the neighbour has delivered and flushed to its last record"
    assert (audit.duplicates, audit.disorder) == (0, 0)


def run_offsets(run: Shell, connector: str) -> list[object]:
    from fastconnect.storage.sqlite import SqliteOffsetStore

    store = SqliteOffsetStore(run.home / "offsets.sqlite")
    try:
        return [offset for _, offset in store.all(connector)]
    finally:
        store.close()


def test_a_task_that_ignores_signals_stops_all_the_same_when_its_poll_returns(beside: Beside) -> None:
    ended = beside.ended("ignore-signals-in-poll")
    assert ended.code == 0, str(ended)
    assert len(beside.values()) == 10


def test_a_task_that_ignores_signals_and_never_returns_is_killed(beside: Beside) -> None:
    command = beside.start("ignore-signals-and-block-in-poll", until_done=False)
    good = f"{beside.topic}-good"
    until(lambda: beside.topics.exists(good) and beside.topics.count(good) > 500, "the neighbour works")
    command.send(signal.SIGTERM)
    ended = command.wait()
    assert ended.code == 3, str(ended)
    assert "did not stop in time and was killed by SIGKILL" in ended.err


def test_a_connector_that_never_divides_its_work_does_not_hold_up_the_end(beside: Beside) -> None:
    command = beside.start("block-in-task-configs", until_done=False)
    until(lambda: command.processes("connector bad"), "its code is asked")
    command.send(signal.SIGINT)
    ended = command.wait(timeout_s=10)
    assert ended.code == 0, str(ended)
    assert command.descendants() == []
