from __future__ import annotations

from fakes.transforms import configured

from fastconnect.api.transform import Records
from fastconnect.transforms.regex_router import RegexRouter


def test_one_topic_for_all_records_stays_one() -> None:
    transform = configured(RegexRouter, {"regex": "db\\.(?<table>.*)", "replacement": "${table}"})

    assert transform.apply_batch(Records("db.orders", [1, 2, 3])).topics == "orders"


def test_each_topic_is_routed_and_those_that_do_not_match_stay() -> None:
    transform = configured(RegexRouter, {"regex": "db\\.(.*)", "replacement": "$1"})

    assert transform.apply_batch(Records(["db.a", "x", "db.b", "xdb.c"], [1, 2, 3, 4])).topics == ["a", "x", "b", "xdb.c"]


def test_the_first_match_in_the_name_is_replaced_not_all_of_it() -> None:
    transform = configured(RegexRouter, {"regex": "a|ab", "replacement": "x"})

    assert transform.apply_batch(Records("ab", [1])).topics == "xb"
