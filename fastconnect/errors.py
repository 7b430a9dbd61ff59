"""Every exception a user can meet.

An error says what happened, where, and what to do about it. A plugin author needs three of them: `RetriableError` (try
again), `DataError` (this record is bad) and `ConnectError` (any of ours).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class ConnectError(Exception):
    """Any error of fastconnect: what happened, and if known where, and what to do.

    Args:
        message: what happened, one sentence without a full stop at its end.
        where: the thing it happened to, such as `connector orders-file` or `orders.jsonl line 7`.
        hint: what the reader can do now.
    """

    retry_helps = True
    """False where starting the task again meets the same error: the supervisor then leaves it FAILED."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class RetriableError(ConnectError):
    """The same call may succeed later: the runtime calls again."""


class DataError(ConnectError):
    """One record, or its place in the source, is bad; reading it again gives the same."""

    retry_helps = False


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with one config key (`key` is empty for what concerns several)."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class ConfigError(ConnectError):
    """A configuration cannot be used; `faults` holds everything wrong with it, not just the first thing."""

    retry_helps = False

    def __init__(
        self, message: str, *, faults: Iterable[Fault] = (), where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        lines = [super().__str__(), *(f"  - {fault}" for fault in self.faults)]
        return "\n".join(lines)


class PluginNotFoundError(ConfigError):
    """No installed plugin answers to this class name or alias."""


class FunctionError(ConnectError):
    """A connector function, or the file it is in, is written in a way that cannot work: running it again meets the same."""

    retry_helps = False


class StoreError(RetriableError):
    """What survives a restart cannot be read or written at the moment."""


class ConfigStoreError(StoreError):
    """The store of configurations refused a read or a write, or did not answer in time: a write may still have arrived."""


class StatusStoreError(StoreError):
    """The store of statuses refused a read or a write."""


class OffsetStoreError(StoreError):
    """The offset store refused a read or a write; what it held before is untouched."""


class SendError(ConnectError):
    """Records could not be delivered; the offsets from the first undelivered one on stay unflushed."""


class FatalClientError(SendError):
    """The Kafka client is beyond use (fenced, or its sequence is lost): only a new process helps."""


class ClusterError(ConnectError):
    """A cluster that was asked over its REST API did not do what was asked."""


class ClusterUnreachableError(ClusterError):
    """Nobody answers at the cluster's address, or what answers is no Kafka Connect."""


class ClusterRefusedError(ClusterError):
    """The cluster has answered with an error.

    Args:
        status: the HTTP status.
    """

    def __init__(self, status: int, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.status = status


class WaitedTooLongError(ClusterError):
    """What was waited for has not come true in time."""


class BrokerError(ConnectError):
    """The embedded broker could not be started, found or stopped."""

    retry_helps = False
