"""One line of routes.py: a method and a path, who handles it, and what openapi.py says about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from starlette.responses import Response

from fastconnect.rest.call import Call

Handler: TypeAlias = Callable[[Call], Awaitable[Response]]

Needs: TypeAlias = Literal["nothing", "read", "operate", "change", "signature"]
"""Who may ask: anybody; who may read; who may also pause and restart; who may also change what runs; other workers."""


class Route(NamedTuple):
    """A method and a path, and everything there is to know of it.

    Args:
        method: an HTTP method; GET stands for HEAD too.
        path: with names in braces, such as `/connectors/{name}`.
        handler: its docstring is what the OpenAPI document says.
        answers: by status, the type of the body; None for none. The errors come in addition.
        needs: who may ask.
        body: the type of the request's body; None: it takes none.
        query: its query parameters, each with its possible values (empty: any text); with `forward` among them, another worker
            may have to answer.
        produces: the answer's media type.
    """

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, Any]
    needs: Needs = "read"
    body: Any = None
    query: Mapping[str, tuple[str, ...]] = {}
    produces: str = "application/json"
