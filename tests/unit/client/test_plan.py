"""What has to be done, from what is wanted and what is there."""

from __future__ import annotations

import pytest

from fastconnect.client.plan import ABSENT, KeyChange, Wanted, key_changes, plan
from fastconnect.errors import ConfigError


def wanted(called: str, /, **config: str | None) -> Wanted:
    return Wanted(called, {"connector.class": "C", **config}, origin=f"{called}.properties")


HELD = {"name": "a", "connector.class": "C", "topic": "t"}


def test_what_is_missing_is_created_with_all_its_keys():
    (change,) = plan([wanted("a", topic="t")], {}).changes

    assert (change.kind, change.name) == ("create", "a")
    assert [(each.key, each.before, each.after) for each in change.keys] == [
        ("name", ABSENT, "a"),
        ("connector.class", ABSENT, "C"),
        ("topic", ABSENT, "t"),
    ]


def test_what_is_the_same_is_left_alone_whether_the_file_names_it_inside_or_not():
    for config in (wanted("a", topic="t"), wanted("a", topic="t", name="a")):
        assert plan([config], {"a": HELD}).unchanged == ["a"]
        assert plan([config], {"a": HELD}).changes == []


def test_a_cluster_that_keeps_no_name_in_the_config_differs_in_nothing():
    assert plan([wanted("a", topic="t")], {"a": {"connector.class": "C", "topic": "t"}}).changes == []


def test_keys_that_come_go_and_change_are_an_update():
    (change,) = plan([wanted("a", topic="u", new="1")], {"a": {**HELD, "old": "2"}}).changes

    assert change.kind == "update"
    assert change.keys == [
        KeyChange("new", ABSENT, "1"),
        KeyChange("old", "2", ABSENT),
        KeyChange("topic", "t", "u"),
    ]


def test_a_key_without_a_value_is_another_thing_than_no_key():
    assert key_changes({"a": None}, {}) == [KeyChange("a", None, ABSENT)]
    assert key_changes({"a": None}, {"a": None}) == []
    assert key_changes({"a": None}, {"a": ""}) == [KeyChange("a", None, "")]


def test_only_prune_deletes_what_nobody_wants():
    existing = {"a": HELD, "z": HELD, "y": HELD}

    assert plan([wanted("a", topic="t")], existing).changes == []
    assert [(c.kind, c.name) for c in plan([wanted("a", topic="t")], existing, prune=True).changes] == [
        ("delete", "y"),
        ("delete", "z"),
    ]


def test_creates_come_first_and_deletes_last_each_by_name():
    todo = plan([wanted("d"), wanted("a", topic="u"), wanted("b")], {"a": HELD, "c": HELD}, prune=True)

    assert [(c.kind, c.name) for c in todo.changes] == [("create", "b"), ("create", "d"), ("update", "a"), ("delete", "c")]
    assert [c.name for c in todo.of("create")] == ["b", "d"]


def test_an_initial_state_counts_for_creates_only():
    paused = Wanted("a", {"connector.class": "C", "topic": "t"}, "PAUSED")

    assert plan([paused], {}).changes[0].wanted == paused
    assert plan([paused], {"a": HELD}).changes == []


def test_all_that_is_wrong_with_the_names_is_told_at_once():
    twice = [wanted("a"), Wanted("a", {}, origin="b.json"), Wanted("", {}, origin="c.json")]

    with pytest.raises(ConfigError) as refused:
        plan(twice, {})

    assert "connector a is in a.properties and in b.json" in str(refused.value)
    assert "c.json: the connector has no name" in str(refused.value)
