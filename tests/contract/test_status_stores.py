"""What every StatusStore must do, held against each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes.topics import Topics

from fastconnect.states import TaskId
from fastconnect.storage.kafka_statuses import KafkaStatusStore
from fastconnect.storage.memory_statuses import MemoryStatusStore
from fastconnect.storage.status_store import StatusStore, StoredStatus, StoredTopic


def kafka_store(request: pytest.FixtureRequest) -> StatusStore:
    bootstrap = request.getfixturevalue("kafka")
    topic = Topics(bootstrap).create(request.getfixturevalue("fresh_topic"), 5, cleanup_policy="compact")
    return KafkaStatusStore(topic, {"bootstrap.servers": bootstrap})


IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], StatusStore]] = {
    "memory": lambda request: MemoryStatusStore(),
    "kafka": kafka_store,
}
NEEDS_BROKER = {"kafka": pytest.mark.integration}
TASK = TaskId("orders", 0)


def status(state: str = "RUNNING", worker: str = "one:8083", generation: int = 3, trace: str | None = None) -> StoredStatus:
    return StoredStatus(state=state, worker_id=worker, generation=generation, trace=trace, version="4.3.1")


@pytest.fixture(params=[pytest.param(name, marks=NEEDS_BROKER.get(name, ())) for name in IMPLEMENTATIONS])
def store(request: pytest.FixtureRequest) -> Iterator[StatusStore]:
    opened = IMPLEMENTATIONS[request.param](request)
    opened.start()
    yield opened
    opened.stop()


def test_a_new_store_knows_nothing(store: StatusStore) -> None:
    assert store.get("orders") is None
    assert store.get(TASK) is None
    assert (store.tasks("orders"), store.connectors(), store.topics("orders")) == ({}, set(), [])


def test_what_was_put_is_there_at_once(store: StatusStore) -> None:
    store.put("orders", status())
    store.put(TASK, status("FAILED", trace="Traceback: it went wrong\n  ü"))
    assert store.get("orders") == status()
    assert store.get(TASK) == status("FAILED", trace="Traceback: it went wrong\n  ü")
    assert store.connectors() == {"orders"}


def test_the_last_of_many_holds_also_when_all_are_written(store: StatusStore) -> None:
    for number in range(100):
        store.put(TASK, status("FAILED" if number % 2 else "RUNNING", trace=str(number)))
        assert store.get(TASK) == status("FAILED" if number % 2 else "RUNNING", trace=str(number))
    store.refresh(30_000)
    assert store.get(TASK) == status("FAILED", trace="99")


def test_tasks_are_those_of_the_connector_alone_in_their_order(store: StatusStore) -> None:
    for id in (TaskId("orders", 10), TaskId("orders", 2), TaskId("orders-1", 0), TaskId("a", 1)):
        store.put(id, status(trace=str(id)))
    assert {number: each.trace for number, each in store.tasks("orders").items()} == {2: "orders-2", 10: "orders-10"}
    assert list(store.tasks("orders")) == [2, 10]
    assert store.connectors() == {"orders", "orders-1", "a"}


def test_a_deleted_status_is_gone_and_the_others_stay(store: StatusStore) -> None:
    store.put("orders", status())
    store.put(TASK, status())
    store.put(TaskId("orders", 1), status())
    store.delete(TASK)
    store.delete("orders")
    assert store.get("orders") is None
    assert list(store.tasks("orders")) == [1]
    store.delete(TaskId("orders", 1))
    assert store.connectors() == set()
    store.delete(TaskId("orders", 7))
    assert store.connectors() == set()


@pytest.mark.parametrize(
    ("worker", "generation", "written"),
    [("two:8083", 2, False), ("two:8083", 3, True), ("two:8083", 4, True), ("one:8083", 2, True)],
    ids=["another worker's, older", "another worker's, as old", "another worker's, newer", "its own, older"],
)
def test_a_safe_write_does_not_replace_what_another_worker_said_later(
    store: StatusStore, worker: str, generation: int, written: bool
) -> None:
    store.put(TASK, status(worker="one:8083", generation=3))
    store.put(TASK, status("FAILED", worker, generation), safe=True)
    found = store.get(TASK)
    assert found is not None
    assert (found.state == "FAILED") is written


def test_a_safe_write_where_nothing_is_known_is_written(store: StatusStore) -> None:
    store.put(TASK, status("UNASSIGNED"), safe=True)
    assert store.get(TASK) == status("UNASSIGNED")


def test_of_a_topic_the_first_task_that_used_it_is_kept(store: StatusStore) -> None:
    store.put_topic(StoredTopic("lines", "orders", 1, 1_795_557_001_007))
    store.put_topic(StoredTopic("lines", "orders", 0, 1_795_557_001_009))
    store.put_topic(StoredTopic("lines", "orders-1", 0, 1_795_557_001_009))
    store.put_topic(StoredTopic("a.b-c_d", "orders", 0, 1_795_557_001_009))
    assert {topic.name: topic.task for topic in store.topics("orders")} == {"lines": 1, "a.b-c_d": 0}
    store.delete_topics("orders")
    assert store.topics("orders") == []
    assert len(store.topics("orders-1")) == 1


def test_a_forgotten_topic_can_be_found_again(store: StatusStore) -> None:
    store.put_topic(StoredTopic("lines", "orders", 1, 1))
    store.delete_topics("orders")
    store.put_topic(StoredTopic("lines", "orders", 2, 2))
    assert store.topics("orders") == [StoredTopic("lines", "orders", 2, 2)]
