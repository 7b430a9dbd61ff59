from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from fastconnect._core import StatusRegion
from fastconnect.cli.herder_process import be_herder
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError
from fastconnect.herder.snapshot import ConnectorSpec, Snapshot
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import Command, Finish, FrameReader, Inventory, RunConnector, TaskStatus, frame
from fastconnect.supervisor.entrypoints import HerderChannel

WITHIN_S = 10


class Herder:
    """The body of a herder's process on a thread, and the supervisor's end of its socket."""

    def __init__(self, *specs: ConnectorSpec, view: Any = None, rest: bool = False, **worker: str) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(WITHIN_S)
        self.error: BaseException | None = None
        self._reader = FrameReader(Command)
        config = WorkerConfig.parse({key.replace("_", "."): value for key, value in worker.items()})
        channel = HerderChannel(theirs, StatusRegion(2, 4096), -1)

        def run() -> None:
            try:
                with theirs:
                    be_herder(channel, specs, config, view, until_done=False, rest=rest)
            except BaseException as error:
                self.error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def heard(self) -> Command:
        """The next command."""
        while True:
            for command in self._reader.feed(self.socket.recv(4096)):
                return command  # type: ignore[return-value]

    def end(self) -> None:
        """Close the socket, as the supervisor does at the end."""
        with self.socket:
            self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()


class View:
    interval_ms = 1

    def __init__(self, error: OSError | None = None) -> None:
        self.shown = threading.Event()
        self.times = 0
        self.closed = False
        self._error = error

    def show(self, snapshot: Snapshot) -> None:
        self.times += 1
        self.shown.set()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_it_talks_over_its_socket_shows_how_it_goes_and_ends_when_that_is_closed():
    view = View()
    herder = Herder(ConnectorSpec(name="a", config={"name": "a"}), view=view)
    herder.socket.sendall(frame(Inventory([])))
    command = herder.heard()

    assert isinstance(command, RunConnector)
    assert command.name == "a"
    assert view.shown.wait(WITHIN_S)
    herder.end()
    assert herder.error is None
    assert view.closed


def test_a_display_that_cannot_be_written_to_is_given_up():
    view = View(BrokenPipeError("nobody reads"))
    herder = Herder(ConnectorSpec(name="a", config={"name": "a"}), view=view)
    assert view.shown.wait(WITHIN_S)
    herder.socket.sendall(frame(Inventory([])))
    herder.heard()
    herder.end()

    assert view.times == 1


def test_an_address_that_is_taken_ends_the_worker_before_anything_starts(taken):
    herder = Herder(rest=True, listeners=taken)
    herder.socket.sendall(frame(Inventory([])))
    finish = herder.heard()
    herder.end()

    assert isinstance(finish, Finish)
    assert finish.exit_code == 2
    assert f"{taken} cannot be listened to" in finish.reason


def test_with_tasks_running_the_next_herder_tries_again(taken):
    herder = Herder(rest=True, listeners=taken)
    herder.socket.sendall(frame(Inventory([TaskStatus(TaskId("a", 0), 0, 1, State.RUNNING)])))
    herder._thread.join(WITHIN_S)
    herder.end()

    assert isinstance(herder.error, ConfigError)
