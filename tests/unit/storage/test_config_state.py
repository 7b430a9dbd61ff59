"""The rules by which records become what is known; what puts lead to is in the contract suite."""

from __future__ import annotations

from fastconnect.states import TargetState
from fastconnect.storage.config_state import ConfigState
from fastconnect.storage.config_store import StoredConnector


def known(state: ConfigState, name: str = "c") -> StoredConnector:
    return state.snapshot().connectors[name]


def with_connector() -> ConfigState:
    state = ConfigState()
    state.connector("c", {"v": "1"})
    return state


def test_nothing_read_is_offset_minus_one() -> None:
    assert ConfigState().snapshot().offset == -1


def test_task_configs_count_from_their_commit_on() -> None:
    state = with_connector()
    state.task("c", 0, {"n": "0"})
    assert known(state).task_configs is None
    assert state.commit("c", 1)
    assert known(state).task_configs == [{"n": "0"}]


def test_a_leader_that_died_before_the_commit_leaves_the_old_ones_in_force() -> None:
    state = with_connector()
    state.task("c", 0, {"of": "old"})
    state.commit("c", 1)
    state.task("c", 0, {"of": "new"})
    assert known(state).task_configs == [{"of": "old"}]


def test_a_commit_with_too_few_tasks_makes_the_connector_inconsistent_until_the_next_whole_one() -> None:
    state = with_connector()
    state.task("c", 1, {"n": "1"})  # task 0 was compacted away
    state.commit("c", 2)
    assert (known(state).task_configs, known(state).inconsistent, known(state).task_count) == (None, True, 2)
    state.task("c", 0, {"n": "0"})
    state.commit("c", 2)
    assert (known(state).task_configs, known(state).inconsistent) == (None, True)  # what came before the commit is gone
    state.task("c", 0, {"n": "0"})
    state.task("c", 1, {"n": "1"})
    state.commit("c", 2)
    assert (known(state).task_configs, known(state).inconsistent) == ([{"n": "0"}, {"n": "1"}], False)


def test_tasks_beyond_the_commits_number_do_no_harm() -> None:
    state = with_connector()
    for number in range(5):  # as a compaction leaves them when the tasks have become fewer
        state.task("c", number, {"n": str(number)})
    state.commit("c", 2)
    assert known(state).task_configs == [{"n": "0"}, {"n": "1"}]


def test_tasks_of_a_connector_whose_deletion_was_compacted_away_do_not_come_back_to_life() -> None:
    # KAFKA-16838: only these records are left of the old connector, and then there is a new one of its name.
    state = ConfigState()
    state.task("c", 0, {"of": "old"})
    assert not state.commit("c", 1)
    state.connector("c", {"v": "2"})
    assert known(state).task_configs is None
    assert not known(state).inconsistent


def test_tasks_that_waited_for_their_commit_go_with_their_connector() -> None:
    state = with_connector()
    state.task("c", 0, {"of": "old"})
    state.removed("c")
    state.connector("c", {"v": "2"})
    state.commit("c", 1)
    assert known(state).inconsistent


def test_the_tasks_remember_the_configuration_they_were_made_of() -> None:
    state = with_connector()
    state.commit("c", 0)
    state.connector("c", {"v": "2"})
    assert (known(state).config, known(state).applied_config) == ({"v": "2"}, {"v": "1"})


def test_a_forgotten_target_is_started_again() -> None:
    state = with_connector()
    assert state.target("c", TargetState.PAUSED)
    state.target("c", None)
    assert known(state).target is TargetState.STARTED


def test_every_whole_commit_counts_one_generation() -> None:
    state = with_connector()
    seen = [known(state).task_generation]
    for _ in range(2):
        state.task("c", 0, {})
        state.commit("c", 1)
        seen.append(known(state).task_generation)
    assert seen == [0, 1, 2]


def test_a_snapshot_is_made_once_for_each_change() -> None:
    state = with_connector()
    assert state.snapshot() is state.snapshot()
    before = state.snapshot()
    state.at(7)
    assert state.snapshot() is not before
    assert state.snapshot().offset == 7
