"""The API as an OpenAPI 3.1 document, made of routes.py: what is not there cannot be in it, and the other way round."""

from __future__ import annotations

import functools
import inspect
from importlib.metadata import version
from typing import Any

import msgspec

from fastconnect.rest import bodies
from fastconnect.rest.error_body import TEXTS, ErrorBody
from fastconnect.rest.route import Route

CONFIG_SCHEMA = {
    "type": "object",
    "description": "A flat configuration. Numbers and booleans are taken as text.",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}

_ALWAYS = (400, 401, 403, 404, 405, 406, 408, 413, 415, 429, 431, 500, 503)
"""What any request may be answered with: by the server itself, or since the herder does not know or is not ready."""

_PARAMETERS = {
    "name": "The connector's name, percent-encoded; it may have a slash (%2F).",
    "task": "The number of the task.",
    "plugin": "A class name, the name without its package, or an alias.",
    "logger": "A logger's name in Python or in Kafka Connect; `root` for all.",
    "forward": "Set by workers that send a request on.",
    "expand": "What to tell of each connector; may be there twice.",
    "version": "A version of the plugin, or a range.",
}


@functools.cache
def document() -> bytes:
    """The document as JSON."""
    from fastconnect.rest.routes import ROUTES

    return msgspec.json.encode(_document(ROUTES))


def _document(routes: tuple[Route, ...]) -> dict[str, Any]:
    types = {kind for route in routes for kind in (*route.answers.values(), ErrorBody) if kind is not None}
    types |= {route.body for route in routes if route.body is not None and not _is_config(route.body)}
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type)
    if "CreateConnector" in components:
        components["CreateConnector"]["required"] = ["config"]
        components["CreateConnector"]["properties"]["config"] = CONFIG_SCHEMA
        components["CreateConnector"]["properties"]["initial_state"] = {"enum": ["RUNNING", "PAUSED", "STOPPED", None]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fastconnect",
            "version": version("fastconnect-kafka"),
            "description": "Kafka Connect's REST API. Errors have a body with `error_code` and `message`.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "responses": {
                "Error": {
                    "description": "What is wrong.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
                }
            },
        },
        "security": [{}, {"basic": []}],
    }


def _operation(route: Route, by_type: dict[Any, Any]) -> dict[str, Any]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    errors = {
        str(status): {"$ref": "#/components/responses/Error"}
        for status in sorted({*_ALWAYS, *([409] if "forward" in route.query else [])})
    }
    answers = {str(status): _answer(route, status, kind, by_type) for status, kind in route.answers.items()}
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}.{route.handler.__name__}",
        "summary": inspect.getdoc(route.handler) or "",
        "tags": [route.handler.__module__.rpartition(".")[2]],
        "parameters": [*(_in_path(name) for name in names), *(_in_query(*each) for each in route.query.items())],
        "responses": dict(sorted({**errors, **answers}.items())),
    }
    if route.body is not None:
        schema = CONFIG_SCHEMA if _is_config(route.body) else by_type.get(route.body)
        if route.body == list[bodies.ConfigBody]:
            schema = {"type": "array", "items": CONFIG_SCHEMA}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.needs == "signature":
        operation["security"] = [{}]
        operation["parameters"] += [
            {"name": name, "in": "header", "schema": {"type": "string"}}
            for name in ("X-Connect-Authorization", "X-Connect-Request-Signature-Algorithm")
        ]
    return operation


def _answer(route: Route, status: int, kind: Any, by_type: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": TEXTS.get(status, "Done.")}
    if kind is not None:
        described["content"] = {route.produces: {"schema": by_type[kind]}}
    if status == 201:
        described["headers"] = {"Location": {"description": "Where the connector is found.", "schema": {"type": "string"}}}
    return described


def _in_path(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = (
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1} if name == "task" else {"type": "string", "minLength": 1}
    )
    return {"name": name, "in": "path", "required": True, "description": _PARAMETERS[name], "schema": schema}


def _in_query(name: str, values: tuple[str, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "enum": list(values)} if values else {"type": "string"}
    if values == ("true", "false"):
        schema = {"type": "boolean"}
    if name == "expand":
        schema = {"type": "array", "items": schema}
    described = {"name": name, "in": "query", "schema": schema}
    return {**described, "description": _PARAMETERS[name]} if name in _PARAMETERS else described


def _is_config(kind: Any) -> bool:
    return kind in (bodies.ConfigBody, list[bodies.ConfigBody])
