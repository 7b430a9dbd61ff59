from __future__ import annotations

import os

import pytest

from fastconnect import _core

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def dirty_kb_of_a_child_that_allocates() -> int:
    """Fork a child that makes many small blocks; the memory in KB that is its own afterwards."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        kept = [bytes(size) for size in range(600, 4000, 40) for _ in range(3)]
        with open("/proc/self/smaps_rollup") as file:
            private = sum(int(line.split()[1]) for line in file if line.startswith("Private"))
        os.write(writer, str(private).encode())
        os._exit(0 if kept else 1)
    os.waitpid(pid, 0)
    os.close(writer)
    with os.fdopen(reader) as file:
        return int(file.read())


def test_a_child_of_a_filled_heap_dirties_less_of_it() -> None:
    # A separate process, since the holes of this one's heap are everybody's.
    pid = os.fork()
    if pid == 0:
        holes = [bytes(3000 + i % 1000) for i in range(4000)]
        del holes[::2]
        before = dirty_kb_of_a_child_that_allocates()
        filled = _core.fill_heap_holes()
        after = dirty_kb_of_a_child_that_allocates()
        os._exit(0 if filled > 1_000_000 and after < before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
