"""Config classes as Kafka Connect's REST API shows them."""

from __future__ import annotations

from typing import Annotated

from fastconnect.api.config import Config, Duration, Meta, Secret, field
from fastconnect.api.config_def import config_keys


class ShownConfig(Config):
    topic: Annotated[str, Meta(description="Where it goes.", extra_json_schema={"importance": "LOW"})]
    batch_size: Annotated[
        int,
        Meta(
            ge=1,
            description="How many.",
            extra_json_schema={
                "group": "Polling",
                "order": 2,
                "width": "SHORT",
                "display_name": "Batch",
                "dependents": ["topic"],
            },
        ),
    ] = 2000
    names: list[str] = field(default_factory=list)
    file: str | None = None
    password: Secret = Secret("changeit")
    wait: Duration = 5_000
    parts: dict[str, int] = field(default_factory=dict)
    log: bool = False


def shown(name):
    return next(key.to_json() for key in config_keys(ShownConfig) if key.name == name)


def test_a_definition_has_kafka_connects_fields_in_their_order():
    assert list(shown("batch.size").items()) == [
        ("name", "batch.size"),
        ("type", "INT"),
        ("required", False),
        ("default_value", "2000"),
        ("importance", "MEDIUM"),
        ("documentation", "How many."),
        ("group", "Polling"),
        ("order_in_group", 2),
        ("width", "SHORT"),
        ("display_name", "Batch"),
        ("dependents", ["topic"]),
    ]


def test_what_is_not_said_has_kafka_connects_defaults():
    assert shown("topic") == {
        "name": "topic",
        "type": "STRING",
        "required": True,
        "default_value": None,
        "importance": "LOW",
        "documentation": "Where it goes.",
        "group": None,
        "order_in_group": -1,
        "width": "NONE",
        "display_name": "topic",
        "dependents": [],
    }


def test_defaults_are_shown_as_a_config_would_have_them():
    defaults = {key.name: (key.type, key.default_value) for key in config_keys(ShownConfig)}
    assert defaults == {
        "topic": ("STRING", None),
        "batch.size": ("INT", "2000"),
        "names": ("LIST", ""),
        "file": ("STRING", None),
        "password": ("PASSWORD", "[hidden]"),
        "wait": ("LONG", "5000"),
        "parts": ("STRING", "{}"),
        "log": ("BOOLEAN", "false"),
    }


def test_a_key_inside_another_plugins_config_has_that_ones_prefix():
    key = config_keys(ShownConfig)[1].prefixed("value.converter.")
    assert (key.name, key.display_name) == ("value.converter.batch.size", "Batch")
