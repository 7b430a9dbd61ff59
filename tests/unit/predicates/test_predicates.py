from __future__ import annotations

from fakes.transforms import configured

from fastconnect.api.transform import Header, Records
from fastconnect.predicates.has_header_key import HasHeaderKey
from fastconnect.predicates.record_is_tombstone import RecordIsTombstone
from fastconnect.predicates.topic_name_matches import TopicNameMatches


def test_a_header_is_found_by_its_name() -> None:
    predicate = configured(HasHeaderKey, {"name": "a"})
    headers = [[Header("a", 1)], [Header("b", 1), Header("a", 1)], [Header("b", 1)], [], None]

    assert list(predicate.test_batch(Records("t", [0] * 5, headers=headers))) == [True, True, False, False, False]
    assert list(predicate.test_batch(Records("t", [0]))) == [False]


def test_a_tombstone_has_no_value() -> None:
    assert list(configured(RecordIsTombstone).test_batch(Records("t", [None, "", 0, {}]))) == [True, False, False, False]


def test_the_whole_name_of_a_topic_must_match() -> None:
    predicate = configured(TopicNameMatches, {"pattern": "db\\.\\p{Lower}+"})

    assert list(predicate.test_batch(Records("db.orders", [1, 2]))) == [True, True]
    assert list(predicate.test_batch(Records(["db.a", "xdb.a", "db.A", "db.b"], [1, 2, 3, 4]))) == [True, False, False, True]
