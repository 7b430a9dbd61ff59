"""How long the tasks of this worker may send: as long as its group surely counts it as a member, and not a moment more.

The end stands in each task's status page; the task looks at it before it sends or flushes, and the kernel ends a process that
cannot look. So a worker that was stopped, or cut off, writes nothing when others have its work already.
"""

from __future__ import annotations

import threading
from typing import Protocol

from fastconnect.states import TaskId
from fastconnect.supervisor.control import TaskStatus

OVER = 1
"""A lease that ended long ago; 0 would be none at all."""


class LeasePage(Protocol):
    """What of a status page is written here."""

    def order(self, target: int | None = None, lease_until_ns: int | None = None) -> None:
        """Write an order."""
        ...


class LeasePages(Protocol):
    """The shared mapping."""

    def page(self, slot: int, /) -> LeasePage:
        """The status page of a slot."""
        ...


class Leases:
    """The leases of all tasks here, which are always the same. For any thread."""

    def __init__(self, pages: LeasePages) -> None:
        self._pages = pages
        self._lock = threading.Lock()
        self._slots: dict[TaskId, int] = {}
        self._until_ns = 0
        self._over = True

    @property
    def until_ns(self) -> int:
        """When they end, by CLOCK_BOOTTIME."""
        return OVER if self._over else self._until_ns

    def note(self, status: TaskStatus, *, kept: bool) -> None:
        """Take note of where a task's page is.

        Args:
            kept: whether the task is to go on; one that is not needs its lease until its process has ended.
        """
        with self._lock:
            if status.epoch == 0:
                return
            if kept or status.pid is not None:
                if self._slots.get(status.id) != status.slot:
                    self._slots[status.id] = status.slot
                    if not self._over:
                        self._pages.page(status.slot).order(lease_until_ns=self._until_ns)
            else:
                self._slots.pop(status.id, None)

    def begin(self, until_ns: int) -> None:
        """This worker is a member of its group, until then."""
        with self._lock:
            self._over = False
        self.prolong(until_ns)

    def prolong(self, until_ns: int) -> bool:
        """The group has heard of this worker again; says whether that moves the end."""
        with self._lock:
            if self._over or until_ns <= self._until_ns:
                return False
            self._until_ns = until_ns
            for slot in self._slots.values():
                self._pages.page(slot).order(lease_until_ns=until_ns)
            return True

    def end(self) -> None:
        """Nothing of this worker's is sure to be its own any more; `prolong` has no effect until it `begin`s anew."""
        with self._lock:
            self._over = True
            self._until_ns = 0
            for slot in self._slots.values():
                self._pages.page(slot).order(lease_until_ns=OVER)
