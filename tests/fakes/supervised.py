"""A worker for tests of the supervisor: real processes with small bodies, and a herder that lets the test give the commands.

Run as `python supervised.py FOLDER SETTINGS`. Each herder process connects to the socket FOLDER/herder, first sends its pid as
a line, and passes frames on in both directions. A task does what its task config's `do` says. At the end the Outcome is
written to FOLDER/outcome as JSON.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from fastconnect import logs
from fastconnect._core import guard_lease
from fastconnect.reports import TaskChannel, TaskSpec
from fastconnect.states import Exit, State, TargetState
from fastconnect.supervisor import supervisor, task
from fastconnect.supervisor.control import RunConnector
from fastconnect.supervisor.entrypoints import HerderChannel
from fastconnect.supervisor.supervisor import Supervisor


class Settings(msgspec.Struct):
    restart_backoff_initial_ms: int = 20
    restart_backoff_max_ms: int = 400
    restart_healthy_after_ms: int = 60_000
    restart_max_failures: int = 50
    task_shutdown_graceful_timeout_ms: int = 10_000
    slots_max: int = 16
    stuck_after_ms: int = 10_000
    turn_ms: int = 1_000


class Entrypoints:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def task(self, spec: TaskSpec, channel: TaskChannel) -> int | None:
        what, _, argument = (spec.task_config.get("do") or "run").partition(" ")
        return getattr(self, f"_{what.replace('-', '_')}")(spec, channel, argument)

    def _run(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.tell_state(State.RUNNING)
        state = State.RUNNING
        while channel.page.target != TargetState.STOPPED:
            wanted = State.PAUSED if channel.page.target == TargetState.PAUSED else State.RUNNING
            if wanted != state:
                state = wanted
                channel.tell_state(state)
            channel.page.beat()
            channel.page.polls += 1
            select.select([], [], [], 0.01)
        if argument == "drain-slowly":
            time.sleep(0.3)
        channel.page.records_flushed = 7
        channel.tell_state(State.STOPPED)
        return Exit.OK

    def _log(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        """Log again and again, on the logger that is named."""
        channel.tell_state(State.RUNNING)
        while channel.page.target != TargetState.STOPPED:
            logging.getLogger(argument).debug("Fine print.")
            time.sleep(0.005)
        return Exit.OK

    def _guard_lease(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        guard_lease(channel.page, 50_000_000)
        return self._run(spec, channel, argument)

    def _use_topics(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        """Tell of the topics named, and once more whenever the page asks."""
        channel.tell_state(State.RUNNING)
        told = -1
        while channel.page.target != TargetState.STOPPED:
            if told != channel.page.topic_round:
                told = channel.page.topic_round
                for topic in [*argument.split(), *argument.split()]:
                    channel.tell_topic(topic)
            time.sleep(0.005)
        return Exit.OK

    def _exit(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.page.records_polled += 5
        return int(argument)

    def _fail_with(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.tell_state(State.FAILED, "the source is broken", "Traceback: here")
        return int(argument)

    def _raise(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        raise ValueError(argument)

    def _sys_exit(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        sys.exit(0)

    def _segfault(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.tell_state(State.RUNNING)
        ctypes.string_at(0)
        return 0

    def _end(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.tell_state(State.RUNNING)
        channel.page.at_end = 1
        return Exit.OK

    def _block(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.tell_state(State.RUNNING)
        channel.page.beat()
        self._block_in_the_plugin()
        return Exit.OK

    def _fatal_client_once(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        return Exit.FATAL_CLIENT if spec.epoch == 1 else self._run(spec, channel, argument)

    def _silent_for_a_while(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.tell_state(State.RUNNING)
        channel.page.beat()
        while not (self.folder / "go-on").exists():
            time.sleep(0.005)
        return self._run(spec, channel, argument)

    def _block_in_the_plugin(self) -> None:
        while True:
            time.sleep(60)

    def _fork_a_child(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        child = subprocess.Popen(["sleep", "600"], start_new_session=argument == "of-its-own")
        channel.tell_event(logging.INFO, "forked", child=child.pid)
        (self.folder / "grandchild.new").write_text(str(child.pid))
        (self.folder / "grandchild.new").rename(self.folder / "grandchild")
        return self._run(spec, channel, argument)

    def _describe(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        """Write down what this process has of its parent."""
        fds = {}
        for name in os.listdir("/proc/self/fd"):
            try:
                fds[name] = os.readlink(f"/proc/self/fd/{name}")
            except OSError:  # the one that listdir had open
                continue
        about = {
            "fds": fds,
            "given": [channel.lifeline_fd, channel.doorbell_fd],
            "sid": os.getsid(0),
            "pgid": os.getpgid(0),
            "pid": os.getpid(),
            "threads": len(os.listdir("/proc/self/task")),
            "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
            "title": Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode(),
            "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
            "sigchld": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
            "epoch": [spec.epoch, channel.page.epoch],
            "random": random.random(),
            "environment": sorted(os.environ),
        }
        path = self.folder / f"about-{spec.id}-{spec.epoch}"
        path.with_suffix(".new").write_text(json.dumps(about))
        path.with_suffix(".new").rename(path)
        return self._run(spec, channel, argument)

    def _scribble(self, spec: TaskSpec, channel: TaskChannel, argument: str) -> int:
        channel.tell_state(State.RUNNING)
        channel.ring._fill_with_rubbish(os.urandom(4096))
        channel.page._fill_with_rubbish(os.urandom(4096))
        channel.ring_doorbell()
        return Exit.FAILED

    def herder(self, channel: HerderChannel) -> int | None:
        flag = self.folder / "herder-exit"
        if flag.exists():
            return int(flag.read_text())
        test = socket.socket(socket.AF_UNIX)
        test.connect(str(self.folder / "herder"))
        test.sendall(f"{os.getpid()}\n".encode())
        deaf = self.folder / "herder-deaf"
        while True:
            from_supervisor = [] if deaf.exists() else [channel.socket]
            readable, _, _ = select.select([test, *from_supervisor], [], [], 0.05)
            if channel.socket in readable:
                data = channel.socket.recv(1 << 16)
                if not data:
                    return Exit.OK
                test.sendall(data)
            if test in readable:
                data = test.recv(1 << 16)
                if not data:
                    return Exit.OK
                channel.socket.sendall(data)

    def connector(self, request: RunConnector, worker: Settings, tell: Callable[[bytes], None]) -> bytes:
        match request.config.get("do"):
            case "hang":
                while True:
                    time.sleep(60)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(0)
            case "raise":
                raise ValueError("no such folder")
            case "watch":
                signal.signal(signal.SIGTERM, lambda *_: (self.folder / "watcher-stopped").touch())
                tell(b"first")
                while not (self.folder / "watcher-stopped").exists():
                    if (self.folder / "changed").exists():
                        (self.folder / "changed").unlink()
                        tell(b"again")
                    if (self.folder / "broken").exists():
                        raise ValueError("the source is gone")
                    time.sleep(0.005)
                return b""
            case "silent":
                return b""
            case "large":
                return b"x" * 10_000_000
        return f"{request.action} {request.name} {worker.slots_max} {os.getpid()}".encode()


def main() -> None:
    folder = Path(sys.argv[1])
    settings = msgspec.json.decode(sys.argv[2], type=Settings)
    logs.configure(logging.DEBUG)
    task.STUCK_AFTER_MS = settings.stuck_after_ms
    supervisor.TURN_S = settings.turn_ms / 1000
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    outcome = Supervisor(settings, Entrypoints(folder)).run()
    (folder / "outcome").write_bytes(msgspec.json.encode(outcome))
    sys.exit(outcome.exit_code)


if __name__ == "__main__":
    main()
