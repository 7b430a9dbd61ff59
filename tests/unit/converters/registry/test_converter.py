from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fastconnect.api.schema import Schema
from fastconnect.converters.registry.avro import AvroConverter
from fastconnect.converters.registry.json_schema import JsonSchemaConverter
from fastconnect.converters.registry.protobuf import ProtobufConverter
from fastconnect.converters.registry.subjects import record_name, strategy, topic_name, topic_record_name
from fastconnect.errors import ConfigError, DataError, RetriableError

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("cls", [AvroConverter, JsonSchemaConverter, ProtobufConverter])
def test_settings_are_checked_at_once_and_the_registry_is_not_asked(cls: Any) -> None:
    converter = cls()
    converter.configure({"schema.registry.url": NOWHERE}, is_key=True)
    with pytest.raises(ConfigError) as raised:
        converter.configure(
            {
                "schema.registry.url": "localhost:8081",
                "value.subject.name.strategy": "MyStrategy",
                "basic.auth.credentials.source": "USER_INFO",
            },
            is_key=False,
        )
    assert {fault.key for fault in raised.value.faults} == {
        "schema.registry.url",
        "value.subject.name.strategy",
        "basic.auth.user.info",
    }
    with pytest.raises(ConfigError, match=r'Missing required configuration "schema.registry.url"'):
        cls().configure({}, is_key=False)


def test_a_registry_that_is_not_there_is_worth_a_retry() -> None:
    converter = AvroConverter()
    converter.configure({"schema.registry.url": f"http://me:secret@{NOWHERE[7:]}", "max.retries": "0"}, is_key=False)
    with pytest.raises(RetriableError, match=r"http://127.0.0.1:1: The Schema Registry cannot be reached: .*refused"):
        converter.encode_batch("t", [{"a": 1}])
    with pytest.raises(RetriableError) as raised:
        converter.to_connect_data("t", b"\0\0\0\0\1x")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("cls", [AvroConverter, JsonSchemaConverter, ProtobufConverter])
def test_tombstones_need_no_registry_and_other_messages_are_refused(cls: Any) -> None:
    converter = cls()
    converter.configure({"schema.registry.url": NOWHERE}, is_key=False)
    assert converter.encode_batch("t", [None, None]) == [None, None]
    assert converter.decode_columns("t", [None]) == ([None], None)
    with pytest.raises(DataError, match=r"value of topic t: The message begins with the byte 123") as raised:
        converter.decode_columns("t", [None, b'{"a": 1}'])
    assert raised.value.index == 1  # type: ignore[attr-defined]


def test_what_is_wrong_with_a_value_says_where_it_is() -> None:
    converter = ProtobufConverter()
    converter.configure({"schema.registry.url": NOWHERE}, is_key=False)
    with pytest.raises(DataError, match=r"value of topic t: A Protobuf message cannot be made of a STRING"):
        converter.encode_batch("t", ["x"], [Schema.string()])
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(DataError, match=r"value of topic t: The value is nested too deeply, or contains itself") as raised:
        converter.encode_batch("t", [{"a": {}}, endless])
    assert raised.value.index == 1  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"value of topic t: The value is not JSON") as raised:
        converter.encode_raw("t", [b"{}", b"{"], "json")
    assert raised.value.index == 1  # type: ignore[attr-defined]


def test_subjects_are_named_as_the_strategies_say() -> None:
    assert (topic_name("t", True, None), topic_name("t", False, "R")) == ("t-key", "t-value")
    assert (record_name("t", False, "a.R"), topic_record_name("t", False, "a.R")) == ("a.R", "t-a.R")
    with pytest.raises(DataError, match="no record with a name"):
        record_name("t", False, None)
    assert (
        strategy("io.confluent.kafka.serializers.subject.RecordNameStrategy") is strategy("RecordNameStrategy") is record_name
    )


def test_the_extra_is_imported_when_it_is_needed_and_missed_in_one_sentence() -> None:
    program = """
import sys
for name in ("fastavro", "google.protobuf", "confluent_kafka.schema_registry"):
    sys.modules[name] = None
from fastconnect.converters.registry.avro import AvroConverter
from fastconnect.converters.registry.json_schema import JsonSchemaConverter
from fastconnect.converters.registry.protobuf import ProtobufConverter
for cls in (AvroConverter, JsonSchemaConverter, ProtobufConverter):
    converter = cls()
    converter.configure({"schema.registry.url": "http://127.0.0.1:1"}, is_key=False)
    try:
        converter.encode_batch("t", [{"a": 1}])
    except Exception as error:
        print(type(error).__name__, error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True).stdout
    lines = said.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("ConfigError the package ") for line in lines)
    assert all("pip install 'fastconnect-kafka[schema-registry]'" in line for line in lines)
