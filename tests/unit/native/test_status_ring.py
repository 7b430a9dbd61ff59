from __future__ import annotations

import os
import random
import signal
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect._core import StatusRegion, StatusRing

# A fork is fine here whatever threads other tests have left: the child does next to nothing.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

RUBBISH = st.binary(min_size=1, max_size=64).map(lambda pattern: (pattern * 4096)[:4096]) | st.integers().map(
    lambda seed: random.Random(seed).randbytes(4096)
)


@pytest.fixture
def ring() -> StatusRing:
    return StatusRegion(1, ring_bytes=4096).ring(0)


def test_entries_come_out_once_and_in_their_order(ring: StatusRing) -> None:
    assert ring.write(1, b"first")
    assert ring.write(2, b"")
    assert ring.read() == [(1, b"first"), (2, b"")]
    assert ring.read() == []


def test_a_full_ring_refuses_and_counts(ring: StatusRing) -> None:
    taken = 0
    while ring.write(1, b"x" * 100):
        taken += 1
    assert taken == (4096 - 128) // 128
    assert not ring.write(1, b"x" * 100)
    assert ring.dropped == 2
    assert len(ring.read()) == taken
    assert ring.write(1, b"x" * 100)


def test_an_entry_larger_than_the_ring_is_refused(ring: StatusRing) -> None:
    assert not ring.write(1, b"x" * 4096)
    assert ring.dropped == 1


def test_entries_go_round_the_end_of_the_ring(ring: StatusRing) -> None:
    numbers = random.Random(1)
    for _ in range(2000):
        entries = [(numbers.randrange(-5, 5), numbers.randbytes(numbers.randrange(700))) for _ in range(4)]
        for kind, payload in entries:
            assert ring.write(kind, payload)
        assert ring.read() == entries
    assert ring.corrupt == 0


def test_a_reset_ring_is_empty(ring: StatusRing) -> None:
    ring.write(1, b"of the dead process")
    ring.reset()
    assert ring.read() == []
    ring.write(1, b"of the new one")
    assert ring.read() == [(1, b"of the new one")]


def test_nothing_is_lost_or_changed_between_two_processes(ring: StatusRing) -> None:
    count = 20_000
    pid = os.fork()
    if pid == 0:
        numbers = random.Random(7)
        for number in range(count):
            payload = numbers.randbytes(number % 200)
            body = number.to_bytes(4, "big") + payload
            while not ring.write(number % 9, body + zlib.crc32(body).to_bytes(4, "big")):
                os.sched_yield()
        os._exit(0)
    deadline = time.monotonic() + 30
    received = 0
    while received < count:
        assert time.monotonic() < deadline
        entries = ring.read()
        for kind, payload in entries:
            assert zlib.crc32(payload[:-4]) == int.from_bytes(payload[-4:], "big")
            assert (int.from_bytes(payload[:4], "big"), kind) == (received, received % 9)
            received += 1
        if not entries:
            os.sched_yield()
    assert os.waitpid(pid, 0)[1] == 0
    assert ring.corrupt == 0


def test_a_writer_killed_in_mid_write_leaves_whole_entries_only(ring: StatusRing) -> None:
    waits = random.Random(5)
    for _ in range(300):
        ring.reset()
        pid = os.fork()
        if pid == 0:
            number = 0
            while True:
                number += ring.write(5, str(number % 10).encode() * (number % 500))
        expected = 0
        deadline = time.perf_counter() + 30
        while not expected:
            assert time.perf_counter() < deadline
            expected = check_entries(ring, expected)
        until = time.perf_counter() + waits.uniform(0, 0.001)
        while time.perf_counter() < until:
            expected = check_entries(ring, expected)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        check_entries(ring, expected)
    assert ring.corrupt == 0


def check_entries(ring: StatusRing, expected: int) -> int:
    for entry in ring.read():
        assert entry == (5, str(expected % 10).encode() * (expected % 500))
        expected += 1
    return expected


@given(rubbish=RUBBISH)
def test_rubbish_in_a_ring_is_thrown_away(rubbish: bytes) -> None:
    ring = StatusRegion(1, ring_bytes=4096).ring(0)
    ring._fill_with_rubbish(rubbish)
    ring.read()
    ring.read()
    assert ring.write(3, b"mended")
    assert ring.read() == [(3, b"mended")]


@given(
    head=st.integers(0, 2**64 - 1),
    used=st.integers(0, 5000),
    length=st.integers(0, 2**32 - 1) | st.integers(0, 5000),
    rest=RUBBISH,
)
def test_a_lying_entry_never_reaches_beyond_the_ring(head: int, used: int, length: int, rest: bytes) -> None:
    ring = StatusRegion(1, ring_bytes=4096).ring(0)
    tail = (head + used) % 2**64
    header = tail.to_bytes(8, "little") + bytes(56) + head.to_bytes(8, "little") + bytes(56)
    entry = length.to_bytes(4, "little") + bytes(4) + head.to_bytes(8, "little") + bytes(8)
    entries = bytearray((entry + rest)[: 4096 - 128])
    turn = head % len(entries)  # so that the entry is where `head` points
    ring._fill_with_rubbish(header + bytes(entries[-turn:] + entries[:-turn]))
    for _ in range(2):
        for _kind, payload in ring.read():
            assert len(payload) <= 4096
    assert ring.write(3, b"mended")
    assert ring.read() == [(3, b"mended")]


def test_a_changed_byte_is_noticed(ring: StatusRing) -> None:
    ring.write(1, b"hello")
    image = ring._image()
    at = image.index(b"hello")
    ring._fill_with_rubbish(image[:at] + b"j" + image[at + 1 :])
    assert ring.read() == []
    assert ring.corrupt == 1
