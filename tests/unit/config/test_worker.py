"""Worker configs: Kafka Connect's files as they are, and our own keys."""

from __future__ import annotations

import pytest

from fastconnect.config.properties import parse_properties
from fastconnect.config.worker import JSON_CONVERTER, SIMPLE_HEADER_CONVERTER, WorkerConfig, under
from fastconnect.errors import ConfigError

STANDALONE = """
# as a worker file for Kafka Connect standalone usually looks
bootstrap.servers=localhost:9092,localhost:9093
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
key.converter.schemas.enable=true
value.converter.converter.encoding=UTF-8
offset.storage.file.filename=/tmp/connect.offsets
offset.flush.interval.ms=10000
plugin.path=/usr/local/share/java
"""

DISTRIBUTED = """
bootstrap.servers=localhost:9092
group.id=connect-cluster
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
config.storage.topic=connect-configs
config.storage.replication.factor=1
status.storage.topic=connect-status
status.storage.replication.factor=1
offset.flush.interval.ms=10000
listeners=HTTP://:8083
rest.advertised.host.name=me
exactly.once.source.support=enabled
config.providers=file
config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="hunter2";
ssl.client.auth=none
producer.max.request.size=2097152
producer.key.serializer=whatever
consumer.max.poll.records=10
admin.retries=3
metric.reporters=
client.id=me
scheduled.rebalance.max.delay.ms=0
"""


def test_a_standalone_worker_file_is_read_as_it_is():
    worker = WorkerConfig.parse(parse_properties(STANDALONE))
    assert worker.bootstrap_servers == ["localhost:9092", "localhost:9093"]
    assert worker.offset_storage_file_filename == "/tmp/connect.offsets"
    assert worker.offset_flush_interval_ms == 10_000
    assert worker.warnings == ["plugin.path has no effect: plugins are found by the entry points of installed Python packages"]


def test_a_distributed_worker_file_is_taken_with_a_warning_for_each_key_without_effect():
    worker = WorkerConfig.parse(parse_properties(DISTRIBUTED))
    warned = {warning.partition(" ")[0] for warning in worker.warnings}
    given = set(parse_properties(DISTRIBUTED))
    assert given - warned == {
        "bootstrap.servers",
        "key.converter",
        "value.converter",
        "offset.flush.interval.ms",
        "consumer.max.poll.records",
        "security.protocol",
        "sasl.mechanism",
        "sasl.jaas.config",
        "producer.max.request.size",
        "admin.retries",
        "config.providers",
        "config.providers.file.class",
        "listeners",
        "rest.advertised.host.name",
        "ssl.client.auth",
    }
    assert not any("is not known" in warning for warning in worker.warnings)


def test_an_unknown_key_is_a_warning_with_the_nearest_known_one():
    worker = WorkerConfig.parse({"offset.flush.intervall.ms": "5", "frobnicate": "x"})
    assert worker.warnings == [
        "offset.flush.intervall.ms is not known to a worker; did you mean offset.flush.interval.ms?",
        "frobnicate is not known to a worker",
    ]


def test_an_empty_worker_config_has_our_defaults(monkeypatch):
    monkeypatch.setenv("FASTCONNECT_HOME", "/srv/fc")
    worker = WorkerConfig.parse({})
    assert worker.bootstrap_servers == []
    assert worker.offset_storage_file_filename == "/srv/fc/offsets.sqlite"
    assert (worker.offset_flush_interval_ms, worker.offset_flush_timeout_ms) == (1_000, 5_000)
    assert worker.task_shutdown_graceful_timeout_ms == 5_000
    assert (worker.restart_backoff_initial_ms, worker.restart_backoff_max_ms) == (100, 30_000)
    assert (worker.restart_healthy_after_ms, worker.restart_max_failures) == (60_000, 5)
    assert (worker.plugin_preload, worker.slots_max) == ([], 1_024)
    assert worker.warnings == []


def test_all_faults_of_a_worker_come_at_once():
    with pytest.raises(ConfigError) as refusal:
        WorkerConfig.parse({"offset.flush.interval.ms": "soon", "slots.max": "0"})
    assert [fault.key for fault in refusal.value.faults] == ["offset.flush.interval.ms", "slots.max"]
    assert str(refusal.value).startswith("worker config: the configuration has 2 faults")


def test_bad_producer_settings_are_found_when_the_worker_is_read():
    with pytest.raises(ConfigError) as refusal:
        WorkerConfig.parse({"producer.linger.mss": "5", "producer.acks": "some", "ssl.truststore.location": "/ca.jks"})
    assert {fault.key for fault in refusal.value.faults} == {"producer.linger.mss", "producer.acks", "ssl.truststore.location"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("connector.client.config.override.policy", "Some"), ("restart.backoff.initial.ms", "40s")],
)
def test_a_value_that_contradicts_another_is_a_fault(key, value):
    assert [fault.key for fault in WorkerConfig.faults({key: value})] == [key]


@pytest.mark.parametrize("policy", ["All", "none", "Allowlist", "a.b.PrincipalConnectorClientConfigOverridePolicy"])
def test_an_override_policy_may_be_named_short_or_by_its_class(policy):
    assert WorkerConfig.faults({"connector.client.config.override.policy": policy}) == []


def test_converters_that_nobody_names_write_plain_json():
    worker = WorkerConfig.parse({})
    assert worker.converter("key") == worker.converter("value") == (JSON_CONVERTER, {"schemas.enable": "false"})
    assert worker.converter("header") == (SIMPLE_HEADER_CONVERTER, {})


def test_a_named_converter_has_the_settings_below_its_key_and_its_own_defaults():
    worker = WorkerConfig.parse(parse_properties(STANDALONE))
    assert worker.converter("key") == (JSON_CONVERTER, {"schemas.enable": "true"})
    assert worker.converter("value") == ("org.apache.kafka.connect.storage.StringConverter", {"converter.encoding": "UTF-8"})
    assert WorkerConfig.parse({"value.converter": JSON_CONVERTER}).converter("value") == (JSON_CONVERTER, {})


def test_settings_of_a_converter_that_is_not_named_are_over_our_default():
    worker = WorkerConfig.parse({"value.converter.schemas.enable": "true"})
    assert worker.converter("value") == (JSON_CONVERTER, {"schemas.enable": "true"})
    assert worker.warnings == []


def test_producers_get_the_workers_security_then_their_own_settings():
    worker = WorkerConfig.parse(
        {"security.protocol": "SSL", "ssl.key.password": "a", "producer.ssl.key.password": "b", "bootstrap.servers": "k:1"}
    )
    assert [(setting.key, setting.value) for setting in worker.producer_settings()] == [
        ("bootstrap.servers", "k:1"),
        ("security.protocol", "SSL"),
        ("ssl.key.password", "a"),
        ("producer.ssl.key.password", "b"),
    ]


def test_producers_with_servers_of_their_own_do_not_get_the_workers_security():
    worker = WorkerConfig.parse(
        {"security.protocol": "SSL", "bootstrap.servers": "k:1", "producer.bootstrap.servers": "other:1"}
    )
    assert [setting.key for setting in worker.producer_settings()] == ["bootstrap.servers", "producer.bootstrap.servers"]


def test_servers_that_are_found_later_can_be_put_in():
    worker = WorkerConfig.parse({"producer.linger.ms": "1"}).replace(bootstrap_servers=["127.0.0.1:5"])
    assert [setting.value for setting in worker.producer_settings()] == ["127.0.0.1:5", "1"]


def test_a_printed_worker_config_shows_no_secret():
    worker = WorkerConfig.parse(parse_properties(DISTRIBUTED))
    assert "hunter2" not in repr(worker)
    assert "hunter2" in worker.originals["sasl.jaas.config"]


def test_keys_under_a_prefix_are_without_it_and_nulls_are_left_out():
    assert under("a.", {"a.b": "1", "a.": "2", "ab": "3", "a.c": None}) == {"b": "1"}
