from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fastconnect import logs
from fastconnect.states import TaskId

# A fork is fine here whatever threads other tests have left: the child does next to nothing.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

logger = logging.getLogger("fastconnect.tests")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers[:] = []
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    os.close(reader)
    os.close(writer)


def test_a_line_has_level_context_sentence_and_facts(pipe: tuple[int, int]) -> None:
    logs.configure(context="orders-file|task-3", fd=pipe[1])
    logger.warning("Task process died and will be restarted.", extra=logs.facts(pid=4121, reason="no room", wait_ms=None))
    assert os.read(pipe[0], 1000) == (
        b'WARNING [orders-file|task-3] Task process died and will be restarted. pid=4121 reason="no room"\n'
    )


def test_a_line_about_a_task_has_the_tasks_prefix(pipe: tuple[int, int]) -> None:
    logs.configure(fd=pipe[1])
    logger.info("Started %s.", "it", extra=logs.about(TaskId("orders", 2), pid=7))
    assert os.read(pipe[0], 1000) == b"INFO [orders|task-2] Started it. pid=7\n"


def test_control_characters_can_neither_begin_a_line_nor_steer_a_terminal(pipe: tuple[int, int]) -> None:
    logs.configure(context="x\nERROR root", fd=pipe[1])
    logger.info("Read %s", "a\r\nERROR all is lost \x1b[31m", extra=logs.facts(name="b\nERROR c\x1b]0;t\x07"))
    lines = os.read(pipe[0], 1000).decode().splitlines()
    assert lines == [
        r"INFO [x\nERROR root] Read a\r" + r' name="b\nERROR c\u001b]0;t\u0007"',
        r"    ERROR all is lost \x1b[31m",
    ]


def test_a_trace_is_indented_below_its_line(pipe: tuple[int, int]) -> None:
    logs.configure(fd=pipe[1])
    try:
        raise ValueError("bad\nERROR forged")
    except ValueError:
        logger.exception("Poll failed.")
    first, *trace = os.read(pipe[0], 10_000).decode().splitlines()
    assert first == "ERROR Poll failed."
    assert trace[-2:] == ["    ValueError: bad", "    ERROR forged"]
    assert all(line.startswith("    ") for line in trace)


def test_a_json_line_is_one_object_with_all_in_it(pipe: tuple[int, int]) -> None:
    logs.configure(json_lines=True, context="c|task-0", fd=pipe[1])
    logger.info("Two\nlines", extra=logs.facts(count=3, level="high"))
    (line,) = os.read(pipe[0], 1000).splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "INFO",
        "connector": "c",
        "task": 0,
        "logger": logger.name,
        "message": "Two\nlines",
        "count": 3,
        "level_": "high",
    }


@pytest.mark.parametrize(
    ("context", "fields"),
    [
        ("orders", {"connector": "orders"}),
        ("a|task-1|task-2", {"connector": "a|task-1", "task": 2}),
        ("herder", {"process": "herder"}),
        (None, {}),
    ],
)
def test_a_json_line_names_connector_and_task(pipe: tuple[int, int], context: str | None, fields: dict[str, object]) -> None:
    logs.configure(json_lines=True, context=context, fd=pipe[1])
    logger.info("Hi.")
    entry = json.loads(os.read(pipe[0], 1000))
    assert {name: value for name, value in entry.items() if name in ("connector", "task", "process")} == fields


def test_a_json_line_is_ascii_without_control_characters(pipe: tuple[int, int]) -> None:
    logs.configure(json_lines=True, context="x\ny\x1b[1m", fd=pipe[1])
    nasty = "".join(map(chr, range(32))) + "\x7f\x85\x9b\u2028\u202e\ud800"
    try:
        raise ValueError(nasty)
    except ValueError:
        logger.exception(nasty, extra=logs.facts(name=nasty))
    (line,) = os.read(pipe[0], 10_000).splitlines()
    assert all(32 <= byte < 127 for byte in line)
    assert json.loads(line)["message"] == nasty


def test_timestamps_are_utc_and_first(pipe: tuple[int, int]) -> None:
    logs.configure(timestamps=True, fd=pipe[1])
    record = logger.makeRecord(logger.name, logging.INFO, "f", 1, "Hi.", (), None)
    record.created, record.msecs = 0.0, 7.0
    logger.handle(record)
    assert os.read(pipe[0], 1000) == b"1970-01-01T00:00:00.007Z INFO Hi.\n"


def test_a_full_pipe_drops_lines_and_says_how_many(pipe: tuple[int, int]) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    logs.configure(may_block=False, fd=pipe[1])
    for number in range(100):
        logger.info("x" * 200 + "%d", number)  # must return, though nobody reads
    first = os.read(pipe[0], 100_000)
    logger.info("There is room again.")
    second = os.read(pipe[0], 100_000)
    assert first.endswith(b"\n")
    whole = first.count(b"\n")
    assert second == b"WARNING %d log lines were dropped since nobody read them.\nINFO There is room again.\n" % (100 - whole)
    assert os.get_blocking(pipe[1])  # the shared file was not made non-blocking for others


def test_the_end_of_a_long_line_comes_before_the_next_one(pipe: tuple[int, int]) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    logs.configure(may_block=False, fd=pipe[1])
    logger.info("y" * 10_000)
    read = b""
    for _ in range(5):
        logger.info("next")
        read += os.read(pipe[0], 100_000)
    assert read.startswith(b"INFO " + b"y" * 10_000 + b"\n")


def test_a_socket_that_nobody_reads_does_not_stop_the_process() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = logs.DroppingWriter(theirs.fileno())
        for _ in range(10_000):
            writer.write(b"z" * 1000 + b"\n")
        assert writer.dropped > 0
        writer.close()


def test_a_reader_that_is_gone_does_not_end_the_process(pipe: tuple[int, int]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for kind in (logs.LineWriter, logs.DroppingWriter):
        line_writer = kind(writer)
        line_writer.write(b"lost\n")
        assert line_writer.dropped == 1
        line_writer.close()
    os.close(writer)


def test_a_forked_process_logs_under_its_own_prefix(pipe: tuple[int, int]) -> None:
    logs.configure(may_block=False, fd=pipe[1])
    pid = os.fork()
    if pid == 0:
        logs.begin_process("orders|task-1")
        logger.info("Here.")
        os._exit(0)
    os.waitpid(pid, 0)
    logger.info("There.")
    assert os.read(pipe[0], 1000) == b"INFO [orders|task-1] Here.\nINFO There.\n"


def test_lines_of_several_processes_never_mix() -> None:
    script = (
        "import logging, os\nfrom fastconnect import logs\nlogs.configure()\n"
        "pids = []\n"
        "for name in 'abcd':\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        for _ in range(300): logging.info(name * 500)\n"
        "        os._exit(0)\n"
        "    pids.append(pid)\n"
        "for pid in pids: os.waitpid(pid, 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, env=environment, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) == 1200
    assert set(lines) == {b"INFO " + name.encode() * 500 for name in "abcd"}
