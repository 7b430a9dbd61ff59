"""What a connector's process answers its herder, as data."""

from __future__ import annotations

import msgspec

from fastconnect.errors import Fault


class Failure(msgspec.Struct, frozen=True):
    """The connector's code failed: one sentence, where it happened, and whether asking again may help."""

    reason: str
    trace: str
    retry_helps: bool


class ConnectorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector answers. The configurations of its tasks count only if there is neither a fault nor a failure."""

    faults: list[Fault] = []
    warnings: list[str] = []
    task_configs: list[dict[str, str]] = []
    failure: Failure | None = None
