from __future__ import annotations

from pathlib import Path

import pytest

from fastconnect.config import librdkafka_properties as librdkafka
from fastconnect.config.override_policy import _TUNING, refusal
from fastconnect.config.validation import validate
from fastconnect.config.worker import WorkerConfig

GOLDEN = Path(__file__).parent / "override_policy.txt"
ROWS = dict(line.split() for line in GOLDEN.read_text().splitlines() if line and not line.startswith("#"))

ALL_PROPERTIES = {
    *librdkafka.RANGES,
    *librdkafka.ALIASES,
    *librdkafka.CONSUMER_RANGES,
    *librdkafka.CONSUMER_ALIASES,
    *librdkafka.PRODUCER_ONLY,
}


def verdict(name: str) -> str:
    """`tuning`: allowed by default; `all`: by the policy All; `never`: by none."""
    if refusal(name, "Tuning", []) is None:
        return "tuning"
    return "all" if refusal(name, "All", []) is None else "never"


def test_every_property_of_librdkafka_is_in_the_list() -> None:
    assert sorted(ALL_PROPERTIES - ROWS.keys()) == [], "decide about the new ones, and write them into override_policy.txt"


@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_a_connector_may_override_is_as_listed(name: str) -> None:
    assert verdict(name) == ROWS[name]


def test_every_name_that_the_default_policy_allows_is_in_the_list() -> None:
    assert sorted(_TUNING - ROWS.keys()) == []


@pytest.mark.parametrize("name", ["ssl.truststore.location", "ssl.engine.factory.class", "dr_msg_cb", "opaque", "interceptors"])
def test_java_names_and_callbacks_of_the_same_kind_are_refused_too(name: str) -> None:
    assert refusal(name, "All", [name])


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("Tuning", {"linger.ms", "acks"}),
        ("All", {"linger.ms", "sasl.mechanism", "acks"}),
        ("None", set()),
        ("Principal", {"sasl.mechanism"}),
        ("Allowlist", {"acks"}),
        ("org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy", set()),
        ("mistyped", set()),
    ],
)
def test_the_workers_policy_says_what_may_be_overridden(policy: str, allowed: set[str]) -> None:
    names = {"linger.ms", "sasl.mechanism", "acks"}
    assert {name for name in names if refusal(name, policy, ["acks"]) is None} == allowed


def test_a_refusal_says_how_to_allow_it() -> None:
    config = {
        "name": "c",
        "connector.class": "FileStreamSource",
        "topic": "t",
        "producer.override.bootstrap.servers": "elsewhere:9092",
    }
    (fault,) = validate(config, WorkerConfig.parse({})).faults
    assert str(fault) == (
        "producer.override.bootstrap.servers: the worker's override policy Tuning does not let a connector set "
        "bootstrap.servers (to allow it, set connector.client.config.override.policy in the worker's config: to All, or to "
        "Allowlist with bootstrap.servers in connector.client.config.override.allowlist)"
    )
    assert validate(config, WorkerConfig.parse({"connector.client.config.override.policy": "All"})).faults == []
