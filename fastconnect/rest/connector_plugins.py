"""Plugins: which are installed, what can be configured of them, and whether a configuration is right."""

from __future__ import annotations

from starlette.responses import Response

from fastconnect.rest.call import Call, answer
from fastconnect.rest.error_body import BadRequestError


async def plugins(call: Call) -> Response:
    """The installed connectors; with `connectorsOnly=false` converters, transforms and predicates too."""
    found = await call.result(call.herder.plugins())
    if call.flag("connectorsOnly", default=True):
        found = [plugin for plugin in found if plugin.type in ("sink", "source")]
    return answer(found)


async def config(call: Call) -> Response:
    """What can be configured of a plugin."""
    return answer(await call.result(call.herder.plugin_config(call.param("plugin"), call.query("version"))))


async def validate(call: Call) -> Response:
    """Look at a configuration, and tell of each key what it is and what is wrong with it."""
    given = await call.config()
    plugin, named = call.param("plugin"), given.get("connector.class")
    if named is not None and not _simple(named).endswith(_simple(plugin)):
        raise BadRequestError(f"Included connector type {named} does not match request type {plugin}")
    return answer(await call.result(call.herder.validate(plugin, given)))


def _simple(name: str) -> str:
    return name.removesuffix("Connector")
