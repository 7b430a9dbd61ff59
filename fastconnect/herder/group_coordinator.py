"""The group coordinator's client: kafka-python's, taught Kafka Connect's kind of group.

kafka-python finds the coordinator, joins, syncs and beats; what is said there is connect_protocol.py's, and what follows is
membership.py's. Everything that knows of kafka-python's insides is in this file.

Everything here runs on kafka-python's own thread, the one with its event loop, unless it says otherwise.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from kafka import errors
from kafka.coordinator.base import BaseCoordinator, Generation
from kafka.net.compat import KafkaNetClient
from kafka.protocol.consumer import HeartbeatRequest
from kafka.structs import MemberState as JoinState

from fastconnect.herder.connect_protocol import PROTOCOL_TYPE

NO_GENERATION = -1

_WATCH_S = 0.25  # how late a lost session may be noticed here; the tasks look at their lease before each send

# Each of these is said by this project in its own words, or comes several times a second while a broker is away.
logging.getLogger("kafka").setLevel(logging.WARNING)
for _name in ("kafka.net", "kafka.cluster", "kafka.coordinator"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A join that has succeeded."""

    generation: int
    member_id: str
    protocol: str
    assignment: bytes


class GroupEvents(Protocol):
    """Who wants to know; called on kafka-python's thread, so none of these may block."""

    def metadata(self) -> Sequence[tuple[str, bytes]]:
        """What to join with, by the name of the protocol, the best first."""

    def decide(self, leader: str, protocol: str, generation: int, members: Mapping[str, bytes]) -> dict[str, bytes]:
        """This member leads: say what each gets."""

    def joined(self, joined: Joined) -> None:
        """There is an assignment."""

    def acknowledged(self, sent_ns: int) -> None:
        """The coordinator counts this member's session from then on, or later."""

    def dropped(self) -> None:
        """The coordinator does not know this member, or not in this generation. Joining begins after this returns."""

    def watch(self) -> None:
        """Some time has passed."""

    def wake(self) -> None:
        """There may be something to do: to join again, for example."""


def boot_ns() -> int:
    """Return the time since the machine was started, also that of its suspension, in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class CoordinatorClient:
    """A connection to the cluster, and membership in one group by it. Its methods are for other threads, and may block.

    Args:
        settings: kafka-python's, of client and coordinator.
        events: who is told.
    """

    def __init__(self, settings: Mapping[str, Any], events: GroupEvents) -> None:
        self._settings = settings
        self._events = events
        # kafka-python warns of steps that take long; a leader's may, in a big cluster, and nobody waits for its loop then.
        self._client = KafkaNetClient(**settings, slow_task_threshold_secs=0)
        self._coordinator: Any = None

    def connect(self, timeout_ms: int) -> None:
        """Find the cluster; to be called first.

        Raises:
            kafka.errors.KafkaError: no broker answered in time, or none lets this worker in.
        """
        manager = self._client._manager
        self._client._net.start()
        try:
            manager.bootstrap(timeout_ms)
        except errors.KafkaError as error:
            # It was tried until time was up, whatever the brokers said.
            raise next(iter(manager._auth_failures.values()), error) from None
        version = self._client._manager.broker_version
        self._coordinator = _Coordinator(self._client, self._events, **self._settings, api_version=version)
        self._client._manager.call_soon(self._coordinator.watch)

    @property
    def generation(self) -> int:
        """The generation that this member belongs to, NO_GENERATION if to none."""
        return int(self._coordinator._generation.generation_id)

    @property
    def member_id(self) -> str:
        """What the coordinator calls this member; empty before it has said so."""
        return str(self._coordinator._generation.member_id)

    @property
    def knows_coordinator(self) -> bool:
        """Whether there is a connection to the coordinator, or there could be one."""
        return not self._coordinator.coordinator_unknown()

    @property
    def wants_to_join(self) -> bool:
        """Whether this is not a member, or the group is being rebalanced."""
        return bool(self._coordinator.need_rejoin())

    def resume(self, joined: Joined) -> None:
        """Go on as this member, without joining: an earlier process was it."""
        self._client._manager.run(self._coordinator.resume, joined)

    def find(self, timeout_ms: int) -> bool:
        """Look for the coordinator, if there is no connection to it; return whether it was found in time."""
        return self.knows_coordinator or bool(self._coordinator.ensure_coordinator_ready(timeout_ms))

    def join(self, timeout_ms: int) -> bool:
        """Join, or go on with joining; return whether it has succeeded.

        Raises:
            kafka.errors.KafkaError: what another try meets again.
        """
        return bool(self._coordinator.ensure_active_group(timeout_ms))

    def request_join(self) -> None:
        """Have this member join again."""
        self._coordinator.request_rejoin()

    def alive(self) -> None:
        """Say that the herder works: if it does not for the rebalance timeout, this member leaves the group by itself."""
        self._coordinator.poll_heartbeat()

    def leave(self, timeout_ms: int) -> None:
        """Tell the coordinator that this member goes."""
        if self._coordinator is None:
            return
        self._coordinator.maybe_leave_group(timeout_ms=timeout_ms)

    def close(self) -> None:
        """End the connections; the coordinator is told nothing."""
        self._client._manager.close()
        self._client._net.close()


class _Coordinator(BaseCoordinator):  # type: ignore[misc]  # kafka-python has no types
    def __init__(self, client: Any, events: GroupEvents, **settings: Any) -> None:
        super().__init__(client, **settings)
        self._events = events
        self._join: object | None = None  # that is under way
        self._sync_sent_ns = 0

    def protocol_type(self) -> str:
        return PROTOCOL_TYPE

    def group_protocols(self) -> list[tuple[str, bytes]]:
        return list(self._events.metadata())

    def _perform_assignment(self, leader_id: str, protocol: str, members: Sequence[Any]) -> dict[str, bytes]:
        metadata = {member.member_id: bytes(member.metadata) for member in members}
        return self._events.decide(leader_id, protocol, int(self._generation.generation_id), metadata)

    async def _on_join_complete_async(self, generation: int, member_id: str, protocol: str, assignment: bytes) -> None:
        self._events.joined(Joined(generation=generation, member_id=member_id, protocol=protocol, assignment=bytes(assignment)))

    async def _do_join_and_sync_async(self) -> bytes:
        # kafka-python does not beat while it joins, and a join may take longer than a session: it waits for every other
        # member, also for one that was killed and whose session has yet to end. All work goes on meanwhile, so its lease
        # must. The coordinator takes heartbeats while it waits, but no second request on the connection that it waits on.
        join = self._join = object()
        self._manager.call_soon(self._beat_while_joining, join)
        try:
            return bytes(await super()._do_join_and_sync_async())
        finally:
            self._join = None

    async def _beat_while_joining(self, join: object) -> None:
        while True:
            await self._net.sleep(self.config["heartbeat_interval_ms"] / 1000)
            if self._join is not join:
                return
            generation, coordinator = self._generation, self.coordinator_id
            if coordinator is None or generation.generation_id == NO_GENERATION:
                continue
            request = HeartbeatRequest(
                group_id=self.group_id,
                generation_id=generation.generation_id,
                member_id=generation.member_id,
                group_instance_id=self.group_instance_id,
            )
            sent_ns = boot_ns()
            try:
                response = await self._manager.send(request, node_id=int(str(coordinator).rpartition("-")[2]))
            except errors.KafkaError:
                continue
            if errors.for_code(response.error_code) in (errors.NoError, errors.RebalanceInProgressError):
                self._events.acknowledged(sent_ns)

    def _process_join_group_response(self, response: Any, send_time: float) -> Any:
        result = super()._process_join_group_response(response, send_time)
        self._sync_sent_ns = boot_ns()
        return result

    def _process_sync_group_response(self, response: Any, send_time: float) -> Any:
        assignment = super()._process_sync_group_response(response, send_time)
        self._events.acknowledged(self._sync_sent_ns)
        return assignment

    async def _send_heartbeat_request(self) -> None:
        sent_ns = boot_ns()
        try:
            await super()._send_heartbeat_request()
        except errors.RebalanceInProgressError:
            self._events.acknowledged(sent_ns)
            raise
        self._events.acknowledged(sent_ns)

    def reset_generation(self, member_id: str = "") -> None:
        if self._generation.generation_id != NO_GENERATION:
            self._events.dropped()
        super().reset_generation(member_id)
        self._events.wake()

    def request_rejoin(self) -> None:
        super().request_rejoin()
        self._events.wake()

    def resume(self, joined: Joined) -> None:
        with self._lock:
            self._generation = Generation(joined.generation, joined.member_id, joined.protocol)
            self.rejoin_needed = False
            self.state = JoinState.STABLE
        self._maybe_start_heartbeat_loop()
        self._enable_heartbeat()
        # The first beat goes out at once: only its answer says whether this still is a member.
        self.heartbeat.last_reset = time.monotonic() - self.config["heartbeat_interval_ms"] / 1000

    async def watch(self) -> None:
        while True:
            await self._net.sleep(_WATCH_S)
            self._events.watch()


def is_final(error: BaseException) -> bool:
    """Whether an error of joining would only come again."""
    return isinstance(
        error,
        (
            errors.AuthorizationError,
            errors.SaslAuthenticationFailedError,
            errors.UnsupportedSaslMechanismError,
            errors.UnsupportedVersionError,
            errors.InconsistentGroupProtocolError,
            errors.InvalidGroupIdError,
            errors.InvalidSessionTimeoutError,
            errors.GroupMaxSizeReachedError,
        ),
    )
