"""Loggers and their levels, of this worker or of all (KIP-495, KIP-976)."""

from __future__ import annotations

from starlette.responses import Response

from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.rest import bodies
from fastconnect.rest.call import Call, answer, nothing
from fastconnect.rest.error_body import BadRequestError

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF")


async def loggers(call: Call) -> Response:
    """All loggers of this worker and their levels."""
    return answer(await call.result(call.herder.loggers()))


async def get(call: Call) -> Response:
    """The level of one logger."""
    name = call.param("logger")
    found = (await call.result(call.herder.loggers())).get(name)
    if found is None:
        raise RequestRefusedError(404, f"Logger {name} not found.")
    return answer(found)


async def put(call: Call) -> Response:
    """Set the level of a logger and of all below it; with `scope=cluster` at every worker."""
    level = (await call.decoded(bodies.SetLevel)).level
    if level is None:
        raise BadRequestError("Desired 'level' parameter was not specified in request.")
    if level.upper() not in LEVELS:
        raise RequestRefusedError(404, f"invalid log level '{level[:100]}'.")
    cluster = (call.query("scope") or "").lower() == "cluster"
    changed = await call.result(call.herder.set_logger_level(call.param("logger"), level.upper(), cluster=cluster))
    return nothing() if cluster else answer(changed)
