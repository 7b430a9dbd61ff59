from __future__ import annotations

import pytest

from fastconnect.config.distributed import DistributedConfig, topic_settings
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError

NEEDED = {
    "group.id": "g",
    "config.storage.topic": "configs",
    "offset.storage.topic": "offsets",
    "status.storage.topic": "statuses",
}

OF_KAFKA_CONNECT = {
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "bootstrap.servers": "a:9092,b:9092",
    "offset.storage.replication.factor": "1",
    "offset.flush.interval.ms": "10000",
    "client.id": "",
    "request.timeout.ms": "40000",
    "retry.backoff.ms": "100",
    "metadata.max.age.ms": "300000",
    "connections.max.idle.ms": "540000",
    "send.buffer.bytes": "131072",
    "receive.buffer.bytes": "32768",
    "reconnect.backoff.max.ms": "1000",
    "metadata.recovery.strategy": "rebootstrap",
    "client.dns.lookup": "use_all_dns_ips",
    "sasl.mechanism": "SCRAM-SHA-512",
    "security.protocol": "SASL_SSL",
    "sasl.jaas.config": 'org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="p";',
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": "/etc/ca.pem",
}


def parse(**changes: str) -> DistributedConfig:
    return DistributedConfig.of(
        WorkerConfig.parse({**NEEDED, **{key.replace("_", "."): value for key, value in changes.items()}})
    )


def test_its_defaults_are_those_of_kafka_connect_but_for_the_wait_for_lost_workers():
    config = parse()

    assert (config.session_timeout_ms, config.heartbeat_interval_ms, config.rebalance_timeout_ms) == (10_000, 3_000, 60_000)
    assert (config.config_storage_replication_factor, config.offset_storage_partitions) == (3, 25)
    assert (config.connect_protocol, config.inter_worker_key_ttl_ms) == ("sessioned", 3_600_000)
    assert config.scheduled_rebalance_max_delay_ms == 0


def test_everything_that_is_missing_is_told_at_once():
    with pytest.raises(ConfigError) as error:
        DistributedConfig.of(WorkerConfig.parse({}))

    assert [fault.key for fault in error.value.faults] == list(NEEDED)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"status_storage_topic": "configs"}, "config.storage.topic"),
        ({"heartbeat_interval_ms": "10000"}, "heartbeat.interval.ms"),
        ({"inter_worker_signature_algorithm": "HmacSHA512"}, "inter.worker.signature.algorithm"),
        ({"connect_protocol": "newest"}, "connect.protocol"),
        ({"security_protocol": "HTTPS"}, "security.protocol"),
    ],
    ids=["one topic for two", "heartbeat", "signature", "protocol", "client"],
)
def test_what_cannot_be_is_refused_by_its_key(changes, key):
    with pytest.raises(ConfigError) as error:
        parse(**changes)

    assert [fault.key for fault in error.value.faults] == [key]


def test_a_worker_file_of_kafka_connect_is_taken_without_a_warning():
    worker = WorkerConfig.parse({**NEEDED, **OF_KAFKA_CONNECT}).as_distributed()

    assert worker.warnings == []
    assert worker.distributed
    client = DistributedConfig.of(worker).client
    assert client["bootstrap.servers"] == "a:9092,b:9092"
    assert (client["sasl.username"], client["sasl.password"]) == ("u", "p")
    assert client["ssl.ca.location"] == "/etc/ca.pem"


def test_all_that_has_no_effect_is_told_in_one_warning():
    given = {
        **NEEDED,
        "plugin.path": "/x",
        "plugin.discovery": "only_scan",
        "metrics.num.samples": "2",
        "offset.storage.topc": "x",
    }
    (warning,) = WorkerConfig.parse(given).as_distributed().warnings

    assert "plugin.path, plugin.discovery (plugins are found" in warning
    assert "metrics.num.samples (there is no JMX)" in warning


def test_a_standalone_worker_says_that_these_keys_are_for_others():
    warnings = WorkerConfig.parse(NEEDED).warnings

    assert warnings[0] == "group.id has no effect: it is for distributed workers (fastconnect run --distributed)"
    assert len(warnings) == len(NEEDED)


def test_variables_of_config_providers_are_replaced(tmp_path):
    file = tmp_path / "secrets.properties"
    file.write_text("group=from a file\n")
    config = parse(
        config_providers="file",
        config_providers_file_class="org.apache.kafka.common.config.provider.FileConfigProvider",
        config_providers_file_param_allowed_paths=str(tmp_path),
        group_id=f"${{file:{file}:group}}",
    )

    assert config.group_id == "from a file"


def test_a_topics_further_settings_are_those_behind_its_prefix():
    originals = {
        **NEEDED,
        "offset.storage.retention.ms": "1",
        "offset.storage.partitions": "3",
        "offset.storage.cleanup.policy": "delete",
        "offset.storage.file.filename": "/x",
        "status.storage.min.insync.replicas": "2",
    }

    assert topic_settings("offset", originals) == {"segment.bytes": "1048576", "retention.ms": "1"}
    assert topic_settings("status", originals) == {"min.insync.replicas": "2"}
    assert topic_settings("config", originals) == {}


def test_the_offset_topic_has_small_segments_so_that_it_stays_short_unless_the_worker_file_says_otherwise():
    assert topic_settings("offset", {}) == {"segment.bytes": "1048576"}
    assert topic_settings("offset", {"offset.storage.segment.bytes": "5000000"}) == {"segment.bytes": "5000000"}
