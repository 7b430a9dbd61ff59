"""A source whose code does what plugins' code should not: each fault at the place that its name says.

Installed for the commands that tests start, by way of PYTHONPATH (see tests/integration/conftest.py).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NoReturn

from fastconnect import (
    END,
    Config,
    ConnectError,
    DataError,
    Fault,
    Meta,
    Polled,
    RetriableError,
    SourceConnector,
    SourceRecord,
    SourceTask,
    Topic,
)
from fastconnect.api.record import Offset, Partition


class FaultyConfig(Config):
    """What goes wrong, and when."""

    topic: Annotated[Topic, Meta(description="The topic that the records go to.")]
    fault: Annotated[str, Meta(description="What goes wrong, such as `raise-in-poll`.")] = "none"
    count: Annotated[int, Meta(description="How many records each task has.")] = 10
    after: Annotated[int, Meta(description="How many of them come before the fault.")] = 5
    once: Annotated[str | None, Meta(description="A file that is made by the fault, which then never happens again.")] = None

    def check(self) -> Iterable[Fault]:
        """Misbehave while the configuration is validated."""
        _misbehave(self, "validation")
        return ()


class FaultyTask(SourceTask[FaultyConfig]):
    """Numbers, up to the fault."""

    def start(self, config: FaultyConfig) -> None:
        self.config = config
        self._next = self.context.source_offset({"of": "faulty"}, default={"next": 0})["next"]
        self._misbehave("start")

    def poll(self) -> Polled:
        if self._next >= self.config.after:
            odd = self._misbehave("poll")
            if odd is not None:
                return odd
        if self._next >= self.config.count:
            return END
        number, self._next = self._next, self._next + 1
        return [self._record(number)]

    def stop(self) -> None:
        self._misbehave("stop")

    def _record(self, value: Any, topic: str | None = None) -> SourceRecord:
        return SourceRecord(topic or self.config.topic, value, None, {"of": "faulty"}, {"next": self._next})

    def _misbehave(self, where: str) -> Any:
        fault = _fault_of(self.config, where)
        if fault is None:
            return None
        if fault == "return-a-dict":
            return {"not": "a list"}
        if fault == "return-unserialisable":
            return [self._record(object())]
        if fault == "return-no-topic":
            return [SourceRecord("", 1, None, {"of": "faulty"}, {"next": self._next})]
        if fault == "return-large":
            self._next += 1
            return [self._record("x" * 2_000_000)]
        FAULTS[fault](self)
        return None


class FaultySource(SourceConnector[FaultyConfig]):
    """A connector for tests of what happens to the others."""

    task_class = FaultyTask

    def start(self, config: FaultyConfig) -> None:
        super().start(config)
        _misbehave(config, "connector-start")

    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str] | Config]:
        if self.config.fault == "too-many-in-task-configs":
            return [self.config] * (max_tasks + 2)
        _misbehave(self.config, "task-configs")
        return [self.config] * max_tasks

    def alter_offsets(self, config: FaultyConfig, offsets: Sequence[tuple[Partition, Offset | None]]) -> bool:
        _misbehave(config, "alter-offsets")
        return True

    def stop(self) -> None:
        _misbehave(self.config, "connector-stop")


def _misbehave(config: FaultyConfig, where: str) -> None:
    fault = _fault_of(config, where)
    if fault is not None:
        FAULTS[fault](None)


def _fault_of(config: FaultyConfig, where: str) -> str | None:
    """What is to go wrong at this place, if anything is."""
    fault, _, place = config.fault.rpartition("-in-")
    if place != where or (config.once is not None and os.path.exists(config.once)):
        return None
    if config.once is not None:
        with open(config.once, "x"):
            pass
    return fault


def _raise(_: object) -> NoReturn:
    raise ValueError("the plugin is broken")


def _raise_connect_error(_: object) -> NoReturn:
    raise ConnectError("the door is locked", where="house 7", hint="take the key")


def _raise_data_error(_: object) -> NoReturn:
    raise DataError("this record is bad", where="shelf 3")


def _raise_retriable(_: object) -> NoReturn:
    raise RetriableError("the source sleeps")


def _sys_exit(_: object) -> NoReturn:
    sys.exit(0)


def _os_exit(_: object) -> NoReturn:
    os._exit(0)


def _segfault(_: object) -> None:
    ctypes.string_at(0)


def _sleep_for_ever_in_the_plugin(_: object) -> None:
    while True:
        time.sleep(60)


def _spin(_: object) -> None:
    while True:
        pass


def _ignore_signals(_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _ignore_signals_and_block(_: object) -> None:
    _ignore_signals(_)
    _sleep_for_ever_in_the_plugin(_)


def _close_all_files(_: object) -> None:
    os.closerange(3, 256)


def _leave_a_thread_and_a_child(_: object) -> None:
    threading.Thread(target=time.sleep, args=(600,)).start()
    subprocess.Popen(["sleep", "600"])


FAULTS: dict[str, Callable[[object], None]] = {
    "raise": _raise,
    "connect-error": _raise_connect_error,
    "data-error": _raise_data_error,
    "retriable": _raise_retriable,
    "sys-exit": _sys_exit,
    "os-exit": _os_exit,
    "segfault": _segfault,
    "block": _sleep_for_ever_in_the_plugin,
    "spin": _spin,
    "ignore-signals": _ignore_signals,
    "ignore-signals-and-block": _ignore_signals_and_block,
    "close-all-files": _close_all_files,
    "leave-a-thread-and-a-child": _leave_a_thread_and_a_child,
}
