"""A connector's whole configuration, all faults at once."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import pytest

from fastconnect import plugins
from fastconnect.api.config import Config, Fault, Meta, Secret, Topic
from fastconnect.api.connector import SourceConnector
from fastconnect.api.converter import Converter, ConverterConfig, HeaderConverter
from fastconnect.config.validation import _in_range, validate
from fastconnect.config.worker import JSON_CONVERTER, WorkerConfig


class PaintConfig(Config):
    topic: Topic
    batch_size: Annotated[int, Meta(description="Records in one poll.")] = 2000
    colour: Literal["red", "blue"] = "red"
    password: Secret | None = None

    def check(self):
        if self.colour == "blue" and self.batch_size > 5000:
            yield Fault("batch.size", "blue is slow")
            yield Fault("", "so is paint")


class PaintSource(SourceConnector[PaintConfig]):
    version = "1.4.0"


class BrushConfig(ConverterConfig):
    width: int = 3


class BrushConverter(Converter[BrushConfig], HeaderConverter[BrushConfig]):
    pass


class ExplodingConfig(Config):
    def check(self):
        raise RuntimeError("boom")


class ExplodingSource(SourceConnector[ExplodingConfig]):
    pass


@pytest.fixture(autouse=True)
def registered():
    shops = {
        "com.acme.PaintSourceConnector": PaintSource,
        "com.acme.BrushConverter": BrushConverter,
        "com.acme.Exploding": ExplodingSource,
    }
    for name, cls in shops.items():
        plugins.register(name, cls)
    yield
    for name in shops:
        plugins.unregister(name)


OK = {"name": "walls", "connector.class": "com.acme.PaintSourceConnector", "topic": "paint"}


def faults_of(**changes):
    return [str(fault) for fault in validate({**OK, **{key.replace("_", "."): value for key, value in changes.items()}}).faults]


def shown(validation, name):
    (value,) = [value for value in validation.values if value.definition.name == name]
    return value


@pytest.mark.parametrize("name", ["com.acme.PaintSourceConnector", "PaintSourceConnector", "PaintSource"])
def test_a_right_config_has_no_fault_under_any_name_of_its_connector(name):
    validation = validate({**OK, "connector.class": name})
    assert (validation.ok, validation.faults, validation.warnings, validation.name) == (True, [], [], name)


def test_all_faults_come_in_one_answer():
    validation = validate(
        {"connector.class": "PaintSource", "tasks.max": "0", "batch.size": "zero", "errors.tolerance": "some"}
    )
    assert [fault.message for fault in validation.faults] == [
        'Missing required configuration "name" which has no default value.',
        "Invalid value 0 for configuration tasks.max: Value must be at least 1",
        "Invalid value some for configuration errors.tolerance: String must be one of: none, all",
        'Missing required configuration "topic" which has no default value.',
        "Invalid value zero for configuration batch.size: Not a number of type INT",
    ]


def test_an_empty_config_lacks_name_and_class():
    assert [fault.key for fault in validate({}).faults] == ["name", "connector.class"]


def test_an_unknown_connector_is_answered_with_those_there_are_and_the_rest_is_checked_too():
    validation = validate({"name": "x", "connector.class": "PaintSourc", "tasks.max": "0"})
    unknown, other = validation.faults
    assert (unknown.key, other.key) == ("connector.class", "tasks.max")
    assert unknown.message.startswith(
        "Failed to find any class that implements Connector and which name matches PaintSourc, available connectors are: "
    )
    assert "com.acme.PaintSourceConnector" in unknown.message
    assert unknown.message.endswith("did you mean PaintSource?")


def test_a_converter_is_no_connector():
    assert faults_of(connector_class="BrushConverter") == [
        "connector.class: BrushConverter is installed, but it is not a source connector"
    ]


def test_unknown_keys_are_warnings_with_the_nearest_known_key():
    validation = validate({**OK, "batch.sise": "3", "frobnicate": "x", "task.max": "2"})
    assert validation.faults == []
    assert validation.warnings == [
        "batch.sise is not known to PaintSource; did you mean batch.size?",
        "frobnicate is not known to PaintSource",
        "task.max is not known to PaintSource; did you mean tasks.max?",
    ]


def test_the_plugins_own_rules_are_asked():
    assert faults_of(colour="blue", batch_size="6000") == ["batch.size: blue is slow", "so is paint"]


def test_a_plugins_check_that_fails_is_a_fault_not_a_crash():
    assert faults_of(connector_class="Exploding") == ["ExplodingConfig.check failed: RuntimeError: boom"]


@pytest.mark.parametrize(
    ("converter", "message"),
    [
        (
            "no.such.Converter",
            "Invalid value no.such.Converter for configuration {}: Class no.such.Converter could not be found.",
        ),
        ("PaintSource", "Class class PaintSource does not implement the {} interface"),
    ],
)
@pytest.mark.parametrize("key", ["key.converter", "value.converter", "header.converter"])
def test_a_converter_that_is_none_is_a_fault(key, converter, message):
    (fault,) = validate({**OK, key: converter}).faults
    interface = "HeaderConverter" if key.startswith("header") else "Converter"
    assert (fault.key, fault.message) == (key, message.format(key if "Invalid" in message else interface))


def test_the_settings_of_a_connectors_converter_are_checked():
    validation = validate(
        {**OK, "value.converter": "BrushConverter", "value.converter.width": "wide", "value.converter.witdh": "3"}
    )
    assert [str(fault) for fault in validation.faults] == [
        "value.converter.width: Invalid value wide for configuration width: Not a number of type INT"
    ]
    assert validation.warnings == ["value.converter.witdh is not known to BrushConverter; did you mean width?"]
    assert shown(validation, "value.converter.width").value is None
    assert shown(validation, "value.converter.converter.type").value == "value"


def test_converter_settings_without_the_converter_are_a_warning():
    validation = validate({**OK, "value.converter.width": "wide"})
    assert validation.faults == []
    assert validation.warnings == [
        "value.converter.width: of no effect without value.converter in the same config; the worker's is used"
    ]


def test_overrides_of_the_producer_are_checked():
    validation = validate(
        {**OK, "producer.override.akcs": "1", "producer.override.key.serializer": "x", "producer.override.debug": "all"}
    )
    assert [fault.key for fault in validation.faults] == ["producer.override.debug", "producer.override.akcs"]
    assert len(validation.warnings) == 1


def test_faults_of_the_worker_are_not_the_connectors():
    assert validate(OK, WorkerConfig.parse({"bootstrap.servers": "k:1", "producer.key.serializer": "x"})).warnings == []


@pytest.mark.parametrize(
    ("config", "key", "message"),
    [
        (
            {"transforms": "t"},
            "transforms.t.type",
            'Missing required configuration "transforms.t.type" which has no default value.',
        ),
        (
            {"transforms": "t", "transforms.t.type": "no.such.T"},
            "transforms.t.type",
            "Invalid value no.such.T for configuration transforms.t.type: Class no.such.T could not be found.",
        ),
        (
            {"predicates": "p", "predicates.p.type": "no.such.P"},
            "predicates.p.type",
            "Invalid value no.such.P for configuration predicates.p.type: Class no.such.P could not be found.",
        ),
        (
            {"exactly.once.support": "Required"},
            "exactly.once.support",
            "This worker does not have exactly-once source support enabled.",
        ),
        (
            {"transaction.boundary": "connector"},
            "transaction.boundary",
            "The connector does not support connector-defined transaction boundaries with the given configuration. "
            "Please reconfigure it to use a different transaction boundary definition.",
        ),
        ({"tasks.max": None}, "tasks.max", "Null value can not be supplied as the configuration value."),
        ({"whatever": None}, "whatever", "Null value can not be supplied as the configuration value."),
        ({"topic": None}, "topic", 'Missing required configuration "topic" which has no default value.'),
    ],
)
def test_other_faults_are_in_kafka_connects_words(config, key, message):
    (fault,) = validate({**OK, **config}).faults
    assert (fault.key, fault.message) == (key, message)


def test_a_null_for_an_optional_key_of_the_connector_passes():
    assert validate({**OK, "password": None}).faults == []


def test_a_version_that_is_not_installed_is_a_fault_on_class_and_version():
    found = "available versions: [1.4.0]"
    message = f"Plugin com.acme.PaintSourceConnector not found that matches the version range [9.9.9,9.9.9], {found}"
    assert faults_of(connector_plugin_version="9.9.9") == [
        f"connector.class: {message}",
        f"connector.plugin.version: {message}",
    ]
    assert faults_of(connector_plugin_version="[1.0,2.0)") == faults_of(connector_plugin_version="latest") == []


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("1.4.0", "1.4.0", True),
        ("1.4.0", "[1.4.0]", True),
        ("1.4.0", "1.4", False),
        ("1.4.0", "[1.4,2)", True),
        ("1.4.0", "(1.4,2)", False),
        ("1.4.0", "[1,1.4]", True),
        ("1.4.0", "[1,1.4)", False),
        ("1.10.0", "[1.9,)", True),
        ("1.10.0", "(,1.9]", False),
        ("1.4.0", "nonsense", False),
    ],
)
def test_version_ranges_are_mavens(version, wanted, fits):
    assert _in_range(version, wanted) is fits


def test_the_answer_has_the_shape_of_kafka_connects():
    answer = validate({**OK, "tasks.max": "many", "password": "hunter2"}).to_json()
    assert answer["name"] == "com.acme.PaintSourceConnector"
    assert answer["error_count"] == 2
    assert answer["groups"] == [
        "Common",
        "Transforms",
        "Predicates",
        "Error Handling",
        "Topic Creation",
        "Exactly Once Support",
        "offsets.topic",
    ]
    by_name = {config["value"]["name"]: config["value"] for config in answer["configs"]}
    assert list(by_name)[:4] == ["name", "connector.class", "connector.plugin.version", "tasks.max"]
    assert list(by_name)[-4:] == ["topic", "batch.size", "colour", "password"]
    assert by_name["tasks.max"] == {
        "name": "tasks.max",
        "value": None,
        "recommended_values": [],
        "errors": [
            "Invalid value many for configuration tasks.max: Not a number of type INT",
            "Invalid value null for configuration tasks.max: Value must be non-null",
        ],
        "visible": True,
    }
    assert by_name["password"]["value"] == "[hidden]"
    assert by_name["batch.size"]["value"] == "2000"
    assert by_name["value.converter"]["value"] == JSON_CONVERTER
    assert by_name["connector.plugin.version"]["value"] == "1.4.0"
    assert "hunter2" not in str(answer)


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("tasks.max", "0", "0"),
        ("batch.size", "zero", None),
        ("colour", "green", "green"),
        ("value.converter", "no.such.Converter", None),
        ("value.converter", "PaintSource", "PaintSource"),
    ],
)
def test_a_bad_value_is_shown_unless_its_type_cannot_hold_it(key, given, value):
    validation = validate({**OK, key: given})
    assert shown(validation, key).value == value
    assert len(shown(validation, key).errors) == 1


def test_the_summary_lists_each_error_between_kafka_connects_lines():
    assert validate({"connector.class": "PaintSource"}).summary().split(os.linesep) == [
        "Connector configuration is invalid and contains the following 2 error(s):",
        'Missing required configuration "name" which has no default value.',
        'Missing required configuration "topic" which has no default value.',
        "You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
    ]


def test_keys_that_nothing_acts_on_yet_are_warnings():
    validation = validate({**OK, "consumer.override.max.poll.records": "5"})
    assert validation.faults == []
    assert [warning.partition(":")[0] for warning in validation.warnings] == ["consumer.override.max.poll.records"]


def test_what_is_wrong_with_topic_creation_is_a_warning_since_kafka_connect_lets_it_pass():
    validation = validate({**OK, "topic.creation.default.partitions": "0"})
    assert validation.faults == []
    assert validation.warnings == [
        "topic.creation.default.partitions: Invalid value 0 for configuration topic.creation.default.partitions: "
        "Number of partitions must be positive, or -1 to use the broker's default. The tasks will fail for it.",
        "topic.creation.default.replication.factor: Missing required configuration "
        '"topic.creation.default.replication.factor" which has no default value. The tasks will fail for it.',
    ]


def test_a_source_may_have_a_dead_letter_topic():
    dead = {"errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1"}
    validation = validate({**OK, **dead})
    assert (validation.faults, validation.warnings) == ([], [])
    validation = validate({**OK, **dead, "errors.deadletterqueue.topic.replication.factor": "x"})
    assert [fault.key for fault in validation.faults] == ["errors.deadletterqueue.topic.replication.factor"]
    validation = validate({**OK, "errors.deadletterqueue.topic": "dead"})
    assert validation.warnings == ["errors.deadletterqueue.topic is not known; did you mean errors.deadletterqueue.topic.name?"]


def test_of_a_converter_that_is_not_there_no_version_is_shown():
    config = {"connector.class": "FileStreamSource", "topic": "t", "name": "n", "value.converter": "no.such.Converter"}
    shown = {value.definition.name: value.visible for value in validate(config).values}
    assert [name for name, visible in shown.items() if not visible] == ["value.converter.plugin.version"]
