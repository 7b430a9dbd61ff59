"""The worker's configuration: Kafka Connect's worker files as they are, and the keys that only fastconnect has.

A key of Kafka Connect that has no meaning here, or none yet, is a warning, never a fault: a worker file must run unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self, TypeAlias

from fastconnect import paths
from fastconnect.api.config import Bytes, ClassName, Config, Duration, Fault, Meta, field
from fastconnect.config.client import Originals, Setting
from fastconnect.config.override_policy import POLICIES, simple_name
from fastconnect.nearest import did_you_mean

ConverterKind: TypeAlias = Literal["key", "value", "header"]

JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
SIMPLE_HEADER_CONVERTER = "org.apache.kafka.connect.storage.SimpleHeaderConverter"

CONVERTER_KEYS: dict[ConverterKind, str] = {kind: f"{kind}.converter" for kind in ("key", "value", "header")}

_DEFAULT_CONVERTERS: dict[ConverterKind, tuple[str, dict[str, str]]] = {
    # Kafka Connect demands a choice here. Most people choose JSON, and turn off the schema in every record.
    "key": (JSON_CONVERTER, {"schemas.enable": "false"}),
    "value": (JSON_CONVERTER, {"schemas.enable": "false"}),
    "header": (SIMPLE_HEADER_CONVERTER, {}),
}

_SERVER = re.compile(r"(?:[a-zA-Z0-9._-]+://)?\[?[0-9a-zA-Z\-%._:]*\]?:[0-9]+")  # as Kafka's Utils.HOST_PORT_PATTERN
_SECURITY = re.compile(r"security\.protocol|sasl\..*|ssl\.(?!client\.auth).*")

_DISTRIBUTED_ONLY = "it is for distributed workers (fastconnect run --distributed)"
_NO_CLIENT = "the worker itself has no Kafka client; for the tasks' clients put `producer.` or `consumer.` before it"

# Kafka Connect's worker keys that do nothing here, and why; the first that matches counts.
_WITHOUT_MEANING = (
    (r"plugin\.path|plugin\.discovery", "plugins are found by the entry points of installed Python packages"),
    (
        r"(config|offset|status)\.storage\..*|group\.id|connect\.protocol|inter\.worker\..*|session\.timeout\.ms"
        r"|heartbeat\.interval\.ms|rebalance\.timeout\.ms|worker\.(un)?sync\..*|scheduled\.rebalance\..*",
        _DISTRIBUTED_ONLY,
    ),
    (r"exactly\.once\.source\.support", "records are delivered at least once so far"),
    (r"rest\.extension\.classes", "they are Java classes; for users and passwords there is rest.auth.file"),
    (r"metric\.reporters|metrics\..*|auto\.include\.jmx\.reporter", "there is no JMX"),
    (r"(key|value|header)\.converter\.plugin\.version", "of a converter only the installed version can be used"),
    (
        r"client\.id|client\.dns\.lookup|metadata\..*|request\.timeout\.ms|re(connect|try)\.backoff\..*"
        r"|connections\.max\.idle\.ms|(send|receive)\.buffer\.bytes|socket\..*|default\.api\.timeout\.ms",
        _NO_CLIENT,
    ),
    (r"internal\.(key|value)\.converter.*", "Kafka Connect itself has no such setting any more"),
)


class WorkerConfig(Config):
    """The configuration of a worker; `originals` is all that was given, for the keys with free names (`producer.*`)."""

    bootstrap_servers: Annotated[
        list[str],
        Meta(description="The Kafka to write to, host:port. Where none is given, an embedded broker is started."),
    ] = field(default_factory=list)
    bootstrap_timeout_ms: Annotated[
        Duration, Meta(ge=0, description="How long a starting task waits for the first answer of a broker before it fails.")
    ] = 60_000
    key_converter: Annotated[ClassName, Meta(description="Makes bytes of keys where a connector names no converter.")] = (
        JSON_CONVERTER
    )
    value_converter: Annotated[ClassName, Meta(description="Makes bytes of values where a connector names no converter.")] = (
        JSON_CONVERTER
    )
    header_converter: Annotated[
        ClassName, Meta(description="Makes bytes of header values where a connector names no converter.")
    ] = SIMPLE_HEADER_CONVERTER

    offset_storage_file_filename: Annotated[
        str, Meta(description="The SQLite file with the source offsets; by default in the user-data folder.", min_length=1)
    ] = field(default_factory=lambda: str(paths.default_offsets_file()))
    offset_flush_interval_ms: Annotated[
        Duration, Meta(ge=1, description="How often the offsets of delivered records are written: what a crash may send twice.")
    ] = 1_000
    offset_flush_timeout_ms: Annotated[
        Duration, Meta(ge=1, description="How long one write of offsets may take before it is given up and tried again later.")
    ] = 5_000

    task_shutdown_graceful_timeout_ms: Annotated[
        Duration,
        Meta(ge=0, description="How long all tasks together may take to deliver and flush what they have when stopped."),
    ] = 5_000
    restart_backoff_initial_ms: Annotated[
        Duration,
        Meta(ge=0, description="How long the first restart of a task waits after it has died or failed; then it doubles."),
    ] = 100
    restart_backoff_max_ms: Annotated[Duration, Meta(ge=0, description="The longest wait before a restart.")] = 30_000
    restart_healthy_after_ms: Annotated[
        Duration, Meta(ge=0, description="A task that ran so long begins again with the first wait and no failures counted.")
    ] = 60_000
    restart_max_failures: Annotated[
        int, Meta(ge=-1, description="After so many failures in a row a task stays FAILED; -1: it is restarted for ever.")
    ] = 5
    connector_timeout_ms: Annotated[
        Duration,
        Meta(
            ge=1,
            description="How long a connector's own code may take for one answer: to validate a config, to divide the work, to "
            "check offsets. Then its process is killed, and that one request fails.",
        ),
    ] = 60_000
    task_memory_max: Annotated[
        Bytes,
        Meta(
            ge=0,
            description="The most memory that a task's process may ask for, so that one connector cannot eat all there is; "
            "beyond it the task fails. Some 100 MB are for the Kafka client, though it uses few of them. 0: no limit.",
        ),
    ] = 0
    slots_max: Annotated[
        int, Meta(ge=1, le=65_536, description="How many tasks may run at once; a page of shared memory is kept for each.")
    ] = 1_024
    plugin_preload: Annotated[
        list[str],
        Meta(
            description="Connectors and converters whose code is imported once, before tasks are forked: they start faster and "
            "share memory. Only for code that starts no thread when it is imported."
        ),
    ] = field(default_factory=list)

    log_format: Annotated[
        Literal["plain", "json"],
        Meta(description="How log lines are written: for people, or one JSON object a line. --log-format goes before it."),
    ] = "plain"

    topic_creation_enable: Annotated[
        bool, Meta(description="Whether sources may have missing topics created as their `topic.creation.*` keys say.")
    ] = True
    connector_client_config_override_policy: Annotated[
        str,
        Meta(
            description="What a connector may set of its Kafka clients: Tuning (batching, compression, acks, fetching and "
            "timeouts), All (but for what loads code or reads files), None, Principal, or Allowlist. Kafka Connect has All."
        ),
    ] = "Tuning"
    connector_client_config_override_allowlist: Annotated[
        list[str], Meta(description="The settings that a connector may override under the policy Allowlist.")
    ] = field(default_factory=list)

    _originals: Originals = field(default_factory=Originals)
    _warnings: list[str] = field(default_factory=list)
    _distributed: bool = False

    @classmethod
    def parse(cls, props: Mapping[str, str | None], *, where: str | None = "worker config") -> Self:
        """Make a worker config of Kafka Connect's strings; see `warnings` for the keys that do nothing.

        Raises:
            ConfigError: with everything that is wrong, also with the `producer.*` and `consumer.*` settings.
        """
        return super().parse(props, where=where)

    @classmethod
    def _read(cls, props: Mapping[str, str | None]) -> tuple[Self | None, list[Fault]]:
        config, faults = super()._read(props)
        originals = Originals({key: value for key, value in props.items() if value is not None})
        warnings = _warnings(cls, originals)
        # What a variable stands for is known, and looked at, in the tasks only.
        plain = {key: value for key, value in originals.items() if "${" not in value}
        if settings := _client_settings(plain, "producer"):
            from fastconnect.config.client import to_librdkafka

            producer = to_librdkafka(settings, {})
            faults += producer.faults
            warnings += producer.warnings
        if settings := _own_settings(plain, "consumer"):
            from fastconnect.config.client import to_consumer

            consumer = to_consumer(settings, {})
            faults += consumer.faults
            warnings += consumer.warnings
        if "config.providers" in originals:
            from fastconnect.config.providers import provider_faults

            faults += provider_faults(originals)
        return (None if config is None else config.replace(_originals=originals, _warnings=warnings)), faults

    def check(self) -> Iterable[Fault]:
        """Addresses that are none, a wait that begins above its limit, and a policy that is none."""
        for server in self.bootstrap_servers:
            if not _SERVER.fullmatch(server):
                yield Fault("bootstrap.servers", f"Invalid url in bootstrap.servers: {server} (write it as host:port)")
        if self.restart_backoff_initial_ms > self.restart_backoff_max_ms:
            yield Fault("restart.backoff.initial.ms", "must not be greater than restart.backoff.max.ms")
        policy = self.connector_client_config_override_policy
        if simple_name(policy) not in [name.lower() for name in POLICIES]:
            yield Fault(
                "connector.client.config.override.policy",
                f"Invalid value {policy} for configuration connector.client.config.override.policy: "
                f"String must be one of: {', '.join(POLICIES)}",
            )

    @property
    def originals(self) -> Mapping[str, str]:
        """Everything that was given, as it was given."""
        return self._originals

    @property
    def warnings(self) -> list[str]:
        """What was given but does nothing, and why; one sentence each."""
        return self._warnings

    @property
    def distributed(self) -> bool:
        """Whether it is the config of a member of a group; nothing in a worker file says so, the command does."""
        return self._distributed

    def as_distributed(self) -> Self:
        """The same config for a member of a group; what only such a worker has is no longer said to do nothing.

        What is left without effect, which a worker file of Kafka Connect may well have, is told in one warning.
        """
        only_there = (f" has no effect: {_DISTRIBUTED_ONLY}", f" has no effect: {_NO_CLIENT}")
        told = [warning for warning in self._warnings if not warning.endswith(only_there)]
        idle = [warning for warning in told if " has no effect: " in warning]
        others = [warning for warning in told if warning not in idle]
        reasons: dict[str, list[str]] = {}
        for warning in idle:
            key, _, why = warning.partition(" has no effect: ")
            reasons.setdefault(why, []).append(key)
        if reasons:
            parts = "; ".join(f"{', '.join(keys)} ({why})" for why, keys in reasons.items())
            others.insert(0, f"Settings without effect: {parts}")
        return self.replace(_warnings=others, _distributed=True)

    def converter(self, kind: ConverterKind) -> tuple[str, dict[str, str]]:
        """Return the class name and the settings of the converter for connectors that name none."""
        key = CONVERTER_KEYS[kind]
        settings = under(f"{key}.", self._originals)
        if self._originals.get(key):
            return self._originals[key].strip(), settings
        name, defaults = _DEFAULT_CONVERTERS[kind]
        return name, {**defaults, **settings}

    def resolved(self) -> Self:
        """The same config with the variables of config providers replaced; for the processes of tasks and connectors only.

        Raises:
            ConfigError: one of them cannot be replaced, or what came of it is not usable.
        """
        if not any("${" in value for value in self._originals.values()):
            return self
        from fastconnect.config.providers import Providers

        found = self.parse(Providers.of(self._originals).resolve(self._originals, "worker config"))
        return found.as_distributed() if self._distributed else found

    def producer_settings(self) -> list[Setting]:
        """Return the settings of all tasks' producers, in Kafka's names, those that count more last.

        The worker's own security settings come first: in Kafka Connect they have to be said twice, once with `producer.` before
        them. They are left out where the producers have servers of their own, which may want others.
        """
        return self._settings_of("producer")

    def consumer_settings(self) -> list[Setting]:
        """Return the settings of all sink tasks' consumers, as `producer_settings` does."""
        return self._settings_of("consumer")

    def admin_settings(self) -> list[Setting]:
        """Return the settings of all tasks' admin clients, as `producer_settings` does."""
        return self._settings_of("admin")

    def _settings_of(self, client: str) -> list[Setting]:
        settings = _client_settings(self._originals, client)
        if self.bootstrap_servers:
            settings.insert(0, Setting("bootstrap.servers", "bootstrap.servers", ",".join(self.bootstrap_servers)))
        return settings


def _client_settings(originals: Mapping[str, str], client: str) -> list[Setting]:
    own_servers = f"{client}.bootstrap.servers" in originals
    security = [] if own_servers else [Setting(key, key, value) for key, value in originals.items() if _SECURITY.fullmatch(key)]
    return security + _own_settings(originals, client)


def _own_settings(originals: Mapping[str, str], client: str) -> list[Setting]:
    return [Setting(f"{client}.{name}", name, value) for name, value in under(f"{client}.", originals).items()]


def under(prefix: str, config: Mapping[str, str | None] | Mapping[str, str]) -> dict[str, str]:
    """Return the keys that begin with a prefix, without it, as Kafka's originalsWithPrefix does; nulls are left out."""
    start = len(prefix)
    return {
        key[start:]: value for key, value in config.items() if value is not None and len(key) > start and key.startswith(prefix)
    }


_OTHERS = ("producer.", "consumer.", "admin.", "config.providers")
"""Keys that are read elsewhere: by client.py, admin.py, providers.py."""

_REST = re.compile(
    r"(admin\.)?listeners(\.https\..*)?|rest\.(advertised\..*|auth\.file|insecure|allowed\.hosts)|access\.control\.allow\..*"
    r"|response\.http\.headers\.config|ssl\.client\.auth|topic\.tracking\..*"
)
"""Keys that rest.py reads, when the REST API is started."""


def _warnings(cls: type[Config], originals: Mapping[str, str]) -> list[str]:
    known = {entry.key for entry in cls.fields()}
    free = tuple(f"{key}." for key in CONVERTER_KEYS.values())
    warnings = []
    for key in originals:
        if key in known or key.startswith(_OTHERS) or _SECURITY.fullmatch(key) or _REST.fullmatch(key):
            continue
        why = next((why for pattern, why in _WITHOUT_MEANING if re.fullmatch(pattern, key)), None)
        if why:
            warnings.append(f"{key} has no effect: {why}")
        elif not key.startswith(free):
            warnings.append(f"{key} is not known to a worker{did_you_mean(key, known)}")
    return warnings
