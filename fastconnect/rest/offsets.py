"""The offsets of a connector: looked at at any time, changed and forgotten while it is stopped (KIP-875)."""

from __future__ import annotations

from starlette.responses import Response

from fastconnect.rest import bodies
from fastconnect.rest.call import Call, answer
from fastconnect.rest.error_body import BadRequestError


async def get(call: Call) -> Response:
    """A source's offsets in the offset store; of a sink, what its consumer group has committed."""
    return answer({"offsets": await call.result(call.herder.offsets(call.name))})


async def alter(call: Call) -> Response:
    """Change some offsets of a stopped connector; one of null is forgotten."""
    given = (await call.decoded(bodies.AlterOffsets)).offsets
    if not given:
        raise BadRequestError("Partitions / offsets need to be provided for an alter offsets request")
    pairs = [(each.partition, each.offset) for each in given]
    return answer({"message": await call.result(call.herder.alter_offsets(call.name, pairs))})


async def reset(call: Call) -> Response:
    """Forget all offsets of a stopped connector."""
    return answer({"message": await call.result(call.herder.reset_offsets(call.name))})
