"""Three distributed workers of one group, and what the topic of a SequenceSource says about what became of its tasks."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench import ours
from bench.processes import Program, ProgramFailedError, tree_of
from bench.scenario import Figures, Turn
from bench.topics import wait_until
from fastconnect.connectors.sequence_source import verify

WORKERS = 3
TASKS = 8
RATE = 500  # records a second and task
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}


class GroupWorker:
    """One of them."""

    def __init__(self, turn: Turn, number: int, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.id = f"127.0.0.1:{probe.getsockname()[1]}"
        self._turn = turn
        self._number = number
        self._starts = 0
        group = turn.topic
        lines = {
            "bootstrap.servers": turn.bootstrap,
            "group.id": group,
            "listeners": f"http://{self.id}",
            **{f"{kind}.storage.topic": f"{group}-{kind}" for kind in ("config", "offset", "status")},
            **{f"{kind}.storage.replication.factor": "1" for kind in ("config", "offset", "status")},
            **{key.replace("_", "."): value for key, value in settings.items()},
        }
        self._file = turn.folder / f"worker-{number}.properties"
        self._file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        self.program: Program

    def start(self) -> None:
        """Start it; `until_ready` waits for it."""
        self._starts += 1
        log = f"worker-{self._number}-{self._starts}.log"
        self.program = ours.start(self._turn, [ours.PROGRAM, "run", "--distributed", "--worker", str(self._file)], log)

    def until_ready(self) -> None:
        """Wait until it is a member of its group."""
        wait_until(self._is_ready, f"worker {self.id} is ready")

    def _is_ready(self) -> bool:
        if self.program.poll():
            raise ProgramFailedError(f"A worker has ended:\n{self.program.last_words()}")
        health = self.ask("GET", "/health")
        return health is not None and health["status"] == "healthy"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of its REST API; None if there is none, or an error."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{self.id}{path}", data, {"Content-Type": "application/json"} if data else {}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except (urllib.error.HTTPError, OSError):
            return None
        return json.loads(text) if text else {}

    def signal(self, number: signal.Signals, first: Sequence[int] = ()) -> None:
        """Send all of its processes a signal; to some of them before the others."""
        for pid in (*first, *tree_of(self.program.pid)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


class Group:
    """All of them, with a connector that sends numbered records."""

    def __init__(self, turn: Turn, **settings: str) -> None:
        self.turn = turn
        self.workers = [GroupWorker(turn, number, **settings) for number in range(WORKERS)]

    def owners(self, witness: GroupWorker) -> dict[int, str]:
        """Who runs which task, as one worker shows it; only of those that are RUNNING."""
        status = witness.ask("GET", "/connectors/numbers/status")
        return (
            {} if status is None else {task["id"]: task["worker_id"] for task in status["tasks"] if task["state"] == "RUNNING"}
        )

    def until_all_run(self, witness: GroupWorker, without: GroupWorker | None = None) -> None:
        """Wait until all tasks run, none of them on a certain worker."""

        def all_run() -> bool:
            owners = self.owners(witness)
            return len(owners) == TASKS and (without is None or without.id not in owners.values())

        wait_until(all_run, "all tasks run", every_s=0.02)

    def stop_sending(self) -> None:
        """Stop the connector and wait until all of it has ended, flushed."""
        wait_until(lambda: self.workers[0].ask("PUT", "/connectors/numbers/stop") is not None, "it is told to stop")
        wait_until(
            lambda: not [pid for each in self.workers for pid in ours.processes(each.program, "task")], "all tasks have ended"
        )


@contextmanager
def running(turn: Turn, **settings: str) -> Iterator[Group]:
    """Three workers that run eight tasks, ended at the end of the block, with their topics."""
    group = Group(turn, **settings)
    try:
        for worker in group.workers:
            worker.start()
        for worker in group.workers:
            worker.until_ready()
        config = {"connector.class": "SequenceSource", "topic": turn.topic, "tasks.max": str(TASKS), "rate": str(RATE)}
        config["poll.size"] = "50"
        wait_until(
            lambda: group.workers[1].ask("PUT", "/connectors/numbers/config", config) is not None, "the connector is created"
        )
        group.until_all_run(group.workers[0])
        yield group
    finally:
        for worker in group.workers:
            if hasattr(worker, "program") and worker.program.status is None:
                worker.signal(signal.SIGCONT)
                worker.program.stop(15)
        for kind in ("config", "offset", "status"):
            turn.topics.delete(f"{turn.topic}-{kind}")


def audit(turn: Turn) -> Figures:
    """Read the topic: what is lost, what is there twice, and the longest time that the broker got nothing of a task."""
    times: list[Counter[int]] = [Counter() for _ in range(TASKS)]
    arrived: list[list[int]] = [[] for _ in range(TASKS)]
    for message in turn.topics.read(turn.topic):
        task, number = verify(message.value() or b"")
        times[task][number] += 1
        arrived[task].append(message.timestamp()[1])
    lost = sum(max(each) + 1 - len(each) for each in times if each)
    silences = [max(later - earlier for earlier, later in itertools.pairwise(each)) for each in map(sorted, arrived)]
    return {
        "sent": sum(map(len, times)),
        "lost": lost,
        "duplicates": sum(sum(each.values()) - len(each) for each in times),
        "longest_silence_ms": max(silences),
    }


def pause(seconds: float) -> None:
    """Let them work."""
    time.sleep(seconds)
