"""The runtime's keys of a source connector and its converters."""

from __future__ import annotations

import pytest

from fastconnect.api.config_def import config_keys
from fastconnect.config.connector import SourceConnectorConfig, converter
from fastconnect.config.worker import JSON_CONVERTER, WorkerConfig

MINIMAL = {"name": "orders", "connector.class": "FileStreamSource"}

# key: type, required, default, importance, group, order, width, display name; as Kafka Connect 4.3.1 answers.
KAFKA_CONNECT_SAYS = """
name|STRING|True|None|HIGH|Common|1|MEDIUM|Connector name
connector.class|STRING|True|None|HIGH|Common|2|LONG|Connector class
connector.plugin.version|STRING|False|None|MEDIUM|Common|3|MEDIUM|Connector version
tasks.max|INT|False|1|HIGH|Common|4|SHORT|Tasks max
tasks.max.enforce|BOOLEAN|False|true|LOW|Common|5|SHORT|Enforce tasks max
key.converter|CLASS|False|None|LOW|Common|6|SHORT|Key converter class
key.converter.plugin.version|STRING|False|None|LOW|Common|7|SHORT|Key converter version
value.converter|CLASS|False|None|LOW|Common|8|SHORT|Value converter class
value.converter.plugin.version|STRING|False|None|LOW|Common|9|SHORT|Value converter version
header.converter|CLASS|False|None|LOW|Common|10|SHORT|Header converter class
header.converter.plugin.version|STRING|False|None|LOW|Common|11|SHORT|Header converter version
transforms|LIST|False||LOW|Transforms|12|LONG|Transforms
predicates|LIST|False||LOW|Predicates|13|LONG|Predicates
config.action.reload|STRING|False|restart|LOW|Common|14|MEDIUM|Reload Action
errors.retry.timeout|LONG|False|0|MEDIUM|Error Handling|1|MEDIUM|Retry Timeout for Errors
errors.retry.delay.max.ms|LONG|False|60000|MEDIUM|Error Handling|2|MEDIUM|Maximum Delay Between Retries for Errors
errors.tolerance|STRING|False|none|MEDIUM|Error Handling|3|SHORT|Error Tolerance
errors.log.enable|BOOLEAN|False|false|MEDIUM|Error Handling|4|SHORT|Log Errors
errors.log.include.messages|BOOLEAN|False|false|MEDIUM|Error Handling|5|SHORT|Log Error Details
topic.creation.groups|LIST|False||LOW|Topic Creation|1|LONG|Topic Creation Groups
exactly.once.support|STRING|False|requested|MEDIUM|Exactly Once Support|2|SHORT|Exactly once support
transaction.boundary|STRING|False|poll|MEDIUM|Exactly Once Support|3|SHORT|Transaction Boundary
transaction.boundary.interval.ms|LONG|False|None|LOW|Exactly Once Support|4|SHORT|Transaction boundary interval
offsets.storage.topic|STRING|False|None|LOW|offsets.topic|1|LONG|Offsets topic
"""


def test_the_keys_are_defined_as_kafka_connects():
    definitions = [
        "|".join(
            str(part)
            for part in (
                key.name,
                key.type,
                key.required,
                key.default_value,
                key.importance,
                key.group,
                key.order_in_group,
                key.width,
                key.display_name,
            )
        )
        for key in config_keys(SourceConnectorConfig)
    ]
    assert definitions == KAFKA_CONNECT_SAYS.split("\n")[1:-1]


def test_every_key_says_what_it_is_for():
    assert all(key.documentation for key in config_keys(SourceConnectorConfig))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", None, 'Missing required configuration "name" which has no default value.'),
        ("name", "", "Invalid value  for configuration name: String may not be empty"),
        (
            "name",
            "a\x01\x02b",
            "Invalid value a\x01\x02b for configuration name: String may not contain control sequences but had the following "
            "ASCII chars: 1, 2",
        ),
        ("tasks.max", "0", "Invalid value 0 for configuration tasks.max: Value must be at least 1"),
        ("tasks.max", "many", "Invalid value many for configuration tasks.max: Not a number of type INT"),
        (
            "tasks.max.enforce",
            "maybe",
            "Invalid value maybe for configuration tasks.max.enforce: Expected value to be either true or false",
        ),
        (
            "errors.retry.timeout",
            "soon",
            "Invalid value soon for configuration errors.retry.timeout: Not a number of type LONG",
        ),
        ("errors.tolerance", "some", "Invalid value some for configuration errors.tolerance: String must be one of: none, all"),
        (
            "config.action.reload",
            "later",
            "Invalid value later for configuration config.action.reload: String must be one of: none, restart",
        ),
        (
            "transaction.boundary",
            "sometimes",
            "Invalid value sometimes for configuration transaction.boundary: "
            "String must be one of (case insensitive): INTERVAL, POLL, CONNECTOR",
        ),
        ("transforms", "r, r", "Invalid value [r, r] for configuration transforms: Duplicate alias provided."),
    ],
)
def test_faults_are_in_kafka_connects_words(key, value, message):
    (fault,) = SourceConnectorConfig.faults({**MINIMAL, key: value})
    assert (fault.key, fault.message) == (key, message)


def test_a_connectors_own_converter_has_only_its_own_settings():
    worker = WorkerConfig.parse({"value.converter": JSON_CONVERTER, "value.converter.schemas.enable": "true"})
    own = {"value.converter": "StringConverter", "value.converter.converter.encoding": "UTF-16"}
    assert converter(worker, own, "value") == ("StringConverter", {"converter.encoding": "UTF-16"})
    assert converter(worker, {"value.converter": JSON_CONVERTER}, "value") == (JSON_CONVERTER, {})


def test_settings_without_the_converter_itself_do_not_count():
    worker = WorkerConfig.parse({"value.converter": JSON_CONVERTER, "value.converter.schemas.enable": "true"})
    assert converter(worker, {"value.converter.schemas.enable": "false"}, "value") == (
        JSON_CONVERTER,
        {"schemas.enable": "true"},
    )
    assert converter(worker, {"value.converter": " "}, "value") == (JSON_CONVERTER, {"schemas.enable": "true"})
