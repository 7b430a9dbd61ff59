"""Connectors and their tasks: what is configured, how they are, and what they shall do."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response

from fastconnect.herder.answers import RestartRequest
from fastconnect.herder.refusals import ConnectorNotFoundError, RequestRefusedError
from fastconnect.rest import bodies
from fastconnect.rest.call import Call, answer, encoded, nothing
from fastconnect.rest.error_body import BadRequestError
from fastconnect.states import TargetState

LONGEST_NAME_BYTES = 255

_INITIAL_STATES = {"RUNNING": TargetState.STARTED, "PAUSED": TargetState.PAUSED, "STOPPED": TargetState.STOPPED}


async def names(call: Call) -> Response:
    """The names of all connectors; with `expand=status` or `expand=info` (or both) what is known of each."""
    found = await call.result(call.herder.connectors())
    wanted = call.queries("expand")
    if not wanted:
        return answer(found)
    expanded = await asyncio.gather(*(_expanded(call, name, wanted) for name in found))
    return answer({name: each for name, each in zip(found, expanded, strict=True) if each is not None})


async def _expanded(call: Call, name: str, wanted: list[str]) -> dict[str, Any] | None:
    """What is known of one connector; None if it is gone meanwhile."""
    known: dict[str, Any] = {}
    try:
        for what in wanted:
            if what == "status":
                known[what] = await call.result(call.herder.connector_status(name))
            elif what == "info":
                known[what] = await call.result(call.herder.connector(name))
    except RequestRefusedError as error:
        if error.status != 404:
            raise
        return None
    return known


async def create(call: Call) -> Response:
    """Create a connector; answered before its tasks are made, unless this worker is alone."""
    asked = await call.decoded(bodies.CreateConnector)
    if asked.config is None:
        raise BadRequestError("The request body needs a config")
    name = "" if asked.name is None else asked.name.strip()
    config = bodies.config_of(asked.config)
    target = None
    if asked.initial_state is not None:
        target = _INITIAL_STATES.get(asked.initial_state.upper())
        if target is None:
            raise BadRequestError(f"initial_state must be one of {', '.join(_INITIAL_STATES)}")
    _check_new_name(name)
    config = _with_name(name, config)
    _, created = await call.result(call.herder.put_connector(name, config, initial_state=target, replace=False))
    return answer(created, 201, {"Location": location(call, created.name)})


async def get(call: Call) -> Response:
    """A connector's configuration, its tasks and its type."""
    return answer(await call.result(call.herder.connector(call.name)))


async def config(call: Call) -> Response:
    """A connector's configuration as it was given, variables unresolved."""
    return answer((await call.result(call.herder.connector(call.name))).config)


async def put_config(call: Call) -> Response:
    """Create a connector, or give it another configuration."""
    given = await call.config()
    _check_new_name(call.name)
    given = _with_name(call.name, given)
    created, connector = await call.result(call.herder.put_connector(call.name, given, replace=True))
    return answer(connector, 201, {"Location": location(call, connector.name)}) if created else answer(connector)


async def patch_config(call: Call) -> Response:
    """Change some keys of a connector's configuration; null takes a key away."""
    patch = await call.config()
    if patch.get("name", call.name) != call.name:
        raise _other_name(patch["name"] or "", call.name)
    return answer(await call.result(call.herder.patch_connector(call.name, patch)))


async def delete(call: Call) -> Response:
    """Stop and forget a connector; its offsets stay."""
    await call.result(call.herder.delete_connector(call.name))
    return nothing()


async def status(call: Call) -> Response:
    """How a connector and its tasks are."""
    return answer(await call.result(call.herder.connector_status(call.name)))


async def restart(call: Call) -> Response:
    """Restart a connector's own code (204); with `includeTasks` or `onlyFailed` what these say, in the background (202)."""
    include_tasks, only_failed = call.flag("includeTasks"), call.flag("onlyFailed")
    if not include_tasks and not only_failed:
        await call.result(call.herder.restart_connector(call.name))
        return nothing()
    request = RestartRequest(connector=call.name, only_failed=only_failed, include_tasks=include_tasks)
    return answer(await call.result(call.herder.restart_connector_and_tasks(request)), 202)


async def pause(call: Call) -> Response:
    """Pause a connector and its tasks; they keep what they have open."""
    return await _set_target(call, TargetState.PAUSED, 202)


async def resume(call: Call) -> Response:
    """Let a paused or stopped connector go on."""
    return await _set_target(call, TargetState.STARTED, 202)


async def stop(call: Call) -> Response:
    """Stop a connector and take its tasks away."""
    return await _set_target(call, TargetState.STOPPED, 204)


async def _set_target(call: Call, target: TargetState, status: int) -> Response:
    try:
        await call.result(call.herder.set_target(call.name, target))
    except ConnectorNotFoundError:
        raise ConnectorNotFoundError(call.name, f"Unknown connector {call.name}") from None
    return nothing(status)


async def tasks(call: Call) -> Response:
    """The configurations of a connector's tasks."""
    return answer(await call.result(call.herder.tasks(call.name)))


async def task_status(call: Call) -> Response:
    """How a task is."""
    return answer(await call.result(call.herder.task_status(call.task)))


async def restart_task(call: Call) -> Response:
    """Restart a task."""
    await call.result(call.herder.restart_task(call.task))
    return nothing()


async def topics(call: Call) -> Response:
    """The topics that a connector has used since it was created, or since they were last forgotten."""
    if not call.service.config.topic_tracking_enable:
        raise RequestRefusedError(403, "Topic tracking is disabled.")
    return answer({call.name: {"topics": await call.result(call.herder.active_topics(call.name))}})


async def reset_topics(call: Call) -> Response:
    """Forget which topics a connector has used."""
    if not call.service.config.topic_tracking_enable:
        raise RequestRefusedError(403, "Topic tracking is disabled.")
    if not call.service.config.topic_tracking_allow_reset:
        raise RequestRefusedError(403, "Topic tracking reset is disabled.")
    await call.result(call.herder.reset_active_topics(call.name))
    return nothing(202)


def location(call: Call, name: str) -> str:
    """Where a connector is found, seen by who asks."""
    return f"{call.request.url.scheme}://{call.request.headers.get('host', '')}/connectors/{encoded(name)}"


def _with_name(name: str, config: dict[str, str | None]) -> dict[str, str | None]:
    """The configuration with its name in it, which may not be another one's."""
    if "name" not in config:
        return {**config, "name": name}
    if config["name"] != name:
        raise _other_name(config["name"] or "", name)
    return config


def _other_name(given: str, name: str) -> BadRequestError:
    return BadRequestError(f"Connector name configuration ({given}) doesn't match connector name in the URL ({name})")


def _check_new_name(name: str) -> None:
    """Names that Kafka Connect takes, but that nobody could ask for again, or that no key can hold."""
    if name in (".", ".."):
        raise BadRequestError("A connector cannot be named . or ..: no URL can name it")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME_BYTES:
        raise BadRequestError(f"A connector's name may have at most {LONGEST_NAME_BYTES} bytes in UTF-8")
