from __future__ import annotations

import os
import random
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect._core import StatusPage, StatusRegion, boottime_ns
from fastconnect.states import State, TargetState

# A fork is fine here whatever threads other tests have left: the child does next to nothing.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

RUBBISH = st.binary(min_size=1, max_size=64).map(lambda pattern: (pattern * 4096)[:4096]) | st.integers().map(
    lambda seed: random.Random(seed).randbytes(4096)
)


@pytest.fixture
def page() -> StatusPage:
    page = StatusRegion(1).page(0)
    page.reset(1)
    return page


def test_a_page_tells_the_last_state_written(page: StatusPage) -> None:
    assert page.read_state() is None
    page.write_state(State.RUNNING, "reading a.jsonl")
    page.write_state(State.FAILED, "a.jsonl is gone")
    assert page.read_state() == (State.FAILED, "a.jsonl is gone")


def test_a_long_sentence_is_cut_and_stays_text(page: StatusPage) -> None:
    page.write_state(State.RUNNING, "a" + "ü" * 1000)  # byte 1,500 is in the middle of a letter
    state = page.read_state()
    assert state is not None
    assert state[1].startswith("aüüü")
    assert len(state[1].encode()) <= 1502  # the letter that was cut became a replacement character


def test_orders_are_seen_in_another_process(page: StatusPage) -> None:
    page.order(TargetState.PAUSED, lease_until_ns=123)
    pid = os.fork()
    if pid == 0:
        page.polls += 2
        page.source_position = 70
        os._exit(page.target * 10 + (page.lease_until_ns == 123))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 11
    assert (page.polls, page.source_position) == (2, 70)


def test_an_order_without_a_lease_leaves_the_lease(page: StatusPage) -> None:
    page.order(lease_until_ns=5)
    page.order(TargetState.STOPPED)
    assert (page.target, page.lease_until_ns) == (TargetState.STOPPED, 5)


def test_a_reset_forgets_all_but_the_new_epoch(page: StatusPage) -> None:
    page.polls = 9
    page.beat()
    page.write_state(State.RUNNING)
    page.order(TargetState.STOPPED, 7)
    page.reset(2)
    assert page.epoch == 2
    assert page.read_state() is None
    assert {name: value for name, value in page.counters().items() if value} == {"source_end": -1}
    assert page.target == TargetState.STARTED


def test_a_reset_leaves_the_lease_which_another_process_may_be_writing(page: StatusPage) -> None:
    page.order(lease_until_ns=7)
    page.reset(2)
    assert page.lease_until_ns == 7


def test_counters_are_those_of_the_slot_alone() -> None:
    region = StatusRegion(3)
    for index in range(3):
        region.page(index).reset(1)
        region.page(index).records_polled = index + 1
    assert [region.page(index).counters()["records_polled"] for index in range(3)] == [1, 2, 3]


def test_a_heartbeat_is_the_time_since_boot(page: StatusPage) -> None:
    before = boottime_ns()
    page.beat()
    assert before <= page.heartbeat_ns <= boottime_ns() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize("arguments", [(0,), (-1,), (1, 100), (1, 5000), (1 << 40,), (1, 1 << 40)])
def test_an_impossible_region_is_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"region|ring_bytes"):
        StatusRegion(*arguments)


def test_a_slot_outside_the_region_is_refused() -> None:
    region = StatusRegion(2)
    for index in (-1, 2):
        with pytest.raises(IndexError, match="not one of 0 to 1"):
            region.page(index)
        with pytest.raises(IndexError):
            region.ring(index)


def test_a_page_keeps_its_region_alive() -> None:
    page = StatusRegion(1).page(0)
    page.write_state(State.PAUSED, "still here")
    assert page.read_state() == (State.PAUSED, "still here")


def test_the_shared_memory_has_no_name() -> None:
    before = set(os.listdir("/dev/shm"))
    StatusRegion(4).page(3).reset(1)
    assert set(os.listdir("/dev/shm")) == before


def test_a_writer_killed_in_mid_write_never_leaves_a_torn_state(page: StatusPage) -> None:
    waits = random.Random(3)
    for kill in range(300):
        page.reset(kill)
        pid = os.fork()
        if pid == 0:
            number = 0
            while True:
                number += 1
                page.write_state(number & 0x7F, f"{number & 0x7F} " * (number % 300))
        deadline = time.perf_counter() + 30
        while not check_whole(page):
            assert time.perf_counter() < deadline
        until = time.perf_counter() + waits.uniform(0, 0.001)
        while time.perf_counter() < until:  # read while it writes, too
            check_whole(page)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert check_whole(page)


def check_whole(page: StatusPage) -> bool:
    state = page.read_state()
    if state is None:
        return False
    number, text = state
    assert text[:1500] in (f"{number} " * 300)[: len(text)]
    return True


@given(rubbish=RUBBISH)
def test_rubbish_in_a_page_is_never_taken_for_a_state(rubbish: bytes) -> None:
    page = StatusRegion(1).page(0)
    page._fill_with_rubbish(rubbish)
    assert page.read_state() is None
    assert len(page.counters()) == 36
    assert len(page.latency()) == 64
    page.write_state(State.RUNNING, "mended")  # the next write is read again
    assert page.read_state() == (State.RUNNING, "mended")


def test_one_flipped_bit_is_noticed(page: StatusPage) -> None:
    image = StatusRegion(1)
    source = image.page(0)
    source.reset(1)
    source.write_state(State.RUNNING, "hello")
    copy = bytes(source._image())
    at = copy.index(b"hello")
    page._fill_with_rubbish(copy)
    assert page.read_state() == (State.RUNNING, "hello")
    page._fill_with_rubbish(copy[:at] + b"j" + copy[at + 1 :])
    assert page.read_state() is None
