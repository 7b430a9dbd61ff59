"""Kafka client settings under Java's names, turned into librdkafka's."""

from __future__ import annotations

import ctypes

import pytest

from fastconnect import librdkafka
from fastconnect.config.client import Originals, Setting, hide_secrets, to_consumer, to_librdkafka
from fastconnect.config.librdkafka_properties import RANGES

PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="jo" password="s3\\"cret";'
SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required\n  username="jo"\n  password="pw" ;'
OAUTH = (
    'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="c" clientSecret="s" scope="a b";'
)
KERBEROS = 'com.sun.security.auth.module.Krb5LoginModule required keyTab="/etc/k.keytab" principal="jo@X" serviceName=kafka;'


def translate_all(settings, prefix="producer.", defaults=None):
    return to_librdkafka([Setting(prefix + name, name, value) for name, value in settings.items()], defaults or {})


TRANSLATED = [
    ({"linger.ms": "5"}, {"linger.ms": "5"}),
    ({"linger.ms": "0.5"}, {"linger.ms": "0.5"}),
    ({"queue.buffering.max.ms": "5"}, {"linger.ms": "5"}),
    ({"acks": "-1"}, {"acks": "-1"}),
    ({"acks": " ALL "}, {"acks": "all"}),
    ({"request.required.acks": "all"}, {"acks": "all"}),
    ({"delivery.timeout.ms": "120000"}, {"message.timeout.ms": "120000"}),
    ({"delivery.timeout.ms": "2147483647"}, {"message.timeout.ms": "0"}),
    ({"buffer.memory": "33554432"}, {"queue.buffering.max.kbytes": "32768"}),
    ({"max.request.size": "2097152"}, {"message.max.bytes": "2097152"}),
    ({"send.buffer.bytes": "-1"}, {"socket.send.buffer.bytes": "0"}),
    ({"receive.buffer.bytes": "32768"}, {"socket.receive.buffer.bytes": "32768"}),
    ({"connections.max.idle.ms": "-1"}, {"connections.max.idle.ms": "0"}),
    ({"compression.type": "zstd", "compression.zstd.level": "3"}, {"compression.type": "zstd", "compression.level": "3"}),
    ({"enable.idempotence": "TRUE"}, {"enable.idempotence": "true"}),
    ({"max.in.flight.requests.per.connection": "1"}, {"max.in.flight.requests.per.connection": "1"}),
    ({"security.protocol": "SASL_SSL"}, {"security.protocol": "SASL_SSL"}),
    (
        {"sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN},
        {"sasl.mechanism": "PLAIN", "sasl.username": "jo", "sasl.password": 's3"cret'},
    ),
    ({"sasl.jaas.config": SCRAM}, {"sasl.username": "jo", "sasl.password": "pw"}),
    (
        {"sasl.jaas.config": OAUTH, "sasl.oauthbearer.token.endpoint.url": "https://x/token"},
        {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": "c",
            "sasl.oauthbearer.client.secret": "s",
            "sasl.oauthbearer.scope": "a b",
            "sasl.oauthbearer.token.endpoint.url": "https://x/token",
        },
    ),
    (
        {"sasl.jaas.config": KERBEROS},
        {"sasl.kerberos.keytab": "/etc/k.keytab", "sasl.kerberos.principal": "jo@X", "sasl.kerberos.service.name": "kafka"},
    ),
    ({"ssl.truststore.type": "PEM", "ssl.truststore.location": "/ca"}, {"ssl.ca.location": "/ca"}),
    ({"ssl.truststore.location": "/ca.pem"}, {"ssl.ca.location": "/ca.pem"}),
    ({"ssl.truststore.certificates": "-----BEGIN"}, {"ssl.ca.pem": "-----BEGIN"}),
    (
        {"ssl.keystore.type": "PEM", "ssl.keystore.location": "/me.pem", "ssl.key.password": "pw"},
        {"ssl.certificate.location": "/me.pem", "ssl.key.location": "/me.pem", "ssl.key.password": "pw"},
    ),
    (
        {"ssl.keystore.type": "PKCS12", "ssl.keystore.location": "/me.p12", "ssl.keystore.password": "pw"},
        {"ssl.keystore.location": "/me.p12", "ssl.keystore.password": "pw"},
    ),
    (
        {"ssl.keystore.certificate.chain": "-----C", "ssl.keystore.key": "-----K"},
        {"ssl.certificate.pem": "-----C", "ssl.key.pem": "-----K"},
    ),
    ({"ssl.endpoint.identification.algorithm": ""}, {"ssl.endpoint.identification.algorithm": "none"}),
    ({"partitioner": "random"}, {"partitioner": "random"}),
    ({"partitioner.ignore.keys": "true"}, {"partitioner": "random"}),
    ({"partitioner.ignore.keys": "false", "partitioner.class": ""}, {}),
    ({"batch.size": "16384", "retries": "3"}, {"batch.size": "16384", "retries": "3"}),
]


@pytest.mark.parametrize(("settings", "properties"), TRANSLATED, ids=",".join)
def test_a_java_setting_becomes_librdkafkas(settings, properties):
    found = translate_all(settings)
    assert (found.properties, found.faults) == (properties, [])


@pytest.mark.parametrize(("settings", "properties"), TRANSLATED, ids=",".join)
def test_librdkafka_takes_what_came_out(settings, properties):
    library = librdkafka.load()
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    why = ctypes.create_string_buffer(512)
    for name, value in properties.items():
        if not value.startswith("-----"):  # no real certificate
            assert library.rd_kafka_conf_set(conf, name.encode(), value.encode(), why, len(why)) == 0, why.value
    library.rd_kafka_conf_destroy(conf)


def test_every_property_of_librdkafka_is_known_or_refused_for_a_reason():
    for name in RANGES:
        found = translate_all({name: "1"})
        assert not any("is no setting of a Kafka producer" in fault.message for fault in found.faults), name


REFUSED = [
    ({"linger.ms": "five"}, "Invalid value five for configuration linger.ms: Not a number of type DOUBLE"),
    ({"batch.size": "big"}, "Invalid value big for configuration batch.size: Not a number of type LONG"),
    ({"batch.size": "0"}, "Invalid value 0 for configuration batch.size: Value must be at least 1"),
    ({"compression.level": "99"}, "Invalid value 99 for configuration compression.level: Value must be no more than 12"),
    (
        {"compression.type": "zip"},
        "Invalid value zip for configuration compression.type: String must be one of: none, gzip, snappy, lz4, zstd",
    ),
    (
        {"enable.idempotence": "yes"},
        "Invalid value yes for configuration enable.idempotence: Expected value to be either true or false",
    ),
    ({"acks": "some"}, "Invalid value some for configuration acks: Not a number of type LONG"),
    ({"linger.mss": "5"}, "linger.mss is no setting of a Kafka producer; did you mean linger.ms?"),
    ({"frobnicate": "5"}, "frobnicate is no setting of a Kafka producer"),
    ({"enable.auto.commit": "true"}, "enable.auto.commit is no setting of a Kafka producer"),
    ({"acks": "1", "enable.idempotence": "true"}, "acks=1 cannot go together with enable.idempotence=true"),
    ({"retries": "0", "enable.idempotence": "true"}, "retries=0 cannot go together with enable.idempotence=true"),
    (
        {"transactional.id": "x"},
        "transactional.id cannot be set: the runtime names its transactions itself; see exactly.once.support",
    ),
    (
        {"delivery.report.only.error": "true"},
        "delivery.report.only.error cannot be set: offsets are flushed by the reports of successes",
    ),
    (
        {"sasl.client.callback.handler.class": "X"},
        "sasl.client.callback.handler.class names a Java class, which cannot run here",
    ),
    ({"ssl.engine.factory.class": "X"}, "ssl.engine.factory.class names a Java class, which cannot run here"),
    ({"sasl.jaas.config": "com.sun.security.auth.module.JndiLoginModule required x=y;"}, "is Java code, which cannot run here"),
    ({"sasl.jaas.config": "nonsense"}, "not a JAAS entry"),
    ({"ssl.truststore.location": "/ca.jks"}, "a truststore of type JKS cannot be read here"),
    (
        {"ssl.truststore.location": "/ca.p12", "ssl.truststore.type": "PKCS12"},
        "a truststore of type PKCS12 cannot be read here",
    ),
    ({"ssl.keystore.location": "/me.jks"}, "a keystore of type JKS cannot be read here"),
    ({"partitioner.class": "com.acme.Mine"}, "com.acme.Mine is a Java class, which cannot run here"),
]


@pytest.mark.parametrize(("settings", "problem"), REFUSED, ids=lambda item: str(item)[:40])
def test_a_setting_that_cannot_be_honoured_is_a_fault(settings, problem):
    (fault,) = translate_all(settings).faults
    assert problem in fault.message
    assert fault.key.removeprefix("producer.") in settings


def test_all_faults_come_at_once():
    faults = translate_all({"linger.ms": "x", "acks": "y", "frobnicate": "z"}).faults
    assert [fault.key for fault in faults] == ["producer.linger.ms", "producer.acks", "producer.frobnicate"]


@pytest.mark.parametrize(
    "name",
    [
        "key.serializer",
        "value.serializer",
        "max.block.ms",
        "metric.reporters",
        "metrics.num.samples",
        "interceptor.classes",
        "partitioner.adaptive.partitioning.enable",
        "partitioner.availability.timeout.ms",
        "metadata.max.idle.ms",
        "socket.connection.setup.timeout.max.ms",
        "ssl.protocol",
        "ssl.enabled.protocols",
        "ssl.trustmanager.algorithm",
        "sasl.login.refresh.buffer.seconds",
        "sasl.kerberos.ticket.renew.jitter",
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
    ],
)
def test_what_only_the_java_client_does_is_left_out_with_a_warning(name):
    found = translate_all({name: "1"})
    assert (found.properties, found.faults) == ({}, [])
    assert found.warnings == [
        f"producer.{name} has no meaning here and is left out: it is about the Java client's own workings"
    ]


def test_a_java_value_beyond_librdkafkas_limit_is_cut_with_a_warning():
    found = translate_all({"request.timeout.ms": "2147483647", "retry.backoff.ms": "0"})
    assert found.properties == {"request.timeout.ms": "900000", "retry.backoff.ms": "1"}
    assert found.warnings == [
        "producer.request.timeout.ms=2147483647 is beyond librdkafka's limit; 900000 is used",
        "producer.retry.backoff.ms=0 is beyond librdkafka's limit; 1 is used",
    ]


@pytest.mark.parametrize(
    "settings", [{"acks": "1"}, {"acks": "0"}, {"retries": "0"}, {"max.in.flight.requests.per.connection": "20"}]
)
def test_what_speaks_against_idempotence_turns_its_default_off_with_a_warning(settings):
    found = translate_all(settings, defaults={"enable.idempotence": "true"})
    assert found.properties["enable.idempotence"] == "false"
    assert "turns off enable.idempotence" in found.warnings[0]
    assert not found.faults


def test_idempotence_that_is_off_anyway_needs_no_warning():
    assert translate_all({"acks": "1", "enable.idempotence": "false"}).warnings == []


def test_a_later_setting_replaces_an_earlier_one_under_whatever_name():
    settings = [
        Setting("producer.max.request.size", "max.request.size", "1000"),
        Setting("producer.message.max.bytes", "message.max.bytes", "2000"),
        Setting("producer.override.max.request.size", "max.request.size", "3000"),
    ]
    assert to_librdkafka(settings, {"message.max.bytes": "1"}).properties == {"message.max.bytes": "3000"}


def test_a_secret_is_in_no_fault():
    found = translate_all(
        {"sasl.jaas.config": "x hunter2", "sasl.oauthbearer.client.secret": "hunter2", "ssl.key.password": "hunter2"}
    )
    assert "hunter2" not in str(found.faults) + str(found.warnings)


def test_hidden_properties_may_be_logged():
    properties = {"acks": "all", "sasl.password": "hunter2", "ssl.key.pem": "hunter2", "sasl.jaas.config": "hunter2"}
    assert hide_secrets(properties) == {
        "acks": "all",
        "sasl.password": "[hidden]",
        "ssl.key.pem": "[hidden]",
        "sasl.jaas.config": "[hidden]",
    }
    assert "hunter2" not in repr(Originals(properties))
    assert hide_secrets({"sasl.oauthbearer.token.endpoint.url": "https://x"}) == {
        "sasl.oauthbearer.token.endpoint.url": "https://x"
    }


def test_a_connector_cannot_name_a_keytab_by_way_of_jaas():
    (fault,) = translate_all({"sasl.jaas.config": KERBEROS}, prefix="producer.override.").faults
    assert "may not override the keyTab" in fault.message


@pytest.mark.parametrize(
    ("given", "fetch", "message"),
    [("500000", "500000", "500000"), ("500", "1000", "1000"), ("1000000", "1000000", None), ("8000000", "8000000", None)],
)
def test_a_consumer_may_fetch_less_at_once_than_librdkafka_takes_a_message_to_be(given, fetch, message):
    setting = Setting("consumer.override.fetch.max.bytes", "fetch.max.bytes", given)
    properties = to_consumer([setting], {}).properties
    assert (properties["fetch.max.bytes"], properties.get("message.max.bytes")) == (fetch, message)
