"""What every ConfigStore must do, held against each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes.config_listener import Heard
from fakes.topics import Topics

from fastconnect.states import TargetState
from fastconnect.storage.config_store import ConfigStore, SessionKey
from fastconnect.storage.kafka_configs import KafkaConfigStore
from fastconnect.storage.memory_configs import MemoryConfigStore


def kafka_store(request: pytest.FixtureRequest) -> ConfigStore:
    bootstrap = request.getfixturevalue("kafka")
    topic = Topics(bootstrap).create(request.getfixturevalue("fresh_topic"), 1, cleanup_policy="compact")
    return KafkaConfigStore(topic, {"bootstrap.servers": bootstrap})


IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], ConfigStore]] = {
    "memory": lambda request: MemoryConfigStore(),
    "kafka": kafka_store,
}
NEEDS_BROKER = {"kafka": pytest.mark.integration}
CONFIG = {"name": "orders", "connector.class": "FileStreamSource", "x": None}
WAIT_MS = 30_000


@pytest.fixture(params=[pytest.param(name, marks=NEEDS_BROKER.get(name, ())) for name in IMPLEMENTATIONS])
def store(request: pytest.FixtureRequest, heard: Heard) -> Iterator[ConfigStore]:
    opened = IMPLEMENTATIONS[request.param](request)
    opened.start(heard)
    yield opened
    opened.stop()


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_a_new_store_knows_nothing(store: ConfigStore, heard: Heard) -> None:
    snapshot = store.snapshot()
    assert (snapshot.connectors, snapshot.session_key) == ({}, None)
    assert heard.all == []


def test_a_connector_that_was_put_is_there_at_once_and_told(store: ConfigStore, heard: Heard) -> None:
    store.put_connector("orders", CONFIG)
    connector = store.snapshot().connectors["orders"]
    assert (connector.config, connector.target) == (CONFIG, TargetState.STARTED)
    assert connector.task_configs is None
    assert heard.all == ["config orders"]


def test_a_target_given_with_a_new_connector_holds_from_the_beginning(store: ConfigStore, heard: Heard) -> None:
    store.put_connector("orders", CONFIG, TargetState.STOPPED)
    assert store.snapshot().connectors["orders"].target is TargetState.STOPPED
    assert heard.all == ["config orders"]


def test_a_new_configuration_leaves_target_and_tasks(store: ConfigStore) -> None:
    store.put_connector("orders", CONFIG, TargetState.PAUSED)
    store.put_task_configs("orders", [{"n": "0"}])
    store.put_connector("orders", {**CONFIG, "x": "1"})
    connector = store.snapshot().connectors["orders"]
    assert connector.config["x"] == "1"
    assert connector.target is TargetState.PAUSED
    assert connector.task_configs == [{"n": "0"}]
    assert connector.applied_config == CONFIG


def test_a_change_of_the_target_is_told_and_putting_it_again_is_not(store: ConfigStore, heard: Heard) -> None:
    store.put_connector("orders", CONFIG)
    store.put_target("orders", TargetState.PAUSED)
    store.put_target("orders", TargetState.PAUSED)
    assert store.snapshot().connectors["orders"].target is TargetState.PAUSED
    assert heard.all == ["config orders", "target orders"]


def test_task_configs_replace_those_of_before_whatever_their_number(store: ConfigStore, heard: Heard) -> None:
    store.put_connector("orders", CONFIG)
    generations = []
    for count in (1, 5, 3, 0):
        configs = [{"n": str(number), "of": str(count)} for number in range(count)]
        store.put_task_configs("orders", configs)
        connector = store.snapshot().connectors["orders"]
        assert (connector.task_configs, connector.task_count, connector.inconsistent) == (configs, count, False)
        generations.append(connector.task_generation)
    assert generations == sorted(set(generations))
    assert heard.all == ["config orders", *["tasks orders"] * 4]


def test_task_configs_of_an_unknown_connector_count_for_nothing(store: ConfigStore, heard: Heard) -> None:
    store.put_task_configs("orders", [{"n": "0"}])
    assert store.snapshot().connectors == {}
    store.put_connector("orders", CONFIG)
    assert store.snapshot().connectors["orders"].task_configs is None
    assert heard.all == ["config orders"]


def test_a_removed_connector_is_gone_with_its_tasks_and_target(store: ConfigStore, heard: Heard) -> None:
    store.put_connector("orders", CONFIG, TargetState.PAUSED)
    store.put_task_configs("orders", [{"n": "0"}])
    store.remove_connector("orders")
    assert store.snapshot().connectors == {}
    store.put_connector("orders", CONFIG)
    connector = store.snapshot().connectors["orders"]
    assert (connector.target, connector.task_configs, connector.task_count) == (TargetState.STARTED, None, 0)
    assert heard.all == ["config orders", "tasks orders", "removed orders", "config orders"]


def test_names_that_look_like_those_of_tasks_are_kept_apart(store: ConfigStore) -> None:
    for name in ("a", "a-0", "a-0-1", "ü -7"):
        store.put_connector(name, {"name": name})
        store.put_task_configs(name, [{"of": name}])
    assert {name: each.task_configs for name, each in store.snapshot().connectors.items()} == {
        name: [{"of": name}] for name in ("a", "a-0", "a-0-1", "ü -7")
    }


def test_a_snapshot_stays_as_it_was(store: ConfigStore) -> None:
    store.put_connector("orders", CONFIG)
    before = store.snapshot()
    store.put_connector("clicks", CONFIG)
    store.put_target("orders", TargetState.STOPPED)
    assert list(before.connectors) == ["orders"]
    assert before.connectors["orders"].target is TargetState.STARTED
    assert store.snapshot().offset > before.offset


def test_fencing_is_pending_from_the_tasks_configs_on_until_it_is_done(store: ConfigStore) -> None:
    store.put_connector("orders", CONFIG)
    store.put_task_configs("orders", [{"n": "0"}])
    assert store.snapshot().connectors["orders"].pending_fencing
    store.put_task_count("orders", 1)
    connector = store.snapshot().connectors["orders"]
    assert (connector.pending_fencing, connector.fenced_task_count) == (False, 1)


def test_a_connector_of_the_name_of_a_removed_one_must_fence_that_ones_tasks(store: ConfigStore) -> None:
    store.put_connector("orders", CONFIG)
    store.put_task_count("orders", 3)
    store.remove_connector("orders")
    store.put_connector("orders", CONFIG)
    assert store.snapshot().connectors["orders"].fenced_task_count == 3


def test_restarts_and_logger_levels_are_told_only(store: ConfigStore, heard: Heard) -> None:
    store.put_connector("orders", CONFIG)
    store.put_restart("orders", only_failed=True, include_tasks=False)
    store.put_logger_level("fastconnect.task", "DEBUG")
    assert heard.all == [
        "config orders",
        "restart orders only_failed=True include_tasks=False",
        "logger fastconnect.task DEBUG",
    ]


def test_a_session_key_is_told_and_kept(store: ConfigStore, heard: Heard) -> None:
    key = SessionKey(bytes(range(32)), "HmacSHA256", 1_795_556_998_126)
    store.put_session_key(key)
    assert store.snapshot().session_key == key
    assert heard.keys == [key]


def test_a_refresh_of_what_is_known_changes_nothing(store: ConfigStore, heard: Heard) -> None:
    store.put_connector("orders", CONFIG)
    before = store.snapshot()
    store.refresh(WAIT_MS)
    assert store.snapshot() == before
