"""What the REST API asks of plugins without starting them; called in a process of its own.

Only what a plugin itself raises may come out of here: it fails that one question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fastconnect import masking, plugins
from fastconnect.api.config_def import config_keys
from fastconnect.api.sink_records import TopicPartition
from fastconnect.config.client import is_secret
from fastconnect.config.connector import SourceConnectorConfig
from fastconnect.config.providers import Providers
from fastconnect.config.sink_connector import SinkConnectorConfig
from fastconnect.config.validation import validate, version_refusal
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConnectError, PluginNotFoundError
from fastconnect.herder.answers import PluginDescription, PluginType
from fastconnect.herder.connector_report import ConnectorReport, Refusal
from fastconnect.plugins import Kind, Plugin
from fastconnect.supervisor.control import RunConnector

_TYPES: dict[Kind, PluginType] = {
    "sink": "sink",
    "source": "source",
    "transform": "transformation",
    "predicate": "predicate",
    "converter": "converter",
    "header_converter": "header_converter",
}


def answer(request: RunConnector, worker: WorkerConfig) -> ConnectorReport:
    """Answer `validate`, `config_def`, `plugins` or `alter_offsets`."""
    match request.action:
        case "validate":
            return _validate(request.config, worker, recommend=request.input == RECOMMEND)
        case "config_def":
            return _config_def(request.name, request.input.decode())
        case "plugins":
            return _plugins()
        case "alter_offsets":
            return _alter_offsets(request, worker)
    raise ValueError(f"{request.action} is no such question")


RECOMMEND = b"recommend"
"""The input of `validate` that has the answer list the installed plugins too, where one can be named: for user interfaces."""


def _validate(config: Mapping[str, str | None], worker: WorkerConfig, *, recommend: bool) -> ConnectorReport:
    if not (config.get("connector.class") or "").strip():
        return _refused(400, f"Connector config {_shown(config)} contains no connector type")
    validation = validate(config, worker, recommend=recommend)
    plugin = _connector(config)
    if plugin is None:
        why = next((fault.message for fault in validation.faults if fault.key == "connector.class"), "")
        if why:
            return _refused(400, why)
    return ConnectorReport(
        faults=list(validation.faults),
        warnings=validation.warnings,
        kind=_kind_of(plugin),
        version=plugin.version if plugin is not None else None,
        summary=validation.summary() if validation.faults else "",
        body=msgspec.json.encode(validation.to_json()),
    )


def _shown(config: Mapping[str, str | None]) -> str:
    """A configuration as Java prints a map, but without what looks secret."""
    pairs = (f"{key}={masking.HIDDEN if is_secret(key) else value}" for key, value in sorted(config.items()))
    return "{" + ", ".join(pairs) + "}"


def _connector(config: Mapping[str, str | None]) -> Plugin | None:
    name = (config.get("connector.class") or "").strip()
    try:
        return plugins.find_plugin(plugins.kind_of_connector(name), name)
    except PluginNotFoundError:
        return None


def _kind_of(plugin: Plugin | None) -> Any:
    return None if plugin is None else plugin.kind


def _config_def(name: str, version: str) -> ConnectorReport:
    plugin = _any_plugin(name)
    if plugin is None:
        return _refused(404, f"Unknown plugin {name}.")
    if version and (why := version_refusal(plugin, version)):
        return _refused(400, why)
    config_class: Any = getattr(plugin.cls, "config_class", None)
    keys = [] if config_class is None else config_keys(config_class)
    if plugin.kind in ("source", "sink"):
        known = {key.name for key in keys}
        framework = config_keys(SinkConnectorConfig if plugin.kind == "sink" else SourceConnectorConfig)
        framework = [
            msgspec.structs.replace(key, default_value=plugin.version) if key.name == "connector.plugin.version" else key
            for key in framework
        ]
        keys += [key for key in framework if key.name not in known]
    return ConnectorReport(body=msgspec.json.encode([key.to_json() for key in keys]))


def _any_plugin(name: str) -> Plugin | None:
    for kind in _TYPES:
        try:
            return plugins.find_plugin(kind, name)
        except plugins.WrongKindError:
            continue
        except PluginNotFoundError as error:
            if error.where:  # it is there, but its code cannot be imported
                raise
    return None


def _plugins() -> ConnectorReport:
    found = plugins.all()
    described = [
        PluginDescription(plugin.name, _TYPES[plugin.kind], msgspec.UNSET if plugin.version is None else plugin.version)
        for plugin in found
    ]
    return ConnectorReport(
        body=msgspec.json.encode(described),
        connectors={
            name: (plugin.kind, plugin.version)
            for plugin in found
            if plugin.kind in ("source", "sink")
            for name in plugin.names
        },
    )


def _alter_offsets(request: RunConnector, worker: WorkerConfig) -> ConnectorReport:
    worker = worker.resolved()
    config = Providers.of(worker.originals).resolve(request.config, f"connector {request.name}")
    class_name = (config.get("connector.class") or "").strip()
    kind = plugins.kind_of_connector(class_name)
    connector_class = plugins.find(kind, class_name)
    parsed = connector_class.config_class.parse(config)
    offsets = [(partition, offset) for partition, offset in msgspec.msgpack.decode(request.input)]
    if kind == "sink":
        offsets = [(TopicPartition(*partition), offset) for partition, offset in offsets]
    try:
        return ConnectorReport(altered=connector_class().alter_offsets(parsed, offsets) is True)
    except NotImplementedError:
        why = "because it doesn't support external modification of offsets"
        return _refused(500, f"Failed to modify offsets for connector {request.name} {why}")
    except ConnectError as error:
        return _refused(400, masking.hide(str(error)))


def _refused(status: int, message: str) -> ConnectorReport:
    return ConnectorReport(refusal=Refusal(status, message))
