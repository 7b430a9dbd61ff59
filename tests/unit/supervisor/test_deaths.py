from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fastconnect.states import Exit
from fastconnect.supervisor.deaths import Death, OutOfMemoryCounter

# A fork is fine here whatever threads other tests have left: the child does next to nothing.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.mark.parametrize(
    ("death", "words"),
    [
        (Death(exit_code=Exit.OK), "ended with exit code 0 though it was not told to stop"),
        (Death(exit_code=Exit.FAILED), "failed (exit code 70)"),
        (Death(exit_code=Exit.UNUSABLE), "failed with an error that a restart would meet again (exit code 78)"),
        (Death(exit_code=Exit.FATAL_CLIENT), "ended because its Kafka client is beyond use (exit code 75)"),
        (Death(exit_code=Exit.LEASE_LOST), "ended because its lease was over: another worker may own it now (exit code 77)"),
        (Death(exit_code=1), "ended (exit code 1)"),
        (Death(signal=signal.SIGSEGV), "killed by SIGSEGV (a crash in native code)"),
        (Death(signal=signal.SIGTERM), "killed by SIGTERM"),
        (Death(signal=40), "killed by signal 40"),
        (Death(signal=signal.SIGKILL), "killed by SIGKILL (out of memory? or by someone's kill -9)"),
        (Death(signal=signal.SIGKILL, out_of_memory=True), "killed by SIGKILL (out of memory)"),
        (Death(signal=signal.SIGKILL, out_of_memory=False), "killed by SIGKILL (not by its supervisor)"),
        (Death(signal=signal.SIGKILL, killed_by_us=True), "did not stop in time and was killed by SIGKILL"),
    ],
)
def test_a_death_is_told_in_words(death: Death, words: str) -> None:
    assert death.words() == words


@pytest.mark.parametrize(("code", "how"), [(3, "exit 3"), (-signal.SIGKILL, "SIGKILL")])
def test_a_death_is_read_from_a_real_process(code: int, how: str) -> None:
    pid = os.fork()
    if pid == 0:
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert Death.from_wait_status(status).how == how


def test_a_kill_by_us_counts_only_if_it_was_what_ended_the_process() -> None:
    assert not Death.from_wait_status(3 << 8, killed_by_us=True).killed_by_us
    assert not Death.from_wait_status(signal.SIGSEGV, killed_by_us=True).killed_by_us
    assert Death.from_wait_status(signal.SIGKILL, killed_by_us=True).killed_by_us


def test_the_kernels_counter_tells_of_a_lack_of_memory(tmp_path: Path) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\nhigh 0\nmax 4\noom 0\noom_kill 2\noom_group_kill 0\n")
    counter = OutOfMemoryCounter([tmp_path / "absent", events])
    assert counter.moved() is False
    events.write_text("oom_kill 3\n")
    assert counter.moved() is True
    assert counter.moved() is False


@pytest.mark.parametrize("content", ["", "oom_kill lots\n", "max 3\n"])
def test_without_a_counter_it_is_not_known(tmp_path: Path, content: str) -> None:
    (tmp_path / "memory.events").write_text(content)
    assert OutOfMemoryCounter([tmp_path / "memory.events"]).moved() is None
    assert OutOfMemoryCounter([tmp_path / "absent"]).moved() is None


def test_a_counter_that_goes_away_is_not_known_any_more(tmp_path: Path) -> None:
    events = tmp_path / "memory.events"
    events.write_text("oom_kill 2\n")
    counter = OutOfMemoryCounter([events])
    events.unlink()
    assert counter.moved() is None


def test_this_machines_own_counter_is_read_without_an_error() -> None:
    assert OutOfMemoryCounter().moved() in (None, False, True)
