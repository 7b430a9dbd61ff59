"""What happens to every request: it is looked at, finds its handler, and any failure becomes an answer. No HTTP, no sockets.

Kafka Connect's rules: a slash at the end does not matter, HEAD is answered wherever GET is, OPTIONS says what is possible, a
body that is no JSON is 415, who does not take JSON gets 406.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastconnect.config.rest import ResponseHeader, RestConfig
from fastconnect.herder.refusals import OtherWorkerError
from fastconnect.rest import bodies, error_body
from fastconnect.rest.call import Call, Service
from fastconnect.rest.error_body import BadRequestError
from fastconnect.rest.forward import Forwarder
from fastconnect.rest.route import Route
from fastconnect.rest.routes import ADMIN, ON_ADMIN_LISTENERS, ROUTES
from fastconnect.rest.security import ALWAYS, Guard

logger = logging.getLogger(__name__)

_ORDER = ("HEAD", "POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS")  # as Kafka Connect's answers to OPTIONS have them


class Resource(NamedTuple):
    """A path and what can be done with it."""

    pattern: re.Pattern[str]
    methods: Mapping[str, Route]

    @property
    def allowed(self) -> list[str]:
        """The HTTP methods."""
        known = {*self.methods, "OPTIONS", *(["HEAD"] if "GET" in self.methods else [])}
        return [method for method in _ORDER if method in known]


def resources(routes: Iterable[Route]) -> list[Resource]:
    """The paths of some routes."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    return [
        Resource(re.compile("/".join(_pattern_of(part) for part in path.split("/"))), methods)
        for path, methods in by_path.items()
    ]


def _pattern_of(part: str) -> str:
    return f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part)


class RestApp:
    """The ASGI application of one listener.

    Args:
        routes: those that it answers.
        guard: looks at each request.
    """

    def __init__(self, service: Service, routes: Iterable[Route], guard: Guard, forwarder: Forwarder) -> None:
        self._service = service
        self._resources = resources(routes)
        self._guard = guard
        self._forwarder = forwarder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except asyncio.CancelledError:  # the server is being stopped; whoever waits should know that he may ask again
            response = error_body.answer(503, "The worker is being stopped", {"Connection": "close"})
        except Exception as error:
            response = error_body.answer_to(error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if (refusal := self._guard.refusal(request)) is not None:
            return refusal
        path = request.scope["raw_path"].decode("ascii", "replace")
        if len(path) > 1 and path.endswith("/"):
            path = path[:-1]
        for resource in self._resources:
            if (found := resource.pattern.fullmatch(path)) is not None:
                return await self._ask(request, resource, found.groupdict())
        # Who is not known does not learn either which paths there are.
        return await self._guard.stranger(request, "read") or error_body.answer(404)

    async def _ask(self, request: Request, resource: Resource, params: Mapping[str, str]) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        route = resource.methods.get(method)
        if (stranger := await self._guard.stranger(request, route.needs if route is not None else "read")) is not None:
            return stranger
        if request.method == "OPTIONS":
            headers = {"Allow": ",".join(resource.allowed), "Content-Type": "text/plain"}
            return Response(", ".join(resource.allowed), headers=headers)
        if route is None:
            raise HTTPException(405, headers={"Allow": ", ".join(resource.allowed)})
        if not accepts(request.headers.getlist("accept"), route.produces):
            raise HTTPException(406)
        largest_bytes = bodies.LARGEST_INTERNAL_BYTES if route.needs == "signature" else bodies.LARGEST_BYTES
        call = Call(request, self._service, params, largest_bytes)
        if request.method not in ("GET", "HEAD"):
            await _check_content_type(call)
        try:
            return await route.handler(call)
        except OtherWorkerError as error:
            return await self._forwarder.send_on(call, error)


async def _check_content_type(call: Call) -> None:
    given = call.request.headers.get("content-type")
    if given is not None and not given.strip():
        raise BadRequestError("The Content-Type is empty")
    body = await call.body()
    if body and (given is None or given.partition(";")[0].strip().lower() != "application/json"):
        raise HTTPException(415)


def accepts(headers: list[str], media_type: str) -> bool:
    """Whether a client takes this kind of answer, by its Accept headers."""
    if not any(header.strip() for header in headers):
        return True
    for part in ",".join(headers).split(","):
        kind, *params = (each.strip().lower() for each in part.split(";"))
        if kind not in ("*/*", media_type, f"{media_type.partition('/')[0]}/*"):
            continue
        if not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", param) for param in params):
            return True
    return False


class Headers:
    """Adds the headers that each answer has, whichever it is.

    Args:
        configured: those of response.http.headers.config.
    """

    def __init__(self, app: ASGIApp, configured: Iterable[ResponseHeader]) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode(), True) for name, value in ALWAYS.items()]
        for header in configured:
            name, value = header.name.lower().encode(), header.value.encode("latin-1", "replace")
            self._headers = [each for each in self._headers if not header.replaces or each[0] != name]
            self._headers.append((name, value, header.replaces))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                assert isinstance(headers, list)
                replaced = {name for name, _, replaces in self._headers if replaces}
                headers = [each for each in headers if each[0] not in replaced]
                message = {**message, "headers": headers + [(name, value) for name, value, _ in self._headers]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def application(config: RestConfig, service: Service, guard: Guard, forwarder: Forwarder, *, admin: bool) -> ASGIApp:
    """The application of a listener.

    Args:
        admin: it is one of `admin.listeners`.
    """
    if admin:
        routes = [route for route in ROUTES if _is_admin(route) or route.path in ON_ADMIN_LISTENERS]
    else:
        routes = [route for route in ROUTES if config.has_admin_api or not _is_admin(route)]
    app: ASGIApp = RestApp(service, routes, guard, forwarder)
    if config.access_control_allow_origin:
        app = CORSMiddleware(
            app,
            allow_origins=[origin.rstrip("/") for origin in config.access_control_allow_origin],
            allow_methods=[method.upper() for method in config.access_control_allow_methods] or ["GET", "POST", "HEAD"],
            allow_headers=["Content-Type", "Accept", "Authorization"],
        )
    return Headers(app, config.response_headers)


def _is_admin(route: Route) -> bool:
    return route.path.startswith(ADMIN)
