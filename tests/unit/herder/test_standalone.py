from __future__ import annotations

import socket
import threading

import msgspec
import pytest

from fastconnect._core import StatusRegion
from fastconnect.errors import Fault
from fastconnect.herder import standalone
from fastconnect.herder.connector_report import ConnectorReport, Failure
from fastconnect.herder.refusals import ConnectorNotFoundError, TaskNotFoundError
from fastconnect.herder.snapshot import ConnectorSpec
from fastconnect.states import State, TargetState, TaskId
from fastconnect.supervisor.control import (
    Command,
    ConnectorAnswer,
    Finish,
    FrameReader,
    Inventory,
    RestartTask,
    RunConnector,
    SetTarget,
    StartTask,
    StopConnector,
    Stopping,
    StopTask,
    TaskStatus,
    frame,
)
from fastconnect.supervisor.restarts import RestartPolicy

MAX_FAILURES = 3


def retries() -> RestartPolicy:
    return RestartPolicy(first_wait_ms=100, limit_ms=1000, max_failures=MAX_FAILURES, jitter=lambda: 1.0)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Worker:
    """A supervisor's end of the conversation: the commands it got, and what it reports."""

    def __init__(self, *names: str, until_done: bool = True, inventory: Inventory | None = None, **spec) -> None:
        self.commands: list[Command] = []
        self.clock = Clock()
        self.region = StatusRegion(16, 4096)
        self.herder = standalone.StandaloneHerder(
            [ConnectorSpec(name=name, config={"name": name}, **spec) for name in names],
            self.commands.append,
            self.region,
            retries,
            until_done=until_done,
            clock=self.clock,
        )
        self.herder.hear(inventory or Inventory([]))

    def taken(self, kind: type) -> list[Command]:
        """The commands of this kind that came since the last time."""
        taken = [command for command in self.commands if isinstance(command, kind)]
        self.commands[:] = [command for command in self.commands if not isinstance(command, kind)]
        return taken

    def answer(self, **report) -> None:
        """Answer every connector that was asked."""
        for request in self.taken(RunConnector):
            body = msgspec.msgpack.encode(ConnectorReport(**report))
            self.herder.hear(ConnectorAnswer(request.request, body))

    def runs(
        self, connector: str, task: int, slot: int, epoch: int = 1, *, earlier: dict[str, int] | None = None, **counters: int
    ) -> None:
        """A process of the task runs in this slot and has counted this, after earlier ones had counted that."""
        self.region.page(slot).reset(epoch)
        self.counts(slot, **counters)
        status = TaskStatus(TaskId(connector, task), slot, epoch, State.RUNNING, pid=100 + slot, started_count=epoch)
        status.earlier = earlier or {}
        self.herder.hear(status)

    def counts(self, slot: int, **counters: int) -> None:
        for name, value in counters.items():
            setattr(self.region.page(slot), name, value)

    def fails(self, connector: str, task: int, slot: int, epoch: int = 1, reason: str = "bad luck") -> None:
        self.herder.hear(TaskStatus(TaskId(connector, task), slot, epoch, State.FAILED, reason=reason))

    def finished(self) -> tuple[int, str] | None:
        self.herder.turn()
        finish = self.taken(Finish)
        return (finish[0].exit_code, finish[0].reason) if finish else None


def test_every_connector_is_asked_for_its_tasks():
    worker = Worker("a", "b")

    assert [(each.name, each.action, each.config) for each in worker.taken(RunConnector)] == [
        ("a", "task_configs", {"name": "a"}),
        ("b", "task_configs", {"name": "b"}),
    ]


def test_the_tasks_start_with_their_configs_and_task_0_comes_last():
    worker = Worker("a")
    worker.answer(task_configs=[{"task": "0"}, {"task": "1"}, {"task": "2"}])

    started = worker.taken(StartTask)

    assert [each.id.task for each in started] == [2, 1, 0]
    assert [each.task_config for each in started] == [{"task": "2"}, {"task": "1"}, {"task": "0"}]
    assert all(each.connector_config == {"name": "a"} for each in started)


def test_a_connector_that_is_to_be_paused_starts_its_tasks_paused():
    worker = Worker("a", target=TargetState.PAUSED)
    worker.answer(task_configs=[{}])

    assert [each.target for each in worker.taken(StartTask)] == [TargetState.PAUSED]


def test_a_connector_that_is_to_be_stopped_is_not_asked_and_does_not_hold_up_the_end():
    worker = Worker("a", target=TargetState.STOPPED)

    assert worker.taken(RunConnector) == []
    assert worker.finished() == (0, "done")


def test_no_task_starts_before_every_connector_has_answered():
    worker = Worker("a", "b")
    first, second = worker.taken(RunConnector)
    body = msgspec.msgpack.encode(ConnectorReport(task_configs=[{}]))

    worker.herder.hear(ConnectorAnswer(first.request, body))
    assert worker.taken(StartTask) == []

    worker.herder.hear(ConnectorAnswer(second.request, body))
    assert len(worker.taken(StartTask)) == 2


def test_all_faults_of_all_connectors_are_told_at_once_with_exit_code_2_and_no_task_starts():
    worker = Worker("a", "b", origin="x.json")
    worker.answer(faults=[Fault("topic", "is missing"), Fault("tasks.max", "must be at least 1")])

    (finish,) = worker.taken(Finish)

    assert finish.exit_code == 2
    assert finish.reason.splitlines() == [
        "the configuration has 4 faults, so nothing was started",
        "connector a (x.json):",
        "  - topic: is missing",
        "  - tasks.max: must be at least 1",
        "connector b (x.json):",
        "  - topic: is missing",
        "  - tasks.max: must be at least 1",
    ]
    assert worker.commands == []
    assert worker.finished() is None


def test_a_failed_connector_is_asked_again_after_a_wait_that_doubles():
    worker = Worker("a")
    worker.answer(failure=Failure("no route to the source", "trace", retry_helps=True))
    worker.herder.turn()
    assert worker.taken(RunConnector) == []

    worker.clock.seconds = 0.1
    worker.herder.turn()
    worker.answer(failure=Failure("no route to the source", "trace", retry_helps=True))
    worker.clock.seconds = 0.29
    worker.herder.turn()
    assert worker.taken(RunConnector) == []

    worker.clock.seconds = 0.31
    worker.herder.turn()
    worker.answer(task_configs=[{}])
    assert len(worker.taken(StartTask)) == 1


def test_the_other_connectors_run_while_a_failed_one_waits():
    worker = Worker("a", "b")
    first, second = worker.taken(RunConnector)
    worker.herder.hear(ConnectorAnswer(first.request, error="killed by SIGSEGV"))
    worker.herder.hear(ConnectorAnswer(second.request, msgspec.msgpack.encode(ConnectorReport(task_configs=[{}]))))

    assert [each.id.connector for each in worker.taken(StartTask)] == ["b"]
    assert worker.herder.status("a").reason == "killed by SIGSEGV"


def test_a_connector_whose_failure_a_retry_does_not_mend_fails_the_job():
    worker = Worker("a")
    worker.answer(failure=Failure("more tasks than allowed", "trace", retry_helps=False))

    exit_code, reason = worker.finished()

    assert exit_code == 1
    assert "a: more tasks than allowed" in reason


def test_a_connector_that_fails_again_and_again_is_left_failed():
    worker = Worker("a")
    for _ in range(MAX_FAILURES):
        worker.answer(failure=Failure("no route", "trace", retry_helps=True))
        worker.clock.seconds += 10
        worker.herder.turn()

    assert worker.taken(RunConnector) == []
    assert worker.herder.status("a").state is State.FAILED
    assert [each.exit_code for each in worker.taken(Finish)] == [1]


def test_an_unreadable_answer_is_a_failure():
    worker = Worker("a")
    (request,) = worker.taken(RunConnector)
    worker.herder.hear(ConnectorAnswer(request.request, b"\xc1"))

    assert "no readable answer" in (worker.herder.status("a").reason or "")


def test_the_job_is_done_when_every_task_of_every_connector_is_at_its_end():
    worker = Worker("a", "b")
    worker.answer(task_configs=[{}, {}])
    for slot, (connector, task) in enumerate([("a", 0), ("a", 1), ("b", 0), ("b", 1)]):
        assert worker.finished() is None
        worker.runs(connector, task, slot, at_end=1)

    assert worker.finished() == (0, "done")


def test_nothing_is_done_before_the_herder_knows_what_runs():
    commands: list[Command] = []
    spec = ConnectorSpec(name="a", config={"name": "a"})
    herder = standalone.StandaloneHerder([spec], commands.append, StatusRegion(2, 4096), retries, until_done=True)

    herder.turn()

    assert commands == []


def test_done_is_said_once():
    worker = Worker("a")
    worker.answer(task_configs=[{}])
    worker.runs("a", 0, 0, at_end=1)

    assert worker.finished() == (0, "done")
    assert worker.finished() is None


def test_without_until_done_nothing_finishes():
    worker = Worker("a", until_done=False)
    worker.answer(task_configs=[{}])
    worker.runs("a", 0, 0, at_end=1)

    assert worker.finished() is None


def test_a_task_started_anew_is_not_at_its_end_because_the_process_before_was():
    worker = Worker("a")
    worker.answer(task_configs=[{}, {}])
    worker.runs("a", 0, 0, at_end=1)
    worker.runs("a", 1, 1)
    worker.herder.turn()
    worker.region.page(0).reset(2)
    worker.counts(1, at_end=1)

    assert worker.finished() is None
    worker.runs("a", 0, 0, epoch=2, at_end=1)
    assert worker.finished() == (0, "done")


def test_a_page_of_a_process_that_is_not_known_yet_does_not_count():
    worker = Worker("a")
    worker.answer(task_configs=[{}])
    worker.runs("a", 0, 0)
    worker.region.page(0).reset(2)
    worker.counts(0, at_end=1)

    assert worker.finished() is None


def test_a_task_that_failed_for_good_fails_the_job_when_the_others_are_at_their_end():
    worker = Worker("a")
    worker.answer(task_configs=[{}, {}])
    worker.runs("a", 0, 0)
    worker.fails("a", 1, 1, reason="orders.jsonl line 7: is not JSON")
    assert worker.finished() is None

    worker.counts(0, at_end=1)
    assert worker.finished() is None
    worker.clock.seconds += 1

    exit_code, reason = worker.finished()
    assert exit_code == 1
    assert "1 of 2 failed" in reason
    assert "a-1: orders.jsonl line 7: is not JSON" in reason


def test_a_task_that_waits_to_be_started_again_is_waited_for():
    worker = Worker("a")
    worker.answer(task_configs=[{}])
    worker.herder.hear(TaskStatus(TaskId("a", 0), 0, 1, State.RESTARTING, reason="killed by SIGKILL", next_start_ms=100))

    assert worker.finished() is None


def test_a_task_that_says_it_failed_may_come_back_while_its_process_lives_or_has_just_ended():
    worker = Worker("a")
    worker.answer(task_configs=[{}])
    worker.herder.hear(TaskStatus(TaskId("a", 0), 0, 1, State.FAILED, pid=7))
    worker.clock.seconds += 1
    assert worker.finished() is None

    worker.fails("a", 0, 0)
    assert worker.finished() is None
    worker.herder.hear(TaskStatus(TaskId("a", 0), 0, 1, State.RESTARTING, next_start_ms=100))
    worker.clock.seconds += 1
    assert worker.finished() is None


def test_a_connector_without_tasks_is_done():
    worker = Worker("a")
    worker.answer(task_configs=[])

    assert worker.finished() == (0, "done")


def test_a_new_herder_goes_on_with_what_runs_without_touching_it():
    running = [TaskStatus(TaskId("a", task), task, 1, State.RUNNING, pid=5 + task, started_count=1) for task in (0, 1)]
    worker = Worker("a", inventory=Inventory(running))
    worker.region.page(0).reset(1)
    worker.region.page(1).reset(1)
    worker.counts(0, at_end=1)
    assert worker.finished() is None
    assert [(command.action, command.name) for command in worker.commands] == [("watch", "a")]

    worker.counts(1, at_end=1)

    assert worker.finished() == (0, "done")


def test_a_new_herder_starts_what_the_one_before_was_killed_over():
    running = [TaskStatus(TaskId("a", task), task, 1, State.RUNNING) for task in (2, 3)]
    worker = Worker("a", inventory=Inventory(running))
    worker.answer(task_configs=[{"task": str(task)} for task in range(3)])

    assert [each.id.task for each in worker.taken(StartTask)] == [2, 1, 0]
    assert worker.taken(StopTask) == [StopTask(TaskId("a", 3))]


def test_a_task_of_a_connector_that_is_not_wanted_is_stopped():
    worker = Worker("a", inventory=Inventory([TaskStatus(TaskId("old", 0), 0, 1, State.RUNNING)]))

    assert worker.taken(StopTask) == [StopTask(TaskId("old", 0))]


def test_a_herder_that_comes_back_while_the_worker_stops_starts_nothing():
    worker = Worker("a", inventory=Inventory([], stopping=True))
    worker.herder.turn()

    assert worker.commands == []


def test_nothing_starts_after_the_worker_began_to_stop():
    worker = Worker("a")
    worker.herder.hear(Stopping("SIGTERM"))
    worker.answer(task_configs=[{}])

    assert worker.finished() is None
    assert worker.commands == []
    assert worker.herder.snapshot().stopping == "SIGTERM"


def test_the_counts_of_all_processes_of_a_task_are_shown_together():
    worker = Worker("a", until_done=False)
    worker.answer(task_configs=[{}])
    worker.runs(
        "a", 0, 0, epoch=2, earlier={"records_polled": 10, "source_position": 100}, records_polled=3, source_position=70
    )
    worker.herder.turn()

    (task,) = worker.herder.snapshot().tasks

    assert task.counters["records_polled"] == 13
    assert task.counters["source_position"] == 70
    assert task.restarts == 1


def test_what_may_be_asked_and_told():
    worker = Worker("a")
    worker.answer(task_configs=[{"k": "v"}])
    worker.commands.clear()

    assert worker.herder.connectors() == ["a"]
    assert worker.herder.config("a") == {"name": "a"}
    assert worker.herder.task_configs("a") == {TaskId("a", 0): {"k": "v"}}
    worker.herder.set_target("a", TargetState.PAUSED)
    worker.herder.restart_task(TaskId("a", 0))
    assert worker.herder.status("a").state is State.PAUSED
    assert worker.commands == [SetTarget("a", TargetState.PAUSED), RestartTask(TaskId("a", 0))]


def test_an_unknown_connector_or_task_is_told_in_kafka_connects_words():
    worker = Worker("a")

    with pytest.raises(ConnectorNotFoundError, match="Connector b not found"):
        worker.herder.status("b")
    with pytest.raises(TaskNotFoundError, match="Task a-7 not found"):
        worker.herder.restart_task(TaskId("a", 7))


class BrokenView:
    interval_ms = 0
    shown = 0
    closed = False

    def show(self, snapshot):
        self.shown += 1
        raise BrokenPipeError("nobody reads")

    def close(self):
        self.closed = True


@pytest.mark.parametrize("view", [None, BrokenView()])
def test_the_herder_process_talks_over_its_socket_and_ends_when_that_is_closed(view):
    ours, theirs = socket.socketpair()
    region = StatusRegion(2, 4096)
    spec = ConnectorSpec(name="a", config={"name": "a"})
    process = threading.Thread(
        target=standalone.serve,
        args=(theirs, lambda send: standalone.StandaloneHerder([spec], send, region, retries, until_done=True), view),
    )
    process.start()
    reader = FrameReader(Command)

    def heard() -> Command:
        while True:
            for message in reader.feed(ours.recv(4096)):
                return message

    with ours, theirs:
        ours.settimeout(5)
        ours.sendall(frame(Inventory([])))
        request = heard()
        ours.sendall(frame(ConnectorAnswer(request.request, msgspec.msgpack.encode(ConnectorReport(task_configs=[{}])))))
        assert isinstance(heard(), StartTask)
        region.page(1).reset(1)
        region.page(1).at_end = 1
        ours.sendall(frame(TaskStatus(TaskId("a", 0), 1, 1, State.RUNNING)))
        assert heard() == Finish(0, "done")
        ours.shutdown(socket.SHUT_RDWR)
        process.join(5)
        assert not process.is_alive()
    if view is not None:
        assert view.shown == 1
        assert not view.closed


def says(worker: Worker, request: int, *, goes_on: bool = True, **report) -> None:
    """A connector that watches its source answers again."""
    worker.herder.hear(ConnectorAnswer(request, msgspec.msgpack.encode(ConnectorReport(**report)), goes_on=goes_on))


def watched(**spec) -> tuple[Worker, int]:
    """A worker with a connector that has two tasks and watches its source, and the number of its request."""
    worker = Worker("a", **spec)
    (request,) = worker.taken(RunConnector)
    says(worker, request.request, task_configs=[{"table": "x"}, {"table": "y"}])
    assert len(worker.taken(StartTask)) == 2
    return worker, request.request


def test_a_source_that_has_changed_has_its_tasks_started_with_their_new_configs():
    worker, request = watched()
    says(worker, request, task_configs=[{"table": "x"}, {"table": "y"}])
    assert worker.commands == []
    says(worker, request, task_configs=[{"table": "x"}, {"table": "y"}, {"table": "z"}])
    assert [each.task_config["table"] for each in worker.taken(StartTask)] == ["z", "y", "x"]
    says(worker, request, task_configs=[{"table": "z"}])
    assert [str(each.id) for each in worker.taken(StopTask)] == ["a-1", "a-2"]
    assert [each.task_config["table"] for each in worker.taken(StartTask)] == ["z"]
    assert worker.herder.status("a").state is State.RUNNING


def test_a_connector_that_fails_while_it_watches_is_failed_and_asked_again_while_its_tasks_go_on():
    worker, request = watched()
    says(worker, request, goes_on=False, failure=Failure("the source is gone", "trace", retry_helps=True))
    info = worker.herder.status("a")
    assert (info.state, info.reason) == (State.FAILED, "the source is gone")
    assert worker.commands == []
    worker.clock.seconds += 60
    worker.herder.turn()
    (again,) = worker.taken(RunConnector)
    says(worker, again.request, task_configs=[{"table": "x"}, {"table": "y"}])
    assert worker.commands == []
    assert worker.herder.status("a").state is State.RUNNING


def test_a_watching_process_that_dies_is_started_again():
    worker, request = watched()
    worker.herder.hear(ConnectorAnswer(request, error="connector a, watching its source: its process was killed by SIGSEGV"))
    worker.clock.seconds += 60
    worker.herder.turn()
    assert [each.action for each in worker.taken(RunConnector)] == ["task_configs"]


def test_a_connector_with_nothing_left_to_watch_has_ended_well():
    worker, request = watched()
    worker.herder.hear(ConnectorAnswer(request))
    says(worker, request, task_configs=[])
    worker.herder.turn()
    assert worker.commands == []


def test_a_new_herder_hears_of_changes_of_the_source_too():
    running = [TaskStatus(TaskId("a", 0), 0, 1, State.RUNNING, pid=5, started_count=1)]
    worker = Worker("a", inventory=Inventory(running))
    (request,) = worker.taken(RunConnector)
    worker.herder.hear(ConnectorAnswer(request.request, b"", goes_on=True))
    assert worker.commands == []
    says(worker, request.request, task_configs=[{"table": "x"}])
    assert len(worker.taken(StartTask)) == 1


def test_a_stopped_connector_watches_no_more_and_a_resumed_one_does_again():
    worker, request = watched()
    worker.herder.set_target("a", TargetState.STOPPED)
    assert worker.taken(StopConnector) == [StopConnector("a")]
    says(worker, request, task_configs=[])
    assert worker.taken(StopTask) == []
    worker.herder.set_target("a", TargetState.STARTED)
    assert [each.action for each in worker.taken(RunConnector)] == ["watch"]


def test_a_connector_that_watches_nothing_changes_nothing_for_a_new_herder():
    running = [TaskStatus(TaskId("a", 0), 0, 1, State.RUNNING, pid=5, started_count=1)]
    worker = Worker("a", inventory=Inventory(running))
    (request,) = worker.taken(RunConnector)
    says(worker, request.request, goes_on=False, task_configs=[])
    worker.herder.hear(ConnectorAnswer(request.request))
    assert worker.commands == []
