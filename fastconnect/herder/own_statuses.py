"""What this worker says of the connectors and tasks that it runs, for all workers to read."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fastconnect.states import State, TaskId
from fastconnect.storage.status_store import StatusStore, StoredStatus

_SAFE = (State.UNASSIGNED, State.FAILED)
"""These may come late, from a worker whose work another has taken over already. Source: Kafka Connect's AbstractHerder."""


class OwnStatuses:
    """Writes statuses in the name of this worker.

    Args:
        worker_id: its name, `host:port`.
        generation: the group's generation at this moment.
    """

    def __init__(self, store: StatusStore, worker_id: str, generation: Callable[[], int]) -> None:
        self._store = store
        self._worker_id = worker_id
        self._generation = generation
        self._said: dict[str | TaskId, StoredStatus] = {}

    def put(self, of: str | TaskId, state: State, trace: str | None = None, version: str | None = None) -> None:
        """Say how a connector or a task is, unless that is known."""
        known = self._store.get(of)
        status = StoredStatus(
            state=state.name, worker_id=self._worker_id, generation=self._generation(), trace=trace, version=version
        )
        self._said[of] = status
        if known is not None and _same(known, status):
            return
        self._store.put(of, status, safe=state in _SAFE)

    def unassign(self, of: str | TaskId) -> None:
        """It does not run here any more; whoever runs it next says so."""
        known = self._store.get(of)
        if known is None or known.worker_id == self._worker_id:
            self.put(of, State.UNASSIGNED)
        self.say_no_more(of)

    def say_no_more(self, of: str | TaskId) -> None:
        """It is no business of this worker's any more."""
        self._said.pop(of, None)

    def say_again(self) -> None:
        """Say anew what a worker has covered that no longer has to do with it, but did not know that."""
        for of, status in list(self._said.items()):
            known = self._store.get(of)
            if known is None or known.worker_id == self._worker_id or known.generation > self._generation():
                continue
            self._said[of] = msgspec.structs.replace(status, generation=self._generation())
            self._store.put(of, self._said[of])

    def forget(self, of: str | TaskId) -> None:
        """There is no such connector or task any more."""
        self.say_no_more(of)
        if self._store.get(of) is not None:
            self._store.delete(of)


def _same(one: StoredStatus, other: StoredStatus) -> bool:
    return (one.state, one.worker_id, one.trace, one.version) == (other.state, other.worker_id, other.trace, other.version)
