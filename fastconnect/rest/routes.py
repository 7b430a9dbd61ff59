"""The whole REST API: method and path -> handler.

The same paths, parameters, codes and texts as Kafka Connect 4.3; `/metrics` and `/openapi.json` are ours alone.
"""

from __future__ import annotations

import msgspec

from fastconnect.herder.answers import ConnectorDescription as Connector
from fastconnect.herder.answers import (
    ConnectorOffset,
    Health,
    LoggerLevel,
    PluginDescription,
    ServerInfo,
    TaskDescription,
    TaskState,
)
from fastconnect.herder.answers import ConnectorStatus as Status
from fastconnect.rest import bodies, cluster, connector_plugins, connectors, internal, loggers, offsets
from fastconnect.rest.route import Route

CONNECTORS, CONNECTOR, PLUGINS, LOGGERS = "/connectors", "/connectors/{name}", "/connector-plugins", "/admin/loggers"

GIVEN = bodies.ConfigBody
Names = list[str]
Config = dict[str, str | None]
Topics = dict[str, dict[str, list[str]]]

BOOL = ("true", "false")
FORWARD = {"forward": BOOL}
RESTART = {"includeTasks": BOOL, "onlyFailed": BOOL, **FORWARD}
SCOPE = {"scope": ("worker", "cluster")}


class Offsets(msgspec.Struct, frozen=True):
    """`GET /connectors/{name}/offsets`."""

    offsets: list[ConnectorOffset]


class Message(msgspec.Struct, frozen=True):
    """A sentence that says what was done."""

    message: str


ROUTES: tuple[Route, ...] = (
    Route("GET", "/", cluster.root, {200: ServerInfo}),
    Route("GET", "/health", cluster.health, {200: Health, 503: Health, 500: Health}),
    Route("GET", "/metrics", cluster.metrics, {200: str}, produces="text/plain"),
    Route("GET", "/openapi.json", cluster.openapi, {200: dict}),
    # connectors
    Route("GET", CONNECTORS, connectors.names, {200: Names | dict}, query={"expand": ("status", "info")}),
    Route("POST", CONNECTORS, connectors.create, {201: Connector}, "change", bodies.CreateConnector, FORWARD),
    Route("GET", CONNECTOR, connectors.get, {200: Connector}),
    Route("DELETE", CONNECTOR, connectors.delete, {204: None}, "change", query=FORWARD),
    Route("GET", f"{CONNECTOR}/config", connectors.config, {200: Config}),
    Route("PUT", f"{CONNECTOR}/config", connectors.put_config, {200: Connector, 201: Connector}, "change", GIVEN, FORWARD),
    Route("PATCH", f"{CONNECTOR}/config", connectors.patch_config, {200: Connector}, "change", GIVEN, FORWARD),
    Route("GET", f"{CONNECTOR}/status", connectors.status, {200: Status}),
    Route("POST", f"{CONNECTOR}/restart", connectors.restart, {204: None, 202: Status}, "operate", query=RESTART),
    Route("PUT", f"{CONNECTOR}/pause", connectors.pause, {202: None}, "operate"),
    Route("PUT", f"{CONNECTOR}/resume", connectors.resume, {202: None}, "operate"),
    Route("PUT", f"{CONNECTOR}/stop", connectors.stop, {204: None}, "operate", query=FORWARD),
    # their tasks
    Route("GET", f"{CONNECTOR}/tasks", connectors.tasks, {200: list[TaskDescription]}),
    Route("GET", f"{CONNECTOR}/tasks/{{task}}/status", connectors.task_status, {200: TaskState}),
    Route("POST", f"{CONNECTOR}/tasks/{{task}}/restart", connectors.restart_task, {204: None}, "operate", query=FORWARD),
    Route("POST", f"{CONNECTOR}/tasks", internal.put_tasks, {204: None}, "signature", list[bodies.ConfigBody], FORWARD),
    Route("PUT", f"{CONNECTOR}/fence", internal.fence, {204: None}, "signature", query=FORWARD),
    # their topics and offsets
    Route("GET", f"{CONNECTOR}/topics", connectors.topics, {200: Topics}),
    Route("PUT", f"{CONNECTOR}/topics/reset", connectors.reset_topics, {202: None}, "operate"),
    Route("GET", f"{CONNECTOR}/offsets", offsets.get, {200: Offsets}),
    Route("PATCH", f"{CONNECTOR}/offsets", offsets.alter, {200: Message}, "change", bodies.AlterOffsets, FORWARD),
    Route("DELETE", f"{CONNECTOR}/offsets", offsets.reset, {200: Message}, "change", query=FORWARD),
    # plugins
    Route("GET", PLUGINS, connector_plugins.plugins, {200: list[PluginDescription]}, query={"connectorsOnly": BOOL}),
    Route("GET", f"{PLUGINS}/{{plugin}}/config", connector_plugins.config, {200: list}, query={"version": ()}),
    Route("PUT", f"{PLUGINS}/{{plugin}}/config/validate", connector_plugins.validate, {200: dict}, "change", GIVEN),
    # the worker's loggers
    Route("GET", LOGGERS, loggers.loggers, {200: dict[str, LoggerLevel]}),
    Route("GET", f"{LOGGERS}/{{logger}}", loggers.get, {200: LoggerLevel}),
    Route("PUT", f"{LOGGERS}/{{logger}}", loggers.put, {200: Names, 204: None}, "change", bodies.SetLevel, query=SCOPE),
)

ADMIN = "/admin/"
"""Before the paths that `admin.listeners` may have for themselves."""

ON_ADMIN_LISTENERS = ("/health", "/metrics")
"""What these answer too."""
