from __future__ import annotations

import logging

import pytest

from fastconnect.herder.connect_protocol import (
    NOTHING,
    Allocation,
    Assignment,
    AssignmentError,
    MemberState,
    Protocol,
    decode_assignment,
    encode_metadata,
)
from fastconnect.herder.leadership import Leadership, configured
from fastconnect.states import TaskId
from fastconnect.storage.config_store import ConfigSnapshot, StoredConnector

OFFSET = 10
EVERYTHING = Allocation.of(["a", "b"], [TaskId("a", 0), TaskId("a", 1), TaskId("b", 0), TaskId("b", 1)])


def snapshot(offset: int = OFFSET, **connectors: int) -> ConfigSnapshot:
    wanted = connectors or {"a": 2, "b": 2}
    return ConfigSnapshot(
        offset, {name: StoredConnector(name=name, config={}, task_count=count) for name, count in wanted.items()}
    )


class Group:
    """Members that join with what they run, all with the same leader."""

    def __init__(self, *members: str, state=None) -> None:
        self.clock_ms = 0
        self.leadership = Leadership(60_000, lambda: self.clock_ms, state)
        self.running = dict.fromkeys(members, NOTHING)
        self.generation = 0
        self.before: Protocol | None = None

    def round(
        self, protocol: Protocol = Protocol.SESSIONED, configs: ConfigSnapshot | None = None, **offsets: int
    ) -> dict[str, Assignment]:
        self.generation += 1
        members = {
            name: encode_metadata(
                MemberState(
                    url=f"http://{name}/",
                    config_offset=offsets.get(name, OFFSET),
                    assignment=Assignment(leader="", leader_url="", config_offset=0, assigned=work) if work else None,
                ),
                protocol,
            )
            for name, work in self.running.items()
        }
        answers = self.leadership.decide(
            "m1",
            protocol,
            members,
            configs or snapshot(),
            before=self.before,
            completed=self.generation - 1 or -1,
            generation=self.generation,
        )
        self.before = protocol
        assignments = {name: decode_assignment(answer) for name, answer in answers.items()}
        for name, one in assignments.items():
            had = NOTHING if protocol is Protocol.EAGER else self.running[name] - one.revoked
            self.running[name] = had | one.assigned
        return assignments


def test_each_is_told_what_to_run_and_who_leads():
    group = Group("m1", "m2")

    told = group.round()

    assert told["m1"].assigned | told["m2"].assigned == EVERYTHING
    assert {(one.leader, one.leader_url, one.config_offset, one.error) for one in told.values()} == {
        ("m1", "http://m1/", OFFSET, AssignmentError.NONE)
    }


def test_the_leader_knows_who_runs_what_and_where_all_listen():
    group = Group("m1", "m2")
    told = group.round()

    for name, one in told.items():
        for what in one.assigned.connectors | one.assigned.tasks:
            assert group.leadership.owner_url(what) == f"http://{name}/"
    assert group.leadership.owner_url("c") is None
    assert group.leadership.member_urls == ["http://m1/", "http://m2/"]


def test_a_leader_that_has_read_less_than_others_hands_out_nothing():
    group = Group("m1", "m2")

    told = group.round(m2=OFFSET + 5)

    assert {(one.error, one.config_offset, one.assigned) for one in told.values()} == {
        (AssignmentError.CONFIG_MISMATCH, OFFSET + 5, NOTHING)
    }


def test_a_leader_that_has_read_further_tells_how_far():
    group = Group("m1", "m2")

    told = group.round(configs=snapshot(OFFSET + 7))

    assert {one.config_offset for one in told.values()} == {OFFSET + 7}


def test_tasks_whose_configurations_are_not_whole_are_not_handed_out():
    whole = StoredConnector(name="a", config={}, task_count=2)
    broken = StoredConnector(name="b", config={}, task_count=3, inconsistent=True)

    assert configured(ConfigSnapshot(1, {"a": whole, "b": broken})) == Allocation.of(
        ["a", "b"], [TaskId("a", 0), TaskId("a", 1)]
    )


def test_a_member_that_cannot_be_understood_gets_nothing_and_the_others_work(caplog: pytest.LogCaptureFixture):
    leadership = Leadership(0, lambda: 0)
    good = encode_metadata(MemberState(url="http://m1/", config_offset=OFFSET), Protocol.SESSIONED)

    with caplog.at_level(logging.ERROR):
        told = leadership.decide(
            "m1", Protocol.SESSIONED, {"m1": good, "m2": b"?"}, snapshot(), before=None, completed=-1, generation=1
        )

    assert decode_assignment(told["m1"]).assigned == EVERYTHING
    assert decode_assignment(told["m2"]).assigned == NOTHING
    assert "cannot be read" in caplog.text


def test_under_the_eager_protocol_everything_is_dealt_anew():
    group = Group("m1", "m2")

    told = group.round(Protocol.EAGER)

    assert told["m1"].assigned | told["m2"].assigned == EVERYTHING
    assert not told["m1"].assigned & told["m2"].assigned


def test_when_a_group_turns_eager_all_stop_before_anything_is_dealt():
    group = Group("m1", "m2")
    group.round()

    assert {one.assigned for one in group.round(Protocol.EAGER).values()} == {NOTHING}
    told = group.round(Protocol.EAGER)
    assert told["m1"].assigned | told["m2"].assigned == EVERYTHING


def test_another_process_leads_on_from_what_the_first_knew():
    first = Group("m1", "m2")
    first.round()
    lost = first.running.pop("m2")
    first.clock_ms = 1_000
    assert first.round()["m1"].delay_ms == 60_000

    second = Group(state=first.leadership.state())
    second.running, second.generation, second.before, second.clock_ms = first.running, first.generation, first.before, 31_000

    assert second.round()["m1"].delay_ms == 30_000
    second.clock_ms = 61_000
    assert second.round()["m1"].assigned == lost
