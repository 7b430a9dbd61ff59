"""What the supervisor is given to run: it imports no code of tasks, herders or plugins itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol, TypeVar

from fastconnect._core import StatusRegion
from fastconnect.reports import TaskChannel, TaskSpec
from fastconnect.supervisor.control import RunConnector


class WorkerSettings(Protocol):
    """The settings of the worker that the supervisor needs (config/worker.py has them)."""

    @property
    def restart_backoff_initial_ms(self) -> int: ...  # noqa: D102
    @property
    def restart_backoff_max_ms(self) -> int: ...  # noqa: D102
    @property
    def restart_healthy_after_ms(self) -> int: ...  # noqa: D102
    @property
    def restart_max_failures(self) -> int: ...  # noqa: D102
    @property
    def task_shutdown_graceful_timeout_ms(self) -> int: ...  # noqa: D102
    @property
    def slots_max(self) -> int: ...  # noqa: D102


class HerderChannel:
    """What a herder process is given.

    Args:
        socket: frames of control.py: commands out, reports in. The first report is the Inventory. Its end of file means that
            all is over and no report comes any more: end.
        region: the shared mapping, to read the tasks' pages.
        lifeline_fd: a pipe that reaches its end of file when the supervisor has died.
    """

    def __init__(self, socket: socket.socket, region: StatusRegion, lifeline_fd: int) -> None:
        self.socket = socket
        self.region = region
        self.lifeline_fd = lifeline_fd


W_contra = TypeVar("W_contra", bound=WorkerSettings, contravariant=True)


class Entrypoints(Protocol[W_contra]):
    """The bodies of the processes, each called in a forked one. What they return is the exit code (states.Exit; None: 0)."""

    def task(self, spec: TaskSpec, channel: TaskChannel) -> int | None:
        """Be a task until its page says STOPPED."""
        ...

    def herder(self, channel: HerderChannel) -> int | None:
        """Be the herder until the socket ends."""
        ...

    def connector(self, request: RunConnector, worker: W_contra, tell: Callable[[bytes], None]) -> bytes:
        """Answer one question to a connector's code; the bytes go to the herder as they are.

        A connector that watches its source gives each answer but the last one by `tell`, and returns when SIGTERM says so.
        """
        ...
