"""A REST server over a herder in memory, on a port of its own, and a plain client for it."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from fakes.memory_herder import MemoryHerder

from fastconnect.config.rest import RestConfig
from fastconnect.rest.server import RestServer, bind


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Asks one server; `headers` go with every request."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, *, text: str | bytes | None = None, **headers: str) -> Answer:
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = text if text is not None else None if body is None else json.dumps(body)
        if data is not None:
            given.setdefault("Content-Type", "application/json")
        if isinstance(data, str):
            data = data.encode()
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, path, data, given)
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()


@pytest.fixture
def herder() -> MemoryHerder:
    return MemoryHerder()


@pytest.fixture
def serve(herder: MemoryHerder) -> Iterator[Callable[..., RestServer]]:
    """Starts servers with the given REST keys; dots as underscores."""
    with contextlib.ExitStack() as open_servers:

        def start(*, answer_within_s: float = 20, of: MemoryHerder = herder, **keys: str) -> RestServer:
            given = {"listeners": "http://127.0.0.1:0", **{key.replace("_", "."): value for key, value in keys.items()}}
            server = RestServer(of, bind(RestConfig.parse(given)), answer_within_s=answer_within_s)
            server.start()
            open_servers.callback(server.close)
            return server

        yield start


@pytest.fixture
def client(serve: Callable[..., RestServer]) -> Client:
    return Client(serve().url)
