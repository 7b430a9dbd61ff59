from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fastconnect.states import State, TargetState
from fastconnect.supervisor import signals
from fastconnect.supervisor.control import SetTarget
from fastconnect.supervisor.task_process import StopSteps, require_one_thread


@pytest.fixture
def about(worker: Any) -> dict[str, Any]:
    """What a task process finds itself to be."""
    worker.running(worker.start(do="describe"))
    about: dict[str, Any] = json.loads((worker.folder / "about-orders-0-1").read_text())
    return about


def test_a_child_has_no_files_but_its_own(about: dict[str, Any]) -> None:
    extra = {int(fd): link for fd, link in about["fds"].items() if int(fd) > 2}
    lifeline, doorbell = about["given"]
    assert extra.pop(lifeline).startswith("pipe:")
    assert extra.pop(doorbell) == "anon_inode:[eventfd]"
    assert sorted(extra.values()) == ["/memfd:fastconnect-dump (deleted)", "/memfd:fastconnect-log-levels (deleted)"]


def test_a_child_leads_a_session_and_a_group_of_its_own(about: dict[str, Any]) -> None:
    assert about["sid"] == about["pgid"] == about["pid"]


def test_a_child_has_nothing_of_its_parents_signals(about: dict[str, Any]) -> None:
    assert about["blocked"] == []
    assert about["sigchld"]


def test_a_child_with_plugins_code_goes_first_when_memory_runs_out(about: dict[str, Any], worker: Any) -> None:
    assert about["oom_score_adj"] == 500
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert int(Path(f"/proc/{worker.herder_pid}/oom_score_adj").read_text()) == own


def test_a_child_is_named_and_has_one_thread(about: dict[str, Any]) -> None:
    assert about["title"] == "fastconnect task orders-0"
    assert about["threads"] == 1
    assert about["epoch"] == [1, 1]


def test_children_draw_different_random_numbers(worker: Any) -> None:
    tasks = [worker.start(number, do="describe") for number in range(4)]
    for task in tasks:
        worker.running(task)
    files = list(worker.folder.glob("about-*"))
    assert len({json.loads(file.read_text())["random"] for file in files}) == 4


def test_a_task_can_be_told_to_stop_before_its_first_line(worker: Any) -> None:
    for number in range(15):
        task = worker.start(number)
        worker.send(SetTarget("orders", TargetState.STOPPED))  # finds it just forked
        worker.status(task, State.STOPPED, pid=None)
    worker.signal(signal.SIGTERM)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained) == (0, True)
    assert [(result.status.state, result.status.failures) for result in outcome.tasks] == [(State.STOPPED, 0)] * 15


class Deaf:
    """Stands for a child that minds no signal, and that the kernel does not let go when it is killed."""

    pid = 4711
    title = "fastconnect task deaf-0"

    def __init__(self) -> None:
        self.got: list[signal.Signals] = []
        self.killed_by_us = False

    def send(self, number: signal.Signals) -> None:
        self.got.append(number)

    def kill(self) -> None:
        self.killed_by_us = True


def test_a_process_that_does_not_stop_is_asked_then_dumped_then_killed_then_given_up() -> None:
    child = Deaf()
    steps = StopSteps(child)  # type: ignore[arg-type]
    now = time.monotonic()
    steps.turn(now)
    assert not steps.asked
    steps.ask(signals.STOP, now + 5)
    steps.ask(signals.STOP, now + 9)  # a later deadline does not prolong the first
    steps.turn(now + 4.9)
    assert (child.got, steps.due) == ([signals.STOP, signals.STOP], now + 5)
    steps.turn(now + 5)
    assert (child.got[2:], steps.due, child.killed_by_us) == ([signals.DUMP], now + 6, False)
    steps.turn(now + 6)
    assert (child.killed_by_us, steps.lost) == (True, False)
    steps.turn(now + 3600)  # and it was not reaped
    assert (steps.lost, steps.due) == (True, None)


def test_a_process_with_two_threads_does_not_fork() -> None:
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match=r"must have one thread, this one has ([2-9]|[1-9]\d+):"):
            require_one_thread()
    finally:
        go_on.set()
        thread.join()
