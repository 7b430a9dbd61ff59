"""Error -> exit code of the command. docs/command-line.md lists them."""

from __future__ import annotations

from fastconnect.errors import (
    ClusterRefusedError,
    ClusterUnreachableError,
    ConfigError,
    ConnectError,
    WaitedTooLongError,
)

FAILED = 1
UNUSABLE = 2
NOT_THERE = 4
UNREACHABLE = 5
WAITED_TOO_LONG = 6


def exit_code_of(error: ConnectError) -> int:
    """The exit code of a command that ends by this error."""
    match error:
        case ClusterUnreachableError():
            return UNREACHABLE
        case WaitedTooLongError():
            return WAITED_TOO_LONG
        case ClusterRefusedError(status=404):
            return NOT_THERE
        case ClusterRefusedError(status=400):  # a configuration, or what else was sent
            return UNUSABLE
        case ConfigError():
            return UNUSABLE
    return FAILED if error.retry_helps else UNUSABLE
