"""What every OffsetStore must do, held against each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.topics import Topics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastconnect.errors import DataError
from fastconnect.storage.kafka_offsets import KafkaOffsetStore, OffsetTopic
from fastconnect.storage.memory import MemoryOffsetStore
from fastconnect.storage.sqlite import SqliteOffsetStore
from fastconnect.storage.stores import OffsetStore


def kafka_store(request: pytest.FixtureRequest, *, own: bool = False) -> OffsetStore:
    bootstrap = request.getfixturevalue("kafka")
    name = request.getfixturevalue("fresh_topic")
    topics = Topics(bootstrap)
    client = {"bootstrap.servers": bootstrap}
    return KafkaOffsetStore(
        OffsetTopic(topics.create(name, 5, cleanup_policy="compact"), client),
        OffsetTopic(topics.create(f"{name}-own", 5, cleanup_policy="compact"), client) if own else None,
    )


IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest, Path], OffsetStore]] = {
    "memory": lambda request, folder: MemoryOffsetStore(),
    "sqlite": lambda request, folder: SqliteOffsetStore(folder / "offsets.sqlite"),
    "kafka": lambda request, folder: kafka_store(request),
    "kafka, two topics": lambda request, folder: kafka_store(request, own=True),
}
NEEDS_BROKER = {name: pytest.mark.integration for name in IMPLEMENTATIONS if name.startswith("kafka")}
A, B, C = {"filename": "a"}, {"filename": "b"}, {"filename": "c"}


@pytest.fixture(params=[pytest.param(name, marks=NEEDS_BROKER.get(name, ())) for name in IMPLEMENTATIONS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OffsetStore]:
    opened = IMPLEMENTATIONS[request.param](request, tmp_path)
    yield opened
    opened.close()


def test_a_new_store_knows_nothing(store: OffsetStore) -> None:
    assert store.get("orders", [A, B]) == [None, None]
    assert store.all("orders") == []
    assert store.connectors() == []


def test_what_was_put_is_got_in_the_order_that_was_asked_for(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1}), (B, {"position": 2})])
    assert store.get("orders", [B, C, A]) == [{"position": 2}, None, {"position": 1}]


def test_getting_nothing_gives_nothing(store: OffsetStore) -> None:
    assert store.get("orders", []) == []


def test_putting_nothing_changes_nothing(store: OffsetStore) -> None:
    store.put("orders", [])
    assert store.connectors() == []


def test_a_later_offset_replaces_an_earlier_one(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1})])
    store.put("orders", [(A, {"position": 2})])
    assert store.all("orders") == [(A, {"position": 2})]


def test_of_a_partition_given_twice_the_later_offset_holds(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1}), (A, {"position": 2}), (B, {"position": 3}), (B, None)])
    assert store.all("orders") == [(A, {"position": 2})]


def test_offsets_may_come_from_a_generator(store: OffsetStore) -> None:
    store.put("orders", ((partition, {"position": 1}) for partition in (A, B)))
    assert len(store.all("orders")) == 2


def test_the_order_of_a_partitions_keys_does_not_matter(store: OffsetStore) -> None:
    store.put("orders", [({"db": "x", "table": "y"}, {"id": 7})])
    assert store.get("orders", [{"table": "y", "db": "x"}]) == [{"id": 7}]


def test_partitions_that_differ_in_a_type_only_are_two(store: OffsetStore) -> None:
    store.put("orders", [({"n": 1}, {"id": 1}), ({"n": "1"}, {"id": 2})])
    assert store.get("orders", [{"n": 1}, {"n": "1"}]) == [{"id": 1}, {"id": 2}]


def test_connectors_do_not_see_each_others_offsets(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1})])
    store.put("clicks", [(A, {"position": 2})])
    assert store.get("orders", [A]) == [{"position": 1}]
    assert store.connectors() == ["clicks", "orders"]


def test_an_offset_of_none_forgets_the_partition(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1}), (B, {"position": 2})])
    store.put("orders", [(A, None)])
    assert store.get("orders", [A, B]) == [None, {"position": 2}]
    store.put("orders", [(B, None)])
    assert store.connectors() == []


def test_deleting_a_connectors_offsets_leaves_the_others(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1}), (B, {"position": 2})])
    store.put("clicks", [(A, {"position": 3})])
    assert store.delete("orders") == 2
    assert store.delete("orders") == 0
    assert store.connectors() == ["clicks"]


def test_deleting_some_partitions_leaves_the_rest(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1}), (B, {"position": 2})])
    assert store.delete("orders", [A, C]) == 1
    assert store.all("orders") == [(B, {"position": 2})]
    assert store.delete("orders", []) == 0


def test_all_is_sorted_by_partition(store: OffsetStore) -> None:
    store.put("orders", [(C, {"position": 3}), (A, {"position": 1}), (B, {"position": 2})])
    assert [partition for partition, _ in store.all("orders")] == [A, B, C]


@pytest.mark.parametrize(
    "bad", [{"x": object()}, {"x": {1, object()}}, [1, 2], "text"], ids=["an object", "a set", "a list", "a text"]
)
def test_what_json_cannot_hold_is_refused_and_nothing_is_written(store: OffsetStore, bad: object) -> None:
    store.put("orders", [(A, {"position": 1})])
    with pytest.raises(DataError):
        store.put("orders", [(A, {"position": 2}), (B, bad)])  # type: ignore[list-item]
    with pytest.raises(DataError):
        store.put("orders", [(A, {"position": 2}), (bad, {"position": 1})])  # type: ignore[list-item]
    assert store.all("orders") == [(A, {"position": 1})]


def test_a_change_to_a_result_does_not_change_the_store(store: OffsetStore) -> None:
    store.put("orders", [(A, {"position": 1})])
    for _, offset in store.all("orders"):
        offset["position"] = 99  # type: ignore[index]
    assert store.get("orders", [A]) == [{"position": 1}]


def test_closing_twice_is_allowed(store: OffsetStore) -> None:
    store.close()
    store.close()


simple = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(allow_nan=False, allow_infinity=False)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(partition=st.dictionaries(st.text(), simple, max_size=4), offset=st.dictionaries(st.text(), simple, max_size=4))
def test_texts_numbers_truths_and_nothing_come_back_as_they_were(store: OffsetStore, partition: dict, offset: dict) -> None:
    store.put("any", [(partition, offset)])
    assert store.get("any", [dict(reversed(partition.items()))]) == [offset]
