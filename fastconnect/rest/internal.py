"""What workers ask of each other; signed with the group's session key, which the herder checks (KIP-507)."""

from __future__ import annotations

import base64
import binascii

from starlette.responses import Response

from fastconnect.herder.answers import Signature
from fastconnect.rest import bodies
from fastconnect.rest.call import Call, nothing

SIGNATURE = "X-Connect-Authorization"
ALGORITHM = "X-Connect-Request-Signature-Algorithm"


async def put_tasks(call: Call) -> Response:
    """Take in the configurations of a connector's tasks, which its owner sends to the leader."""
    configs = bodies.configs_of(await call.decoded(list[bodies.ConfigBody]))
    await call.result(call.herder.put_task_configs(call.name, configs, await _signature(call)))
    return nothing()


async def fence(call: Call) -> Response:
    """Fence the producers of earlier tasks of an exactly-once source."""
    await call.result(call.herder.fence(call.name, await _signature(call)))
    return nothing()


async def _signature(call: Call) -> Signature:
    headers = call.request.headers
    return Signature(await call.body(), headers.get(ALGORITHM), _decoded(headers.get(SIGNATURE)))


def _decoded(text: str | None) -> bytes | None:
    """The signature's bytes; what is no base64 is a signature that is not right, not one that is missing."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
