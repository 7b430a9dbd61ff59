from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastconnect._core import boottime_ns
from fastconnect.states import Exit, State, TargetState, TaskId
from fastconnect.supervisor.control import (
    Finish,
    Ping,
    Pong,
    Remember,
    ResetTopics,
    RestartTask,
    RunConnector,
    SetLogLevel,
    SetTarget,
    StartTask,
    StopConnector,
    Stopping,
    StopTask,
    TaskStatus,
    TaskTopic,
)

MakeWorker = Callable[..., Any]
LEASE_LOST = "ended because its lease was over: another worker may own it now (exit code 77)"


# Topics


def topic_told(worker: Any, task: TaskId, topic: str) -> TaskTopic:
    told: TaskTopic = worker.report(lambda report: report == TaskTopic(task, topic), f"{topic} of {task}")
    return told


def test_each_topic_that_a_task_uses_is_told_once_also_when_its_process_is_another(worker: Any) -> None:
    task = worker.start(do="use-topics a b")
    pid = worker.running(task)
    topic_told(worker, task, "a")
    topic_told(worker, task, "b")
    os.kill(pid, signal.SIGKILL)
    worker.status(task, State.RUNNING, epoch=2)
    worker.send(ResetTopics("orders"))  # its answer proves that what came before was read
    topic_told(worker, task, "b")
    told = [report for report in worker.reports if isinstance(report, TaskTopic)]
    assert told == [TaskTopic(task, "a")]  # the one of the second round


def test_topics_of_another_connector_are_not_reset(worker: Any) -> None:
    mine, other = worker.start(do="use-topics a"), worker.start(do="use-topics a", connector="bills")
    for task in (mine, other):
        topic_told(worker, task, "a")
    worker.send(ResetTopics("orders"))
    topic_told(worker, mine, "a")
    assert TaskTopic(other, "a") not in worker.reports


def test_a_new_herder_is_told_of_the_topics_that_are_used(worker: Any) -> None:
    task = worker.start(do="use-topics a b")
    topic_told(worker, task, "b")
    os.kill(worker.herder_pid, signal.SIGKILL)
    worker.meet_herder()
    assert worker.inventory().topics == [TaskTopic(task, "a"), TaskTopic(task, "b")]


def test_a_new_herder_is_told_of_the_levels_that_were_set_in_their_order(worker: Any) -> None:
    worker.send(SetLogLevel("plugin", logging.DEBUG))
    worker.send(SetLogLevel("fastconnect.storage", logging.DEBUG, "org.apache.kafka.connect.storage"))
    worker.send(SetLogLevel("plugin", logging.WARNING))
    worker.running(worker.start())  # so that all of it was heard
    os.kill(worker.herder_pid, signal.SIGKILL)
    worker.meet_herder()
    levels = worker.inventory().levels
    assert [(each.logger, each.level) for each in levels] == [("org.apache.kafka.connect.storage", 10), ("plugin", 30)]
    assert 0 < levels[0].at_ms <= levels[1].at_ms


# A stuck herder


def test_a_herder_that_answers_nothing_is_replaced_and_no_task_notices(make_worker: MakeWorker) -> None:
    worker = make_worker(turn_ms=10)
    task = worker.start()
    pid = worker.running(task)
    worker.report(lambda report: isinstance(report, Ping), "a question whether the herder lives")
    before, silent, worker.herder = worker.herder_pid, worker.herder, None  # whose socket stays open
    assert worker.meet_herder() != before
    silent.close()
    (status,) = worker.inventory().tasks
    assert (status.id, status.pid, status.started_count) == (task, pid, 1)
    assert "Herder is stuck and will be replaced." in worker.text()


def test_a_herder_that_answers_is_left_alone(make_worker: MakeWorker) -> None:
    worker = make_worker(turn_ms=10)
    for _ in range(10):  # more turns than it may be silent
        worker.report(lambda report: isinstance(report, Ping), "a question whether the herder lives")
        worker.send(Pong())
    assert "stuck" not in worker.text()


# Log levels


def lines_of(worker: Any, task: TaskId) -> int:
    count: int = worker.text().count(f"DEBUG [{task.connector}|task-{task.task}] Fine print.")
    return count


def test_a_log_level_is_set_in_all_processes_also_in_later_ones(worker: Any, until: Callable[..., None]) -> None:
    worker.send(SetLogLevel("", logging.WARNING))
    old, other = worker.start(0, do="log plugin.part"), worker.start(1, do="log another")
    worker.running(old)
    worker.running(other)
    worker.send(SetLogLevel("plugin", logging.DEBUG))
    until(lambda: lines_of(worker, old) > 0, what="a line of the task that ran already")
    new = worker.start(2, do="log plugin.part")
    until(lambda: lines_of(worker, new) > 0, what="a line of the task that began later")
    assert lines_of(worker, other) == 0

    worker.send(SetLogLevel("", logging.WARNING))
    worker.send(RestartTask(old))
    worker.status(old, State.RUNNING, started_count=2)
    before = lines_of(worker, old)
    worker.running(worker.start(3))
    assert lines_of(worker, old) == before


# Leases


def in_ms(lease_ms: int) -> int:
    return boottime_ns() + lease_ms * 1_000_000


def test_a_stopped_task_ends_with_its_lease_and_stays_down_until_it_is_given_anew(worker: Any) -> None:
    task, config = TaskId("orders", 0), {"do": "guard-lease"}
    worker.send(StartTask(task, {}, config, lease_until_ns=in_ms(400)))
    os.kill(worker.running(task), signal.SIGSTOP)
    lost = worker.status(task, State.UNASSIGNED, pid=None)
    assert (lost.reason, lost.next_start_ms, lost.failures) == (LEASE_LOST, None, 0)

    worker.send(SetTarget("orders", TargetState.STARTED))
    worker.send(StartTask(TaskId("orders", 1), {}, {}))
    worker.running(TaskId("orders", 1))  # so the order before was seen, too
    worker.send(StartTask(task, {}, config, lease_until_ns=in_ms(60_000)))
    assert worker.status(task, State.RUNNING).started_count == 2


def test_a_task_whose_lease_is_over_is_not_started_before_it_is_prolonged(worker: Any) -> None:
    task, other = TaskId("orders", 0), TaskId("orders", 1)
    worker.send(StartTask(task, {}, {"do": "run"}, lease_until_ns=in_ms(-1)))
    worker.send(StartTask(other, {}, {"do": "run"}))
    worker.running(other)
    assert not [report for report in worker.reports if isinstance(report, TaskStatus) and report.id == task]
    worker.send(StartTask(task, {}, {"do": "run"}, lease_until_ns=in_ms(60_000)))
    assert worker.status(task, State.RUNNING).started_count == 1


def test_a_restarted_task_has_the_lease_of_the_one_before(worker: Any) -> None:
    task, config = TaskId("orders", 0), {"do": "guard-lease"}
    worker.send(StartTask(task, {}, config, lease_until_ns=in_ms(1_500)))
    os.kill(worker.running(task), signal.SIGKILL)
    worker.status(task, State.RUNNING, started_count=2)
    lost = worker.status(task, State.UNASSIGNED, pid=None)
    assert lost.started_count == 2


# Starting and restarting


def test_a_task_is_started_with_its_configs_and_says_that_it_runs(worker: Any) -> None:
    task = worker.start()
    status = worker.status(task, State.RUNNING)
    assert (status.slot, status.epoch, status.started_count, status.failures) == (0, 1, 1, 0)
    title = Path(f"/proc/{status.pid}/cmdline").read_bytes().rstrip(b"\0")
    assert title == b"fastconnect task orders-0"


def test_a_killed_task_is_restarted_at_once_and_says_why(make_worker: MakeWorker) -> None:
    worker = make_worker(restart_backoff_initial_ms=60_000, restart_backoff_max_ms=60_000)
    task = worker.start()
    pid = worker.running(task)
    os.kill(pid, signal.SIGKILL)
    status = worker.status(task, State.RESTARTING, pid=None)
    assert status.reason.startswith("killed by SIGKILL (")
    assert (status.next_start_ms, status.failures) == (0, 1)
    assert status.earlier == {} or status.earlier["polls"] >= 0
    again = worker.status(task, State.RUNNING)
    assert again.pid != pid
    assert (again.slot, again.epoch, again.started_count, again.reason) == (0, 2, 2, None)
    assert "polls" in again.earlier


def test_a_failing_task_is_restarted_with_a_growing_wait_and_at_last_left_failed(make_worker: MakeWorker) -> None:
    worker = make_worker(restart_backoff_initial_ms=20, restart_backoff_max_ms=70, restart_max_failures=5)
    task = worker.start(do="exit 70")
    waits = [worker.status(task, State.RESTARTING, failures=failures).next_start_ms for failures in (1, 2, 3, 4)]
    for wait, longest in zip(waits, (20, 40, 70, 70), strict=True):
        assert longest * 0.75 - 2 <= wait <= longest
    failed = worker.status(task, State.FAILED)
    assert failed.reason == "failed 5 times in a row, at last: failed (exit code 70)"
    assert (failed.pid, failed.next_start_ms, failed.started_count) == (None, None, 5)
    worker.signal(signal.SIGTERM)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained) == (1, False)
    assert outcome.tasks[0].counters["records_polled"] == 25  # of all five processes


def test_the_count_of_failures_is_clean_after_a_time_of_health(make_worker: MakeWorker) -> None:
    worker = make_worker(restart_healthy_after_ms=50)
    task = worker.start()
    os.kill(worker.running(task), signal.SIGKILL)
    worker.status(task, State.RUNNING, failures=1)
    worker.status(task, State.RUNNING, failures=0)


def test_an_error_that_a_restart_would_meet_again_leaves_the_task_failed(worker: Any) -> None:
    task = worker.start(do=f"fail-with {Exit.UNUSABLE}")
    failed = worker.status(task, State.FAILED, pid=None)
    assert (failed.reason, failed.trace, failed.started_count) == ("the source is broken", "Traceback: here", 1)


def test_what_a_task_says_of_its_failure_is_kept_while_it_waits(worker: Any) -> None:
    task = worker.start(do=f"fail-with {Exit.FAILED}")
    waiting = worker.status(task, State.RESTARTING, pid=None)
    assert (waiting.reason, waiting.trace) == ("the source is broken", "Traceback: here")


def test_a_used_up_client_is_replaced_at_once(make_worker: MakeWorker) -> None:
    worker = make_worker(restart_backoff_initial_ms=60_000, restart_backoff_max_ms=60_000)
    task = worker.start(do="fatal-client-once")
    assert worker.status(task, State.RESTARTING).reason == "ended because its Kafka client is beyond use (exit code 75)"
    assert worker.status(task, State.RUNNING).started_count == 2


def test_a_task_that_has_lost_its_lease_is_not_restarted(worker: Any) -> None:
    task = worker.start(do=f"exit {Exit.LEASE_LOST}")
    worker.status(task, State.UNASSIGNED, reason=LEASE_LOST, next_start_ms=None)
    worker.signal(signal.SIGTERM)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.tasks[0].status.started_count) == (0, 1)


def test_a_crash_in_native_code_is_told_with_what_the_threads_did(worker: Any) -> None:
    task = worker.start(do="segfault")
    status = worker.status(task, State.RESTARTING, pid=None)
    assert status.reason == "killed by SIGSEGV (a crash in native code)"
    assert "in _segfault" in status.trace


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("exit 0", "ended with exit code 0 though it was not told to stop"),
        ("exit 3", "ended (exit code 3)"),
        ("raise no", "failed (exit code 70)"),
        ("sys-exit", "failed (exit code 70)"),
    ],
)
def test_an_end_that_nobody_asked_for_is_a_failure(worker: Any, do: str, reason: str) -> None:
    task = worker.start(do=do)
    assert worker.status(task, State.RESTARTING, pid=None).reason == reason


def test_a_task_at_the_end_of_its_source_is_not_restarted(worker: Any) -> None:
    task = worker.start(do="end")
    status = worker.status(task, State.STOPPED, pid=None)
    assert (status.reason, status.next_start_ms) == ("it has reached the end of its source", None)
    worker.send(StartTask(task, {"name": "orders"}, {"do": "end"}))  # as a new herder might
    worker.send(SetTarget("orders", TargetState.STARTED))
    worker.send(RestartTask(task))
    assert worker.status(task, State.STOPPED, pid=None, reason="it has reached the end of its source").started_count == 2
    worker.send(Finish(0, "done"))
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.reason, outcome.tasks[0].counters["at_end"]) == (0, "done", 1)


def test_rubbish_in_the_shared_memory_does_no_harm(worker: Any) -> None:
    other = worker.start(1)
    pid = worker.running(other)
    task = worker.start(do="scribble")
    for failures in (1, 2, 3):
        worker.status(task, State.RESTARTING, failures=failures)
    worker.send(StopTask(task))
    worker.send(SetTarget("orders", TargetState.PAUSED))
    assert worker.status(other, State.PAUSED).pid == pid


def test_a_task_that_makes_no_turn_is_called_stuck_and_left_alone(make_worker: MakeWorker) -> None:
    worker = make_worker(stuck_after_ms=30)
    task = worker.start(do="silent-for-a-while")
    pid = worker.running(task)
    worker.status(task, State.RUNNING, pid=pid, reason="its loop makes no turn: its poll or put may be blocked")
    (worker.folder / "go-on").touch()
    worker.status(task, State.RUNNING, pid=pid, reason=None)


# Orders


def test_tasks_are_paused_and_resumed_without_a_new_process(worker: Any) -> None:
    tasks = [worker.start(0), worker.start(1), worker.start(0, connector="other")]
    pids = [worker.running(task) for task in tasks]
    worker.send(SetTarget("orders", TargetState.PAUSED))
    assert [worker.status(task, State.PAUSED).pid for task in tasks[:2]] == pids[:2]
    worker.send(SetTarget("orders", TargetState.STARTED))
    assert [worker.running(task) for task in tasks[:2]] == pids[:2]


def test_a_task_can_begin_paused(worker: Any) -> None:
    task = worker.start(target=TargetState.PAUSED)
    worker.status(task, State.PAUSED)


def test_stopped_tasks_have_no_process_until_they_are_wanted_again(worker: Any) -> None:
    task = worker.start()
    pid = worker.running(task)
    worker.send(SetTarget("orders", TargetState.STOPPED))
    worker.status(task, State.STOPPED, pid=None)
    worker.send(SetTarget("orders", TargetState.STARTED))
    assert worker.running(task) != pid


def test_a_stopped_task_is_forgotten_and_its_slot_gets_a_new_epoch(make_worker: MakeWorker) -> None:
    worker = make_worker(slots_max=1)
    first = worker.start(0)
    worker.running(first)
    second = worker.start(1)
    refused = worker.status(second, State.FAILED)
    assert refused.reason == "all 1 slots of this worker are taken; slots.max sets how many there are"
    worker.send(StopTask(first))
    worker.status(first, State.STOPPED, pid=None)
    worker.start(1)
    assert worker.status(second, State.RUNNING).epoch == 2
    worker.signal(signal.SIGTERM)
    assert [task.status.id for task in worker.outcome().tasks] == [second]


def test_changed_configs_mean_a_new_process_and_equal_ones_do_not(worker: Any) -> None:
    task = worker.start()
    pid = worker.running(task)
    worker.send(StartTask(task, {"name": "orders"}, {"do": "run"}, TargetState.PAUSED))
    assert worker.status(task, State.PAUSED).pid == pid
    worker.send(StartTask(task, {"name": "orders"}, {"do": "run", "more": "1"}))
    assert worker.running(task) != pid


def test_how_many_tasks_there_may_be_is_no_change_to_one_of_them(worker: Any) -> None:
    task = worker.start()
    pid = worker.running(task)
    worker.send(StartTask(task, {"name": "orders", "tasks.max": "7"}, {"do": "run", "tasks.max": "7"}, TargetState.PAUSED))
    assert worker.status(task, State.PAUSED).pid == pid


def test_what_a_herder_wants_to_be_remembered_is_given_to_the_next_one(worker: Any) -> None:
    task = worker.start()
    worker.running(task)
    worker.send(Remember(b"first"))
    worker.send(Remember(b"second"))
    worker.send(RestartTask(TaskId("nobody", 4)))
    worker.status(TaskId("nobody", 4), State.UNASSIGNED)  # so what was sent before has come
    os.kill(worker.herder_pid, signal.SIGKILL)
    worker.meet_herder()
    inventory = worker.inventory()
    assert inventory.remembered == b"second"
    assert [status.id for status in inventory.tasks] == [task]


def test_what_forgotten_tasks_have_counted_is_in_the_outcome(worker: Any) -> None:
    for number in range(2):
        task = worker.start(number)
        worker.running(task)
        worker.send(StopTask(task))
        worker.status(task, State.STOPPED, pid=None)
    worker.signal(signal.SIGTERM)
    outcome = worker.outcome()
    assert (outcome.tasks, outcome.forgotten["records_flushed"]) == ([], 14)


def test_a_restart_brings_a_failed_task_back_with_a_clean_count(make_worker: MakeWorker) -> None:
    worker = make_worker(restart_max_failures=2)
    task = worker.start(do="exit 70")
    worker.status(task, State.FAILED)
    worker.send(RestartTask(task))
    worker.status(task, State.RESTARTING, failures=0)
    worker.status(task, State.RESTARTING, failures=1)
    worker.status(task, State.FAILED)


def test_a_restart_replaces_a_running_process(worker: Any) -> None:
    task = worker.start()
    pid = worker.running(task)
    worker.send(RestartTask(task))
    assert worker.running(task) != pid


def test_an_order_for_an_unknown_task_is_answered(worker: Any) -> None:
    worker.send(StopTask(TaskId("nobody", 4)))  # is as it should be, which somebody may wait for
    worker.status(TaskId("nobody", 4), State.STOPPED, pid=None)
    worker.send(RestartTask(TaskId("nobody", 4)))
    assert worker.status(TaskId("nobody", 4), State.UNASSIGNED).reason == "no such task is running"


# Stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_tasks_after_they_have_drained(worker: Any, number: signal.Signals) -> None:
    tasks = [worker.start(index, do="run drain-slowly") for index in range(3)]
    for task in tasks:
        worker.running(task)
    worker.signal(number)
    assert worker.report(lambda report: isinstance(report, Stopping), "Stopping").reason == f"stopped by {number.name}"
    for task in tasks:
        worker.status(task, State.STOPPED, pid=None)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained, outcome.reason) == (0, True, f"stopped by {number.name}")
    assert [task.counters["records_flushed"] for task in outcome.tasks] == [7, 7, 7]


def test_a_second_signal_ends_everything_at_once(make_worker: MakeWorker) -> None:
    worker = make_worker(task_shutdown_graceful_timeout_ms=3_600_000)
    stuck, good = worker.start(0, do="block"), worker.start(1)
    worker.running(stuck)
    worker.running(good)
    worker.signal(signal.SIGINT)
    worker.status(good, State.STOPPED, pid=None)
    worker.signal(signal.SIGINT)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained) == (3, False)
    assert outcome.reason == "stopped by SIGINT; did not end in time and had to be killed: orders-0"


def test_a_task_that_does_not_stop_says_what_it_does_and_is_killed(make_worker: MakeWorker) -> None:
    worker = make_worker(task_shutdown_graceful_timeout_ms=50)
    task = worker.start(do="block")
    worker.running(task)
    worker.signal(signal.SIGTERM)
    status = worker.status(task, State.STOPPED, pid=None)
    assert status.reason == "did not stop in time and was killed by SIGKILL"
    assert "in _block_in_the_plugin" in status.trace
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained) == (3, False)
    assert "_block_in_the_plugin" in worker.text()


def test_a_failure_while_stopping_shows_in_the_exit_code(make_worker: MakeWorker) -> None:
    worker = make_worker()
    task = worker.start(do="silent-for-a-while")
    pid = worker.running(task)
    worker.signal(signal.SIGTERM)
    worker.report(lambda report: isinstance(report, Stopping), "Stopping")
    os.kill(pid, signal.SIGSEGV)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained) == (1, False)
    assert outcome.tasks[0].status.reason == "killed by SIGSEGV (a crash in native code)"


def test_the_herder_may_finish_with_an_exit_code_of_its_own(worker: Any) -> None:
    task = worker.start()
    worker.running(task)
    worker.send(Finish(4, "2 of 8 tasks failed"))
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained, outcome.reason) == (4, True, "2 of 8 tasks failed")


def test_a_signal_while_finishing_still_lets_the_tasks_drain(worker: Any) -> None:
    task = worker.start(do="run drain-slowly")
    worker.running(task)
    worker.send(Finish(0, "done"))
    worker.report(lambda report: isinstance(report, Stopping), "Stopping")
    worker.signal(signal.SIGINT)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.drained, outcome.reason) == (0, True, "done")


def test_the_herder_ends_last(worker: Any) -> None:
    pid = worker.herder_pid
    task = worker.start(do="run drain-slowly")
    task_pid = worker.running(task)
    worker.signal(signal.SIGTERM)
    worker.status(task, State.STOPPED, pid=None)
    assert not Path(f"/proc/{task_pid}").exists()
    worker.outcome()
    assert not Path(f"/proc/{pid}").exists()


def test_nothing_is_restarted_while_stopping(make_worker: MakeWorker) -> None:
    worker = make_worker(restart_backoff_initial_ms=60_000, restart_backoff_max_ms=60_000)
    waiting = worker.start(0, do="exit 70")
    worker.status(waiting, State.RESTARTING)
    blocked = worker.start(1, do="silent-for-a-while")
    worker.running(blocked)
    worker.signal(signal.SIGTERM)
    worker.status(waiting, State.STOPPED, next_start_ms=None)
    os.kill(worker.herder_pid, signal.SIGKILL)  # nor is the herder
    (worker.folder / "go-on").touch()
    assert worker.outcome().exit_code == 0


# The herder


def test_a_killed_herder_is_replaced_and_no_task_notices(worker: Any) -> None:
    tasks = [worker.start(index) for index in range(3)]
    pids = {task: worker.running(task) for task in tasks}
    old = worker.herder_pid
    os.kill(old, signal.SIGKILL)
    assert worker.meet_herder() != old
    inventory = worker.report(lambda _: True, "the first report")
    assert {status.id: status.pid for status in inventory.tasks} == pids
    assert {status.state for status in inventory.tasks} == {State.RUNNING}
    worker.send(SetTarget("orders", TargetState.PAUSED))
    assert [worker.status(task, State.PAUSED).pid for task in tasks] == list(pids.values())


def test_a_herder_that_sends_rubbish_is_replaced(worker: Any) -> None:
    task = worker.start()
    pid = worker.running(task)
    worker.herder.sendall(b"\xff" * 100)
    worker.meet_herder()
    assert worker.inventory().tasks[0].pid == pid


def test_a_herder_that_does_not_read_holds_up_nothing(worker: Any) -> None:
    (worker.folder / "herder-deaf").touch()
    for number in range(5_000):  # more than fits into the socket
        worker.send(RestartTask(TaskId("nobody", number)))
    task = worker.start(do="fork-a-child")
    while not (worker.folder / "grandchild").exists():
        assert worker.process.poll() is None
    worker.send(SetTarget("orders", TargetState.PAUSED))
    (worker.folder / "herder-deaf").unlink()
    heard: set[int] = set()
    while len(heard) < 5_000:
        status = worker.report(lambda report: isinstance(report, TaskStatus), "all statuses")
        if status.id.connector == "nobody":
            heard.add(status.id.task)
    worker.send(SetTarget("orders", TargetState.STARTED))
    worker.status(task, State.RUNNING)


def test_a_herder_that_cannot_be_started_ends_the_command(make_worker: MakeWorker) -> None:
    worker = make_worker()
    (worker.folder / "herder-exit").write_text(str(int(Exit.UNUSABLE)))
    os.kill(worker.herder_pid, signal.SIGKILL)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.reason) == (1, "the herder can't be started; its log says why")


def test_a_herder_that_always_fails_ends_a_command_without_tasks(make_worker: MakeWorker) -> None:
    worker = make_worker(restart_max_failures=3)
    (worker.folder / "herder-exit").write_text("70")
    os.kill(worker.herder_pid, signal.SIGKILL)
    outcome = worker.outcome()
    assert (outcome.exit_code, outcome.reason) == (1, "the herder failed 3 times in a row")


# Connector processes


def test_a_connector_is_asked_in_a_process_of_its_own(worker: Any) -> None:
    worker.send(RunConnector(1, "validate", "orders", {}))
    body = worker.answer(1).body.decode().split()
    assert body[:3] == ["validate", "orders", "16"]
    assert int(body[3]) not in (worker.process.pid, worker.herder_pid)


def test_many_questions_are_all_answered(worker: Any) -> None:
    for request in range(20):
        worker.send(RunConnector(request, "task_configs", f"c{request}", {}))
    answered = {worker.report(lambda _: True, "an answer").request for _ in range(20)}
    assert answered == set(range(20))


def test_a_large_answer_arrives_whole(worker: Any) -> None:
    worker.send(RunConnector(1, "task_configs", "orders", {"do": "large"}))
    assert worker.answer(1).body == b"x" * 10_000_000


@pytest.mark.parametrize(
    ("do", "error"),
    [
        ("raise", "connector orders, validating its config: ValueError: no such folder"),
        ("crash", "connector orders, validating its config: its process was killed by SIGSEGV (a crash in native code)"),
        ("exit", "connector orders, validating its config: its process ended without an answer"),
    ],
)
def test_a_connector_that_fails_is_answered_with_a_sentence(worker: Any, do: str, error: str) -> None:
    worker.send(RunConnector(3, "validate", "orders", {"do": do}))
    answer = worker.answer(3)
    assert answer.body is None
    assert answer.error.split("\n")[0] == error


def test_a_connector_that_hangs_is_killed_in_time(worker: Any) -> None:
    worker.send(RunConnector(3, "task_configs", "orders", {"do": "hang"}, timeout_ms=50))
    assert worker.answer(3).error == (
        "connector orders, dividing its work into tasks: it did not end within 50 ms and was killed"
    )


def test_stopping_does_not_wait_for_a_connector(worker: Any) -> None:
    worker.send(RunConnector(3, "validate", "orders", {"do": "hang"}))
    worker.send(Finish(0, "enough"))
    assert worker.answer(3).error == "the worker is being stopped"
    assert worker.outcome().exit_code == 0


# What is left behind: nothing


def test_kill_9_of_the_supervisor_leaves_no_process_and_no_shared_memory(worker: Any, gone: Callable[[int], None]) -> None:
    shared = set(os.listdir("/dev/shm"))
    pids = [worker.running(worker.start(index, do=do)) for index, do in enumerate(["run", "block", "run"])]
    worker.send(RunConnector(3, "validate", "orders", {"do": "hang"}))
    worker.signal(signal.SIGKILL)
    worker.process.wait()
    for pid in [*pids, worker.herder_pid]:
        gone(pid)
    assert set(os.listdir("/dev/shm")) == shared


def test_what_a_plugin_has_started_goes_with_its_task(worker: Any, gone: Callable[[int], None]) -> None:
    task = worker.start(do="fork-a-child")
    pid = worker.running(task)
    os.kill(pid, signal.SIGKILL)
    gone(int((worker.folder / "grandchild").read_text()))


def test_what_a_plugin_has_detached_ends_at_the_latest_with_the_worker(worker: Any, gone: Callable[[int], None]) -> None:
    task = worker.start(do="fork-a-child of-its-own")
    worker.running(task)
    worker.signal(signal.SIGTERM)
    worker.outcome()
    gone(int((worker.folder / "grandchild").read_text()))


# The supervisor is bare


def test_importing_the_supervisor_starts_no_thread_and_opens_no_file() -> None:
    script = (
        "import os, sys\nimport fastconnect.supervisor.supervisor\n"
        "fds = [fd for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd)]\n"
        "foreign = {'confluent_kafka', 'http.server', 'asyncio', 'ssl', 'sqlite3', 'fastconnect.plugins', 'rich', 'click'}\n"
        "print(len(os.listdir('/proc/self/task')), sorted(map(int, fds)), sorted(foreign & sys.modules.keys()))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "1 [0, 1, 2] []\n"


def test_a_running_supervisor_has_one_thread_and_few_files(worker: Any) -> None:
    worker.running(worker.start())
    process = Path(f"/proc/{worker.process.pid}")
    assert len(list((process / "task").iterdir())) == 1
    links = [os.readlink(fd) for fd in (process / "fd").iterdir()]
    kinds = sorted(link.partition(":")[0].partition(" ")[0] for link in links if not link.startswith(("/dev", "/tmp")))
    # selector, doorbell, a pidfd and a dump each for herder and task, levels, lifeline and signals (both ends), the herder's
    assert [kind for kind in kinds if kind.startswith("anon")] == ["anon_inode"] * 4
    assert [kind for kind in kinds if not kind.startswith("anon")] == [*["/memfd"] * 3, *["pipe"] * 4, "socket"]


def test_a_connector_that_watches_answers_again_and_is_asked_to_stop_at_the_end(worker: Any) -> None:
    worker.send(RunConnector(1, "task_configs", "orders", {"do": "watch"}))
    first = worker.answer(1)
    assert (first.body, first.goes_on) == (b"first", True)
    (worker.folder / "changed").touch()
    again = worker.answer(1)
    assert (again.body, again.goes_on) == (b"again", True)
    worker.send(RunConnector(2, "validate", "orders", {}))
    assert worker.answer(2).body is not None, "others have their turn meanwhile"
    worker.signal(signal.SIGTERM)
    worker.outcome()
    assert (worker.folder / "watcher-stopped").exists()


def test_a_connector_that_breaks_while_it_watches_is_told(worker: Any) -> None:
    worker.send(RunConnector(1, "watch", "orders", {"do": "watch"}))
    assert worker.answer(1).goes_on
    (worker.folder / "broken").touch()
    last = worker.answer(1)
    assert (last.error, last.goes_on) == ("connector orders, watching its source: ValueError: the source is gone", False)


def test_a_connector_is_watched_by_one_process_only(worker: Any, until: Callable[..., None]) -> None:
    worker.send(RunConnector(1, "task_configs", "orders", {"do": "watch"}))
    assert worker.answer(1).goes_on
    worker.send(RunConnector(2, "task_configs", "orders", {}))
    assert worker.answer(2).body is not None
    until((worker.folder / "watcher-stopped").exists)


def test_a_connector_can_be_told_to_watch_no_more(worker: Any, until: Callable[..., None]) -> None:
    worker.send(RunConnector(1, "task_configs", "orders", {"do": "watch"}))
    assert worker.answer(1).goes_on
    worker.send(StopConnector("orders"))
    until((worker.folder / "watcher-stopped").exists)


def test_a_connector_with_nothing_to_watch_may_be_silent(worker: Any) -> None:
    worker.send(RunConnector(1, "watch", "orders", {"do": "silent"}))
    answer = worker.answer(1)
    assert (answer.body, answer.error, answer.goes_on) == (None, None, False)
    worker.send(RunConnector(2, "watch", "orders", {"do": "exit"}))
    assert worker.answer(2).error == "connector orders, watching its source: its process ended without an answer"
