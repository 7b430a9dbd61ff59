"""The SQLite offset store as a file: several processes, kills, full disks, files that are something else."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fastconnect.errors import OffsetStoreError
from fastconnect.storage.sqlite import SqliteOffsetStore

# Python warns of forking a process that has threads, which another test of the same run may have left; the children here
# only use SQLite and leave by os._exit.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
A = {"filename": "a"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "offsets.sqlite"


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a real forked process; returns its pid. Its exit code is 0 if nothing was raised."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def written_by(path: Path, offset: dict[str, object]) -> None:
    store = SqliteOffsetStore(path)
    store.put("orders", [(A, offset)])
    store.close()


def test_offsets_are_there_when_the_file_is_opened_again(path: Path) -> None:
    written_by(path, {"position": 1})
    store = SqliteOffsetStore(path)
    assert store.get("orders", [A]) == [{"position": 1}]
    store.close()


def test_any_sqlite_tool_can_look_into_it(path: Path) -> None:
    written_by(path, {"position": 1})
    with sqlite3.connect(path) as connection:
        rows = connection.execute('select connector, "partition", "offset" from offsets').fetchall()
    connection.close()
    assert rows == [("orders", '{"filename":"a"}', '{"position":1}')]


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    processes, writes = 6, 40

    def write(number: int) -> None:
        store = SqliteOffsetStore(path)  # all of them make the file at once as well
        for value in range(writes):
            store.put(f"connector-{number}", [({"part": value}, {"value": value}), ({"last": number}, {"value": value})])
        store.close()

    children = [in_child(lambda number=number: write(number)) for number in range(processes)]  # type: ignore[misc]
    assert [exit_code(pid) for pid in children] == [0] * processes
    store = SqliteOffsetStore(path)
    for number in range(processes):
        assert len(store.all(f"connector-{number}")) == writes + 1
        assert store.get(f"connector-{number}", [{"last": number}]) == [{"value": writes - 1}]
    store.close()


def test_a_process_killed_while_writing_loses_nothing_that_was_committed(path: Path) -> None:
    for attempt in range(5):
        reader, writer = os.pipe()

        def write(attempt: int = attempt, writer: int = writer) -> None:
            store = SqliteOffsetStore(path)
            for value in range(10**9):
                store.put(f"run-{attempt}", [({"part": part}, {"value": value}) for part in range(20)])
                os.write(writer, value.to_bytes(8, "big"))

        pid = in_child(write)
        os.close(writer)
        last_told = -1
        while last_told < 20 + attempt * 7:
            last_told = int.from_bytes(os.read(reader, 8), "big")
        os.kill(pid, signal.SIGKILL)
        assert exit_code(pid) == -signal.SIGKILL
        while told := os.read(reader, 8):
            last_told = int.from_bytes(told, "big")
        os.close(reader)

        store = SqliteOffsetStore(path)
        values = {offset["value"] for _, offset in store.all(f"run-{attempt}")}
        assert len(values) == 1, "a flush is there wholly or not at all"
        assert values.pop() in (last_told, last_told + 1)
        store.close()


def test_a_full_disk_is_told_with_file_and_reason_and_the_old_offsets_stay(path: Path) -> None:
    written_by(path, {"position": 1})

    def write_too_much() -> None:
        # No file of this process may become longer than this: what a full disk does, without needing to be root.
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        store = SqliteOffsetStore(path)

        def write_on() -> None:
            for number in range(100):
                store.put("orders", [({"part": number}, {"text": "x" * 20_000}), (A, {"position": 2 + number})])

        with pytest.raises(OffsetStoreError) as refused:
            write_on()
        assert str(path) in str(refused.value)
        assert "disk" in str(refused.value)
        assert refused.value.retry_helps
        held = len(store.all("orders"))
        assert store.get("orders", [A]) == [{"position": held}], "the refused write has left no trace"

    assert exit_code(in_child(write_too_much)) == 0
    store = SqliteOffsetStore(path)
    (offset,) = store.get("orders", [A])
    assert offset is not None
    assert offset["position"] == len(store.all("orders"))
    store.put("orders", [(A, {"position": 1000})])  # the disk has room again
    assert store.get("orders", [A]) == [{"position": 1000}]
    store.close()


def test_a_reader_does_not_wait_for_a_writer(path: Path) -> None:
    written_by(path, {"position": 1})
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM offsets")
    store = SqliteOffsetStore(path, busy_timeout_ms=10_000)
    begun = time.monotonic()
    assert store.get("orders", [A]) == [{"position": 1}]
    assert time.monotonic() - begun < 5
    writer.execute("ROLLBACK")
    writer.close()
    store.close()


def test_a_writer_that_never_lets_go_is_an_error_that_says_so(path: Path) -> None:
    written_by(path, {"position": 1})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = SqliteOffsetStore(path, busy_timeout_ms=20)
    with pytest.raises(OffsetStoreError, match=r"locked.*another process keeps it locked") as refused:
        store.put("orders", [(A, {"position": 2})])
    assert refused.value.retry_helps
    other.execute("ROLLBACK")
    other.close()
    store.put("orders", [(A, {"position": 2})])  # the same call succeeds later
    store.close()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"this is a text, and a rather long one, so that it is longer than a header\n" * 20, "it is no SQLite database"),
        (b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap" + bytes(1000), "offsets file of Kafka Connect in Java"),
    ],
)
def test_a_file_that_is_something_else_is_refused_and_left_as_it_is(path: Path, content: bytes, sentence: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(OffsetStoreError, match=sentence) as refused:
        SqliteOffsetStore(path)
    assert str(path) in str(refused.value)
    assert "offset.storage.file.filename" in str(refused.value)
    assert not refused.value.retry_helps
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("create table theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(OffsetStoreError, match="a database of another program"):
        SqliteOffsetStore(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_fastconnect_is_refused(path: Path) -> None:
    written_by(path, {"position": 1})
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=2")
    newer.close()
    with pytest.raises(OffsetStoreError, match="a newer fastconnect wrote it"):
        SqliteOffsetStore(path)


def test_a_damaged_file_is_told_from_one_of_another_kind(path: Path) -> None:
    store = SqliteOffsetStore(path)
    store.put("orders", [({"part": number}, {"text": "x" * 500}) for number in range(100)])
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 20_000)
    with pytest.raises(OffsetStoreError, match="the database is damaged"), closing(SqliteOffsetStore(path)) as damaged:
        damaged.all("orders")


def test_a_folder_in_the_files_place_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OffsetStoreError, match="Is a directory"):
        SqliteOffsetStore(path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OffsetStoreError, match="its folder cannot be made: Not a directory"):
        SqliteOffsetStore(tmp_path / "file" / "folder" / "offsets.sqlite")


def test_a_store_opened_before_a_fork_is_refused_in_the_child_and_works_on_in_the_parent(path: Path) -> None:
    store = SqliteOffsetStore(path)

    def use() -> None:
        with pytest.raises(OffsetStoreError, match="opened before a fork"):
            store.get("orders", [A])
        store.close()

    assert exit_code(in_child(use)) == 0
    store.put("orders", [(A, {"position": 1})])
    assert store.get("orders", [A]) == [{"position": 1}]
    store.close()


def test_a_closed_store_says_that_it_is_closed(path: Path) -> None:
    store = SqliteOffsetStore(path)
    store.close()
    with pytest.raises(OffsetStoreError, match="the store is closed"):
        store.get("orders", [A])
