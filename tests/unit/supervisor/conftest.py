"""A worker in a process of its own, whose herder is the test: see tests/fakes/supervised.py."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import (
    Command,
    ConnectorAnswer,
    FrameReader,
    Inventory,
    Report,
    StartTask,
    TaskStatus,
    frame,
)
from fastconnect.supervisor.supervisor import Outcome

SCRIPT = Path(__file__).parents[2] / "fakes" / "supervised.py"
PATIENCE_S = 20.0


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true answer of the condition; fails when there is none for long."""
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.002)
    return answer


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Worker:
    def __init__(self, folder: Path, **settings: int) -> None:
        self.folder = folder
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "herder"))
        self.listener.listen()
        self.listener.settimeout(PATIENCE_S)
        self.log = (folder / "log").open("w+b")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), json.dumps(settings)], stderr=self.log, env=environment
        )
        self.reports: list[Report] = []
        self.herder: socket.socket | None = None

    def meet_herder(self) -> int:
        """Wait for the next herder process; its pid."""
        if self.herder is not None:
            self.herder.close()
        self.herder, _ = self.listener.accept()
        self.reader = FrameReader(Report)
        self.reports.clear()
        pid = b""
        while not pid.endswith(b"\n"):
            byte = self.herder.recv(1)
            assert byte
            pid += byte
        self.herder_pid = int(pid)
        return self.herder_pid

    def send(self, command: Command) -> None:
        assert self.herder is not None
        self.herder.sendall(frame(command))

    def start(self, number: int = 0, do: str = "run", target: int = 0, connector: str = "orders") -> TaskId:
        task = TaskId(connector, number)
        self.send(StartTask(task, {"name": connector}, {"do": do}, target))
        return task

    def take_reports(self, wait_s: float) -> None:
        assert self.herder is not None
        if select.select([self.herder], [], [], wait_s)[0]:
            self.reports += self.reader.feed(self.herder.recv(1 << 20))  # type: ignore[arg-type]

    def report(self, condition: Callable[[Any], Any], what: str, outdated: Callable[[Any], Any] = lambda _: False) -> Any:
        """The first report that meets the condition, of those not asked for yet; outdated ones before it are dropped."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            for place, report in enumerate(self.reports):
                if condition(report):
                    self.reports[: place + 1] = [other for other in self.reports[:place] if not outdated(other)]
                    return report
            assert time.monotonic() < deadline, f"waited in vain for: {what}\n{self.text()}"
            self.take_reports(0.1)

    def status(self, task: TaskId, state: State, **fields: object) -> TaskStatus:
        def fits(report: object) -> bool:
            return (
                isinstance(report, TaskStatus)
                and report.id == task
                and report.state == state
                and all(getattr(report, name) == value for name, value in fields.items())
            )

        def earlier(report: object) -> bool:
            return isinstance(report, TaskStatus) and report.id == task

        status: TaskStatus = self.report(fits, f"{task} {state!r} {fields}", earlier)
        return status

    def running(self, task: TaskId) -> int:
        pid = self.status(task, State.RUNNING).pid
        assert pid is not None
        return pid

    def inventory(self) -> Inventory:
        inventory: Inventory = self.report(lambda report: isinstance(report, Inventory), "an inventory")
        return inventory

    def answer(self, request: int) -> ConnectorAnswer:
        answer: ConnectorAnswer = self.report(
            lambda report: isinstance(report, ConnectorAnswer) and report.request == request, f"answer {request}"
        )
        return answer

    def outcome(self) -> Outcome:
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:  # its herder waits for us to take what it passes on
            assert time.monotonic() < deadline, self.text()
            if self.herder is not None:
                self.take_reports(0.01)
            else:
                time.sleep(0.002)
        assert (self.folder / "outcome").exists(), self.text()
        outcome = msgspec.json.decode((self.folder / "outcome").read_bytes(), type=Outcome)
        assert self.process.returncode == outcome.exit_code
        return outcome

    def text(self) -> str:
        """The log so far."""
        self.log.seek(0)
        return self.log.read().decode()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
        self.listener.close()
        if self.herder is not None:
            self.herder.close()


@pytest.fixture
def make_worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def make(**settings: int) -> Worker:
        worker = Worker(tmp_path, **settings)
        workers.append(worker)
        worker.meet_herder()
        assert worker.inventory().tasks == []
        return worker

    yield make
    for worker in workers:
        worker.close()


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    return make_worker()


@pytest.fixture
def gone() -> Callable[[int], None]:
    """Waits until a process is gone (a zombie, which waits for its parent only, is)."""
    return lambda pid: eventually(lambda: not is_alive(pid), f"the end of process {pid}") and None
