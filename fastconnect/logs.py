"""How every process of a worker logs: one line an event, `LEVEL [connector|task-3] Sentence. key=value`, on standard error.

A line is one write(), so that lines of many processes never mix. Control characters are escaped: a name or a record in a
message can neither begin a line of its own nor steer a terminal. Where a full pipe must not stop the process (the
supervisor), lines that find no room are dropped and counted. Files, rotation and shipping are left to whoever reads them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import socket
import stat
import time
from typing import Any

from fastconnect import masking
from fastconnect.states import TaskId

PIPE_ATOMIC_BYTES = 4096
"""Up to so many bytes a write to a pipe is never mixed with another's (PIPE_BUF of Linux)."""

HERDER_CONTEXT = "herder"
"""The prefix of the herder's lines; all others are about a connector."""

_PENDING_LIMIT_BYTES = 1 << 20
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN_VALUE = re.compile(r"[^\s=\"\\]+")


def facts(**values: object) -> dict[str, Any]:
    """The facts of a log line: `logger.info("Task process started.", extra=facts(pid=4121))` ends with `pid=4121`."""
    return {"facts": {name: value for name, value in values.items() if value is not None}}


def about(task: TaskId, **values: object) -> dict[str, Any]:
    """The facts of a line about a task, logged by another process: it gets the task's prefix."""
    return {**facts(**values), "context": task_context(task)}


def task_context(task: TaskId) -> str:
    """The prefix of a task's lines: `orders-file|task-3`."""
    return f"{task.connector}|task-{task.task}"


def configure(
    level: int | str = logging.INFO,
    *,
    json_lines: bool = False,
    context: str | None = None,
    may_block: bool = True,
    timestamps: bool = False,
    fd: int = 2,
) -> None:
    """Set up logging for this process; called again, it replaces what was set.

    Args:
        level: the least level that is logged.
        json_lines: one JSON object a line instead of plain text; it always has the time.
        context: the prefix of this process' lines, such as `orders-file|task-3`.
        may_block: wait for a reader who is behind; if not, lines are dropped and counted.
        timestamps: begin plain lines with the time (UTC).
        fd: where to write.
    """
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    formatter = JsonFormatter(context) if json_lines else PlainFormatter(context, timestamps=timestamps)
    root.addHandler(_handler(fd, formatter, may_block=may_block))
    root.setLevel(level)


def are_json() -> bool:
    """Whether this process logs JSON lines."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


def begin_process(context: str | None, *, may_block: bool = True) -> None:
    """In a forked process: go on with its parent's settings under a prefix of its own."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler):
            if isinstance(handler.formatter, (PlainFormatter, JsonFormatter)):
                handler.formatter.context = context
            handler.writer.close()
            handler.writer = _writer(handler.fd, may_block=may_block)


class PlainFormatter(logging.Formatter):
    """`LEVEL [context] Sentence. key=value`, and a trace below it, indented."""

    def __init__(self, context: str | None = None, *, timestamps: bool = False) -> None:
        super().__init__()
        self.context = context
        self.timestamps = timestamps

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without the newline at its end."""
        context = getattr(record, "context", None) or self.context
        parts = [_time(record)] if self.timestamps else []
        parts.append(record.levelname)
        if context:
            parts.append(f"[{escaped(context)}]")
        first, *more = record.getMessage().split("\n")
        parts.append(escaped(first))
        parts += [f"{escaped(name)}={_fact(value)}" for name, value in getattr(record, "facts", {}).items()]
        return "\n".join([" ".join(parts), *("    " + escaped(line) for line in [*more, *self._trace_lines(record)])])

    def _trace_lines(self, record: logging.LogRecord) -> list[str]:
        trace = getattr(record, "trace", None) or (self.formatException(record.exc_info) if record.exc_info else None)
        return trace.rstrip("\n").split("\n") if trace else []


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, connector, task, logger, message, the facts, and the trace if there is one.

    A fact named as one of the others has an underscore behind its name. All that is no plain ASCII is escaped.
    """

    def __init__(self, context: str | None = None) -> None:
        super().__init__()
        self.context = context

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without the newline at its end."""
        line: dict[str, Any] = {"time": _time(record), "level": record.levelname}
        context = getattr(record, "context", None) or self.context
        if context:
            line.update(_connector_and_task(context))
        line["logger"] = record.name
        line["message"] = record.getMessage()
        for name, value in getattr(record, "facts", {}).items():
            line[f"{name}_" if name in _JSON_FIELDS else name] = value
        trace = getattr(record, "trace", None) or (self.formatException(record.exc_info) if record.exc_info else None)
        if trace:
            line["trace"] = trace
        return json.dumps(line, default=str).replace("\x7f", "\\u007f")


class LineHandler(logging.Handler):
    """Writes each record with one write(); see `configure`."""

    def __init__(self, fd: int, writer: LineWriter) -> None:
        super().__init__()
        self.fd = fd
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a fault in it is reported as logging does."""
        try:
            line = masking.hide(self.format(record))
        except Exception:
            self.handleError(record)
            return
        self.writer.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def close(self) -> None:
        """Close what the writer has opened."""
        self.writer.close()
        super().close()


class LineWriter:
    """Writes lines to a file descriptor, waiting for its reader if need be. What can't be written at all is let go."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.dropped = 0

    def write(self, line: bytes) -> None:
        """Write one line."""
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:  # someone else has made the shared file non-blocking
                poll = select.poll()
                poll.register(self.fd, select.POLLOUT)
                poll.poll()
            except OSError:  # closed, or its reader is gone: a log line must never end a process
                self.dropped += 1
                return

    def close(self) -> None:
        """Close what the writer itself has opened; never the file it was given."""


class DroppingWriter(LineWriter):
    """Writes lines without ever waiting: what finds no room is dropped, and the next line that does says how many were."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._pending = b""  # of a long line, the part that found no room: its end must come before the next line
        self._poll = select.poll()
        mode = os.fstat(fd).st_mode
        self._socket = socket.socket(fileno=os.dup(fd)) if stat.S_ISSOCK(mode) else None
        self._own_fd = self._reopened() if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) else fd
        self._poll.register(self._own_fd, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Write one line, or drop it."""
        if len(self._pending) + len(line) > _PENDING_LIMIT_BYTES:
            self.dropped += 1
            return
        if self._pending and not self._send(b""):
            self.dropped += 1
            return
        notice = b""
        if self.dropped:
            notice = f"WARNING {self.dropped} log lines were dropped since nobody read them.\n".encode()
        if self._send(notice + line):
            self.dropped = 0
        else:
            self.dropped += 1

    def close(self) -> None:
        """Close what the writer itself has opened; never the file it was given."""
        if self._socket is not None:
            self._socket.close()
        if self._own_fd != self.fd:
            os.close(self._own_fd)

    def _send(self, data: bytes) -> bool:
        """Write what is pending and then `data`; False if nothing of it could be."""
        data = self._pending + data
        try:
            if self._socket is not None:
                sent = self._socket.send(data, socket.MSG_DONTWAIT)
            elif self._poll.poll(0):
                # For a terminal that could not be opened anew, the poll is all that keeps this from waiting.
                sent = os.write(self._own_fd, data)
            else:
                return False
        except OSError:
            return False
        self._pending = data[sent:]
        return not self._pending or sent > 0

    def _reopened(self) -> int:
        # O_NONBLOCK belongs to the open file, which the shell and all our children share: so it is set on one of our own.
        try:
            return os.open(f"/proc/self/fd/{self.fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            return self.fd


_JSON_FIELDS = frozenset({"time", "level", "connector", "task", "process", "logger", "message", "trace"})


def _connector_and_task(context: str) -> dict[str, str | int]:
    if context == HERDER_CONTEXT:
        return {"process": context}
    connector, _, task = context.rpartition("|task-")
    return {"connector": connector, "task": int(task)} if connector and task.isdecimal() else {"connector": context}


def escaped(text: str) -> str:
    r"""The text with control characters (newlines, ANSI escapes, changes of direction) written as \n or \x1b."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _handler(fd: int, formatter: logging.Formatter, *, may_block: bool) -> LineHandler:
    handler = LineHandler(fd, _writer(fd, may_block=may_block))
    handler.setFormatter(formatter)
    return handler


def _writer(fd: int, *, may_block: bool) -> LineWriter:
    try:
        return LineWriter(fd) if may_block else DroppingWriter(fd)
    except OSError:  # standard error is closed
        return LineWriter(fd)


def _time(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


def _fact(value: object) -> str:
    text = str(value)
    return text if _PLAIN_VALUE.fullmatch(text) and not _CONTROL.search(text) else json.dumps(text, ensure_ascii=True)
