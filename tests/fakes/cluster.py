"""Distributed workers as real commands, in one group, and what is asked of them over REST."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from typing import Any

from fakes.commands import Command, Process, Shell, descendants, until

SESSION_MS = 6_000  # the least that brokers allow


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RefusedError(AssertionError):
    """A worker answers with an error."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class ClusterWorker:
    """One worker: its command, and its REST API.

    Args:
        settings: its worker file.
    """

    def __init__(self, shell: Shell, port: int, settings: dict[str, str]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.id = f"127.0.0.1:{port}"
        self._shell = shell
        self._file = shell.folder / f"worker-{port}.properties"
        lines = {**settings, "listeners": self.url}
        self._file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        self.command: Command

    def start(self) -> None:
        """Start its command; `until_ready` waits for it."""
        self.command = self._shell.start("run", "--distributed", "--worker", self._file)

    def until_ready(self) -> None:
        """Wait until it says that it is healthy."""
        until(lambda: not self.command.is_running or self.is_healthy, f"worker {self.id} is healthy")
        assert self.command.is_running, self.command.wait()

    @property
    def is_healthy(self) -> bool:
        """What it says of itself."""
        try:
            return bool(self.ask("GET", "/health")["status"] == "healthy")
        except (OSError, AssertionError):
            return False

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request; RefusedError if it is an error."""
        request = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"} if body is not None else {},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=100) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(error.code, error.read().decode()) from None
        return json.loads(text) if text else None

    def try_again(self, method: str, path: str, body: Any = None) -> Any:
        """As `ask`, but again while the group is being rebalanced (409), as every client has to."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.ask(method, path, body)
            except RefusedError as error:
                if error.status != 409 or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def tasks(self) -> list[Process]:
        """Its task processes."""
        return self.command.tasks()

    def everything(self) -> list[Process]:
        """All of its processes."""
        return [each for each in descendants(self.command.pid) if each.is_alive]

    def stop(self) -> None:
        """End it as a service manager does."""
        self.command.send(signal.SIGTERM)

    def kill(self) -> None:
        """End all of its processes at once, as when its machine is lost: none has time to tell the group."""
        for process in (*self.command.processes("herder"), *self.everything()):
            process.send(signal.SIGKILL)
        self.command.kill()

    def freeze(self, number: signal.Signals) -> None:
        """Stop (SIGSTOP) or continue (SIGCONT) all of its processes."""
        self.command.send(number)
        for process in self.everything():
            process.send(number)


class Cluster:
    """Workers of one group.

    Args:
        bootstrap: the brokers.
        group: a name for the group and, with something behind it, for its topics.
        more: further settings of all workers.
    """

    def __init__(self, shell: Shell, bootstrap: str, group: str, count: int = 3, **more: str) -> None:
        self.settings = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            **{f"{kind}.storage.topic": f"{group}-{kind}" for kind in ("config", "offset", "status")},
            **{f"{kind}.storage.replication.factor": "1" for kind in ("config", "offset", "status")},
            "offset.storage.partitions": "3",
            "status.storage.partitions": "2",
            "session.timeout.ms": str(SESSION_MS),
            "heartbeat.interval.ms": "1000",
            **{key.replace("_", "."): value for key, value in more.items()},
        }
        self.workers = [ClusterWorker(shell, free_port(), self.settings) for _ in range(count)]

    def start(self) -> None:
        """Start all workers, and wait until they are members."""
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            worker.until_ready()

    @property
    def leader(self) -> ClusterWorker:
        """The one that leads, by what the workers have logged last."""
        for worker in self.workers:
            joined = [line for line in worker.command.err.splitlines() if "Joined the group." in line]
            if worker.command.is_running and joined and f"leader={worker.url}" in joined[-1]:
                return worker
        raise AssertionError("no worker leads the group")

    @property
    def followers(self) -> list[ClusterWorker]:
        """Those that do not."""
        leader = self.leader
        return [worker for worker in self.workers if worker is not leader]

    def states(self, name: str, worker: ClusterWorker | None = None) -> dict[int, tuple[str, str]]:
        """State and worker of each task of a connector, as one worker shows it; none if there is no status."""
        try:
            status = (worker or self._any()).ask("GET", f"/connectors/{name}/status")
        except (RefusedError, OSError):
            return {}
        return {task["id"]: (task["state"], task["worker_id"]) for task in status["tasks"]}

    def until_runs(self, name: str, tasks: int, timeout_s: float = 60) -> None:
        """Wait until the connector and so many tasks of it are RUNNING on workers that live, as every living worker shows."""

        def runs() -> bool:
            alive = {worker.id for worker in self.workers if worker.command.is_running}
            wanted = [("RUNNING", True)] * tasks
            return all(
                [(state, on in alive) for state, on in self.states(name, worker).values()] == wanted
                for worker in self.workers
                if worker.command.is_running
            )

        until(runs, f"all tasks of {name} run", timeout_s)

    def owners(self, name: str) -> dict[str, list[int]]:
        """Worker -> the tasks of a connector that are there."""
        owners: dict[str, list[int]] = {}
        for task, (_, on) in self.states(name).items():
            owners.setdefault(on, []).append(task)
        return owners

    def by_id(self, worker_id: str) -> ClusterWorker:
        """The worker of this name in statuses."""
        return next(worker for worker in self.workers if worker.id == worker_id)

    def delete(self, name: str) -> None:
        """Delete a connector, and wait until its tasks have ended."""
        self._any().try_again("DELETE", f"/connectors/{name}")
        until(
            lambda: not [task for worker in self.workers for task in worker.tasks() if f" {name}-" in task.title],
            f"no task of {name} runs",
        )

    def _any(self) -> ClusterWorker:
        return next(worker for worker in self.workers if worker.command.is_running)
