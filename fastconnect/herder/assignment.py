"""Who of a group runs what: what its leader works out when workers come, go, or have other work to do.

An `Assignor` is incremental and cooperative (KIP-415): all goes on running but for what really moves, and what moves does so in
two rounds. In the first its owner is told to stop it; the owner does, joins again without it, and the second round gives it to
another. So nothing ever runs twice. `assign_anew` is the old, eager way: everybody stops all, and gets new work.

Nothing here knows of Kafka or of time: what comes in is who is there and what each runs, what goes out is who shall.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

from fastconnect.herder.connect_protocol import NOTHING, Allocation
from fastconnect.states import TaskId

_W = TypeVar("_W", str, TaskId)

_BACKOFF_BASE = 40  # Kafka Connect's: rounds that move work wait 40 ms, 1.6 s, 64 s


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What a round decides, by member id."""

    assigned: dict[str, Allocation]
    """What each is to start."""
    revoked: dict[str, Allocation]
    """What each is to stop."""
    running: dict[str, Allocation]
    """What each runs once it has done so."""
    delay_ms: int = 0
    """When all are to join again, because something waits; 0: nothing does."""


class Memory(msgspec.Struct, kw_only=True):
    """What an assignor knows of the rounds before."""

    generation: int = -1
    """The generation that the rest is about."""
    work: Allocation = NOTHING
    """What was handed out then, and what was lost already and waits."""
    members: frozenset[str] = frozenset()
    lost_until_ms: int | None = None
    """Lost work waits until then for its worker to come back."""
    balance_after_ms: int | None = None
    """Nothing is taken from anybody before this."""
    has_revoked: bool = False
    """Whether the last round took work from somebody for the sake of balance."""
    revoking_rounds: int = 0
    """How often such rounds followed each other."""


class Assignor:
    """Keeps each connector and each task running once, and the loads of any two workers less than two apart.

    Args:
        max_delay_ms: how long lost work waits for its worker to come back (`scheduled.rebalance.max.delay.ms`).
        clock_ms: a clock that also runs while the machine is suspended, in milliseconds.
        memory: what an assignor of the same group knew, to go on from there.

    Source: KIP-415, and what Kafka Connect 4.3 does.
    """

    def __init__(self, max_delay_ms: int, clock_ms: Callable[[], int], memory: Memory | None = None) -> None:
        self.max_delay_ms = max_delay_ms
        self.memory = memory or Memory()
        self._clock_ms = clock_ms

    def assign(self, members: Mapping[str, Allocation], configured: Allocation, *, completed: int, generation: int) -> Round:
        """Decide a round.

        Args:
            members: who is there, and what each runs.
            configured: everything that should run.
            completed: the generation that the leader completed last. If another one has led since this assignor's last round,
                or nobody heard of it, then what it remembers tells nothing.
            generation: the one that this round makes.
        """
        if self.memory.generation != completed:
            self.memory = Memory()
        memory = self.memory
        running = _together(members.values())
        unwanted = (memory.work | running) - configured
        repeated = _repeated(members.values())
        lost = memory.work - running - unwanted
        new = configured - memory.work - running

        revoked = {name: work & (unwanted | repeated) for name, work in members.items()}
        after = {name: _Load(work - revoked[name]) for name, work in members.items()}
        waiting = lost if self._has_to_wait(lost, members) else NOTHING
        if not waiting:
            # A worker that has come back has nothing yet, so most of what was lost goes to it anyway.
            new |= lost
            for name, surplus in self._surplus(after, configured).items():
                after[name].take(surplus)
                revoked[name] |= surplus
        _hand_out(new.connectors, {name: load.connectors for name, load in after.items()})
        _hand_out(new.tasks, {name: load.tasks for name, load in after.items()})

        result = {name: load.allocation() for name, load in after.items()}
        memory.generation = generation
        memory.work = _together(result.values()) | waiting
        memory.members = frozenset(members)
        return Round(
            assigned={name: work - members[name] for name, work in result.items()},
            revoked=revoked,
            running=result,
            delay_ms=self._delay_ms(),
        )

    def _has_to_wait(self, lost: Allocation, members: Mapping[str, Allocation]) -> bool:
        """Whether lost work is left lying for now, since the worker that had it may only be restarting."""
        memory = self.memory
        now = self._clock_ms()
        # If all are still here, one of them has just not heard of the last round.
        if lost and memory.lost_until_ms is None and not memory.members <= members.keys():
            memory.lost_until_ms = now + self.max_delay_ms
        if lost and memory.lost_until_ms is not None and now < memory.lost_until_ms:
            return True
        memory.lost_until_ms = None
        return False

    def _surplus(self, after: Mapping[str, _Load], configured: Allocation) -> dict[str, Allocation]:
        """What is taken from whom for the sake of balance, in this round."""
        memory = self.memory
        if memory.balance_after_ms is not None:
            if self._clock_ms() < memory.balance_after_ms:
                return {}
            memory.balance_after_ms = None
            memory.has_revoked = False
        connectors = _above_share({name: load.connectors for name, load in after.items()}, len(configured.connectors))
        tasks = _above_share({name: load.tasks for name, load in after.items()}, len(configured.tasks))
        surplus = {name: Allocation.of(connectors[name], tasks[name]) for name in after}
        if not any(surplus.values()):
            memory.has_revoked = False
            memory.revoking_rounds = 0
            return {}
        if memory.has_revoked:
            # A round that moves work makes the next one balanced. If it did not, workers come and go faster than that: each
            # further try waits longer (KAFKA-12495).
            memory.revoking_rounds += 1
            if wait_ms := min(_BACKOFF_BASE**memory.revoking_rounds, self.max_delay_ms):
                memory.balance_after_ms = self._clock_ms() + wait_ms
                return {}
        memory.has_revoked = True
        return surplus

    def _delay_ms(self) -> int:
        until = self.memory.lost_until_ms
        if until is None:
            until = self.memory.balance_after_ms
        return 0 if until is None else max(1, until - self._clock_ms())


def assign_anew(members: Iterable[str], configured: Allocation) -> dict[str, Allocation]:
    """Deal everything out in turn: first all connectors, then all tasks.

    Source: Kafka Connect's eager protocol, which deals in this order, so that not one worker gets all connectors and another
    all tasks where each connector has one task.
    """
    names = sorted(members)
    dealt: dict[str, tuple[list[str], list[TaskId]]] = {name: ([], []) for name in names}
    turn = itertools.cycle(names)
    for connector in sorted(configured.connectors):
        dealt[next(turn)][0].append(connector)
    for task in sorted(configured.tasks):
        dealt[next(turn)][1].append(task)
    return {name: Allocation.of(*work) for name, work in dealt.items()}


class _Load:
    """What a worker will run, while a round is being decided."""

    def __init__(self, work: Allocation) -> None:
        self.connectors = set(work.connectors)
        self.tasks = set(work.tasks)

    def take(self, work: Allocation) -> None:
        self.connectors -= work.connectors
        self.tasks -= work.tasks

    def allocation(self) -> Allocation:
        return Allocation.of(self.connectors, self.tasks)


def _together(works: Iterable[Allocation]) -> Allocation:
    works = list(works)
    return Allocation(
        frozenset().union(*(work.connectors for work in works)), frozenset().union(*(work.tasks for work in works))
    )


def _repeated(works: Collection[Allocation]) -> Allocation:
    """What runs more than once: a worker that was away, and did not know it, has brought back what others have by now."""
    connectors = Counter(itertools.chain.from_iterable(work.connectors for work in works))
    tasks = Counter(itertools.chain.from_iterable(work.tasks for work in works))
    return Allocation.of(
        (name for name, count in connectors.items() if count > 1), (task for task, count in tasks.items() if count > 1)
    )


def _above_share(loads: Mapping[str, set[_W]], total: int) -> dict[str, list[_W]]:
    """What each has more than its even share of the total; the shares that are one greater go to who has that much."""
    least, greater_shares = divmod(total, len(loads))
    surplus: dict[str, list[_W]] = {}
    for name in sorted(loads):
        share = least
        if len(loads[name]) > least and greater_shares:
            greater_shares -= 1
            share += 1
        surplus[name] = sorted(loads[name])[share:]
    return surplus


def _hand_out(work: Iterable[_W], loads: Mapping[str, set[_W]]) -> None:
    """Give each piece of work to whoever has least."""
    least = [(len(load), name) for name, load in loads.items()]
    heapq.heapify(least)
    for piece in sorted(work):
        size, name = least[0]
        loads[name].add(piece)
        heapq.heapreplace(least, (size + 1, name))
