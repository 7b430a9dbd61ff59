"""The worker itself: who it is, whether it is well, and its numbers."""

from __future__ import annotations

from starlette.responses import Response

from fastconnect.rest.call import Call, answer
from fastconnect.rest.openapi import document

_HEALTH_STATUS = {"healthy": 200, "starting": 503, "unhealthy": 500}


async def root(call: Call) -> Response:
    """Versions, and which Kafka cluster this is."""
    return answer(await call.result(call.herder.server_info()))


async def health(call: Call) -> Response:
    """Whether the worker is ready (200), still starting (503) or stuck (500)."""
    found = await call.result(call.herder.health())
    headers = {"Retry-After": "1"} if found.status == "starting" else None
    return answer(found, _HEALTH_STATUS[found.status], headers)


async def openapi(call: Call) -> Response:
    """This API as an OpenAPI document."""
    return Response(document(), 200, media_type="application/json")


async def metrics(call: Call) -> Response:
    """The worker's numbers in Prometheus' text format."""
    return Response(await call.result(call.herder.metrics()), 200, media_type="text/plain; version=0.0.4; charset=utf-8")
