"""The offsets of a connector: looked at at any time, changed and forgotten while it is stopped (KIP-875)."""

from __future__ import annotations

from typing import Any

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
    if any(_has_too_large_number(part) for pair in pairs for part in pair):
        raise BadRequestError("Numbers in partitions and offsets must fit into 64 bits")
    return answer({"message": await call.result(call.herder.alter_offsets(call.name, pairs))})


async def reset(call: Call) -> Response:
    """Forget all offsets of a stopped connector."""
    return answer({"message": await call.result(call.herder.reset_offsets(call.name))})


def _has_too_large_number(value: Any) -> bool:
    """Whether there is a whole number that neither Kafka Connect's offsets nor ours can hold."""
    match value:
        case int():
            return not -(1 << 63) <= value < 1 << 63
        case dict():
            return any(_has_too_large_number(each) for each in value.values())
        case list():
            return any(_has_too_large_number(each) for each in value)
    return False
