"""Makes this worker run what its group has given it, and nothing else; what is taken away has ended before the group is told.

What each connector and task is to be comes from the config store, who runs it from the group. A task whose configuration is the
same goes on undisturbed through all rebalances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future

from fastconnect.herder.connect_protocol import NOTHING, Allocation
from fastconnect.herder.leases import Leases
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.membership import GroupError, Membership
from fastconnect.herder.own_statuses import OwnStatuses
from fastconnect.herder.work import Work
from fastconnect.states import TargetState, TaskId
from fastconnect.storage.config_store import ConfigSnapshot, ConfigStore, Properties, StoredConnector

EXIT_NO_MEMBER = 1
"""The command's exit code if the group does not take this worker."""


class GroupWork:
    """What of the group's work is this worker's. A `MemberListener` for any thread; the rest is for the herder's.

    Args:
        on_change: called when the membership has changed: joined, joined again, or lost.
    """

    def __init__(
        self,
        loop: HerderLoop,
        work: Work,
        configs: ConfigStore,
        statuses: OwnStatuses,
        leases: Leases,
        *,
        lease_until_ns: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self.membership: Membership | None = None
        """What the group has decided last; None: this worker is no member."""
        self.held = NOTHING
        """What is this worker's to run."""
        self.adoptable: frozenset[str] = frozenset()
        """Connectors that an earlier herder of this worker has started."""
        self._loop = loop
        self._work = work
        self._configs = configs
        self._statuses = statuses
        self._leases = leases
        self._given: dict[TaskId, tuple[Properties, Properties, TargetState]] = {}
        self._lease_until_ns = lease_until_ns
        self._on_change = on_change

    # The group decides (on the member's threads)

    def on_revoked(self, work: Allocation, done: Callable[[], None]) -> None:
        """See MemberListener."""
        self._loop.post(lambda: self._revoke(work, done))

    def on_assigned(self, membership: Membership) -> None:
        """See MemberListener."""
        self._loop.post(lambda: self._take(membership))

    def on_lost(self, done: Callable[[], None]) -> None:
        """See MemberListener."""
        self._leases.end()  # now: the herder's thread may be late
        self._loop.post(lambda: self._lose(done))

    def on_failed(self, error: GroupError) -> None:
        """See MemberListener."""
        self._leases.end()
        self._loop.post(lambda: self._lose(lambda: self._work.finish(EXIT_NO_MEMBER, str(error))))

    # And this worker does it (on the herder's thread)

    def _revoke(self, work: Allocation, done: Callable[[], None]) -> None:
        self.held -= work
        self.when_stopped(work, done)
        self._on_change()

    def _take(self, membership: Membership) -> None:
        self.membership = membership
        self.held = membership.work
        self._leases.begin(self._lease_until_ns())
        if self._work.stopping is None:
            self.reconcile()
        self.adoptable = frozenset()
        self._on_change()

    def _lose(self, done: Callable[[], None]) -> None:
        self.membership = None
        self.held = NOTHING
        # Nothing is said of it: others may have it by now, and what they say must not be covered by a worker that was away.
        self.when_stopped(Allocation.of(self._work.connectors, self._work.tasks), done, tell=False)
        self._on_change()

    def when_stopped(self, work: Allocation, done: Callable[[], None], *, tell: bool = True) -> None:
        """Stop connectors and tasks, and call `done` when the processes of the tasks have ended.

        Args:
            tell: say that they are nobody's.
        """
        let_go = self._let_go if tell else self._statuses.say_no_more
        for name in work.connectors:
            self._work.stop_connector(name)
            let_go(name)
        self._when_ended([(task, self._work.stop_task(task)) for task in sorted(work.tasks)], done, let_go)

    def _when_ended(
        self,
        ending: Iterable[tuple[TaskId, Future[None]]],
        done: Callable[[], None],
        let_go: Callable[[str | TaskId], None],
    ) -> None:
        left = dict(ending)
        if not left:
            done()
            return

        def ended(task: TaskId) -> None:
            let_go(task)
            del left[task]
            if not left:
                done()

        for task, future in list(left.items()):
            future.add_done_callback(lambda _, task=task: ended(task))  # type: ignore[misc]

    def _let_go(self, of: str | TaskId) -> None:
        """Say that it does not run here any more, or is not at all."""
        if _exists(self._configs.snapshot(), of):
            self._statuses.unassign(of)
        else:
            self._statuses.forget(of)

    # What should run here, and what does

    def reconcile(self, only: str | None = None) -> None:
        """Make what runs here the same as what should, of all connectors or of one."""
        if self._work.stopping is not None:
            return
        snapshot = self._configs.snapshot()
        work = self._work
        for name in [name for name in work.connectors if only in (None, name)]:
            if name not in self.held.connectors or name not in snapshot.connectors:
                work.stop_connector(name)
                self._let_go(name)
        stray = [
            (task, work.stop_task(task))
            for task in sorted(work.tasks)
            if only in (None, task.connector) and not (task in self.held.tasks and _exists(snapshot, task))
        ]
        self._when_ended(stray, lambda: None, self._let_go)
        if self.membership is None:
            return
        for name in sorted(self.held.connectors):
            if only in (None, name) and (stored := snapshot.connectors.get(name)) is not None:
                self._connector(stored)
        work.lease_until_ns = self._leases.until_ns
        for task in sorted(self.held.tasks):
            if only in (None, task.connector) and _exists(snapshot, task):
                self._task(task, snapshot.connectors[task.connector])

    def _connector(self, stored: StoredConnector) -> None:
        running = self._work.connectors.get(stored.name)
        if running is None and stored.name in self.adoptable and _is_divided(stored):
            version = self._work.questions.version_of(stored.config)
            self._work.adopt_connector(stored.name, stored.config, stored.target, version)
        elif running is None or running.config != stored.config:
            self._work.start_connector(stored.name, stored.config, stored.target)
        elif running.target is not stored.target:
            self._work.set_target(stored.name, stored.target)

    def config_given(self, name: str) -> None:
        """A connector's configuration was given: take it over, and if the connector has failed, try it again."""
        running = self._work.connectors.get(name)
        if running is not None and running.failure is not None and not running.undecided:
            self._work.stop_connector(name)
        self.reconcile(name)

    def _task(self, task: TaskId, stored: StoredConnector, *, again: bool = False) -> None:
        assert stored.task_configs is not None
        config = stored.applied_config if stored.applied_config is not None else stored.config
        order = (config, stored.task_configs[task.task], stored.target)
        if again or task not in self._work.tasks or self._given.get(task) != order:
            self._given[task] = order
            self._work.start_task(task, *order)

    def start_again(self, task: TaskId) -> None:
        """Start a task whose process has ended without a failure, if it is this worker's."""
        stored = self._configs.snapshot().connectors.get(task.connector)
        if self.membership is not None and task in self.held.tasks and stored is not None and _has_task(stored, task):
            self._work.lease_until_ns = self._leases.until_ns
            self._task(task, stored, again=True)


def _is_divided(stored: StoredConnector) -> bool:
    """Whether what a connector said of its tasks is stored, so that it need not be asked anew."""
    if stored.target is not TargetState.STARTED:
        return True
    return stored.task_count > 0 and not stored.inconsistent and stored.applied_config == stored.config


def _exists(snapshot: ConfigSnapshot, of: str | TaskId) -> bool:
    if isinstance(of, TaskId):
        stored = snapshot.connectors.get(of.connector)
        return stored is not None and _has_task(stored, of)
    return of in snapshot.connectors


def _has_task(stored: StoredConnector, task: TaskId) -> bool:
    return stored.task_configs is not None and task.task < len(stored.task_configs)
