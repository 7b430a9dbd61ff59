"""HTTP/1.1 on one connection: uvicorn's parser (h11), with limits of time and size, and errors in JSON instead of text."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fastconnect.rest import error_body

LARGEST_HEADERS_BYTES = 8 << 10
HEADERS_WITHIN_S = 10.0
"""How long a client may take to send the headers of a request once it has begun, or connected."""
IDLE_S = 30.0
"""How long a connection is kept open for the next request."""
MOST_CONNECTIONS = 256


class StrictProtocol(H11Protocol):
    """One connection, from the first byte to the last."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in, unless there are enough."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(503, f"This worker keeps at most {MOST_CONNECTIONS} connections open")
            return
        self._begin_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._end_headers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch_headers()

    def on_response_complete(self) -> None:
        """Go on to the next request, which may have begun already."""
        super().on_response_complete()
        self._watch_headers()

    def _watch_headers(self) -> None:
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._begin_headers()
        else:
            self._end_headers()

    def send_400_response(self, msg: str) -> None:
        """Answer to what is no HTTP; called while h11's exception is handled."""
        error = sys.exception()
        hint = getattr(error, "error_status_hint", 400)
        self._refuse(hint if hint < 500 else 400, None if hint == 431 else f"The request is no valid HTTP: {error}"[:300])

    def _begin_headers(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADERS_WITHIN_S, self._too_slow)

    def _end_headers(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(408, f"The request's headers did not arrive within {HEADERS_WITHIN_S:.0f} s")

    def _refuse(self, status: int, message: str | None) -> None:
        """Answer, and hang up. Where an answer is under way already, it ends here: nobody could tell the two apart."""
        body = error_body.encode(status, message)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            *([(b"retry-after", b"1")] if status == 503 else []),
        ]
        with contextlib.suppress(h11.LocalProtocolError):
            self._write(h11.Response(status_code=status, headers=headers, reason=b""))
            self._write(h11.Data(data=body))
            self._write(h11.EndOfMessage())
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _write(self, event: h11.Event) -> None:
        if data := self.conn.send(event):
            self.transport.write(data)
