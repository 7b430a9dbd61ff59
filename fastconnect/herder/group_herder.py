"""The life of a distributed worker's herder: it reads the group's topics, joins, hears of every change, and leaves in the end.

What it answers to those who ask for changes is in distributed.py; what runs here is decided in rebalance.py; what its leader
writes is in leader.py. All processes of tasks go on while the herder is started anew: what it was is kept by the supervisor.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import TypeVar

import msgspec

from fastconnect.config.distributed import DistributedConfig
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError, ConnectError, StoreError
from fastconnect.herder.answers import Health, RestartInfo, RestartRequest
from fastconnect.herder.config_events import ConfigEvents
from fastconnect.herder.connect_protocol import NOTHING, Allocation, Protocol
from fastconnect.herder.connections import Connections, Member, Pages
from fastconnect.herder.leader import Leader
from fastconnect.herder.leader_client import Leader as LeaderAddress
from fastconnect.herder.leader_client import TaskConfigSender
from fastconnect.herder.leadership import configured
from fastconnect.herder.leases import Leases
from fastconnect.herder.loop import HerderLoop, result_of
from fastconnect.herder.metrics_export import Rebalances
from fastconnect.herder.observed import Observed
from fastconnect.herder.own_statuses import OwnStatuses
from fastconnect.herder.rebalance import GroupWork
from fastconnect.herder.refusals import ConnectorNotFoundError, OtherWorkerError, RequestRefusedError
from fastconnect.herder.restart_plan import restart_plan
from fastconnect.herder.stored_herder import UNHEALTHY, StoredHerder
from fastconnect.herder.work import Work, about_connector
from fastconnect.logs import facts
from fastconnect.states import State, TargetState, TaskId
from fastconnect.storage.config_store import Properties, SessionKey
from fastconnect.storage.status_store import StoredTopic
from fastconnect.supervisor.control import Inventory, Report, TaskStatus
from fastconnect.supervisor.restarts import RestartPolicy

logger = logging.getLogger(__name__)

T = TypeVar("T")

LEASE_TURN_S = 0.25
"""How late a task may get to know that its lease is longer, or that there is no member any more: small beside the margin."""

STATUSES_TURN_S = 2.0
"""How late this worker sees that others have changed what it has said."""

PLUGINS_WITHIN_S = 2.0
"""How long this worker's first joining waits to know its plugins: versions in statuses, no more, depend on it."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 5.0
"""Between two tries to reach the brokers at the start."""

EXIT_UNUSABLE = 2

NO_LEADER = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."


class _Kept(msgspec.Struct, frozen=True):
    """What the next herder of this worker must know to go on: who it is in the group, and what it runs."""

    member: bytes | None
    held: Allocation


class GroupHerder(StoredHerder):
    """Keeps this worker a member of its group, and what runs here as the group wants it.

    Args:
        loop: its thread.
        worker: the worker's configuration.
        config: what of it only distributed workers have.
        url: how other workers reach this one.
        pages: the shared mapping with the tasks' status pages.
        make_retries: makes the policy by which a failed connector is asked again, one for each.
        connections: what connects it with the group.
    """

    def __init__(
        self,
        loop: HerderLoop,
        worker: WorkerConfig,
        config: DistributedConfig,
        url: str,
        pages: Pages,
        make_retries: Callable[[], RestartPolicy],
        connections: Connections,
    ) -> None:
        work = Work(loop, make_retries, worker.connector_timeout_ms)
        super().__init__(loop, worker, url.partition("://")[2], work, connections.configs, connections.statuses)
        work.listener = self
        self.config = config
        self.url = url
        self.observed = Observed(work, pages)
        self.pages = pages
        self.leases = Leases(pages)
        self.own_statuses = OwnStatuses(self.statuses, self.worker_id, lambda: self.member.generation)
        self.group = GroupWork(
            loop,
            work,
            self.configs,
            self.own_statuses,
            self.leases,
            lease_until_ns=lambda: self.member.lease_until_ns,
            on_change=self._membership_changed,
        )
        self.member: Member = connections.make_member(self.group)
        self.leader = Leader(loop, config, self.configs, self.statuses, self.own_statuses, self.must_lead)
        self.sender = TaskConfigSender(
            loop,
            self._leader_address,
            self._store_task_configs,
            connections.post,
            self._session_key,
            config.inter_worker_signature_algorithm,
        )
        self._prepare = connections.prepare
        self._tracks_topics = (worker.originals.get("topic.tracking.enable") or "true").strip().lower() != "false"
        self._joined: Future[None] = Future()
        self._resumed = False
        self._configured = NOTHING
        self._changed_at: int | None = None  # where in the config topic what is to run has changed last
        self._member_begun = False
        self._twin: str | None = None
        self._topics: dict[str, set[str]] = {}  # connector -> which topics its tasks here have told
        loop.hold()

    @property
    def has_started(self) -> bool:
        """See StoredHerder: whether it has been a member."""
        return self._joined.done()

    def rebalances(self) -> Rebalances:
        """See StoredHerder."""
        times, protocol = self.member.rebalances, self.member.protocol
        return Rebalances(
            protocol="" if protocol is None else protocol.name.lower(),
            leader=self.member.leader_url or "",
            generation=self.member.generation,
            rebalancing=times.rebalancing,
            completed=times.completed,
            total_s=times.total_s,
            longest_s=times.longest_s,
            last_at=times.last_at,
        )

    def hear(self, report: Report) -> None:
        """Take in what the supervisor reports."""
        self.work.hear(report)
        if isinstance(report, TaskStatus):
            self.leases.note(report, kept=report.id in self.work.tasks)
        elif isinstance(report, Inventory):
            for status in report.tasks:
                self.leases.note(status, kept=True)

    # The beginning

    def on_begin(self, inventory: Inventory) -> None:
        """See WorkListener."""
        if not inventory.stopping:
            self.loop.begin(lambda: self._start(inventory))

    async def _start(self, inventory: Inventory) -> None:
        kept = msgspec.msgpack.decode(inventory.remembered, type=_Kept) if inventory.remembered else None
        resumes = kept is not None and kept.member is not None
        ended = self._stop_stray(kept)
        plugins = self.work.questions.plugins()  # of each it is then known what it is, and its version
        try:
            if resumes:
                await self._go_on(kept, ended)
            await self._insist("creating or checking the internal topics", self._prepare)
            if not resumes:
                statuses = self._alongside(lambda: self._insist("reading to the end of the status topic", self.statuses.start))
                await self._insist("reading to the end of the config topic", self._start_configs)
                await result_of(statuses)
                await result_of(ended)
        except ConnectError as error:
            if inventory.tasks:
                raise  # another herder may have more luck; the tasks go on for as long as their lease
            self.work.finish(EXIT_UNUSABLE, str(error))
            return
        await self._done_or_late(plugins, PLUGINS_WITHIN_S)
        if not resumes:
            self._join()
        with self.loop.doing("joining the group"):
            await result_of(self._joined)
        self.loop.release()

    async def _go_on(self, kept: _Kept | None, ended: Future[None]) -> None:
        """Be the member that an earlier herder was, as soon as may be: the leases of the tasks do not wait for long."""
        assert kept is not None
        assert kept.member is not None
        statuses = self._alongside(lambda: self._insist("reading to the end of the status topic", self.statuses.start))
        await self._insist("reading to the end of the config topic", self._start_configs)
        await result_of(ended)
        self.member.restore(kept.member)
        self.group.adoptable = kept.held.connectors
        self._resumed = True
        self._join()
        await result_of(statuses)
        self.loop.release()  # most of what is asked need not wait for the coordinator

    def _start_configs(self) -> None:
        self.configs.start(ConfigEvents(self.loop, self))

    def _join(self) -> None:
        self._configured = configured(self.configs.snapshot())
        self._member_begun = True
        self.member.start()
        self._turn()
        self._look_at_statuses()

    def _alongside(self, what: Callable[[], Coroutine[object, object, object]]) -> Future[None]:
        """Do something while other things are done."""
        done: Future[None] = Future()

        async def run() -> None:
            try:
                await what()
            except ConnectError as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        self.loop.begin(run)
        return done

    def _stop_stray(self, kept: _Kept | None) -> Future[None]:
        """Stop what runs here but is not this worker's; the group hears of this worker only when it has ended."""
        ended: Future[None] = Future()
        mine = kept.held.tasks if kept is not None and kept.member is not None else frozenset()
        stray = Allocation.of((), [task for task in self.work.tasks if task not in mine])
        self.group.when_stopped(stray, lambda: ended.set_result(None))
        return ended

    async def _done_or_late(self, future: Future[T], seconds: float) -> None:
        """Wait for something, but not for long, and whatever comes of it."""
        enough: Future[None] = Future()
        enough.set_running_or_notify_cancel()

        def end() -> None:
            if not enough.done():
                enough.set_result(None)

        future.add_done_callback(lambda _: self.loop.post(end))
        timer = self.loop.call_later(seconds, end)
        await result_of(enough)
        timer.cancel()

    async def _insist(self, what: str, do: Callable[[], T]) -> T:
        """Do something in the pool, again and again until the brokers answer."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                with self.loop.doing(what):
                    return await result_of(self.loop.run_in_pool(do))
            except StoreError as error:
                logger.warning("The worker cannot start yet; trying again: %s", error, extra=facts(wait_s=wait_s))
            waited: Future[None] = Future()
            self.loop.call_later(wait_s, lambda: waited.set_result(None))  # noqa: B023
            await result_of(waited)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    # The group

    def _membership_changed(self) -> None:
        self._remember()
        if self.group.membership is None:
            return
        self.sender.keep(self.group.held.connectors)
        self.sender.try_all()
        self._look_for_twins()
        self._tidy_own()
        if self.member.is_leader:
            self.leader.tidy_all(self._worker_ids())
            self._renew_key()
        if self._resumed:
            # An earlier herder may have died with something of the group's on its way.
            self._resumed = False
            self.member.request_rejoin()
        self._rejoin_if_outdated()
        if not self._joined.done():
            self._joined.set_result(None)

    def _worker_ids(self) -> set[str]:
        return {url.rstrip("/").partition("://")[2] for url in self.member.member_urls}

    def _tidy_own(self) -> None:
        """Forget what this worker has said of tasks that are not any more, and do not run here."""
        connectors = self.configs.snapshot().connectors
        for name in self.statuses.connectors():
            count = connectors[name].task_count if name in connectors else 0
            for number, status in self.statuses.tasks(name).items():
                task = TaskId(name, number)
                ours = status.worker_id == self.worker_id and task not in self.work.tasks and not self.work.ending(name)
                if number >= count and ours:
                    self.own_statuses.forget(task)

    def _remember(self) -> None:
        self.work.remember(msgspec.msgpack.encode(_Kept(self.member.state(), self.group.held)))

    def _note_change(self) -> None:
        """Have the work shared anew, if it is not the same as before."""
        snapshot = self.configs.snapshot()
        wanted = configured(snapshot)
        if wanted != self._configured:
            self._configured = wanted
            self._changed_at = snapshot.offset
            self._rejoin_if_outdated()

    def _rejoin_if_outdated(self) -> None:
        membership = self.group.membership
        if self._changed_at is None or membership is None:
            return
        if membership.config_offset >= self._changed_at:  # who decided has known of it
            self._changed_at = None
        else:
            self.member.request_rejoin()

    @property
    def expects_rebalance(self) -> bool:
        """Whether what is to run has changed, and the group has not shared it yet."""
        return self._changed_at is not None or self.group.membership is None

    def must_lead(self) -> None:
        """Raise OtherWorkerError if this worker does not lead the group, or may not do so any more."""
        sure = self.member.lease_until_ns > time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if not self.member.is_leader:
            raise OtherWorkerError(NO_LEADER, self.member.leader_url)
        if not sure:
            raise OtherWorkerError(NO_LEADER, None)

    def _leader_address(self) -> LeaderAddress | None:
        if self.member.is_leader:
            return LeaderAddress(None)
        return None if (url := self.member.leader_url) is None else LeaderAddress(url)

    def _session_key(self) -> SessionKey | None:
        return self.configs.snapshot().session_key if self.member.protocol is Protocol.SESSIONED else None

    def _renew_key(self) -> None:
        if self.member.protocol is Protocol.SESSIONED:
            self.leader.renew_key_if_due()

    def _look_for_twins(self) -> None:
        """Two workers that say the same address of themselves: requests for one would go to the other."""
        membership = self.group.membership
        assert membership is not None
        urls = [url.rstrip("/") for url in self.member.member_urls] if membership.is_leader else []
        twins = sorted({url for url in urls if urls.count(url) > 1})
        if not membership.is_leader and membership.leader_url.rstrip("/") == self.url:
            twins = [self.url]
        self._twin = twins[0] if twins else None
        if self._twin is not None:
            logger.error(
                "Several workers of the group have the same address: set rest.advertised.host.name or rest.advertised.port.",
                extra=facts(url=self._twin),
            )

    def _health(self) -> Health:
        if self._twin is not None:
            return Health("unhealthy", f"Several workers of the group advertise the address {self._twin}.")
        if self.has_started and self.group.membership is None:
            return Health("unhealthy", f"{UNHEALTHY} It is no member of the group {self.config.group_id} now.")
        health = super()._health()
        troubles = [each for each in (self.configs.trouble, self.statuses.trouble) if each is not None]
        if health.status == "healthy" and troubles:
            return Health("healthy", " ".join([health.message, *troubles]))
        return health

    def _turn(self) -> None:
        """Again and again: the leases of the tasks, and the session key."""
        if self.leases.prolong(self.member.lease_until_ns):
            for task, status in list(self.work.tasks.items()):
                if status.epoch == 0:  # its process waits for a lease, and where its page is has not been told yet
                    self.group.start_again(task)
        if self.member.is_leader and self.work.stopping is None:
            self._renew_key()
        self.loop.call_later(LEASE_TURN_S, self._turn)

    def _look_at_statuses(self) -> None:
        """See that what runs here is shown so; and have topics told anew that another worker was asked to forget."""
        if self.group.membership is not None:
            self.own_statuses.say_again()
        for name, told in list(self._topics.items()):
            if told - {topic.name for topic in self.statuses.topics(name)}:
                del self._topics[name]
                self.work.reset_topics(name)
        self.loop.call_later(STATUSES_TURN_S, self._look_at_statuses)

    # What is heard of the work

    def on_connector_state(
        self, name: str, state: State, trace: str | None, version: str | None, restart: RestartInfo | None
    ) -> None:
        """See WorkListener."""
        version = version or self.work.questions.version_of(self.work.connectors[name].config)
        self.own_statuses.put(name, state, trace, version)

    def on_task_configs(self, name: str, configs: list[dict[str, str]]) -> None:
        """See WorkListener. What is stored already need not be stored again."""
        stored = self.configs.snapshot().connectors.get(name)
        running = self.work.connectors.get(name)
        if stored is None or running is None or stored.target is not TargetState.STARTED:
            return
        same = stored.task_configs == configs and stored.applied_config == running.config
        if same and not stored.inconsistent:
            return
        if not configs:
            logger.warning("Connector has no work: it gave no task configurations.", extra=about_connector(name))
        self.sender.send(name, [dict(config) for config in configs])

    def _store_task_configs(self, name: str, configs: Sequence[Properties]) -> Future[None]:
        async def store() -> None:
            with contextlib.suppress(ConnectorNotFoundError):  # it is gone, and its tasks with it
                await self.leader.put_task_configs(name, configs)

        return self._alongside(store)

    def on_task_status(self, status: TaskStatus) -> None:
        """See WorkListener."""
        state = State(status.state)
        if state is State.UNASSIGNED:
            if status.pid is None and status.epoch:  # its lease was over; if it is this worker's all the same, it goes on
                self.group.start_again(status.id)
            return
        if state is State.STOPPED and self.work.stopping is not None:
            return
        stored = self.configs.snapshot().connectors.get(status.id.connector)
        version = None if stored is None else self.work.questions.version_of(stored.config)
        failed = state in (State.FAILED, State.RESTARTING)
        self.own_statuses.put(status.id, state, (status.trace or status.reason) if failed else None, version)

    def on_topic(self, task: TaskId, topic: str) -> None:
        """See WorkListener."""
        if self._tracks_topics:
            self._topics.setdefault(task.connector, set()).add(topic)
            self.statuses.put_topic(StoredTopic(topic, task.connector, task.task, int(time.time() * 1000)))

    def on_stopping(self, reason: str) -> None:
        """See WorkListener. Its tasks end now; `close` follows when they have."""

    # What is heard of the config topic (config_events.py)

    def config_changed(self, name: str, *, given: bool = False) -> None:
        """Something of a connector has changed; `given`: its own configuration, maybe to the same."""
        stored = self.configs.snapshot().connectors.get(name)
        if stored is None or stored.target is not TargetState.STARTED:
            self.sender.drop(name)
        if given:
            self.group.config_given(name)
        else:
            self.group.reconcile(name)
        if self.member.is_leader:
            self.leader.tidy(name, self._worker_ids())
        self._note_change()

    def restart_what_is_here(self, request: RestartRequest) -> None:
        """Restart what runs here of that which is meant."""
        try:
            plan = restart_plan(request, self.status(request.connector))
        except RequestRefusedError:
            return  # it has no status yet
        if plan.connector and request.connector in self.work.connectors:
            self.work.restart_connector(request.connector)
        for number in plan.tasks:
            self.restart_here(TaskId(request.connector, number))

    def restart_here(self, task: TaskId) -> bool:
        """Restart a task, if it is on this worker."""
        if task not in self.work.tasks:
            return False
        known = self.statuses.get(task)
        self.own_statuses.put(task, State.RESTARTING, version=None if known is None else known.version)
        self.work.restart_task(task)
        return True

    # The end

    def close(self) -> None:
        """Leave the group, once all that ran here has ended; then say that it does not run here."""
        is_member = self.group.membership is not None
        ours: list[str | TaskId] = [*self.work.connectors, *self.work.tasks] if is_member else []
        for of in ours:
            if (known := self.statuses.get(of)) is not None and known.worker_id == self.worker_id:
                self.own_statuses.unassign(of)
        if self._member_begun:
            self.member.leave()
        try:
            self.statuses.stop()
            self.configs.stop()
        except ConfigError:
            logger.exception("The stores could not be closed.")
