"""Levels of loggers that are changed while the worker runs, in all its processes.

The supervisor keeps them in a memory file that all its children have open, and tells the children by a signal to look; a child
that is forked later has them anyway. What a level is called in Kafka Connect, and which loggers there are, is not here.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping

import msgspec

LIMIT_BYTES = 1 << 20

Levels = dict[str, int]
"""Logger -> level, in the order in which they were set. The root logger is the empty name."""


def set_level(levels: Levels, logger: str, level: int) -> None:
    """Note that a logger, and every one below it, has this level from now on."""
    for below in [name for name in levels if is_below(name, logger)]:
        del levels[below]
    levels[logger] = level


def apply(levels: Mapping[str, int]) -> None:
    """Give the loggers of this process these levels. Source: Kafka Connect sets a named logger and all known ones below it."""
    for logger, level in levels.items():
        for name, known in list(logging.root.manager.loggerDict.items()):
            if isinstance(known, logging.Logger) and known.level != logging.NOTSET and is_below(name, logger):
                known.setLevel(logging.NOTSET)
        logging.getLogger(logger or None).setLevel(level)


def is_below(name: str, logger: str) -> bool:
    """Whether a logger is this one, or below it."""
    return logger in ("", name) or name.startswith(logger + ".")


class SharedLevels:
    """The memory file. One process writes it and is the parent of those that read it."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("fastconnect-log-levels", os.MFD_CLOEXEC)
        self._levels: Levels = {}

    def set(self, logger: str, level: int) -> None:
        """Set a level here, and write it down for the children; they are still to be told to look."""
        set_level(self._levels, logger, level)
        apply(self._levels)
        data = msgspec.json.encode(self._levels)
        if len(data) <= LIMIT_BYTES:
            os.pwrite(self.fd, data, 0)
            os.ftruncate(self.fd, len(data))

    def look(self) -> None:
        """In a child: take over what is written there now.

        It may be in the midst of being written; then it is no JSON, and the signal that follows the write leads here again.
        """
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            apply(msgspec.json.decode(os.pread(self.fd, LIMIT_BYTES, 0), type=dict[str, int]))

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)
