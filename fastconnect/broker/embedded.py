"""Gives a command an Apache Kafka that runs on this machine: the one that runs already, or a new one.

    with embedded_broker(on_progress=print) as broker:
        print(broker.bootstrap_servers)

A broker started like this ends when the last command that uses it has ended, in whatever way; one started with `start`
stays until `stop`. There is at most one in a folder. How that is held through kills and races is told in files.py; this file
is the commands' side of it, keeper.py the other. Nothing here leaves a thread or a Kafka client in the calling process, so it
may fork afterwards; its children count as users as well, for as long as they live.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import msgspec

from fastconnect import paths
from fastconnect.broker import probe
from fastconnect.broker.files import BrokerFiles, Lock, ProcessId, State, is_held, is_shared, wait_until
from fastconnect.broker.kafka import KAFKA_VERSION, Jdk, Kafka, cluster_id, new_cluster_id, settings
from fastconnect.broker.keeper import Orders
from fastconnect.errors import BrokerError

Progress: TypeAlias = Callable[[str], None]
"""Called with a sentence for the user before something that takes a while."""

_READY_LIMIT_S = 60.0
_TURN_LIMIT_S = 900.0  # another command may be fetching Kafka over a slow line
_END_LIMIT_S = 40.0  # a little longer than the keeper gives Kafka
_KILL_LIMIT_S = 10.0
_SAY_AFTER_S = 0.3  # shorter waits are not worth a sentence
_OTHER_WAY = "name a broker that runs already with --bootstrap-servers or bootstrap.servers"
_FIRST_PORT, _PORT_PAIRS = 20_000, 6_000  # below 32768, where Linux begins to give ports to outgoing connections


class Broker:
    """An embedded broker that stays for as long as this is held; `release` it, or use it in a `with`."""

    def __init__(self, bootstrap_servers: str, *, was_running: bool, log: Path, users: Lock) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.was_running = was_running
        """Whether another command, or `start`, had it running already."""
        self.log = log
        self._users = users

    def release(self) -> None:
        """Use it no more; it ends if nobody else does. Does nothing the second time."""
        self._users.release()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


class Status(msgspec.Struct, kw_only=True, frozen=True):
    """What `fastconnect broker status` tells."""

    running: bool
    phase: str = "stopped"
    """starting, running, stopping or stopped"""
    bootstrap_servers: str | None = None
    started_by_hand: bool = False
    in_use: bool = False
    kafka_version: str | None = None
    uptime_s: float | None = None
    keeper_pid: int | None = None
    kafka_pid: int | None = None
    folder: str
    log: str
    data_bytes: int


def embedded_broker(*, folder: Path | None = None, on_progress: Progress | None = None) -> Broker:
    """A broker for a `with` block; see `acquire`."""
    return acquire(folder=folder, on_progress=on_progress)


def acquire(*, folder: Path | None = None, on_progress: Progress | None = None) -> Broker:
    """Get a broker that runs, starting one if need be; returns when it answers.

    Args:
        folder: where its data is; the user-data folder if not given.
        on_progress: told what takes long: fetching Apache Kafka, the first time only (half a minute), and starting it.
    Raises:
        BrokerError: there is none and none can be started; says why and what to do.
    """
    return _acquire(_files(folder), on_progress or _silent, by_hand=False)


def start(*, folder: Path | None = None, on_progress: Progress | None = None) -> Broker:
    """Like `acquire`, but the broker stays until `stop`, also one that a command had started for itself.

    The broker that is returned is released already.
    """
    files = _files(folder)
    broker = _acquire(files, on_progress or _silent, by_hand=True)
    try:
        keeper = ProcessId.read(files.keeper_lock)
        if not _is_by_hand(files) and keeper:
            keeper.send(signal.SIGUSR1)
            if not wait_until(lambda: _is_by_hand(files), _KILL_LIMIT_S):
                raise BrokerError("the broker runs, but its keeper does not answer", where=_where(files))
    finally:
        broker.release()
    return broker


def stop(*, folder: Path | None = None, force: bool = False) -> bool:
    """End the broker, gracefully if it lets itself; False if none was running.

    Raises:
        BrokerError: commands are using it, and `force` was not given; or it does not end.
    """
    files = _files(folder)
    with _turn(files, _silent):
        return _stop(files, force)


def reset(*, folder: Path | None = None, force: bool = False) -> bool:
    """Stop the broker and delete all its topics and settled ports; False if there was nothing to delete.

    Raises:
        BrokerError: as for `stop`, or the data could not be deleted.
    """
    files = _files(folder)
    with _turn(files, _silent):
        _stop(files, force)
        had_data = files.data.exists()
        try:
            # Renamed first: data of which a part is deleted must not be taken for data.
            for number, path in enumerate((files.data, files.data.with_name("data.new"))):
                if path.exists():
                    path.rename(files.folder / f"deleted-{os.getpid()}-{number}")
            for left in files.folder.glob("deleted-*"):
                shutil.rmtree(left)
            for path in (files.ports, files.settings, files.log, files.previous_log, files.state):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise BrokerError(f"its data could not be deleted: {error}", where=_where(files)) from error
        return had_data


def status(*, folder: Path | None = None) -> Status:
    """How the broker is, without waiting for anything."""
    files = BrokerFiles(folder or paths.broker_folder())
    common = {"folder": str(files.folder), "log": str(files.log), "data_bytes": _bytes_under(files.data)}
    state = State.read(files.state)
    keeper, java = ProcessId.read(files.keeper_lock), ProcessId.read(files.java_lock)
    if not is_held(files.keeper_lock) or state is None or keeper is None:
        return Status(running=False, **common)  # type: ignore[arg-type]
    return Status(
        running=state.phase == "running",
        phase=state.phase,
        bootstrap_servers=state.bootstrap_servers,
        started_by_hand=state.by_hand,
        in_use=is_shared(files.users_lock),
        kafka_version=state.kafka_version,
        uptime_s=round(max(0.0, time.time() - state.started_at), 1),
        keeper_pid=keeper.pid,
        kafka_pid=java.pid if java and java.is_alive() else None,
        **common,  # type: ignore[arg-type]
    )


def _acquire(files: BrokerFiles, on_progress: Progress, *, by_hand: bool) -> Broker:
    with _turn(files, on_progress):
        users = Lock(files.users_lock)
        try:
            # The keeper holds this lock alone only while it ends a broker that nobody uses any more. From when it is
            # ours no broker ends: the next lines see one that stays, or none.
            if not users.wait_shared(_SAY_AFTER_S):
                on_progress("Waiting for the previous broker to end ...")
                if not users.wait_shared(_END_LIMIT_S):
                    raise BrokerError("the previous broker does not end", where=_where(files), hint=_look(files))
            state = _running(files)
            was_running = state is not None
            if state is None:
                _end_left_over(files)
                state = _start(files, on_progress, by_hand=by_hand)
        except BaseException:
            users.release()
            raise
    return Broker(state.bootstrap_servers, was_running=was_running, log=files.log, users=users)


def _running(files: BrokerFiles) -> State | None:
    """The broker that runs, once it answers; None if none does, or the one there was has ended meanwhile."""
    answering: list[State] = []

    def is_settled() -> bool:
        if not is_held(files.keeper_lock):
            return True
        state, keeper = State.read(files.state), ProcessId.read(files.keeper_lock)
        if state is None or keeper is None or state.keeper_pid != keeper.pid or state.phase != "running":
            return False  # another command was killed while it started one, or the keeper was told to end it
        if probe.cluster_id(_port(state.bootstrap_servers), timeout_s=1.0) == state.cluster_id:
            answering.append(state)
        return bool(answering)

    if not wait_until(is_settled, _READY_LIMIT_S):
        raise BrokerError(
            "the broker runs but does not answer", where=_where(files), hint="run `fastconnect broker stop --force`"
        )
    return answering[0] if answering else None


def _start(files: BrokerFiles, on_progress: Progress, *, by_hand: bool) -> State:
    kafka = _installed(on_progress)
    on_progress(f"Starting Apache Kafka {KAFKA_VERSION} ...")
    ports = _ports(files)
    problem = _start_at(files, kafka, ports, by_hand=by_hand)
    if problem and not all(map(_is_free, ports)):  # taken by another program at the last moment: once more, elsewhere
        problem = _start_at(files, kafka, _ports(files), by_hand=by_hand)
    state = State.read(files.state)
    if problem or state is None:
        raise BrokerError(problem or "it has ended again", where=_where(files), hint=_look(files))
    return state


def _start_at(files: BrokerFiles, kafka: Kafka, ports: tuple[int, int], *, by_hand: bool) -> str | None:
    """Start a keeper and wait for its word; returns what went wrong, if something did."""
    try:
        files.settings.write_text(settings(*ports))
    except OSError as error:
        return f"its settings could not be written: {error}"
    orders = Orders(
        folder=str(files.folder),
        command=kafka.command("kafka.Kafka", files.settings.name),
        format_command=kafka.command("kafka.tools.StorageTool"),
        port=ports[0],
        cluster_id=cluster_id(files.data) or new_cluster_id(),
        kafka_version=KAFKA_VERSION,
        by_hand=by_hand,
        ready_within_s=_READY_LIMIT_S,
    )
    keeper = subprocess.Popen(
        _python("fastconnect.broker.keeper"),
        cwd=files.folder,
        env=_python_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C at the terminal is for the command, not for the broker that others may use
    )
    said, _ = keeper.communicate(json.dumps(asdict(orders)).encode())  # until it has sent its one line, or has died
    word = _last_line(said.decode(errors="replace"))
    return None if word == "ready" else word or "its keeper died"


def _stop(files: BrokerFiles, force: bool) -> bool:
    keeper_runs = is_held(files.keeper_lock)
    if keeper_runs and not force and is_shared(files.users_lock):
        raise BrokerError(
            "another command is using it",
            where=_where(files),
            hint="stop that command first, or give --force to take the broker away from it",
        )
    if keeper_runs:
        for signal_number, limit_s in ((signal.SIGTERM, _END_LIMIT_S), (signal.SIGKILL, _KILL_LIMIT_S)):
            keeper = ProcessId.read(files.keeper_lock)
            if keeper:
                keeper.send(signal_number)
            if wait_until(lambda: not is_held(files.keeper_lock), limit_s):
                break
        else:
            raise BrokerError("its keeper does not end, not even when killed", where=_where(files))
    return _end_left_over(files) or keeper_runs


def _end_left_over(files: BrokerFiles) -> bool:
    """End a Kafka whose keeper was killed; False if there is none."""
    if not is_held(files.java_lock):
        return False
    for signal_number, limit_s in ((signal.SIGTERM, _END_LIMIT_S), (signal.SIGKILL, _KILL_LIMIT_S)):
        java = ProcessId.read(files.java_lock)
        if java:
            java.send(signal_number)
        if wait_until(lambda: not is_held(files.java_lock), limit_s):
            return True
    raise BrokerError("a Kafka that was left behind does not end, not even when killed", where=_where(files))


def _installed(on_progress: Progress) -> Kafka:
    """Apache Kafka, fetched if this is the first time."""
    jdk = Jdk.find()
    folder = paths.cache_folder() / "broker"
    kafka = Kafka(jdk, folder) if jdk else None
    if kafka is None or not (kafka.jars_folder.is_dir() or importlib.util.find_spec("jgo")):
        raise BrokerError(
            "the embedded broker is not installed",
            hint=f"pip install 'fastconnect-kafka[broker]', or {_OTHER_WAY}",
        )
    if kafka.is_complete:
        return kafka
    _make_folder(folder)
    lock = Lock(folder / "install.lock")
    try:
        if not lock.wait_exclusive(_SAY_AFTER_S):
            on_progress(f"Waiting for another command that is fetching Apache Kafka {KAFKA_VERSION} ...")
            if not lock.wait_exclusive(_TURN_LIMIT_S):
                raise BrokerError("another command has been fetching Apache Kafka for too long", where=str(lock.path))
        if not kafka.is_complete:
            _install(folder, on_progress)
    finally:
        lock.release()
    return kafka


def _install(folder: Path, on_progress: Progress) -> None:
    command = [*_python("fastconnect.broker.install"), str(folder), str(os.getpid())]
    with subprocess.Popen(
        command, env=_python_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as installing:
        assert installing.stdout is not None
        assert installing.stderr is not None
        for line in installing.stdout:
            on_progress(line.rstrip())
        problem = _last_line(installing.stderr.read())
    if installing.returncode:
        raise BrokerError(
            f"Apache Kafka {KAFKA_VERSION} could not be fetched: {problem}",
            hint=f"it comes from Maven Central, once; try again when that can be reached, or {_OTHER_WAY}",
        )


@contextmanager
def _turn(files: BrokerFiles, on_progress: Progress) -> Iterator[None]:
    """Be the only command that starts, stops or resets the broker."""
    lock = Lock(files.start_lock)
    try:
        if not lock.wait_exclusive(_SAY_AFTER_S):
            on_progress("Waiting for another command that is starting or stopping the broker ...")
            if not lock.wait_exclusive(_TURN_LIMIT_S):
                raise BrokerError("another command has been starting or stopping it for too long", where=_where(files))
        yield
    finally:
        lock.release()


def _files(folder: Path | None) -> BrokerFiles:
    files = BrokerFiles((folder or paths.broker_folder()).absolute())
    _make_folder(files.folder)
    return files


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(
            f"the folder cannot be made: {error.strerror}",
            where=str(folder),
            hint="FASTCONNECT_HOME and FASTCONNECT_CACHE name other folders",
        ) from error


def _ports(files: BrokerFiles) -> tuple[int, int]:
    """The ports for clients and for Kafka's own controller: the same as last time, while they are free."""
    try:
        port, controller_port = json.loads(files.ports.read_text())
        settled = (int(port), int(controller_port))
        if all(map(_is_free, settled)):
            return settled
    except (OSError, ValueError, TypeError):
        pass  # the first start
    first = zlib.crc32(str(files.folder).encode()) % _PORT_PAIRS  # folders mostly get ports of their own, and keep them
    for number in range(_PORT_PAIRS):
        port = _FIRST_PORT + 2 * ((first + number) % _PORT_PAIRS)
        if _is_free(port) and _is_free(port + 1):
            files.ports.write_text(json.dumps([port, port + 1]))
            return port, port + 1
    raise BrokerError("no port is free for it", where=_where(files))


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        # As Kafka itself does: else a port counts as taken for a minute after its last connection was closed.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _python(module: str) -> list[str]:
    return [sys.executable, "-P", "-m", module]


def _python_environment() -> dict[str, str]:
    """An environment in which a new Python finds this very package, wherever it was imported from."""
    package = str(Path(__file__).parents[2])
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, *others])}


def _is_by_hand(files: BrokerFiles) -> bool:
    state = State.read(files.state)
    return state is not None and state.by_hand


def _port(bootstrap_servers: str) -> int:
    return int(bootstrap_servers.rpartition(":")[2])


def _bytes_under(folder: Path) -> int:
    """What the files really take: Kafka's indexes are mostly holes."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            continue  # Kafka has just deleted it
    return total


def _where(files: BrokerFiles) -> str:
    return f"embedded broker in {files.folder}"


def _look(files: BrokerFiles) -> str:
    return f"its log {files.log} says more; `fastconnect broker reset` deletes its data and begins anew"


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _silent(_: str) -> None:
    pass
