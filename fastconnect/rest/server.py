"""The REST server: its sockets, its thread, its beginning and its end. What it answers is said in routes.py.

bound = bind(config)            # takes the ports; bound.url is what other workers call this one by
server = start(herder, config, bound)
...
server.close()
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvicorn

from fastconnect.config.rest import Listener, RestConfig
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError
from fastconnect.herder.herder import Herder
from fastconnect.logs import facts
from fastconnect.rest.app import application
from fastconnect.rest.call import ANSWER_WITHIN_S, Service
from fastconnect.rest.forward import Forwarder
from fastconnect.rest.http_protocol import IDLE_S, LARGEST_HEADERS_BYTES, StrictProtocol
from fastconnect.rest.renewed_tls import RenewedTls
from fastconnect.rest.security import Guard, client_context
from fastconnect.rest.users import Users

logger = logging.getLogger(__name__)

BACKLOG = 128
FINISH_WITHIN_S = 3.0
"""How long requests that are under way may go on when the server is closed."""

LOOK_AT_FILES_S = 5.0
"""How often the files of https are looked at: as soon as that a renewed certificate is used."""


class Bound(msgspec.Struct, frozen=True):
    """Ports that are taken: whoever connects waits there until the server is started.

    Args:
        url: how other workers reach this one; its host and port are the worker's id.
    """

    config: RestConfig
    listeners: list[tuple[Listener, socket.socket]]
    admin_listeners: list[tuple[Listener, socket.socket]]
    url: str

    @property
    def worker_id(self) -> str:
        """The name of this worker in statuses: `host:port`."""
        return self.url.partition("://")[2]

    def close(self) -> None:
        """Give the ports back."""
        for _, each in (*self.listeners, *self.admin_listeners):
            each.close()


def bind(config: RestConfig) -> Bound:
    """Take the ports of all listeners.

    Raises:
        ConfigError: one is taken, or is no address of this machine.
    """
    taken: list[tuple[Listener, socket.socket]] = []
    try:
        for key, listener in (
            *(("listeners", each) for each in config.addresses),
            *(("admin.listeners", each) for each in config.admin_addresses),
        ):
            taken.append(_bind(key, listener))
    except BaseException:
        for _, each in taken:
            each.close()
        raise
    count = len(config.addresses)
    return Bound(config, taken[:count], taken[count:], advertised_url(config, [listener for listener, _ in taken[:count]]))


def _bind(key: str, listener: Listener) -> tuple[Listener, socket.socket]:
    try:
        found = socket.getaddrinfo(
            listener.host or None, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
        # All addresses: IPv6's socket takes IPv4 too. A name such as localhost: IPv4, which everybody has.
        family, kind, protocol, _, address = min(found, key=lambda each: (each[0] != socket.AF_INET) ^ (not listener.host))
        own = socket.socket(family, kind, protocol)
        try:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6 and listener.is_open:
                own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            own.bind(address)
            own.listen(BACKLOG)
            own.setblocking(False)
        except OSError:
            own.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"{listener} cannot be listened to: {error.strerror or error}",
            where=f"worker config, {key}",
            hint=f"another program may use the port; choose another one by {key}, or 0 for any",
        ) from None
    return Listener(listener.scheme, listener.host, own.getsockname()[1]), own


def advertised_url(config: RestConfig, listeners: Sequence[Listener]) -> str:
    """How others reach this worker: as the keys `rest.advertised.*` say, else by the first listener.

    Args:
        listeners: those of the config, with their real ports.
    """
    wanted = config.rest_advertised_listener
    listener = next(each for each in listeners if wanted is None or each.scheme == wanted)
    host = config.rest_advertised_host_name or (socket.getfqdn() if listener.is_open else listener.host)
    return str(Listener(listener.scheme, host.strip("[]"), config.rest_advertised_port or listener.port))


class RestServer:
    """A server on its own thread; made by `start`."""

    def __init__(self, herder: Herder, bound: Bound, *, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        config = bound.config
        users = Users.read(Path(config.rest_auth_file)) if config.rest_auth_file is not None else None
        self.url = bound.url
        self.urls = [str(listener) for listener, _ in bound.listeners]
        self.admin_urls = [str(listener) for listener, _ in bound.admin_listeners]
        tls = config.tls("listeners")
        self._bound = bound
        self._forwarder = Forwarder(client_context(tls) if tls is not None else None)
        self._servers: list[tuple[_Server, socket.socket]] = []
        self._renewed: list[RenewedTls] = []
        service = Service(herder, config, answer_within_s)
        names = {bound.worker_id.rpartition(":")[0].strip("[]"), *([socket.gethostname()] if not _only_local(bound) else [])}
        for admin, kind, pairs in (
            (False, "listeners", bound.listeners),
            (True, "admin.listeners", bound.admin_listeners),
        ):
            own_tls = config.tls(kind)
            context = None
            if own_tls is not None:
                renewed = RenewedTls(own_tls, None if admin else self._forwarder.change_tls)
                context = renewed.context
                if renewed.has_files:
                    self._renewed.append(renewed)
            for listener, own in pairs:
                guard = Guard(config, users, listener, names)
                app = application(config, service, guard, self._forwarder, admin=admin)
                self._servers.append((_Server(app, context if listener.scheme == "https" else None), own))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._begun.wait()

    def close(self) -> None:
        """Answer what is asked already, for a few seconds at most, and end. May be called twice, from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._end.set)
        self._thread.join(FINISH_WITHIN_S + 2)
        self._bound.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            logger.exception("The REST server has ended.")
        finally:
            self._begun.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        for server, own in self._servers:
            await server.begin(own)
        self._begun.set()
        await (self._end.wait() if not self._renewed else self._look_at_files_until_end())
        await asyncio.gather(*(server.end() for server, _ in self._servers))
        await self._forwarder.close()

    async def _look_at_files_until_end(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), LOOK_AT_FILES_S)
            if self._end.is_set():
                return
            for each in self._renewed:
                each.look()


class _Server(uvicorn.Server):
    """uvicorn's server without its own loop, which would wake up ten times a second."""

    def __init__(self, app: object, context: ssl.SSLContext | None) -> None:
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=StrictProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.CRITICAL,  # what it has to say is that clients send nonsense
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(IDLE_S),
            h11_max_incomplete_event_size=LARGEST_HEADERS_BYTES,
        )
        super().__init__(config)
        config.load()
        config.ssl = context
        self.lifespan = config.lifespan_class(config)

    async def begin(self, own: socket.socket) -> None:
        """Take connections of this socket."""
        await self.startup(sockets=[own])

    async def end(self) -> None:
        """Take no more, and answer what is asked already."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=FINISH_WITHIN_S)
        for task in self.server_state.tasks:
            task.cancel()


def start(herder: Herder, worker: WorkerConfig, bound: Bound | None = None) -> RestServer:
    """Start the REST server of a worker.

    Args:
        bound: the ports, if they are taken already.
    Raises:
        ConfigError: a port is taken, or a key, certificate or password file cannot be used.
    """
    if bound is None:
        bound = bind(RestConfig.of(worker))
    try:
        server = RestServer(herder, bound)
    except BaseException:
        bound.close()
        raise
    server.start()
    config = bound.config
    logger.info(
        "The REST API is ready.",
        extra=facts(url=",".join(server.urls), admin_url=",".join(server.admin_urls) or None, advertised=bound.url),
    )
    if config.rest_insecure and not _only_local(bound):
        logger.warning("Whoever reaches the REST API may run connectors here: rest.insecure is true.")
    return server


def _only_local(bound: Bound) -> bool:
    return all(listener.is_local for listener, _ in (*bound.listeners, *bound.admin_listeners))
