"""Exception -> `{"error_code", "message"}`, as Kafka Connect answers; the one place where a failure becomes a status."""

from __future__ import annotations

import logging

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fastconnect.errors import ConfigError, ConnectError, PluginNotFoundError
from fastconnect.herder.refusals import RequestRefusedError

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 64 * 1024
"""Of the herder's own texts, in characters: a list of faults is long, but no trace without end goes to a client."""

TEXTS = {
    400: "HTTP 400 Bad Request",
    401: "User cannot access the resource.",
    403: "HTTP 403 Forbidden",
    404: "HTTP 404 Not Found",
    405: "HTTP 405 Method Not Allowed",
    406: "HTTP 406 Not Acceptable",
    408: "HTTP 408 Request Timeout",
    413: "HTTP 413 Request Entity Too Large",
    415: "HTTP 415 Unsupported Media Type",
    429: "HTTP 429 Too Many Requests",
    431: "HTTP 431 Request Header Fields Too Large",
    503: "HTTP 503 Service Unavailable",
}


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer of 400 and above."""

    error_code: int
    message: str


class BadRequestError(RequestRefusedError):
    """What a client has sent cannot be meant so; the message never repeats it, for it may hold secrets."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(status, message)


def encode(status: int, message: str | None = None) -> bytes:
    """The body for a status; without a message it is what Kafka Connect's HTTP server says."""
    return msgspec.json.encode(ErrorBody(status, TEXTS.get(status, f"HTTP {status}") if message is None else message))


def answer(status: int, message: str | None = None, headers: dict[str, str] | None = None) -> Response:
    """The whole answer for a status."""
    more = dict(headers or {})
    if status == 503:
        more.setdefault("Retry-After", "1")
    return Response(encode(status, message), status, more, "application/json")


def answer_to(error: BaseException) -> Response:
    """The answer to a request that has failed with this."""
    match error:
        case HTTPException():
            return answer(error.status_code, headers=dict(error.headers or {}))
        case RequestRefusedError():
            return answer(error.status, _limited(str(error)))
        case PluginNotFoundError():
            return answer(404, _limited(str(error)))
        case ConfigError():
            return answer(400, _limited(str(error)))
        case ConnectError():
            return answer(500, _limited(str(error)))
    logger.error("A request has failed in a way that nobody expected.", exc_info=error)
    return answer(500, "The worker has failed to answer this request; its log says why.")


def _limited(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]} ..."
