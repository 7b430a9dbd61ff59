from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fastconnect.herder.connect_protocol import (
    NOTHING,
    Allocation,
    Assignment,
    AssignmentError,
    GroupProtocolError,
    MemberState,
    Protocol,
    decode_assignment,
    decode_metadata,
    encode_assignment,
    encode_metadata,
)
from fastconnect.states import TaskId

URL = "http://w:8083/"


def work(*names: str) -> Allocation:
    """`c` is a connector, `c-0` a task."""
    tasks = [name.rpartition("-") for name in names if "-" in name]
    return Allocation.of((name for name in names if "-" not in name), (TaskId(name, int(task)) for name, _, task in tasks))


ASSIGNMENT = Assignment(
    leader="m-1", leader_url=URL, config_offset=7, assigned=work("c", "c-0", "c-1", "d-2"), revoked=work("e"), delay_ms=1000
)
METADATA = MemberState(url=URL, config_offset=1 << 40, assignment=ASSIGNMENT)

ASSIGNED = (
    "00000002"  # two connectors
    "0001 63 00000003 ffffffff 00000000 00000001"  # c: itself and two tasks
    "0001 64 00000001 00000002"  # d: task 2
)
TO_LEADER = "0003 6d2d31000e 687474703a2f2f773a383038332f0000000000000007"
V1 = f"0000 {TO_LEADER} {ASSIGNED} 00000001 0001 65 00000001 ffffffff 000003e8"
V0 = f"0000 0000 {TO_LEADER} {ASSIGNED}"


@pytest.mark.parametrize(
    ("protocol", "layout"),
    [
        (Protocol.EAGER, V0),
        (Protocol.COMPATIBLE, f"0001 {V1}"),
        (Protocol.SESSIONED, f"0002 {V1}"),
    ],
    ids=["eager", "compatible", "sessioned"],
)
def test_an_assignment_has_the_layout_of_its_protocol(protocol, layout):
    assert encode_assignment(ASSIGNMENT, protocol) == bytes.fromhex(layout)


@pytest.mark.parametrize("protocol", list(Protocol), ids=lambda each: each.wire_name)
def test_an_assignment_is_read_as_it_was_written(protocol):
    expected = ASSIGNMENT
    if protocol is Protocol.EAGER:  # which has no place for these
        expected = Assignment(leader="m-1", leader_url=URL, config_offset=7, assigned=ASSIGNMENT.assigned)

    assert decode_assignment(encode_assignment(ASSIGNMENT, protocol)) == expected


@pytest.mark.parametrize(
    ("protocol", "state", "layout"),
    [
        (Protocol.EAGER, ASSIGNMENT, "0000 000e 687474703a2f2f773a383038332f ffffffffffffffff"),
        (Protocol.COMPATIBLE, None, "0001 000e 687474703a2f2f773a383038332f ffffffffffffffff ffffffff"),
        (Protocol.SESSIONED, None, "0002 000e 687474703a2f2f773a383038332f ffffffffffffffff ffffffff"),
        (Protocol.SESSIONED, ASSIGNMENT, f"0002 000e 687474703a2f2f773a383038332f ffffffffffffffff 00000056 0002 {V1}"),
    ],
    ids=["eager", "compatible, no work", "sessioned, no work", "sessioned"],
)
def test_metadata_has_the_layout_of_its_protocol(protocol, state, layout):
    metadata = MemberState(url=URL, config_offset=-1, assignment=state)

    assert encode_metadata(metadata, protocol) == bytes.fromhex(layout)


def test_metadata_is_read_as_it_was_written():
    assert decode_metadata(encode_metadata(METADATA, Protocol.SESSIONED)) == METADATA


def test_a_list_that_is_null_is_an_empty_one():
    layout = f"0002 0000 {TO_LEADER} ffffffff ffffffff 00000000"

    assert decode_assignment(bytes.fromhex(layout)).assigned == NOTHING


def test_what_a_later_version_adds_is_passed_over():
    assert decode_assignment(bytes.fromhex(f"0003 {V1} 0badcafe")) == ASSIGNMENT


def test_an_assignment_may_say_that_the_leader_is_behind():
    refused = Assignment(error=AssignmentError.CONFIG_MISMATCH, leader="m", leader_url=URL, config_offset=9)

    assert decode_assignment(encode_assignment(refused, Protocol.SESSIONED)).error is AssignmentError.CONFIG_MISMATCH


@pytest.mark.parametrize(
    "layout",
    [
        "",
        "00",
        f"ffff {V1}",
        f"0002 0007 {TO_LEADER} ffffffff ffffffff 00000000",
        f"0002 0000 {TO_LEADER} ffffffff ffffffff",
        f"0002 0000 {TO_LEADER} ffffffff ffffffff ffffffff",
        f"0002 0000 {TO_LEADER} fffffffe ffffffff 00000000",
        f"0002 0000 {TO_LEADER} 7fffffff ffffffff 00000000",
        f"0002 0000 {TO_LEADER} 00000001 ffff 00000000 00000000 00000000",
        f"0002 0000 {TO_LEADER} 00000001 0001 63 00000001 fffffffe 00000000 00000000",
        f"0002 0000 {TO_LEADER} 00000001 0001 ff 00000001 ffffffff 00000000 00000000",
    ],
    ids=[
        "empty",
        "half a number",
        "negative version",
        "unknown error",
        "cut off",
        "negative delay",
        "negative count",
        "huge count",
        "negative name",
        "negative task",
        "not UTF-8",
    ],
)
def test_what_is_no_assignment_is_refused_in_one_way(layout):
    with pytest.raises(GroupProtocolError, match="is not Kafka Connect's layout"):
        decode_assignment(bytes.fromhex(layout))


@given(some.binary(max_size=200))
def test_garbage_is_refused_in_one_way_or_means_something(garbage):
    for decode in (decode_assignment, decode_metadata):
        with contextlib.suppress(GroupProtocolError):
            decode(garbage)


@given(
    some.sampled_from(
        [encode_metadata(MemberState(url=URL, config_offset=3, assignment=ASSIGNMENT), each) for each in Protocol]
    ),
    some.data(),
)
def test_damaged_metadata_is_refused_in_one_way_or_means_something(data, draw):
    at = draw.draw(some.integers(0, len(data) - 1))
    damaged = data[:at] + draw.draw(some.binary(max_size=8)) + data[at + draw.draw(some.integers(0, 8)) :]

    with contextlib.suppress(GroupProtocolError):
        decode_metadata(damaged)


_names = some.text(max_size=20)
_allocations = some.builds(
    Allocation.of, some.sets(_names), some.sets(some.builds(TaskId, _names, some.integers(0, (1 << 31) - 1)))
)


@given(
    some.builds(
        Assignment,
        error=some.sampled_from(AssignmentError),
        leader=_names,
        leader_url=_names,
        config_offset=some.integers(-1, (1 << 63) - 1),
        assigned=_allocations,
        revoked=_allocations,
        delay_ms=some.integers(0, (1 << 31) - 1),
    )
)
def test_every_assignment_is_read_as_it_was_written(assignment):
    assert decode_assignment(encode_assignment(assignment, Protocol.SESSIONED)) == assignment


@pytest.mark.parametrize("name", ["x" * 40_000, "\ud800"], ids=["too long", "half a character"])
def test_a_name_that_cannot_be_told_is_refused(name):
    with pytest.raises(GroupProtocolError, match="to the group"):
        encode_assignment(
            Assignment(leader="m", leader_url=URL, config_offset=0, assigned=Allocation.of([name])), Protocol.EAGER
        )


def test_a_worker_offers_the_best_protocol_first():
    assert [each.wire_name for each in Protocol.SESSIONED.offered()] == ["sessioned", "compatible", "default"]
    assert [each.wire_name for each in Protocol.EAGER.offered()] == ["default"]


def test_protocols_go_by_their_names_in_the_group_and_in_the_configuration():
    assert Protocol.named("default") is Protocol.named("EAGER") is Protocol.EAGER
    with pytest.raises(GroupProtocolError, match="'range' is no protocol"):
        Protocol.named("range")


def test_allocations_are_like_sets():
    a, b = work("c", "c-0", "c-1"), work("c", "c-1", "d")

    assert (a | b, a - b, a & b) == (work("c", "d", "c-0", "c-1"), work("c-0"), work("c", "c-1"))
    assert not NOTHING
    assert str(a) == "c, c-0, c-1"
    assert str(NOTHING) == "nothing"
