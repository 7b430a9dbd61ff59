"""The commands and reports exchanged between supervisor and herder, over a socketpair.

A frame is a 4-byte big-endian length and a MessagePack body of that length, decoded into one of the typed structs below.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from fastconnect.states import TaskId

FRAME_LIMIT_BYTES = 64 * 1024 * 1024
"""A frame longer than this is a fault of the sender: task configs of a very large file set are a few MB."""

_LENGTH = struct.Struct(">I")


ConnectorAction: TypeAlias = Literal["validate", "task_configs", "watch", "config_def", "alter_offsets", "plugins"]


class RunConnector(msgspec.Struct, tag=True):
    """Have a process of its own run plugin code and answer one question about it.

    `validate` and `task_configs` are asked of a connector's config, `alter_offsets` whether its offsets may become those in
    `input`; `config_def` what can be configured of the plugin `name` (its version in `input`), and `plugins` what is installed.

    A connector that watches its source does so behind its tasks' configs, too; `watch` asks for no more than that. Its process
    goes on until it is told to stop, or its tasks' configs are asked for again.
    """

    request: int
    action: ConnectorAction
    name: str
    config: dict[str, str | None]
    timeout_ms: int = 90_000
    input: bytes = b""


class StopConnector(msgspec.Struct, tag=True):
    """Have a connector stop watching its source."""

    name: str


class StartTask(msgspec.Struct, tag=True):
    """Keep this task running with these (unresolved) configs; one that runs with other configs is stopped first.

    The lease is the first one, from before the task's first line; the herder prolongs it in the task's page.
    """

    id: TaskId
    connector_config: dict[str, str | None]
    task_config: dict[str, str | None]
    target: int = 0  # TargetState
    lease_until_ns: int = 0  # CLOCK_BOOTTIME; 0: none


class StopTask(msgspec.Struct, tag=True):
    """Stop this task and forget it."""

    id: TaskId


class RestartTask(msgspec.Struct, tag=True):
    """Stop this task if it runs, and start it anew with a clean count of failures."""

    id: TaskId


class SetTarget(msgspec.Struct, tag=True):
    """Tell every task of a connector to run, pause or stop (TargetState)."""

    connector: str
    target: int


class ResetTopics(msgspec.Struct, tag=True):
    """Forget which topics a connector's tasks have used; each is reported anew with its next record."""

    connector: str


class SetLogLevel(msgspec.Struct, tag=True):
    """Set the level of a logger and of all below it, in every process of the worker; "" is the root logger.

    The herder is told by its signal as the others are, and a new herder has it from its birth.
    """

    logger: str
    level: int  # as in logging
    given: str | None = None
    """What whoever set it has called the logger, if that is not its name here."""


class Finish(msgspec.Struct, tag=True):
    """Stop everything gracefully; the command ends with `exit_code`."""

    exit_code: int
    reason: str


class Pong(msgspec.Struct, tag=True):
    """The answer to Ping."""


class Remember(msgspec.Struct, tag=True):
    """Keep this, and give it to the next herder with its Inventory; it takes the place of what was kept before."""

    blob: bytes


Command: TypeAlias = (
    RunConnector
    | StopConnector
    | StartTask
    | StopTask
    | RestartTask
    | SetTarget
    | ResetTopics
    | SetLogLevel
    | Finish
    | Pong
    | Remember
)


class ConnectorAnswer(msgspec.Struct, tag=True):
    """What a connector process answered: `body` is its MessagePack answer, or `error` says why there is none.

    `goes_on`: the process watches the source, and may answer the same request again. Its last answer has neither if it has
    ended as it should.
    """

    request: int
    body: bytes | None = None
    error: str | None = None
    goes_on: bool = False


class TaskStatus(msgspec.Struct, tag=True):
    """How a task is; sent whenever that changes. `slot` is its place in the shared mapping, where its counters are."""

    id: TaskId
    slot: int
    epoch: int
    state: int  # State
    pid: int | None = None
    reason: str | None = None  # one sentence
    trace: str | None = None
    failures: int = 0  # since it was last healthy
    next_start_ms: int | None = None  # RESTARTING: how long until then
    started_count: int = 0
    earlier: dict[str, int] = {}  # counters of its earlier processes, to be added to those in its slot (metrics.added)


class TaskTopic(msgspec.Struct, tag=True, frozen=True):
    """A task uses a topic: it has read its first record from there, or written its first record to it."""

    id: TaskId
    topic: str


class LevelSet(msgspec.Struct, frozen=True):
    """A logger's level that was set, by the name that it was given then; "" is the root logger."""

    logger: str
    level: int
    at_ms: int  # since the epoch


class Inventory(msgspec.Struct, tag=True):
    """The first frame to a new herder: the tasks that the supervisor keeps running, and the topics that they use.

    `remembered` is what an earlier herder wanted to be kept (Remember).
    """

    tasks: list[TaskStatus]
    stopping: bool = False
    topics: list[TaskTopic] = []
    remembered: bytes | None = None
    levels: list[LevelSet] = []
    """In the order in which they were set, each logger once."""


class Ping(msgspec.Struct, tag=True):
    """The herder has said nothing for a while: it is to show by a Pong that its thread still turns."""


class Stopping(msgspec.Struct, tag=True):
    """The worker is being stopped, by a signal or by Finish."""

    reason: str


Report: TypeAlias = ConnectorAnswer | TaskStatus | TaskTopic | Inventory | Ping | Stopping

_encoder = msgspec.msgpack.Encoder()


def frame(message: Command | Report) -> bytes:
    """Encode one message as a frame."""
    body = _encoder.encode(message)
    if len(body) > FRAME_LIMIT_BYTES:
        raise ValueError(f"a {type(message).__name__} of {len(body)} bytes is over the limit of {FRAME_LIMIT_BYTES}")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a byte stream into frames: `feed` bytes as they come, get the messages they complete."""

    def __init__(self, kind: object) -> None:
        self._decoder: msgspec.msgpack.Decoder[Command | Report] = msgspec.msgpack.Decoder(kind)
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Command | Report]:
        """Take bytes from the stream; yield every message that is now complete.

        Raises:
            ValueError: a frame is over the limit or does not decode; the stream is of no more use.
        """
        self._pending += data
        while len(self._pending) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._pending)
            if length > FRAME_LIMIT_BYTES:
                raise ValueError(f"a frame of {length} bytes is over the limit of {FRAME_LIMIT_BYTES}")
            end = _LENGTH.size + length
            if len(self._pending) < end:
                return
            body = bytes(self._pending[_LENGTH.size : end])
            del self._pending[:end]
            yield self._decoder.decode(body)
