"""One request on its way: what a handler may ask of it, and how it waits for the herder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote_to_bytes

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fastconnect.herder.herder import Herder
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.rest import bodies
from fastconnect.rest.error_body import BadRequestError
from fastconnect.states import TaskId

if TYPE_CHECKING:
    from fastconnect.config.rest import RestConfig

BODY_WITHIN_S = 30.0
ANSWER_WITHIN_S = 90.0  # as Kafka Connect's rest.api.timeout

JSON = "application/json"

T = TypeVar("T")

_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")


class Service(msgspec.Struct, frozen=True):
    """What all requests share."""

    herder: Herder
    config: RestConfig
    answer_within_s: float = ANSWER_WITHIN_S


class Call:
    """One request, for its handler.

    Args:
        request: as the HTTP server gives it.
        params: the parts of the path with names, still percent-encoded.
        largest_bytes: how long its body may be.
    """

    def __init__(
        self, request: Request, service: Service, params: Mapping[str, str], largest_bytes: int = bodies.LARGEST_BYTES
    ) -> None:
        self.request = request
        self.service = service
        self.herder = service.herder
        self._params = params
        self._largest_bytes = largest_bytes
        self._body: bytes | None = None

    @property
    def name(self) -> str:
        """The connector's name in the path, which may have any characters: `a%2Fb` is `a/b`."""
        return self.param("name")

    @property
    def task(self) -> TaskId:
        """The task in the path; what is no number is no task's path."""
        text = self.param("task")
        if not _NUMBER.fullmatch(text) or abs(int(text)) >= 1 << 31:
            raise HTTPException(404)
        return TaskId(self.name, int(text))

    def param(self, name: str) -> str:
        """A part of the path, decoded."""
        try:
            return unquote_to_bytes(self._params[name]).decode("utf-8")
        except UnicodeDecodeError:
            raise BadRequestError("The path is not percent-encoded UTF-8") from None

    def query(self, name: str) -> str | None:
        """A parameter of the query; the first, if there are several."""
        values = self.request.query_params.getlist(name)
        return values[0] if values else None

    def queries(self, name: str) -> list[str]:
        """All values of a parameter of the query."""
        return self.request.query_params.getlist(name)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean parameter: `true` in any case is true, anything else is not."""
        text = self.query(name)
        return default if text is None else text.lower() == "true"

    async def body(self) -> bytes:
        """The whole body, as it was sent.

        Raises:
            BadRequestError: it is too long, or takes too long.
        """
        if self._body is None:
            try:
                async with asyncio.timeout(BODY_WITHIN_S):
                    self._body = await self._read(self._largest_bytes)
            except TimeoutError:
                raise BadRequestError(f"The request body did not arrive within {BODY_WITHIN_S:.0f} s", 408) from None
            except ClientDisconnect:
                raise BadRequestError("The client has gone before its request was complete") from None
        return self._body

    async def _read(self, largest_bytes: int) -> bytes:
        length = self.request.headers.get("content-length", "0")
        too_long = BadRequestError(f"The request body is longer than {largest_bytes} bytes", 413)
        if not length.isdecimal() or int(length) > largest_bytes:
            raise too_long
        body = bytearray()
        async for chunk in self.request.stream():
            body += chunk
            if len(body) > largest_bytes:
                raise too_long
        return bytes(body)

    async def decoded(self, kind: type[T]) -> T:
        """The body, read as JSON; see bodies.decode."""
        return bodies.decode(await self.body(), kind)

    async def config(self) -> dict[str, str | None]:
        """The body as a configuration."""
        return bodies.config_of(await self.decoded(bodies.ConfigBody))

    async def result(self, asked: Future[T]) -> T:
        """What the herder answers.

        Raises:
            RequestRefusedError: 500 if it takes too long, with what it is at.
        """
        try:
            async with asyncio.timeout(self.service.answer_within_s):
                return await asyncio.wrap_future(asked)
        except TimeoutError:
            if (stage := self.herder.stage) is not None:
                raise RequestRefusedError(500, f"Request timed out. The worker is currently {stage}.") from None
            raise RequestRefusedError(500, "Request timed out") from None


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body."""
    body = bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)
    return Response(body, status, headers, JSON)


def nothing(status: int = 204) -> Response:
    """An answer without a body."""
    return Response(None, status)


def encoded(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")
