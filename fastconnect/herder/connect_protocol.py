"""What the workers of a group tell each other through the group coordinator: Kafka Connect's own layout, byte for byte.

A worker joins with its *metadata*, and the leader answers each with an *assignment*. There are three protocols of one type,
`connect`; the coordinator picks the best that all members offer. Only bytes here: who gets what is assignment.py's.

All numbers are big-endian. A `string` is an int16 length and UTF-8; `[x]` is an int32 count and so many x, -1 for none.

    metadata    int16 version | string url | int64 config offset                     all that v0 has
                | int32 length | current assignment                                  length -1: none
    assignment  int16 version | int16 error | string leader | string leader url | int64 config offset
                | [allocation] assigned                                              all that v0 has
                | [allocation] revoked | int32 delay in ms
    allocation  string connector | [int32] tasks                                     task -1: the connector itself

Sources: KIP-415 and KIP-507, and what a Kafka Connect 4.3 sent.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable

import msgspec

from fastconnect.errors import ConnectError
from fastconnect.states import TaskId

PROTOCOL_TYPE = "connect"

CONNECTOR = -1  # the task number that stands for the connector itself
MAX_STRING = (1 << 15) - 1  # bytes, what an int16 can say


class Protocol(enum.IntEnum):
    """The protocols, by the version that they write; `wire_name` is what the coordinator knows them by."""

    EAGER = 0
    COMPATIBLE = 1
    SESSIONED = 2

    @property
    def wire_name(self) -> str:
        """The name within the group."""
        return "default" if self is Protocol.EAGER else self.name.lower()

    @classmethod
    def named(cls, name: str) -> Protocol:
        """Return the protocol of a name within the group, or of a value of `connect.protocol`.

        Raises:
            GroupProtocolError: there is none.
        """
        for each in cls:
            if name.lower() in (each.wire_name, each.name.lower()):
                return each
        raise GroupProtocolError(f"{name!r} is no protocol of Kafka Connect's workers")

    def offered(self) -> list[Protocol]:
        """Return what a worker offers whose `connect.protocol` this is, the best first."""
        return [each for each in reversed(Protocol) if each <= self]


class GroupProtocolError(ConnectError):
    """What another member of the group sent is not in Kafka Connect's layout."""


class AssignmentError(enum.IntEnum):
    """Why an assignment gives no work."""

    NONE = 0
    CONFIG_MISMATCH = 1
    """The leader has not read the config topic as far as some other member."""


class Allocation(msgspec.Struct, frozen=True):
    """Some connectors and some tasks; like a set of both."""

    connectors: frozenset[str] = frozenset()
    tasks: frozenset[TaskId] = frozenset()

    @classmethod
    def of(cls, connectors: Iterable[str] = (), tasks: Iterable[TaskId] = ()) -> Allocation:
        """Make one of these connectors and tasks."""
        return cls(frozenset(connectors), frozenset(tasks))

    def __or__(self, other: Allocation) -> Allocation:
        return Allocation(self.connectors | other.connectors, self.tasks | other.tasks)

    def __sub__(self, other: Allocation) -> Allocation:
        return Allocation(self.connectors - other.connectors, self.tasks - other.tasks)

    def __and__(self, other: Allocation) -> Allocation:
        return Allocation(self.connectors & other.connectors, self.tasks & other.tasks)

    def __bool__(self) -> bool:
        return bool(self.connectors or self.tasks)

    def __str__(self) -> str:
        return ", ".join([*sorted(self.connectors), *map(str, sorted(self.tasks))]) or "nothing"


NOTHING = Allocation()


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What the leader tells a member to run.

    In v0 `assigned` is all of its work. Later, `assigned` comes on top of what it has, and `revoked` is to be stopped; then the
    member joins again, without it. In a member's metadata, `assigned` is all that it runs.
    """

    error: AssignmentError = AssignmentError.NONE
    leader: str
    leader_url: str
    config_offset: int
    assigned: Allocation = NOTHING
    revoked: Allocation = NOTHING
    delay_ms: int = 0
    """After so long the member has to join again, for some work waits for a lost worker to come back; 0: not at all."""


class MemberState(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself when it joins: its REST address, how far it has read the config topic, what it runs."""

    url: str
    config_offset: int
    assignment: Assignment | None = None

    @property
    def running(self) -> Allocation:
        """What it runs."""
        return self.assignment.assigned if self.assignment else NOTHING


def encode_metadata(state: MemberState, protocol: Protocol) -> bytes:
    """Return a worker's metadata in the layout of a protocol.

    Raises:
        GroupProtocolError: a name is too long for it.
    """
    parts = [_INT16.pack(protocol), _string(state.url), _INT64.pack(state.config_offset)]
    if protocol is not Protocol.EAGER:
        if state.assignment is None:
            parts.append(_INT32.pack(-1))
        else:
            assignment = encode_assignment(state.assignment, protocol)
            parts += (_INT32.pack(len(assignment)), assignment)
    return b"".join(parts)


def decode_metadata(data: bytes) -> MemberState:
    """Read a worker's metadata, of any version.

    Raises:
        GroupProtocolError: it is something else.
    """
    reader = _Reader(data, "a member's metadata")
    version = reader.version()
    url, config_offset = reader.string(), reader.number(_INT64)
    assignment = None
    if version > 0:
        size = reader.number(_INT32)
        # An empty field is nothing as well, as it is to Java's workers.
        if size > 0:
            assignment = decode_assignment(reader.take(size))
        elif size < -1:
            raise reader.error(f"a length of {size}")
    return MemberState(url=url, config_offset=config_offset, assignment=assignment)


def encode_assignment(assignment: Assignment, protocol: Protocol) -> bytes:
    """Return an assignment in the layout of a protocol; v0 has no place for what is revoked, nor for a delay.

    Raises:
        GroupProtocolError: a name is too long for it.
    """
    parts = [
        _INT16.pack(protocol),
        _INT16.pack(assignment.error),
        _string(assignment.leader),
        _string(assignment.leader_url),
        _INT64.pack(assignment.config_offset),
        _allocation(assignment.assigned),
    ]
    if protocol is not Protocol.EAGER:
        parts += (_allocation(assignment.revoked), _INT32.pack(assignment.delay_ms))
    return b"".join(parts)


def decode_assignment(data: bytes) -> Assignment:
    """Read an assignment, of any version.

    Raises:
        GroupProtocolError: it is something else.
    """
    reader = _Reader(data, "an assignment")
    version = reader.version()
    code = reader.number(_INT16)
    try:
        error = AssignmentError(code)
    except ValueError:
        raise reader.error(f"the unknown error {code}") from None
    leader, leader_url, config_offset = reader.string(), reader.string(), reader.number(_INT64)
    assigned = reader.allocation()
    revoked, delay_ms = (reader.allocation(), reader.number(_INT32)) if version > 0 else (NOTHING, 0)
    if delay_ms < 0:
        raise reader.error(f"a delay of {delay_ms} ms")
    return Assignment(
        error=error,
        leader=leader,
        leader_url=leader_url,
        config_offset=config_offset,
        assigned=assigned,
        revoked=revoked,
        delay_ms=delay_ms,
    )


_INT16, _INT32, _INT64 = (struct.Struct(f">{code}") for code in "hiq")


def _string(text: str) -> bytes:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise GroupProtocolError(f"{text!r} cannot be told to the group: it is no Unicode text") from None
    if len(encoded) > MAX_STRING:
        raise GroupProtocolError(f"{text[:40]!r}... is too long to be told to the group: {len(encoded)} bytes")
    return _INT16.pack(len(encoded)) + encoded


def _allocation(allocation: Allocation) -> bytes:
    tasks: dict[str, list[int]] = {name: [CONNECTOR] for name in sorted(allocation.connectors)}
    for task in sorted(allocation.tasks):
        tasks.setdefault(task.connector, []).append(task.task)
    parts = [_INT32.pack(len(tasks))]
    for name, numbers in tasks.items():
        parts += (_string(name), struct.pack(f">i{len(numbers)}i", len(numbers), *numbers))
    return b"".join(parts)


class _Reader:
    """Takes bytes from the front, never more than there are."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def error(self, found: str) -> GroupProtocolError:
        return GroupProtocolError(
            f"{found} at byte {self._at} of {self._what} is not Kafka Connect's layout",
            hint="is another program in the group of this group.id?",
        )

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise self.error(f"a field of {size} bytes where {len(self._data) - self._at} are left")
        taken = bytes(self._data[self._at : self._at + size])
        self._at += size
        return taken

    def number(self, layout: struct.Struct) -> int:
        (value,) = layout.unpack(self.take(layout.size))
        return int(value)

    def version(self) -> int:
        # A later version may only have fields after those known here, so that older workers can read it.
        version = self.number(_INT16)
        if version < 0:
            raise self.error(f"version {version}")
        return version

    def string(self) -> str:
        try:
            return self.take(self.number(_INT16)).decode()
        except UnicodeDecodeError:
            raise self.error("a name that is not UTF-8") from None

    def count(self, smallest: int) -> int:
        """The length of a list whose entries have at least so many bytes."""
        count = self.number(_INT32)
        if not -1 <= count <= (len(self._data) - self._at) // smallest:
            raise self.error(f"a list of {count} entries")
        return max(count, 0)

    def allocation(self) -> Allocation:
        connectors: set[str] = set()
        tasks: set[TaskId] = set()
        for _ in range(self.count(_INT16.size + _INT32.size)):
            name = self.string()
            for _ in range(self.count(_INT32.size)):
                number = self.number(_INT32)
                if number < CONNECTOR:
                    raise self.error(f"task {number} of {name!r}")
                if number == CONNECTOR:
                    connectors.add(name)
                else:
                    tasks.add(TaskId(name, number))
        return Allocation.of(connectors, tasks)
