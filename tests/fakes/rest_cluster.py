"""What a client asks in tests: our REST API over a herder in memory, and a server that answers what it was told to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
from fakes.memory_herder import MemoryHerder

from fastconnect.config.worker import WorkerConfig
from fastconnect.rest.server import start


@contextlib.contextmanager
def serving(herder: MemoryHerder, **keys: str) -> Iterator[str]:
    """Answer for this herder on a free port; the address."""
    server = start(herder, WorkerConfig.parse({"listeners": "http://127.0.0.1:0", **keys}))
    try:
        yield server.urls[0]
    finally:
        server.close()


LOST = 0
"""Instead of a status: the connection is closed without an answer."""


class Scripted:
    """A server that gives these answers, one a request, and the last one for ever: (status, body, headers)."""

    def __init__(self, *script: tuple[int, Any] | tuple[int, Any, dict[str, str]]) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self._script = list(script)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline()
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        self.requests.append((handler.command, handler.path, dict(handler.headers), msgspec.json.decode(raw) if raw else None))
        status, body, *more = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        handler.close_connection = True
        if status == LOST:
            return
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        handler.send_response(status)
        for key, value in (more[0] if more else {}).items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content)


def error(status: int, message: str) -> tuple[int, Any]:
    """An error as Kafka Connect answers it."""
    return status, {"error_code": status, "message": message}
