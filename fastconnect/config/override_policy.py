"""What a connector may set of its tasks' Kafka clients: `producer.override.*`, `consumer.override.*`, `admin.override.*`.

The worker's `connector.client.config.override.policy` says so. Kafka Connect's policies are All (its default), None, Principal
and Allowlist. Our default is Tuning: settings that say how records are batched, compressed, acknowledged, fetched and timed
out, and none that say where a client connects, as whom, or what code and which files it loads. For whoever may write a
connector's config must not thereby get this machine's files or its place in the network (see CVE-2023-25194; Kafka's own
default is to be an allow-list from version 5 on). Some settings no policy allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastconnect.config import librdkafka_properties as librdkafka

_NEVER_OVERRIDDEN = (
    (r"plugin\.library\.paths|ssl\.providers|ssl\.engine\..*", "it loads code into the process"),
    (r"sasl\.kerberos\.kinit\.cmd", "it runs a shell command"),
    (r".*\.(location|file|paths?|keytab)", "it reads a file of this machine"),
    (r".*\.url", "it makes this machine ask any address"),
    (r"sasl\.oauthbearer\.metadata\.authentication\.type", "it hands out this machine's own identity"),
    (r"ssl\.endpoint\.identification\.algorithm|enable\.ssl\.certificate\.verification", "it may turn off who is trusted"),
    (r"enable\.sasl\.oauthbearer\.unsecure\.jwt", "it may turn off who is trusted"),
    (r"debug|log_level|log[._].*", "it writes the logs of this machine"),
    (r"internal\..*|opaque|interceptors|enabled_events|default_topic_conf|.*_cb", "it belongs to the program itself"),
)
"""What a connector's `producer.override.*` may not set under any policy, and why."""

_PRINCIPAL = frozenset({"security.protocol", "sasl.jaas.config", "sasl.mechanism"})


_TUNING_NAMES = """
    acks request.required.acks enable.idempotence max.in.flight max.in.flight.requests.per.connection
    retries message.send.max.retries retry.backoff.ms retry.backoff.max.ms
    batch.size batch.num.messages linger.ms queue.buffering.max.ms sticky.partitioning.linger.ms message.copy.max.bytes
    buffer.memory queue.buffering.max.messages queue.buffering.max.kbytes queue.buffering.backpressure.threshold
    compression.type compression.codec compression.level
    compression.gzip.level compression.lz4.level compression.zstd.level
    message.max.bytes max.request.size receive.message.max.bytes
    partitioner partitioner.class partitioner.ignore.keys
    partitioner.adaptive.partitioning.enable partitioner.availability.timeout.ms
    delivery.timeout.ms message.timeout.ms request.timeout.ms transaction.timeout.ms default.api.timeout.ms max.block.ms
    client.id client.rack
    socket.timeout.ms socket.keepalive.enable socket.nagle.disable socket.max.fails
    socket.send.buffer.bytes socket.receive.buffer.bytes send.buffer.bytes receive.buffer.bytes
    socket.connection.setup.timeout.ms socket.connection.setup.timeout.max.ms
    connections.max.idle.ms reconnect.backoff.ms reconnect.backoff.max.ms reconnect.backoff.jitter.ms
    metadata.max.age.ms metadata.max.idle.ms metadata.recovery.strategy metadata.recovery.rebootstrap.trigger.ms
    topic.metadata.refresh.interval.ms topic.metadata.refresh.fast.interval.ms topic.metadata.refresh.sparse
    topic.metadata.propagation.max.ms
    fetch.min.bytes fetch.max.bytes fetch.wait.max.ms fetch.max.wait.ms fetch.error.backoff.ms fetch.queue.backoff.ms
    fetch.message.max.bytes max.partition.fetch.bytes queued.min.messages queued.max.messages.kbytes check.crcs
    max.poll.records max.poll.interval.ms session.timeout.ms heartbeat.interval.ms
    auto.offset.reset isolation.level group.id partition.assignment.strategy group.protocol
    allow.auto.create.topics exclude.internal.topics
"""

_TUNING = frozenset(_TUNING_NAMES.split())
"""What the policy Tuning allows; by the Java client's names and by librdkafka's."""

_PRINCIPAL = frozenset({"security.protocol", "sasl.jaas.config", "sasl.mechanism"})

POLICIES = ("Tuning", "All", "None", "Principal", "Allowlist")


def simple_name(policy: str) -> str:
    """A policy's name as in POLICIES but in small letters, of that or of its Java class."""
    return policy.strip().rpartition(".")[2].removesuffix("ConnectorClientConfigOverridePolicy").lower()


def _is_known(name: str) -> bool:
    """Whether a client has such a setting; one that none has is told of as mistyped, not as forbidden."""
    return (
        name in librdkafka.RANGES
        or name in librdkafka.ALIASES
        or name in librdkafka.CONSUMER_RANGES
        or name in librdkafka.CONSUMER_ALIASES
        or name.startswith(("ssl.", "sasl.", "security."))
    )


def refusal(name: str, policy: str, allowlist: Iterable[str]) -> str | None:
    """Say why a connector may not override this setting, or None if it may.

    Args:
        policy: the worker's `connector.client.config.override.policy`.
        allowlist: the worker's `connector.client.config.override.allowlist`.
    """
    for pattern, why in _NEVER_OVERRIDDEN:
        if re.fullmatch(pattern, name):
            return f"a connector may not override {name}: {why} (the worker's own config may set it)"
    allowed = {
        "tuning": name in _TUNING or not _is_known(name),
        "all": True,
        "none": False,
        "principal": name in _PRINCIPAL,
        "allowlist": name in set(allowlist),
    }
    if allowed.get(simple_name(policy), False):
        return None
    why = f"the worker's override policy {policy} does not let a connector set {name}"
    if simple_name(policy) in ("tuning", "allowlist"):
        why += (
            " (to allow it, set connector.client.config.override.policy in the worker's config: to All, or to Allowlist with "
            f"{name} in connector.client.config.override.allowlist)"
        )
    return why
