"""The loggers of this worker, by Python's names and by Kafka Connect's, and their levels.

Whoever knows Kafka Connect sets `org.apache.kafka.connect`: that reaches our `fastconnect`. The names are kept as they were
given, since tools look for what they have set.
"""

from __future__ import annotations

import logging
import time

from fastconnect import log_levels
from fastconnect.herder.answers import LoggerLevel
from fastconnect.herder.refusals import RequestRefusedError

LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50, "OFF": 100}
"""Kafka Connect's levels as Python's numbers."""

ROOT = "root"

_COUNTERPARTS = (
    # Kafka Connect's package or class, and what does the same here; the first that fits counts
    ("org.apache.kafka.connect.runtime.rest", "fastconnect.rest"),
    ("org.apache.kafka.connect.runtime.distributed", "fastconnect.herder"),
    ("org.apache.kafka.connect.runtime.standalone", "fastconnect.herder"),
    ("org.apache.kafka.connect.runtime.WorkerSourceTask", "fastconnect.task.source"),
    ("org.apache.kafka.connect.runtime.WorkerSinkTask", "fastconnect.task.sink"),
    ("org.apache.kafka.connect.runtime.errors", "fastconnect.task.tolerance"),
    ("org.apache.kafka.connect.runtime.isolation", "fastconnect.plugins"),
    ("org.apache.kafka.connect.storage", "fastconnect.storage"),
    ("org.apache.kafka.connect.file", "fastconnect.connectors"),
    ("org.apache.kafka.connect.transforms", "fastconnect.transforms"),
    ("org.apache.kafka.connect.json", "fastconnect.converters.json"),
    ("org.apache.kafka.connect", "fastconnect"),
    ("org.apache.kafka.clients", "kafka"),
)


class Loggers:
    """Knows and sets the levels of this process; `level_number` and `python_name` say what they are in others."""

    def __init__(self) -> None:
        self._set: dict[str, LoggerLevel] = {}

    def levels(self) -> dict[str, LoggerLevel]:
        """Every logger that is known, sorted by name."""
        return {name: self._level(name) for name in sorted(self._names())}

    def set_level(self, name: str, level: str) -> list[str]:
        """Set the level of a logger and of all below it; the names of those that are known.

        Raises:
            RequestRefusedError: there is no such level.
        """
        number = level_number(level)
        changed = self._note(name, LoggerLevel(level.upper(), int(time.time() * 1000)))
        log_levels.apply({python_name(name): number})
        return changed

    def restore(self, name: str, level: int, at_ms: int) -> None:
        """Know again what an earlier herder has set; this process has the level already, from its birth."""
        self._note(name, LoggerLevel(_name_of(level), at_ms))

    def _note(self, name: str, level: LoggerLevel) -> list[str]:
        changed = sorted(each for each in {*self._names(), name} if name in (ROOT, each) or _is_below(each, name))
        for each in changed:
            self._set[each] = level
        return changed

    def _names(self) -> set[str]:
        known = logging.root.manager.loggerDict.items()
        return {ROOT, *self._set, *(name for name, logger in known if isinstance(logger, logging.Logger))}

    def _level(self, name: str) -> LoggerLevel:
        if (known := self._set.get(name)) is not None:
            return known
        return LoggerLevel(_name_of(logging.getLogger(python_name(name)).getEffectiveLevel()))


def level_number(level: str) -> int:
    """The number of a level in Python.

    Raises:
        RequestRefusedError: there is no such level.
    """
    number = LEVELS.get(level.upper())
    if number is None:
        raise RequestRefusedError(404, f"invalid log level '{level}'.")
    return number


def python_name(name: str) -> str:
    """The name of a logger in Python, for one of Kafka Connect's; empty for the root."""
    if name == ROOT:
        return ""
    for java, ours in _COUNTERPARTS:
        if name == java or _is_below(name, java):
            return ours
    return name


def _is_below(name: str, parent: str) -> bool:
    return name.startswith(f"{parent}.")


def _name_of(number: int) -> str:
    return next((name for name, least in sorted(LEVELS.items(), key=lambda each: each[1]) if number <= least), "OFF")
