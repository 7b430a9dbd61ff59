"""An Apache Kafka that a test may freeze, kill and start again, and whose clients come through a relay that can be cut.

The broker that all tests share (the fixture `kafka`) stays up. This one is started without a keeper: its process is the test's.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from fakes.commands import until

from fastconnect import paths
from fastconnect.broker import probe
from fastconnect.broker.kafka import DATA, SETTINGS, Jdk, Kafka, cluster_id, environment, format_data, new_cluster_id, settings


class OwnBroker:
    """A broker of a test's own; not running yet.

    Args:
        folder: for its data.
        users: names of those who may sign in at `users_port` by SASL/PLAIN, with their names for passwords. They may do nothing
            that no ACL allows; who comes without signing in, through the relay, may do everything.
        changes: its settings, where they differ from those of the embedded broker; keys have `_` for `.`.
    """

    def __init__(self, folder: Path, users: Sequence[str] = (), **changes: str) -> None:
        jdk = Jdk.find()
        assert jdk is not None
        self._kafka = Kafka(jdk, paths.cache_folder() / "broker")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port, controller_port = free_ports()
        self.relay = Relay(self.port)
        own = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.relay.port}"}
        self.users_port = free_ports()[0]
        if users:
            own |= _with_users(users, self.users_port, self.port, controller_port, self.relay.port)
        own |= {key.replace("_", "."): value for key, value in changes.items()}
        lines = [line for line in settings(self.port, controller_port).splitlines() if line.partition("=")[0] not in own]
        folder.mkdir(parents=True)
        (folder / SETTINGS).write_text("\n".join([*lines, *(f"{key}={value}" for key, value in own.items()), ""]))

    @property
    def bootstrap_servers(self) -> str:
        """Where its clients find it: the relay."""
        return f"127.0.0.1:{self.relay.port}"

    def start(self) -> None:
        """Start it, with the data of before; returns when it answers."""
        format_data(self._folder, self._kafka.command("kafka.tools.StorageTool"), new_cluster_id())
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._kafka.command("kafka.Kafka", SETTINGS),
                cwd=self._folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        made = cluster_id(self._folder / DATA)
        until(lambda: probe.cluster_id(self.port, timeout_s=1) == made or self._has_ended(), "the broker answers")
        assert not self._has_ended(), (self._folder / "log").read_text()[-2000:]

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Have it end in an orderly way."""
        self._end(signal.SIGTERM)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It keeps its connections and does not answer, for the while of a `with`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and delete its data."""
        if self._process is not None:
            self.kill()
        self.relay.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)
        self._process = None

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


def _with_users(users: Sequence[str], port: int, plain_port: int, controller_port: int, relay_port: int) -> dict[str, str]:
    known = " ".join(f'user_{name}="{name}"' for name in users)
    local = "127.0.0.1"
    return {
        "listeners": f"USERS://{local}:{port},PLAINTEXT://{local}:{plain_port},CONTROLLER://{local}:{controller_port}",
        "advertised.listeners": f"USERS://{local}:{port},PLAINTEXT://{local}:{relay_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,USERS:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.users.plain.sasl.jaas.config": (
            f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


class Relay:
    """Passes TCP connections on to a port of this machine, from a port of its own; until it is cut.

    Args:
        target: the port to pass on to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = free_ports()[0]
        self.mend()

    def mend(self) -> None:
        """Take connections (again)."""
        assert self._listener is None
        listener = socket.create_server(("127.0.0.1", self.port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and refuse further ones."""
        assert self._listener is not None
        listener, self._listener = self._listener, None
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake the thread that accepts
        listener.close()
        with self._lock:
            for each in self._open:
                _reset(each)
            self._open.clear()

    def close(self) -> None:
        """Be gone."""
        if self._listener is not None:
            self.cut()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                _reset(client)
                continue
            broker.settimeout(None)
            with self._lock:
                self._open |= {client, broker}
            for one, other in ((client, broker), (broker, client)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        with self._lock:
            for each in (one, other):
                if each in self._open:
                    self._open.discard(each)
                    _reset(each)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
    connection.close()


def free_ports() -> tuple[int, int]:
    """Two ports of this machine that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]
