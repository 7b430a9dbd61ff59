"""Locks and process identities, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fastconnect.broker.files import Lock, ProcessId, State, is_held, is_shared

HOLDER = """
import sys
from pathlib import Path
from fastconnect.broker.files import Lock
lock = Lock(Path(sys.argv[1]))
assert getattr(lock, "try_" + sys.argv[2])()
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path, how: str) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), how], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_one_process_holds_a_lock_alone_and_it_is_free_when_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holder(path, "exclusive")
    lock = Lock(path)
    assert not lock.try_exclusive()
    assert not lock.try_shared()
    assert is_held(path)
    end(other)
    assert lock.try_exclusive()
    lock.release()


def test_several_processes_share_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holder(path, "shared")
    lock = Lock(path)
    assert lock.try_shared()
    assert not lock.try_exclusive()
    assert is_shared(path)
    assert not is_held(path)
    end(other)
    assert lock.try_exclusive(), "the last of those who share it may take it alone"
    lock.release()
    assert not is_shared(path)


def test_asking_for_a_lock_that_never_was_makes_no_file(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock")
    assert not is_shared(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_waiting_for_a_lock_ends_when_it_is_free_and_else_when_the_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = Lock(path), Lock(path)
    assert first.try_exclusive()
    assert not second.wait_shared(0.02)
    threading.Timer(0.05, first.release).start()
    assert second.wait_exclusive(30)
    second.release()
    second.release()  # the second time it does nothing


def test_a_started_program_does_not_inherit_a_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    assert lock.try_exclusive()
    with subprocess.Popen(["sleep", "60"]) as program:
        lock.release()
        assert not is_held(tmp_path / "lock")
        program.kill()


def test_a_process_is_told_from_another_one_with_its_pid() -> None:
    own = ProcessId.of(os.getpid())
    assert own is not None
    assert own.is_alive()
    impostor = ProcessId(own.pid, "1@another-boot")
    assert not impostor.is_alive()
    assert not impostor.send(signal.SIGKILL), "this process would not live to see it"


def test_a_dead_process_and_a_zombie_are_not_alive(until: Callable[..., None]) -> None:
    process = subprocess.Popen(["sleep", "60"])
    known = ProcessId.of(process.pid)
    assert known is not None
    assert known.send(signal.SIGKILL)
    until(lambda: not known.is_alive())  # a zombie by now: nobody has waited for it
    assert ProcessId.of(process.pid) is None
    process.wait()
    assert not known.send(signal.SIGKILL)


def test_a_lock_file_names_its_holder(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    ProcessId(4_000_000, "a much longer start time than the next one").write(lock.fileno())
    own = ProcessId.of(os.getpid())
    assert own is not None
    own.write(lock.fileno())
    assert ProcessId.read(tmp_path / "lock") == own
    lock.release()


@pytest.mark.parametrize("content", ["", "12", "x y", "{}"])
def test_a_lock_file_that_names_nobody_yet_is_read_as_that(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content)
    assert ProcessId.read(tmp_path / "lock") is None
    assert ProcessId.read(tmp_path / "none") is None


def test_a_state_is_read_as_it_was_written_and_rubbish_as_none(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert State.read(path) is None
    state = State("running", "127.0.0.1:1", "id", by_hand=True, kafka_version="4", started_at=time.time(), keeper_pid=7)
    state.write(path)
    assert State.read(path) == state
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]
    for rubbish in ("", "{", "[]", '{"phase": "running"}'):
        path.write_text(rubbish)
        assert State.read(path) is None
