from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fastconnect.herder.assignment import Assignor, Round, assign_anew
from fastconnect.herder.connect_protocol import NOTHING, Allocation
from fastconnect.states import TaskId

MAX_DELAY_MS = 300_000


class Group:
    """Workers that do what a leader's assignor says, with a clock of their own and connectors that are only names."""

    def __init__(self, *members: str, max_delay_ms: int = MAX_DELAY_MS, **connectors: int) -> None:
        self.now_ms = 1_000
        self.max_delay_ms = max_delay_ms
        self.assignor = Assignor(max_delay_ms, lambda: self.now_ms)
        self.running: dict[str, Allocation] = dict.fromkeys(members, NOTHING)
        self.connectors = connectors  # name -> how many tasks
        self.generation = 0
        self.completed = -1
        self.rounds = 0

    @property
    def configured(self) -> Allocation:
        tasks = (TaskId(name, task) for name, count in self.connectors.items() for task in range(count))
        return Allocation.of(self.connectors, tasks)

    def decide(self) -> Round:
        """A round of which nobody has heard yet."""
        self.generation += 1
        self.rounds += 1
        return self.assignor.assign(self.running, self.configured, completed=self.completed, generation=self.generation)

    def round(self) -> Round:
        """A round, and all do what it says."""
        decided = self.decide()
        self.completed = self.generation
        self.carry_out(decided, *self.running)
        return decided

    def carry_out(self, decided: Round, *members: str) -> None:
        for name in members:
            assert not decided.assigned[name] & self.running[name], "it runs already"
            self.running[name] = (self.running[name] - decided.revoked[name]) | decided.assigned[name]

    def settle(self) -> int:
        """Rounds until nobody has to join again; how many there were."""
        before = self.rounds
        while True:
            decided = self.round()
            self.now_ms += decided.delay_ms
            if not decided.delay_ms and not any(decided.revoked.values()):
                return self.rounds - before
            assert self.rounds - before < 20, "it goes on for ever"

    def leaves(self, name: str) -> Allocation:
        return self.running.pop(name)

    def joins(self, name: str, work: Allocation = NOTHING) -> None:
        self.running[name] = work

    def loads(self) -> dict[str, tuple[int, int]]:
        return {name: (len(work.connectors), len(work.tasks)) for name, work in self.running.items()}

    def runs_all_once(self) -> bool:
        counts: Counter[object] = Counter()
        for work in self.running.values():
            counts.update(work.connectors)
            counts.update(work.tasks)
        return counts == dict.fromkeys(self.configured.connectors | self.configured.tasks, 1)

    def is_balanced(self) -> bool:
        return all(max(sizes) - min(sizes) < 2 for sizes in zip(*self.loads().values(), strict=True))


def tasks(*names: str) -> Allocation:
    parts = [name.rpartition("-") for name in names]
    return Allocation.of((), (TaskId(connector, int(task)) for connector, _, task in parts))


# Work is shared


def test_a_lone_worker_gets_everything_at_once():
    group = Group("w1", a=4, b=4)

    decided = group.round()

    assert decided.assigned["w1"] == group.configured
    assert decided.delay_ms == 0


def test_connectors_and_tasks_are_shared_evenly_each_for_themselves():
    group = Group("w1", "w2", "w3", a=4, b=4)

    group.round()

    assert sorted(group.loads().values()) == [(0, 2), (1, 3), (1, 3)]
    assert group.runs_all_once()


def test_a_new_connector_goes_to_who_has_least_and_nothing_moves():
    group = Group("w1", "w2", a=4)
    group.round()
    before = dict(group.running)

    group.connectors["b"] = 4
    decided = group.round()

    assert not any(decided.revoked.values())
    assert all(work & group.running[name] == work for name, work in before.items())
    assert group.runs_all_once()
    assert group.is_balanced()


def test_a_deleted_connector_is_taken_from_its_owners():
    group = Group("w1", "w2", a=4, b=4)
    group.round()

    del group.connectors["b"]
    decided = group.round()

    revoked = decided.revoked["w1"] | decided.revoked["w2"]
    assert revoked == Allocation.of(["b"], (TaskId("b", task) for task in range(4)))
    assert group.settle() == 1
    assert group.runs_all_once()


def test_tasks_that_are_not_needed_any_more_are_taken_away():
    group = Group("w1", "w2", a=5)
    group.round()

    group.connectors["a"] = 3
    group.settle()

    assert group.runs_all_once()
    assert group.is_balanced()


def test_deleting_many_connectors_unevenly_ends_in_balance():  # KAFKA-9849
    group = Group("w1", "w2", a=1, b=1, c=1, d=1)
    group.round()

    for name in group.running["w1"].connectors:
        del group.connectors[name]
    group.settle()

    assert group.runs_all_once()
    assert group.is_balanced()


def test_without_connectors_nobody_runs_anything_and_nobody_joins_again():
    group = Group("w1", "w2")

    assert group.settle() == 1
    assert group.loads() == {"w1": (0, 0), "w2": (0, 0)}


# Workers come


def test_for_a_new_worker_work_moves_in_two_rounds_and_never_runs_twice():
    group = Group("w1", a=4, b=4)
    group.round()

    group.joins("w2")
    first = group.round()
    assert first.revoked["w1"] == Allocation.of(["b"], (TaskId("b", task) for task in range(4)))
    assert first.assigned["w2"] == NOTHING
    second = group.round()

    assert second.assigned["w2"] == first.revoked["w1"]
    assert not any(second.revoked.values())
    assert group.runs_all_once()


def test_only_the_surplus_moves():
    group = Group("w1", "w2", a=12)
    group.round()

    group.joins("w3")
    decided = group.round()

    assert [len(decided.revoked[name].tasks) for name in ("w1", "w2")] == [2, 2]
    group.settle()
    assert sorted(group.loads().values()) == [(0, 4), (0, 4), (1, 4)]


def test_many_workers_that_come_at_once_are_served_in_the_same_two_rounds():
    group = Group("w1", a=10, b=10, c=10)
    group.round()

    for number in range(2, 7):
        group.joins(f"w{number}")

    assert group.settle() == 2
    assert group.runs_all_once()
    assert group.is_balanced()


def test_a_worker_that_comes_between_the_two_rounds_is_served_as_well():
    group = Group("w1", a=6)
    group.round()
    group.joins("w2")
    group.round()
    group.joins("w3")

    group.settle()

    assert group.runs_all_once()
    assert group.is_balanced()


def test_rounds_that_take_work_away_again_and_again_wait_longer_each_time():  # KAFKA-12495
    group = Group("w1", max_delay_ms=60_000, a=64)
    group.round()
    delays = []
    for number in range(2, 9):
        group.joins(f"w{number}")
        decided = group.round()
        delays.append(decided.delay_ms)
        assert bool(decided.delay_ms) != any(decided.revoked.values())
        group.now_ms += decided.delay_ms

    assert delays == [0, 40, 0, 1600, 0, 60_000, 0]


def test_without_a_delay_there_is_no_back_off_either():  # KAFKA-15693
    group = Group("w1", max_delay_ms=0, a=12)
    group.round()
    for number in range(2, 5):
        group.joins(f"w{number}")
        decided = group.round()
        assert any(decided.revoked.values())
        assert decided.delay_ms == 0

    group.settle()
    assert group.runs_all_once()
    assert group.is_balanced()


def test_the_back_off_begins_anew_once_the_group_was_calm():
    group = Group("w1", a=12)
    group.round()
    for name in ("w2", "w3"):
        group.joins(name)
        group.round()
    group.settle()

    group.joins("w4")
    assert any(group.round().revoked.values())
    group.joins("w5")

    assert group.round().delay_ms == 40


def test_nothing_is_taken_away_before_the_back_off_is_over():
    group = Group("w1", a=12)
    group.round()
    group.joins("w2")
    group.round()
    group.joins("w3")
    assert group.round().delay_ms == 40

    group.now_ms += 15
    decided = group.round()

    assert decided.delay_ms == 25
    assert not any(decided.revoked.values())


# Workers go


def test_the_work_of_a_worker_that_is_gone_waits_for_it():
    group = Group("w1", "w2", a=4, b=4)
    group.round()
    lost = group.leaves("w2")

    decided = group.round()

    assert decided.delay_ms == MAX_DELAY_MS
    assert not any(decided.assigned.values())
    assert not any((work & lost) for work in group.running.values())


def test_when_the_worker_does_not_come_back_the_others_get_its_work():
    group = Group("w1", "w2", "w3", a=6, b=6)
    group.round()
    group.leaves("w3")
    group.now_ms += group.round().delay_ms

    decided = group.round()

    assert decided.delay_ms == 0
    assert group.runs_all_once()
    assert group.is_balanced()


def test_further_rounds_while_work_waits_are_told_the_rest_of_the_delay():  # KAFKA-9848
    group = Group("w1", "w2", "w3", a=6)
    group.round()
    group.leaves("w3")
    group.round()

    group.now_ms += 100_000
    decided = group.round()

    assert decided.delay_ms == 200_000


def test_new_work_does_not_wait_with_the_lost():
    group = Group("w1", "w2", a=4)
    group.round()
    group.leaves("w2")
    group.round()

    group.connectors["b"] = 2
    decided = group.round()

    assert "b" in decided.assigned["w1"].connectors
    assert len([task for task in decided.assigned["w1"].tasks if task.connector == "b"]) == 2
    assert decided.delay_ms == MAX_DELAY_MS


def test_a_worker_that_comes_back_in_time_gets_as_much_as_it_had():
    group = Group("w1", "w2", "w3", a=6, b=6, c=6)
    group.round()
    lost = group.leaves("w2")
    group.now_ms += group.round().delay_ms // 2
    group.joins("w2 again")
    group.now_ms += group.round().delay_ms

    decided = group.round()

    assert decided.assigned["w2 again"] == lost
    assert not any(decided.revoked.values())
    assert group.is_balanced()


def test_several_workers_that_come_back_share_what_was_lost():
    group = Group("w1", "w2", "w3", a=9)
    group.round()
    group.leaves("w2")
    group.leaves("w3")
    group.round()
    for name in ("x", "y"):
        group.joins(name)
    group.now_ms += group.round().delay_ms

    group.round()

    assert {name: load[1] for name, load in group.loads().items()} == {"w1": 3, "x": 3, "y": 3}


def test_one_that_comes_back_for_two_gets_its_share_only():
    group = Group("w1", "w2", "w3", a=9)
    group.round()
    group.leaves("w2")
    group.leaves("w3")
    group.round()
    group.joins("x")
    group.now_ms += group.round().delay_ms

    group.round()

    assert sorted(load[1] for load in group.loads().values()) == [4, 5]
    assert group.runs_all_once()


def test_one_that_comes_back_and_leaves_again_gets_nothing():
    group = Group("w1", "w2", a=4)
    group.round()
    group.leaves("w2")
    group.round()
    group.joins("x")
    group.round()
    group.leaves("x")
    group.now_ms += group.round().delay_ms

    group.round()

    assert group.runs_all_once()


def test_nothing_is_taken_away_while_lost_work_waits():
    group = Group("w1", "w2", a=8)
    group.round()
    group.leaves("w2")
    group.round()
    group.joins("x")

    decided = group.round()

    assert not any(decided.revoked.values())
    group.now_ms += decided.delay_ms
    group.settle()
    assert group.runs_all_once()
    assert group.is_balanced()


def test_with_a_delay_of_0_lost_work_is_handed_out_at_once():  # KAFKA-15693
    group = Group("w1", "w2", "w3", max_delay_ms=0, a=6, b=6)
    group.round()
    group.leaves("w3")

    decided = group.round()

    assert decided.delay_ms == 0
    assert group.runs_all_once()
    assert group.is_balanced()


def test_if_nobody_is_gone_lost_work_is_handed_out_at_once():  # KAFKA-10413
    group = Group("w1", "w2", "w3", a=6, b=6)
    group.round()
    group.running["w2"] = NOTHING  # it has not heard of the round, or has lost its session

    decided = group.round()

    assert decided.delay_ms == 0
    assert group.runs_all_once()
    assert group.is_balanced()


def test_a_worker_that_is_restarted_under_the_same_name_and_one_that_comes_cause_no_more_rounds_than_needed():  # KAFKA-17155
    group = Group("w1", "w2", max_delay_ms=0, a=6, b=6)
    group.round()
    group.leaves("w2")
    group.joins("w2 again")
    group.joins("w3")

    assert group.settle() <= 2
    assert group.runs_all_once()
    assert group.is_balanced()


def test_losing_a_worker_and_getting_another_in_one_round_delays_what_was_lost():
    group = Group("w1", "w2", a=4)
    group.round()
    lost = group.leaves("w2")
    group.joins("x")

    decided = group.round()

    assert decided.delay_ms == MAX_DELAY_MS
    group.now_ms += decided.delay_ms
    assert group.round().assigned["x"] == lost


def test_all_but_the_leader_may_go_and_come_back():  # R6 of Kafka Connect's own tests
    group = Group("w1", "w2", "w3", a=4, b=4)
    group.round()
    for name in ("w2", "w3"):
        group.leaves(name)
    group.round()
    group.now_ms += 10_000
    for name in ("x", "y"):
        group.joins(name)

    group.settle()

    assert group.runs_all_once()
    assert group.is_balanced()


# What went wrong before


def test_what_runs_twice_is_stopped_everywhere_and_then_given_to_one():  # KAFKA-9851, KAFKA-16056
    group = Group("w1", "w2", a=4)
    group.round()
    zombie = group.running["w2"] | tasks("a-0")
    group.running["w2"] = zombie
    twice = [name for name, work in group.running.items() if TaskId("a", 0) in work.tasks]
    assert len(twice) == 2

    decided = group.round()

    assert all(TaskId("a", 0) in decided.revoked[name].tasks for name in twice)
    assert all(TaskId("a", 0) not in decided.assigned[name].tasks for name in twice)
    group.settle()
    assert group.runs_all_once()


def test_a_worker_that_was_away_brings_back_work_that_others_have_by_now():  # KAFKA-13719
    group = Group("w1", "w2", max_delay_ms=0, a=4, b=4)
    group.round()
    old = group.leaves("w2")
    group.round()
    group.joins("w2", old)

    group.settle()

    assert group.runs_all_once()
    assert group.is_balanced()


def test_who_has_not_heard_what_it_was_to_stop_is_told_again():
    group = Group("w1", a=4)
    group.round()
    group.joins("w2")
    unheard = group.decide()
    assert any(unheard.revoked.values())
    group.completed = group.generation

    again = group.round()

    assert again.revoked["w1"] or again.delay_ms
    group.now_ms += again.delay_ms
    group.settle()
    assert group.runs_all_once()
    assert group.is_balanced()


def test_a_round_that_nobody_heard_of_does_not_count():  # KAFKA-15676: the leader could not sync
    group = Group("w1", "w2", a=4)
    group.round()
    group.connectors["b"] = 4
    group.decide()  # its generation is never completed

    decided = group.round()

    assert decided.delay_ms == 0
    assert group.runs_all_once()


def test_a_new_leader_knows_nothing_and_delays_nothing():
    group = Group("w1", "w2", "w3", a=6)
    group.round()
    group.leaves("w3")
    group.assignor = Assignor(MAX_DELAY_MS, lambda: group.now_ms)

    decided = group.round()

    assert decided.delay_ms == 0
    assert group.runs_all_once()


def test_a_new_leader_stops_what_was_deleted_meanwhile():
    group = Group("w1", "w2", a=4, b=4)
    group.round()
    del group.connectors["a"]
    group.assignor = Assignor(MAX_DELAY_MS, lambda: group.now_ms)

    group.round()

    assert group.runs_all_once()


def test_a_leader_in_between_makes_what_an_assignor_remembers_worthless():
    group = Group("w1", "w2", a=6)
    group.round()
    group.leaves("w2")
    group.round()
    group.generation += 1
    group.completed = group.generation  # another one led

    decided = group.round()

    assert decided.delay_ms == 0
    assert group.runs_all_once()


def test_an_assignor_goes_on_from_the_memory_of_another():
    group = Group("w1", "w2", a=6)
    group.round()
    group.leaves("w2")
    group.now_ms += group.round().delay_ms - 500
    group.assignor = Assignor(MAX_DELAY_MS, lambda: group.now_ms, group.assignor.memory)

    assert group.round().delay_ms == 500


def test_lost_work_that_is_deleted_while_it_waits_is_forgotten():
    group = Group("w1", "w2", a=2, b=2)
    group.round()
    lost = group.leaves("w2")
    group.round()
    group.connectors = {name: 2 for name in group.connectors if name not in lost.connectors}
    group.now_ms += group.round().delay_ms

    group.settle()

    assert group.runs_all_once()


def test_the_owner_of_lost_work_comes_back_with_it():
    group = Group("w1", "w2", a=4)
    group.round()
    lost = group.leaves("w2")
    group.round()

    group.joins("w2", lost)
    decided = group.round()

    assert decided.delay_ms == 0
    assert not any(decided.assigned.values())
    assert group.runs_all_once()


# The eager way


def test_eager_deals_out_all_connectors_and_then_all_tasks_in_turn():
    group = Group(a=2, b=2)

    dealt = assign_anew(["w2", "w1"], group.configured)

    assert dealt == {
        "w1": Allocation.of(["a"], [TaskId("a", 0), TaskId("b", 0)]),
        "w2": Allocation.of(["b"], [TaskId("a", 1), TaskId("b", 1)]),
    }


# Whatever happens


class Workers(RuleBasedStateMachine):
    """Workers come, go, come back, miss a round; connectors change; time passes: after that, some calm rounds must mend all."""

    @initialize(max_delay_ms=some.sampled_from([0, 1_000, 300_000]))
    def begin(self, max_delay_ms: int) -> None:
        self.group = Group("w0", max_delay_ms=max_delay_ms)
        self.count = 0

    @rule()
    def a_worker_comes(self) -> None:
        self.count += 1
        self.group.joins(f"w{self.count}")

    @precondition(lambda self: len(self.group.running) > 1)
    @rule(data=some.data())
    def a_worker_goes(self, data: some.DataObject) -> None:
        self.group.leaves(data.draw(some.sampled_from(sorted(self.group.running))))

    @rule(data=some.data())
    def a_worker_loses_its_session_and_joins_with_nothing(self, data: some.DataObject) -> None:
        self.group.running[data.draw(some.sampled_from(sorted(self.group.running)))] = NOTHING

    @precondition(lambda self: len(self.group.running) > 1)
    @rule(data=some.data())
    def a_worker_believes_it_has_what_another_has(self, data: some.DataObject) -> None:
        one, other = data.draw(some.permutations(sorted(self.group.running)))[:2]
        self.group.running[one] |= self.group.running[other]

    @rule(name=some.sampled_from("abcde"), count=some.integers(0, 6))
    def a_connector_is_changed(self, name: str, count: int) -> None:
        self.group.connectors[name] = count

    @rule(name=some.sampled_from("abcde"))
    def a_connector_is_deleted(self, name: str) -> None:
        self.group.connectors.pop(name, None)

    @rule(seconds=some.sampled_from([0.01, 0.5, 30, 300]))
    def time_passes(self, seconds: float) -> None:
        self.group.now_ms += int(seconds * 1000)

    @rule()
    def there_is_a_round(self) -> None:
        self.group.round()

    @rule()
    def the_leader_fails_to_sync(self) -> None:
        self.group.decide()

    @rule(data=some.data())
    def some_hear_of_a_round_and_the_others_do_not(self, data: some.DataObject) -> None:
        decided = self.group.decide()
        self.group.completed = self.group.generation
        self.group.carry_out(decided, *data.draw(some.sets(some.sampled_from(sorted(self.group.running)))))

    @rule()
    def another_worker_leads(self) -> None:
        self.group.assignor = Assignor(self.group.max_delay_ms, lambda: self.group.now_ms)

    @rule()
    def it_is_calm_for_a_while(self) -> None:
        # Two rounds to move what has to move, one more after each wait, and one that sees that all is well.
        assert self.group.settle() <= 6
        assert self.group.runs_all_once()
        assert self.group.is_balanced()
        self.calm = self.group.running.copy()
        assert self.group.settle() == 1
        assert self.group.running == self.calm

    @invariant()
    def the_delay_is_never_longer_than_allowed(self) -> None:
        until = getattr(self, "group", None) and self.group.assignor.memory.lost_until_ms
        assert not until or until - self.group.now_ms <= self.group.max_delay_ms

    def teardown(self) -> None:
        if hasattr(self, "group"):
            self.it_is_calm_for_a_while()


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=60, stateful_step_count=25, deadline=None, derandomize=True)
