from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from fastconnect import log_levels
from fastconnect.log_levels import Levels, SharedLevels

# A fork is fine here whatever threads other tests have left: the child does next to nothing.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    yield
    root.setLevel(before)
    for name in ("a", "a.b", "a.b.c", "ab"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def effective(name: str) -> int:
    return logging.getLogger(name).getEffectiveLevel()


def test_a_level_counts_for_all_below_also_for_those_that_had_their_own() -> None:
    logging.getLogger("a.b.c").setLevel(logging.ERROR)
    logging.getLogger("ab").setLevel(logging.ERROR)
    log_levels.apply({"a": logging.DEBUG})
    assert [effective(name) for name in ("a", "a.b", "a.b.c", "ab")] == [10, 10, 10, 40]


@pytest.mark.parametrize(
    ("sets", "levels"),
    [
        ([("a", 10), ("a.b", 40)], {"a": 10, "a.b": 40}),
        ([("a.b", 40), ("a", 10)], {"a": 10}),
        ([("a.b", 40), ("ab", 20), ("", 30)], {"": 30}),
    ],
)
def test_a_later_level_takes_the_place_of_those_below(sets: list[tuple[str, int]], levels: Levels) -> None:
    noted: Levels = {}
    for name, level in sets:
        log_levels.set_level(noted, name, level)
    assert noted == levels


def test_what_one_process_sets_another_one_finds() -> None:
    shared = SharedLevels()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.read(reader, 1)
            shared.look()
            os._exit(effective("a.b"))
        finally:
            os._exit(99)
    shared.set("a", 30)
    shared.set("a.b", 10)
    assert effective("a.b") == 10
    os.write(writer, b"!")
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 10
    os.close(reader)
    os.close(writer)
    shared.close()


def test_a_file_in_the_midst_of_a_write_changes_nothing() -> None:
    shared = SharedLevels()
    shared.set("a", 30)
    os.pwrite(shared.fd, b'{"a":10,"a.b"', 0)
    shared.look()
    assert effective("a") == 30
    shared.close()
    shared.look()
