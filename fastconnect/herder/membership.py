"""Membership of a group of workers: joining, leading if that falls to this worker, noticing that it is no member, leaving.

The broker's group coordinator is the only judge of who is alive. A `GroupMember` tells its listener what this worker has to
run, and never joins again before what was taken from it has ended. What runs is the herder's business, who runs what
assignment.py's.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from typing import Protocol as Interface

import msgspec
from kafka import errors

from fastconnect import logs
from fastconnect.errors import ConnectError
from fastconnect.herder.connect_protocol import (
    NOTHING,
    Allocation,
    Assignment,
    AssignmentError,
    GroupProtocolError,
    MemberState,
    Protocol,
    decode_assignment,
    encode_metadata,
)
from fastconnect.herder.group_coordinator import NO_GENERATION, CoordinatorClient, Joined, boot_ns, is_final
from fastconnect.herder.leadership import Leadership, LeaderState
from fastconnect.herder.rebalance_times import RebalanceTimes
from fastconnect.states import TaskId
from fastconnect.storage.config_store import ConfigStore

logger = logging.getLogger(__name__)

LEASE_MARGIN_MS = 2_000
"""So long before its session ends at the coordinator, a worker stops believing in it."""

LONGEST_BEAT_MS = 1_000
"""A member hears from the answer to a heartbeat that the group is rebalanced, and all wait for the last one to hear: with
Kafka Connect's three seconds between two heartbeats, work that moves would stand still for so long."""

_RETRY_S = 0.1
_LONGEST_RETRY_S = 1.0
_JOIN_SLICE_MS = 5_000
_NEW_CONNECTION_AFTER_S = 30.0  # without a coordinator: the addresses of all brokers may have changed meanwhile


class MembershipConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How to be a member; the comments name the keys of Kafka Connect's worker configuration."""

    group_id: str  # group.id
    url: str  # the advertised address of this worker's REST API
    client: dict[str, Any]  # kafka-python's settings of the client: bootstrap servers, TLS, SASL
    protocol: Protocol = Protocol.SESSIONED  # connect.protocol
    session_timeout_ms: int = 10_000  # session.timeout.ms
    heartbeat_interval_ms: int = 3_000  # heartbeat.interval.ms
    rebalance_timeout_ms: int = 60_000  # rebalance.timeout.ms
    max_delay_ms: int = 0  # scheduled.rebalance.max.delay.ms
    sync_timeout_ms: int = 3_000  # worker.sync.timeout.ms
    unsync_backoff_ms: int = 300_000  # worker.unsync.backoff.ms


class GroupError(ConnectError):
    """This worker cannot be a member of its group."""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What is true while this worker is a member, until the next rebalance."""

    generation: int
    member_id: str
    leader: str
    leader_url: str
    config_offset: int
    """How far the config topic was read by whoever was ahead; this worker has read at least that."""
    work: Allocation
    """All that this worker runs, or is to start now."""

    @property
    def is_leader(self) -> bool:
        """Whether this worker leads the group."""
        return self.leader == self.member_id


class MemberListener(Interface):
    """Who does what the group decides.

    Called on the member's threads, one call after the other; none may block, nor wait for another thread that asks the member.
    """

    def on_revoked(self, work: Allocation, done: Callable[[], None]) -> None:
        """Stop these connectors and tasks, then call `done`: the member joins again only then, and another gets them."""

    def on_assigned(self, membership: Membership) -> None:
        """Run this work: start of it what does not run. What else runs, if anything, must not.

        The config store may be ahead of `membership.config_offset`: a connector or task may be gone from it already.
        """

    def on_lost(self, done: Callable[[], None]) -> None:
        """End all leases, stop all work, then call `done`: this is no member any more, or soon will not be."""

    def on_failed(self, error: GroupError) -> None:
        """This worker cannot be a member; trying again would not help. All leases and all work end."""


class GroupMember:
    """This worker's membership. It may be asked from any thread.

    Args:
        config: how to be a member.
        configs: the config store; it is told to be read further if other members have read further.
        listener: who does what the group decides.
    """

    def __init__(self, config: MembershipConfig, configs: ConfigStore, listener: MemberListener) -> None:
        self._config = config
        self._configs = configs
        self._listener = listener
        self._leadership = Leadership(config.max_delay_ms, _boot_ms)
        self._lock = threading.RLock()  # of all that follows
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._client: CoordinatorClient | None = None
        self._thread: threading.Thread | None = None
        self._held = NOTHING  # what this worker runs, as the group knows
        self._membership: Membership | None = None
        self._protocol: Protocol | None = None  # of the last assignment
        self._joined: Joined | None = None  # not yet looked at
        self._resumed: Membership | None = None  # of an earlier process, not yet confirmed by the coordinator
        self._stopping = 0  # how much was taken away, and has not yet ended
        self._rejoin = False  # wanted since the last join began
        self._rejoin_at_ms: int | None = None
        self._lease_until_ns = 0
        self.rebalances = RebalanceTimes()
        """How often the group was rebalanced, and how long that took."""
        self._away_since_ns: int | None = None  # since when there is no coordinator
        self._unsynced = 0  # how often in a row the config topic could not be read in time

    # What others may ask

    @property
    def membership(self) -> Membership | None:
        """What is true now; None: this is no member (any more, or yet)."""
        return self._membership

    @property
    def generation(self) -> int:
        """The group's generation; -1 if this is no member."""
        return NO_GENERATION if (now := self._membership) is None else now.generation

    @property
    def is_leader(self) -> bool:
        """Whether this worker leads the group."""
        return (now := self._membership) is not None and now.is_leader

    @property
    def leader_url(self) -> str | None:
        """Where the leader listens, as far as known."""
        return None if (now := self._membership) is None else now.leader_url

    @property
    def lease_until_ns(self) -> int:
        """Until when this worker's session lasts for sure, by CLOCK_BOOTTIME; 0: there is none.

        Counted from when the last heartbeat that the coordinator acknowledged was sent, less a margin.
        """
        return self._lease_until_ns

    @property
    def protocol(self) -> Protocol | None:
        """What the group speaks; None: not known yet."""
        return self._protocol

    def owner_url(self, what: str | TaskId) -> str | None:
        """Return where the worker listens that runs a connector or a task; only the leader knows. None: nobody does."""
        return self._leadership.owner_url(what) if self.is_leader else None

    @property
    def member_urls(self) -> list[str]:
        """Where all members listen; only the leader knows."""
        return self._leadership.member_urls if self.is_leader else []

    def request_rejoin(self) -> None:
        """Have the group work out anew who runs what: what should run has changed."""
        with self._lock:
            self._rejoin = True
        self._wake.set()

    # Beginning and end

    def start(self) -> None:
        """Begin to join; from then on the listener is told."""
        self._thread = threading.Thread(target=self._run, name="group member", daemon=True)
        self._thread.start()

    def leave(self, timeout_ms: int = 2_000) -> None:
        """Leave the group: its other members get this worker's work at once, so it must have ended. Then as `close`."""
        with self._lock:
            self._ending.set()
            client = self._client
        self._wake.set()
        if client is not None:
            with contextlib.suppress(errors.KafkaError, RuntimeError):
                client.leave(timeout_ms)
        self.close()

    def close(self) -> None:
        """End the threads. The coordinator is told nothing: until the session ends, another process may go on by `state`."""
        with self._lock:
            self._ending.set()
            client = self._client
        self._wake.set()
        if client is not None:
            client.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def state(self) -> bytes | None:
        """Return what another process needs to be this member, if this is one; it changes with every call of the listener."""
        with self._lock:
            if self._membership is None or self._protocol is None:
                return None
            return msgspec.msgpack.encode(
                _State(membership=self._membership, protocol=self._protocol, held=self._held, led=self._leadership.state())
            )

    def restore(self, state: bytes) -> None:
        """Be the member that an earlier process was; to be called before `start`.

        It is one again once the coordinator has said so: then `on_assigned` is called. If the coordinator says otherwise,
        `on_lost` is.
        """
        earlier = msgspec.msgpack.decode(state, type=_State)
        self._resumed = earlier.membership
        self._protocol = earlier.protocol
        self._held = earlier.held
        self._leadership = Leadership(self._config.max_delay_ms, _boot_ms, earlier.led)

    # The member's own thread

    def _run(self) -> None:
        wait_s = _RETRY_S
        while not self._ending.is_set():
            try:
                self._turn()
            except Exception as error:
                if self._ending.is_set():
                    return
                if is_final(error):
                    self._fail(error)
                    return
                expected = isinstance(error, (errors.KafkaError, ConnectError))
                logger.log(
                    logging.DEBUG if expected and wait_s > _RETRY_S else logging.WARNING,  # once until it is over
                    "The group of this worker cannot be joined yet; trying again.",
                    extra=self._facts(reason=_reason(error)),
                    exc_info=None if expected else error,
                )
                self._ending.wait(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_RETRY_S)
            else:
                if self._away_since_ns is None:
                    wait_s = _RETRY_S

    def _turn(self) -> None:
        client = self._client or self._connect()
        if self._renew_if_away(client) or not client.find(self._config.heartbeat_interval_ms):
            return
        self._wake.clear()
        with self._lock:
            stopping = self._stopping
            due = self._rejoin_at_ms is not None and _boot_ms() >= self._rejoin_at_ms
            wanted = self._rejoin or due
        if wanted and not client.wants_to_join:
            client.request_join()
        if not self._confirm() and not client.wants_to_join:
            self._wake.wait(_RETRY_S)
        elif client.wants_to_join and not stopping and not self._stop_if_eager():
            if client.join(_JOIN_SLICE_MS):
                self._take_in()
        else:
            if not stopping:
                client.alive()
            self._wake.wait(self._idle_s())

    def _connect(self) -> CoordinatorClient:
        config = self._config
        settings = {
            **config.client,
            "group_id": config.group_id,
            "session_timeout_ms": config.session_timeout_ms,
            "heartbeat_interval_ms": min(config.heartbeat_interval_ms, LONGEST_BEAT_MS),
            "max_poll_interval_ms": config.rebalance_timeout_ms,  # the name that kafka-python has for it
        }
        client = CoordinatorClient(settings, self)
        with self._lock:
            if self._ending.is_set():
                raise GroupError("the worker is being stopped")
            self._client = client
        try:
            client.connect(config.session_timeout_ms)
        except BaseException:
            self._disconnect(client)
            raise
        with self._lock:
            self._away_since_ns = None
            earlier, protocol = self._resumed or self._membership, self._protocol
        if earlier is not None and protocol is not None:
            client.resume(
                Joined(
                    generation=earlier.generation,
                    member_id=earlier.member_id,
                    protocol=protocol.wire_name,
                    assignment=b"",
                )
            )
        return client

    def _disconnect(self, client: CoordinatorClient) -> None:
        with self._lock:
            self._client = None
        client.close()

    def _renew_if_away(self, client: CoordinatorClient) -> bool:
        """After a long time without a coordinator, begin again with the addresses of the configuration."""
        away = self._away_since_ns
        if away is None or boot_ns() - away < _NEW_CONNECTION_AFTER_S * 1e9:
            return False
        logger.warning("No group coordinator was found for long; connecting anew.", extra=self._facts())
        self._disconnect(client)
        return True

    def _stop_if_eager(self) -> bool:
        """Under the eager protocol nobody runs anything while the group is rebalanced; whether something is to stop."""
        with self._lock:
            if self._protocol is not Protocol.EAGER or not self._held:
                return False
            revoked, self._held = self._held, NOTHING
            self._revoke(revoked)
        return True

    def _revoke(self, work: Allocation) -> None:
        self._stopping += 1
        self._listener.on_revoked(work, _once(self._stopped))

    def _confirm(self) -> bool:
        """Whether the coordinator has acknowledged a member that an earlier process was."""
        with self._lock:
            if self._resumed is None:
                return True
            if not self._lease_until_ns:
                return False
            self._membership, self._resumed = self._resumed, None
            logger.info("This worker still is a member.", extra=self._facts(generation=self._membership.generation))
            self._listener.on_assigned(self._membership)
        return True

    def _take_in(self) -> None:
        """Do what the leader has decided."""
        with self._lock:
            joined, self._joined = self._joined, None
            self._resumed = None
        if joined is None:
            return
        try:
            assignment = decode_assignment(joined.assignment)
        except GroupProtocolError as error:
            logger.error("The leader's assignment cannot be read.", extra=self._facts(reason=error.message))
            self._lose("its leader's assignment cannot be read")
            self._ending.wait(_LONGEST_RETRY_S)
            return
        with self._lock:
            before, protocol = self._protocol, Protocol.named(joined.protocol)
            self._protocol = protocol
            if protocol is Protocol.EAGER:
                self._rejoin |= before not in (None, Protocol.EAGER)
                revoked = self._held - assignment.assigned
                self._held = assignment.assigned
            else:
                revoked = self._held & assignment.revoked
                self._held = (self._held - revoked) | assignment.assigned
            self._membership = membership = Membership(
                generation=joined.generation,
                member_id=joined.member_id,
                leader=assignment.leader,
                leader_url=assignment.leader_url,
                config_offset=assignment.config_offset,
                work=self._held,
            )
            self._rejoin_at_ms = _boot_ms() + assignment.delay_ms if assignment.delay_ms else None
            # Others wait for what was taken from this one, even if it is gone from here already.
            self._rejoin |= bool(assignment.revoked)
            if revoked:
                self._revoke(revoked)
        logger.info(
            "Joined the group.",
            extra=self._facts(
                generation=joined.generation,
                leader=assignment.leader_url,
                protocol=protocol.wire_name,
                added=str(assignment.assigned),
                revoked=str(revoked),
                delay_ms=assignment.delay_ms,
            ),
        )
        if self._catch_up(assignment, membership):
            with self._lock:
                if self._membership is membership:  # it may be lost by now
                    self._listener.on_assigned(membership)

    def _catch_up(self, assignment: Assignment, membership: Membership) -> bool:
        """Read the config topic as far as the group has; whether the assignment can be carried out now.

        Source: Kafka Connect's herder, after a rebalance.
        """
        failed = assignment.error is not AssignmentError.NONE
        behind = self._configs.snapshot().offset < assignment.config_offset
        if behind or (failed and membership.is_leader):
            try:
                self._configs.refresh(self._config.sync_timeout_ms)
                behind = self._configs.snapshot().offset < assignment.config_offset
            except ConnectError:
                behind = True
            if behind:
                self._leave_for_a_while()
                return False
        self._unsynced = 0
        if failed:
            # Others have to catch up too: the leader decides as soon as it has read as far as they.
            self._ending.wait(_RETRY_S)
            self.request_rejoin()
        return not failed

    def _leave_for_a_while(self) -> None:
        """Let the others work without this one.

        Kafka Connect lets its work go on for a part of `scheduled.rebalance.max.delay.ms` meanwhile. Here nothing runs
        without a session.
        """
        wait_s = min(2.0**self._unsynced, self._config.unsync_backoff_ms / 1000)
        self._unsynced += 1
        logger.warning(
            "The config topic could not be read in time; leaving the group for a while.",
            extra=self._facts(wait_ms=int(wait_s * 1000)),
        )
        self._lose("it could not read the config topic in time")
        if self._client is not None:
            with contextlib.suppress(errors.KafkaError):
                self._client.leave(self._config.sync_timeout_ms)
        self._ending.wait(wait_s)

    def _idle_s(self) -> float:
        longest_s = min(5.0, self._config.rebalance_timeout_ms / 3000)
        with self._lock:
            if self._rejoin_at_ms is None:
                return longest_s
            return max(0.0, min(longest_s, (self._rejoin_at_ms - _boot_ms()) / 1000))

    def _stopped(self) -> None:
        with self._lock:
            self._stopping -= 1
        self._wake.set()

    def _lose(self, why: str) -> None:
        """Nothing of this worker is sure to be its own any more."""
        with self._lock:
            was_member = self._membership is not None or self._resumed is not None
            self._lease_until_ns = 0
            self._held = NOTHING
            self._membership = self._resumed = None
            self._joined = None
            self._rejoin = True
            if not was_member or self._ending.is_set():
                return
            logger.warning(f"This worker stops its work, for {why}.", extra=self._facts())
            self._stopping += 1
            self._listener.on_lost(_once(self._stopped))
        self._wake.set()

    def _fail(self, error: BaseException) -> None:
        failed = _final(error, self._config)
        logger.error("This worker cannot be a member of its group.", extra=self._facts(reason=str(failed)))
        with self._lock:
            self._lease_until_ns = 0
            self._membership = self._resumed = None
            self._listener.on_failed(failed)
            client = self._client
        if client is not None:
            self._disconnect(client)

    def _facts(self, **values: object) -> dict[str, Any]:
        return logs.facts(group=self._config.group_id, **values)

    # GroupEvents: on kafka-python's thread

    def metadata(self) -> Sequence[tuple[str, bytes]]:
        """What to join with."""
        self.rebalances.begin()
        snapshot = self._configs.snapshot()
        with self._lock:
            self._rejoin = False
            self._rejoin_at_ms = None
            held = Assignment(leader="", leader_url="", config_offset=snapshot.offset, assigned=self._held)
            state = MemberState(url=self._config.url, config_offset=snapshot.offset, assignment=held if self._held else None)
        return [(each.wire_name, encode_metadata(state, each)) for each in self._config.protocol.offered()]

    def decide(self, leader: str, protocol: str, generation: int, members: Mapping[str, bytes]) -> dict[str, bytes]:
        """What each member gets, as this is the leader."""
        return self._leadership.decide(
            leader,
            Protocol.named(protocol),
            members,
            self._configs.snapshot(),
            before=self._protocol,
            completed=self.generation,
            generation=generation,
        )

    def joined(self, joined: Joined) -> None:
        """There is an assignment; the member's own thread looks at it."""
        self.rebalances.end()
        with self._lock:
            self._joined = joined

    def acknowledged(self, sent_ns: int) -> None:
        """The session lasts longer."""
        until_ns = sent_ns + (self._config.session_timeout_ms - LEASE_MARGIN_MS) * 1_000_000
        with self._lock:
            self._away_since_ns = None
            self._lease_until_ns = max(self._lease_until_ns, until_ns)

    def dropped(self) -> None:
        """The coordinator has another view of who is a member."""
        self._lose("the group goes on without it")

    def watch(self) -> None:
        """See whether the session is over, or the coordinator out of reach."""
        client = self._client
        if client is None:
            return
        now = boot_ns()
        with self._lock:
            lease = self._lease_until_ns
            if client.knows_coordinator:
                self._away_since_ns = None
            elif self._away_since_ns is None:
                self._away_since_ns = now
            away_ns = 0 if self._away_since_ns is None else now - self._away_since_ns
            is_member = self._membership is not None
        if not is_member:
            return
        if now > lease:
            self._lose("its session may have ended")
        elif away_ns > self._config.heartbeat_interval_ms * 1_000_000:
            self._lose("the group coordinator is out of reach")

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()


class _State(msgspec.Struct, frozen=True, kw_only=True):
    membership: Membership
    protocol: Protocol
    held: Allocation
    led: LeaderState


def _boot_ms() -> int:
    return boot_ns() // 1_000_000


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """The same call, but only the first time it is made."""
    lock = threading.Lock()  # never released: whoever gets it is the first

    def first() -> None:
        if lock.acquire(blocking=False):
            call()

    return first


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _final(error: BaseException, config: MembershipConfig) -> GroupError:
    where = f"group {config.group_id}"
    match error:
        case errors.InconsistentGroupProtocolError():
            return GroupError(
                "it is not a group of Kafka Connect workers, or its members speak no protocol that this worker does",
                where=where,
                hint="choose another group.id, or the same connect.protocol",
            )
        case errors.InvalidSessionTimeoutError():
            return GroupError(
                f"the brokers do not allow a session timeout of {config.session_timeout_ms} ms",
                where=where,
                hint="session.timeout.ms must be between group.min.session.timeout.ms and group.max.session.timeout.ms",
            )
        case errors.GroupAuthorizationFailedError():
            return GroupError("not allowed to join", where=where, hint="the worker's user needs READ on the group")
        case errors.SaslAuthenticationFailedError():
            return GroupError(f"the brokers do not accept the worker's credentials: {error}", where=where)
        case _:
            return GroupError(_reason(error), where=where)
