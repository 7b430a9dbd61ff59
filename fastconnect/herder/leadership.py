"""What a member does and knows while it leads its group: it reads what all say of themselves, and tells each what to run.

How work is shared is assignment.py's, the bytes are connect_protocol.py's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from fastconnect import logs
from fastconnect.herder.assignment import Assignor, Memory, Round, assign_anew
from fastconnect.herder.connect_protocol import (
    NOTHING,
    Allocation,
    Assignment,
    AssignmentError,
    GroupProtocolError,
    MemberState,
    Protocol,
    decode_metadata,
    encode_assignment,
)
from fastconnect.states import TaskId
from fastconnect.storage.config_store import ConfigSnapshot

logger = logging.getLogger(__name__)


class LeaderState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a leader knows, to go on from there in another process."""

    memory: Memory
    urls: dict[str, str] = {}
    """Where each member listens."""
    running: dict[str, Allocation] = {}
    """What each member runs since the last round."""


class Leadership:
    """Leads a group, whenever that falls to this worker.

    Args:
        max_delay_ms: `scheduled.rebalance.max.delay.ms`.
        clock_ms: a clock that also runs while the machine is suspended, in milliseconds.
        state: what the leader of an earlier process knew.
    """

    def __init__(self, max_delay_ms: int, clock_ms: Callable[[], int], state: LeaderState | None = None) -> None:
        self._state = state or LeaderState(memory=Memory())
        self._assignor = Assignor(max_delay_ms, clock_ms, self._state.memory)

    def decide(
        self,
        leader: str,
        protocol: Protocol,
        members: Mapping[str, bytes],
        snapshot: ConfigSnapshot,
        *,
        before: Protocol | None,
        completed: int,
        generation: int,
    ) -> dict[str, bytes]:
        """Return what each member is told, from what each said of itself.

        Args:
            leader: the member id of this worker.
            protocol: what the group speaks now.
            snapshot: what should run, as far as this worker has read the config topic.
            before: what this worker spoke before; None: it is new.
            completed: the generation that this worker completed last.
            generation: the one that is being made.
        """
        states = _states(members)
        # Decided on is what the one knows who has read furthest; who has read less reads on before it does what it is told.
        offset = max(state.config_offset for state in states.values())
        if snapshot.offset < offset:
            round_, error = Round(assigned={}, revoked={}, running={}), AssignmentError.CONFIG_MISMATCH
        else:
            wanted = configured(snapshot)
            if protocol is Protocol.EAGER and before not in (None, Protocol.EAGER):
                # From now on nobody says what it runs. All have to stop first, as they do when they get nothing; then they
                # join again.
                wanted = NOTHING
            round_, error = self._round(states, wanted, protocol, completed, generation), AssignmentError.NONE
            offset = snapshot.offset
            self._state = LeaderState(
                memory=self._assignor.memory,
                urls={member: state.url for member, state in states.items()},
                running=round_.running,
            )
        return {
            member: encode_assignment(
                Assignment(
                    error=error,
                    leader=leader,
                    leader_url=states[leader].url,
                    config_offset=offset,
                    assigned=round_.assigned.get(member, NOTHING),
                    revoked=round_.revoked.get(member, NOTHING),
                    delay_ms=round_.delay_ms,
                ),
                protocol,
            )
            for member in members
        }

    def owner_url(self, what: str | TaskId) -> str | None:
        """Return where the worker listens that runs a connector or a task; None: nobody does."""
        state = self._state
        for member, work in state.running.items():
            if what in (work.tasks if isinstance(what, TaskId) else work.connectors):
                return state.urls.get(member)
        return None

    @property
    def member_urls(self) -> list[str]:
        """Where all members listen."""
        return sorted(self._state.urls.values())

    def state(self) -> LeaderState:
        """All that this leader knows."""
        return self._state

    def _round(
        self, states: Mapping[str, MemberState], wanted: Allocation, protocol: Protocol, completed: int, generation: int
    ) -> Round:
        if protocol is Protocol.EAGER:
            dealt = assign_anew(states, wanted)
            return Round(assigned=dealt, revoked={}, running=dealt)
        running = {member: state.running for member, state in states.items()}
        return self._assignor.assign(running, wanted, completed=completed, generation=generation)


def configured(snapshot: ConfigSnapshot) -> Allocation:
    """Return all connectors, and the tasks of those whose task configurations are whole."""
    return Allocation.of(
        snapshot.connectors,
        (
            TaskId(connector.name, task)
            for connector in snapshot.connectors.values()
            if not connector.inconsistent
            for task in range(connector.task_count)
        ),
    )


def _states(members: Mapping[str, bytes]) -> dict[str, MemberState]:
    states = {}
    for member, metadata in members.items():
        try:
            states[member] = decode_metadata(metadata)
        except GroupProtocolError as error:
            logger.error(
                "What a member of the group says of itself cannot be read: it gets no work.",
                extra=logs.facts(member=member, reason=error.message),
            )
    return states
