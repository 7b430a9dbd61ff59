"""What a connector's process answers its herder, as data."""

from __future__ import annotations

from typing import Literal

import msgspec

from fastconnect.errors import Fault


class Failure(msgspec.Struct, frozen=True):
    """The connector's code failed: one sentence, where it happened, and whether asking again may help."""

    reason: str
    trace: str
    retry_helps: bool


class Refusal(msgspec.Struct, frozen=True):
    """The question itself has no answer: why, and the HTTP status for that."""

    status: int
    message: str


class ConnectorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector answers. The configurations of its tasks count only if there is neither a fault nor a failure."""

    faults: list[Fault] = []
    warnings: list[str] = []
    task_configs: list[dict[str, str]] = []
    failure: Failure | None = None
    refusal: Refusal | None = None
    kind: Literal["source", "sink"] | None = None
    """What the connector is; None if there is no such class."""
    version: str | None = None
    """The version of the connector's class, as that says it."""
    summary: str = ""
    """The text with which a configuration with faults is refused; only for `validate`."""
    body: bytes = b""
    """JSON: what the REST API answers to `validate`, `config_def` and `plugins`."""
    connectors: dict[str, tuple[Literal["source", "sink"], str | None]] = {}
    """Only for `plugins`: every name that a connector may be called by, what it is, and its version."""
    altered: bool = False
    """Only for `alter_offsets`: whether the connector says that it keeps no offsets elsewhere."""
