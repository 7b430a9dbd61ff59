"""Held against what a real Kafka Connect wrote: tests/compat/internal_topics/record.py makes the vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fastconnect.states import TargetState, TaskId
from fastconnect.storage import wire
from fastconnect.storage.topic_table import MeaninglessError

VECTORS = json.loads((Path(__file__).parents[2] / "compat" / "vectors" / "internal_topics.json").read_text())


def records(kind: str, beginning: str = "") -> list[Any]:
    """Key and value of the recorded records whose keys begin so."""
    found = [each for each in VECTORS[kind] if each["key"].startswith(beginning)]
    assert found, f"no record {beginning}"
    return [
        pytest.param(each["key"].encode(), None if each["value"] is None else each["value"].encode(), id=f"{kind}-{number}")
        for number, each in enumerate(found)
    ]


def name_of(key: bytes, prefix: str) -> str:
    return key.decode().removeprefix(prefix)


@pytest.mark.parametrize(("key", "value"), records("configs", "connector-"))
def test_a_connectors_record_is_written_as_by_kafka_connect(key: bytes, value: bytes | None) -> None:
    assert wire.connector_key(name_of(key, "connector-")) == key
    if value is not None:
        assert wire.properties(wire.read_properties(wire.read_json(value))) == value


@pytest.mark.parametrize(("key", "value"), records("configs", "task-"))
def test_a_tasks_record_is_written_as_by_kafka_connect(key: bytes, value: bytes) -> None:
    task = wire.read_task(name_of(key, "task-"))
    assert task is not None
    assert wire.task_key(task.connector, task.task) == key
    assert wire.properties(wire.read_properties(wire.read_json(value))) == value


@pytest.mark.parametrize(("key", "value"), records("configs", "commit-"))
def test_a_commit_is_written_as_by_kafka_connect(key: bytes, value: bytes) -> None:
    assert wire.commit_key(name_of(key, "commit-")) == key
    assert wire.commit(wire.read_commit(wire.read_json(value))) == value


@pytest.mark.parametrize(("key", "value"), records("configs", "target-state-"))
def test_a_target_state_is_written_as_by_kafka_connect(key: bytes, value: bytes | None) -> None:
    assert wire.target_key(name_of(key, "target-state-")) == key
    if value is not None:
        assert wire.target(wire.read_target(wire.read_json(value))) == value


@pytest.mark.parametrize(("key", "value"), records("configs", "restart-connector-"))
def test_a_restart_is_written_as_by_kafka_connect(key: bytes, value: bytes) -> None:
    assert wire.restart_key(name_of(key, "restart-connector-")) == key
    wanted = wire.read_restart(wire.read_json(value))
    assert wire.restart(only_failed=wanted.only_failed, include_tasks=wanted.include_tasks) == value


@pytest.mark.parametrize(("key", "value"), records("configs", "session-key"))
def test_a_session_key_is_written_as_by_kafka_connect(key: bytes, value: bytes) -> None:
    assert key == wire.SESSION_KEY
    found = wire.read_session_key(wire.read_json(value))
    assert len(found.key) == 32
    assert wire.session_key(found) == value


@pytest.mark.parametrize(("key", "value"), records("configs", "logger-cluster-"))
def test_a_loggers_level_is_written_as_by_kafka_connect(key: bytes, value: bytes) -> None:
    assert wire.logger_key(name_of(key, "logger-cluster-")) == key
    assert wire.logger_level(wire.read_logger_level(wire.read_json(value))) == value


def test_a_record_of_a_fencing_is_written_as_by_kafka_connect() -> None:
    assert (wire.fencing_key("eos"), wire.fencing(1)) == (b"tasks-fencing-eos", b'{"task-count":1}')
    assert wire.read_fencing(wire.read_json(b'{"task-count":1}')) == 1


@pytest.mark.parametrize(("key", "value"), records("status"))
def test_a_status_or_topic_is_written_as_by_kafka_connect(key: bytes, value: bytes | None) -> None:
    of = wire.read_status_key(key.decode())
    assert of is not None
    if isinstance(of, tuple):
        connector, topic = of
        assert wire.topic_key(topic, connector) == key
        if value is not None:
            assert wire.used_topic(wire.read_used_topic(wire.read_json(value))) == value
    else:
        assert wire.status_key(of) == key
        if value is not None:
            assert wire.status(wire.read_status(wire.read_json(value))) == value


@pytest.mark.parametrize(("key", "value"), records("offsets"))
def test_an_offset_is_written_as_by_kafka_connect(key: bytes, value: bytes | None) -> None:
    connector, partition = wire.read_offset_key(key)
    assert wire.offset_key(connector, partition) == key
    if value is not None:
        assert wire.encode(wire.read_offset(value)) == value


def test_a_partitions_keys_keep_their_order() -> None:
    assert wire.offset_key("c", {"b": 1, "a": [True, None]}) == b'["c",{"b":1,"a":[true,null]}]'
    assert list(wire.read_offset_key(b'["c",{"b":1,"a":2}]')[1]) == ["b", "a"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-0.5, "-0.5"),
        (0.001, "0.001"),
        (0.00099, "9.9E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (123456789.0, "1.23456789E8"),
        (-1.5e300, "-1.5E300"),
        (1.25e-7, "1.25E-7"),
        (1e22, "1.0E22"),
        (1234567890123456.8, "1.2345678901234568E15"),
    ],
)
def test_a_float_is_written_as_by_java(number: float, text: str) -> None:
    assert wire.encode({"x": [number]}).decode() == f'{{"x":[{text}]}}'
    assert wire.read_offset(wire.encode({"x": number})) == {"x": number}


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ({"state": "PAUSED", "state.v2": "STOPPED"}, TargetState.STOPPED),
        ({"state": "PAUSED"}, TargetState.PAUSED),
        ({"state": "STARTED", "state.v2": "OF A LATER VERSION"}, TargetState.STARTED),
        ({"state": "STARTED", "state.v2": 7}, TargetState.STARTED),
    ],
)
def test_of_a_target_state_the_newer_key_counts_if_there_is_sense_in_it(value: object, target: TargetState) -> None:
    assert wire.read_target(value) is target


@pytest.mark.parametrize(
    "bad",
    [None, 1, "x", [], {}, {"properties": 1}, {"properties": {"x": 1}}, {"tasks": -1}, {"state": "GONE"}, {"topic": {}}],
    ids=repr,
)
def test_what_has_another_form_is_meaningless(bad: object) -> None:
    for read in (wire.read_properties, wire.read_commit, wire.read_target, wire.read_status, wire.read_used_topic):
        with pytest.raises(MeaninglessError):
            read(bad)


@pytest.mark.parametrize("bad", [b"", b"{", b"\xff", b'{"x":NaN}', b"\x00\x01\x02", b"nonsense"], ids=repr)
def test_what_is_no_json_is_meaningless(bad: bytes) -> None:
    for read in (wire.read_json, wire.read_offset, wire.read_offset_key):
        with pytest.raises(MeaninglessError):
            read(bad)


@pytest.mark.parametrize("bad", [None, b'["c"]', b'{"c":{}}', b'["c",1]', b"[1,{}]", b'["c",{},1]'], ids=repr)
def test_a_key_that_names_no_partition_is_meaningless(bad: bytes | None) -> None:
    with pytest.raises(MeaninglessError):
        wire.read_offset_key(bad)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("a-0", TaskId("a", 0)),
        ("a-0-12", TaskId("a-0", 12)),
        ("-7", None),
        ("a", None),
        ("a-", None),
        ("a-x", None),
        ("a-²", None),
        ("a-2147483648", None),
    ],
)
def test_a_tasks_number_stands_behind_the_last_hyphen(name: str, task: TaskId | None) -> None:
    assert wire.read_task(name) == task


@pytest.mark.parametrize(
    "key", ["", "status", "status-connector-", "status-task-x", "status-topic-x", "status-topic-:connector-"]
)
def test_a_key_of_no_status_is_seen(key: str) -> None:
    assert wire.read_status_key(key) is None
