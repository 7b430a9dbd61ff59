"""What a task process is given by its supervisor, and what it tells it.

Given: a TaskSpec (what to do) and a TaskChannel (where to look and to tell). Told: a StateChange whenever the state changes,
a TaskEvent for what is worth a line in the log, a TopicUsed for each topic that it reads or writes. How these travel, and what
the supervisor makes of them, is not here: see native/status_ring.pxi and supervisor/statuses.py.
"""

from __future__ import annotations

import os
import select
from typing import TypeAlias

import msgspec

from fastconnect import masking
from fastconnect._core import StatusPage, StatusRing
from fastconnect.states import State, TaskId

KIND_STATE = 1
KIND_EVENT = 2
KIND_TOPIC = 3
"""Kinds of ring entries."""

WAITING = "waiting"
"""So begins the reason of a RUNNING task that lacks a broker or a topic just now; such a reason is shown to users."""

REASON_BYTES = 2_000
TRACE_BYTES = 8_000
"""Longer texts are cut: a ring of 64 KiB should hold a few of them. A trace is cut at its beginning, its end says more."""


class TaskSpec(msgspec.Struct, frozen=True):
    """What a task process is to do."""

    id: TaskId
    epoch: int  # number of this process; its status page has the same
    slot: int  # its place in the shared mapping
    connector_config: dict[str, str | None]
    task_config: dict[str, str | None]
    last_try: bool = False
    """If it fails soon, it is not started again."""


class StateChange(msgspec.Struct, frozen=True):
    """The task is in this state now."""

    state: int  # State
    reason: str | None = None  # one sentence
    trace: str | None = None
    explained: bool = False  # the sentence says all: the trace is for the status, not for the log


class TaskEvent(msgspec.Struct, frozen=True):
    """Something of a task that belongs into the log."""

    level: int  # as in logging
    sentence: str
    facts: dict[str, str] = {}


class TopicUsed(msgspec.Struct, frozen=True):
    """The task has read its first record from this topic, or written its first record to it."""

    topic: str


Told: TypeAlias = StateChange | TaskEvent | TopicUsed

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[int, msgspec.msgpack.Decoder[Told]] = {
    KIND_STATE: msgspec.msgpack.Decoder(StateChange),
    KIND_EVENT: msgspec.msgpack.Decoder(TaskEvent),
    KIND_TOPIC: msgspec.msgpack.Decoder(TopicUsed),
}


def decode(kind: int, payload: bytes) -> Told | None:
    """What an entry of a ring says; None if it is no report of ours."""
    decoder = _decoders.get(kind)
    if decoder is None:
        return None
    try:
        return decoder.decode(payload)
    except msgspec.DecodeError:
        return None


class TaskChannel:
    """Where a task process looks and what it tells, shared with its supervisor.

    Orders are in `page` (`target`, `lease_until_ns`). That they have changed is told by a signal: SIGTERM to stop, SIGUSR1
    to look again (pause, resume). Both are caught before the task's first line, so that neither ends the process.

    Args:
        page: the task's status page.
        ring: its status ring.
        lifeline_fd: a pipe that reaches its end of file when the supervisor has died.
        doorbell_fd: an eventfd that wakes the supervisor.
    """

    def __init__(self, page: StatusPage, ring: StatusRing, lifeline_fd: int, doorbell_fd: int) -> None:
        self.page = page
        self.ring = ring
        self.lifeline_fd = lifeline_fd
        self.doorbell_fd = doorbell_fd

    def tell_state(self, state: State, reason: str | None = None, trace: str | None = None, *, explained: bool = False) -> None:
        """Publish the task's state, with the sentence that says why and, for a failure, the trace.

        Args:
            explained: the sentence says all to a user, so that the trace need not be in the log.
        """
        reason = None if reason is None else masking.hide(reason)
        trace = None if trace is None else masking.hide(trace)
        self.page.write_state(state, reason or "")
        change = StateChange(
            int(state),
            None if reason is None else _head(reason, REASON_BYTES),
            None if trace is None else _tail(trace, TRACE_BYTES),
            explained,
        )
        if not self.ring.write(KIND_STATE, _encoder.encode(change)):
            # The supervisor is far behind. It will find the state in the page; the trace is what is lost.
            pass
        self.ring_doorbell()

    def tell_event(self, level: int, sentence: str, **facts: object) -> None:
        """Have a line logged by the supervisor; dropped and counted when the ring is full."""
        texts = {name: _head(masking.hide(str(value)), 500) for name, value in facts.items()}
        self.ring.write(KIND_EVENT, _encoder.encode(TaskEvent(level, _head(masking.hide(sentence), REASON_BYTES), texts)))
        self.ring_doorbell()

    def tell_topic(self, topic: str) -> bool:
        """Tell that the task uses a topic; False when the ring is full: to be told again later."""
        told = self.ring.write(KIND_TOPIC, _encoder.encode(TopicUsed(topic)))
        self.ring_doorbell()
        return told

    def ring_doorbell(self) -> None:
        """Wake the supervisor, so that it reads the ring now."""
        try:
            os.write(self.doorbell_fd, (1).to_bytes(8, "little"))  # an eventfd takes a number in the machine's order
        except BlockingIOError:
            pass  # it has been rung 2^64 - 2 times and not been answered: it is awake or dead
        except OSError:
            pass  # a plugin has closed it; the supervisor looks at the page every second anyway

    def supervisor_is_gone(self) -> bool:
        """Whether the supervisor has died: end at once, what is unflushed will be read again by the next process.

        The second line of defence: the kernel kills the process when its parent dies, unless a plugin has undone that.
        """
        poll = select.poll()
        poll.register(self.lifeline_fd, select.POLLIN)
        return bool(poll.poll(0))


def _head(text: str, limit: int) -> str:
    return _encodable(text) if len(text) <= limit else _encodable(text[: limit - 1]) + "…"


def _tail(text: str, limit: int) -> str:
    return _encodable(text) if len(text) <= limit else "…" + _encodable(text[1 - limit :])


def _encodable(text: str) -> str:
    # A file's name may hold bytes that are no text; Python shows them as lone surrogates, which no encoding takes.
    return text.encode("utf-8", "backslashreplace").decode()
