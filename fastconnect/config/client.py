"""The settings of a Kafka client: from the Java client's names, which Kafka Connect configs use, to librdkafka's.

Both kinds of names are taken. A Java setting without a meaning here is a warning, since a worker file must run unchanged; a
setting that neither knows is a fault, since a mistyped `acks` must not pass. What a connector may override is in
`override_policy.py`, where settings come from in `connector.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import msgspec

from fastconnect.api.config_types import HIDDEN
from fastconnect.config.librdkafka_properties import (
    ALIASES,
    CONSUMER_ALIASES,
    CONSUMER_RANGES,
    PRODUCER_ONLY,
    RANGES,
)
from fastconnect.errors import Fault
from fastconnect.nearest import did_you_mean


class Setting(msgspec.Struct, frozen=True):
    """One setting as it was written."""

    key: str
    """The whole key, for faults: `producer.override.linger.ms`."""
    name: str
    """The key without its prefix."""
    value: str


class ClientSettings(msgspec.Struct, frozen=True):
    """What came of the settings: librdkafka's properties, what is wrong, and what has no effect."""

    properties: dict[str, str]
    faults: list[Fault]
    warnings: list[str]


_WRITTEN_AS = {
    "metadata.broker.list": "bootstrap.servers",
    "request.required.acks": "acks",
    "queue.buffering.max.ms": "linger.ms",
    "message.send.max.retries": "retries",
    "compression.codec": "compression.type",
    "sasl.mechanisms": "sasl.mechanism",
}
"""librdkafka's first names that nobody uses -> its second ones, which are the Java client's."""

_RENAMED = {
    "max.request.size": "message.max.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "compression.gzip.level": "compression.level",
    "compression.lz4.level": "compression.level",
    "compression.zstd.level": "compression.level",
    "ssl.truststore.certificates": "ssl.ca.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
    "buffer.memory": "queue.buffering.max.kbytes",
}
"""Java's name -> librdkafka's; the value stays the same but for buffer.memory, which is in bytes."""

_CANONICAL = {alias: _WRITTEN_AS.get(name, name) for alias, name in ALIASES.items()} | _WRITTEN_AS | _RENAMED
_RANGES = {_WRITTEN_AS.get(name, name): limits for name, limits in RANGES.items()}

_LESS_WIDE = frozenset(
    {
        "buffer.memory",
        "connections.max.idle.ms",
        "linger.ms",
        "max.request.size",
        "metadata.max.age.ms",
        "receive.buffer.bytes",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "request.timeout.ms",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "send.buffer.bytes",
        "socket.connection.setup.timeout.ms",
    }
)
"""Java takes values beyond librdkafka's limits here (0, -1 or 2147483647 for none): the limit is used, with a warning."""

_NO_MEANING = re.compile(
    r"""key\.serializer | value\.serializer | max\.block\.ms | metric\.reporters | metrics\..* | auto\.include\.jmx\.reporter
      | interceptor\.classes | partitioner\.adaptive\.partitioning\.enable | partitioner\.availability\.timeout\.ms
      | metadata\.max\.idle\.ms | socket\.connection\.setup\.timeout\.max\.ms | security\.providers
      | transaction\.two\.phase\.commit\.enable
      | sasl\.login\.(?!callback|class).* | sasl\.kerberos\.ticket\.renew\..*
      | sasl\.oauthbearer\.(jwks|clock|expected|header)\..* | sasl\.oauthbearer\.scope\.claim\.name
      | ssl\.(protocol|enabled\.protocols|provider|secure\.random\.implementation)
      | ssl\.(keymanager|trustmanager)\.algorithm""",
    re.VERBOSE,
)
"""Settings of the Java client that leave the records as they are: how the JVM does its own work."""

_JAVA_CODE = re.compile(
    r"ssl\.engine\.factory\.class|sasl\.login\.class|.*\.callback\.handler\.class|sasl\.oauthbearer\.jwt\..*class"
)

_OURS = {
    "delivery.report.only.error": "offsets are flushed by the reports of successes",
    "enabled_events": "the runtime reads librdkafka's events itself",
    "log.queue": "the runtime reads librdkafka's log itself",
    "internal.termination.signal": "the runtime sets it",
    "queuing.strategy": "records are sent in their order",
    "enable.gapless.guarantee": "an undelivered record holds back all offsets behind it anyway",
    "transactional.id": "the runtime names its transactions itself; see exactly.once.support",
}
"""Properties that would break what the runtime promises, and why."""

_CONSUMER_RENAMED = {
    **{java: name for java, name in _RENAMED.items() if name not in PRODUCER_ONLY},
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
}

_CONSUMER_CANONICAL = {
    **{name: meant for name, meant in _CANONICAL.items() if name not in PRODUCER_ONLY and meant not in PRODUCER_ONLY},
    **CONSUMER_ALIASES,
    **_CONSUMER_RENAMED,
}
_CONSUMER_RANGES = {**{name: limits for name, limits in _RANGES.items() if name not in PRODUCER_ONLY}, **CONSUMER_RANGES}

_CONSUMER_NO_MEANING = re.compile(
    _NO_MEANING.pattern
    + r"""| key\.deserializer | value\.deserializer | default\.api\.timeout\.ms | request\.timeout\.ms
      | exclude\.internal\.topics""",
    re.VERBOSE,
)

_CONSUMER_OURS = {
    "enable.auto.commit": "the runtime commits offsets when their records are put",
    "auto.commit.enable": "the runtime commits offsets when their records are put",
    "auto.commit.interval.ms": "the runtime commits offsets every offset.flush.interval.ms",
    "enable.auto.offset.store": "the runtime commits offsets when their records are put",
    "enable.partition.eof": "the runtime sets it",
    "group.protocol": "the new protocol locks a restarted task out of its group until its old session ends",
    "group.protocol.type": "the runtime sets it",
    "group.remote.assignor": "it belongs to the new group protocol, which is not used",
    "offset.store.method": "offsets are kept by the broker",
    "offset.store.path": "offsets are kept by the broker",
    "offset.store.sync.interval.ms": "offsets are kept by the broker",
    "consume.callback.max.messages": "there are no such callbacks",
    "share.acknowledgement.mode": "sinks are no share consumers",
    "enabled_events": "the runtime reads librdkafka's events itself",
    "log.queue": "the runtime reads librdkafka's log itself",
    "internal.termination.signal": "the runtime sets it",
}

_MESSAGE_MAX_BYTES = 1_000_000  # librdkafka's default

_ASSIGNORS = {
    "RangeAssignor": "range",
    "RoundRobinAssignor": "roundrobin",
    "CooperativeStickyAssignor": "cooperative-sticky",
    "range": "range",
    "roundrobin": "roundrobin",
    "cooperative-sticky": "cooperative-sticky",
}

_RESETS = {
    "earliest": "earliest",
    "smallest": "earliest",
    "beginning": "earliest",
    "latest": "latest",
    "largest": "latest",
    "end": "latest",
    "none": "error",
    "error": "error",
}

_SECRET = re.compile(r"password|secret|passphrase|jaas|credential|token(?!\.endpoint)|\.pem$|\.key$|sasl\.oauthbearer\.config")


def is_secret(name: str) -> bool:
    """Tell by its name whether a setting's value must not be shown."""
    return _SECRET.search(name) is not None


class Originals(dict[str, str]):
    """A config as it was given; printed, it hides what looks secret."""

    def __repr__(self) -> str:
        return repr(hide_secrets(self))


def hide_secrets(properties: Mapping[str, str]) -> dict[str, str]:
    """Return a copy that may be logged."""
    return {name: HIDDEN if is_secret(name) else value for name, value in properties.items()}


def to_librdkafka(settings: Iterable[Setting], defaults: Mapping[str, str]) -> ClientSettings:
    """Turn settings, of which later ones replace earlier ones, into librdkafka's properties over our defaults."""
    return _Translation(defaults).of(settings)


def to_consumer(settings: Iterable[Setting], defaults: Mapping[str, str]) -> ClientSettings:
    """Do the same for a consumer.

    `max.poll.records` stays in the properties: it is the runtime that hands out batches, not librdkafka.
    """
    return _ConsumerTranslation(defaults).of(settings)


class _Translation:
    what = "producer"
    canonical: Mapping[str, str] = _CANONICAL
    ranges: Mapping[str, str] = _RANGES
    ours: Mapping[str, str] = _OURS
    no_meaning = _NO_MEANING
    known: Collection[str] = (*_RANGES, *ALIASES, *_RENAMED)

    def __init__(self, defaults: Mapping[str, str]) -> None:
        self.defaults = defaults
        self.given: dict[str, Setting] = {}  # by librdkafka's name
        self.faults: list[Fault] = []
        self.warnings: list[str] = []

    def of(self, settings: Iterable[Setting]) -> ClientSettings:
        # Java's SSL and JAAS settings mean something only together, so they are taken out first.
        wanted: dict[str, Setting] = {}
        for setting in settings:
            wanted[self.canonical.get(setting.name, setting.name)] = setting
        self._ssl_stores(wanted)
        self._jaas(wanted)
        self._before(wanted)
        for name, setting in wanted.items():
            self._one(name, setting)
        self._after()
        properties = {**self.defaults, **{name: setting.value for name, setting in self.given.items()}}
        return ClientSettings(properties, self.faults, self.warnings)

    def _one(self, name: str, setting: Setting) -> None:
        value = setting.value.strip()
        if why := self.ours.get(name):
            self._fault(setting, f"{name} cannot be set: {why}")
        elif _JAVA_CODE.fullmatch(name):
            if value:
                self._fault(setting, f"{name} names a Java class, which cannot run here")
        elif name == "message.timeout.ms":
            # Java's "never" is the greatest int; librdkafka's is 0. Java's 0 is "at once", which nobody means.
            self._give(name, setting, "0" if value == "2147483647" else value)
        elif name == "ssl.endpoint.identification.algorithm":
            self._give(name, setting, value or "none")
        elif name in self.ranges:
            self._give(name, setting, value)
        elif self.no_meaning.fullmatch(name):
            self.warnings.append(
                f"{setting.key} has no meaning here and is left out: it is about the Java client's own workings"
            )
        else:
            self._fault(setting, f"{name} is no setting of a Kafka {self.what}{did_you_mean(name, self.known)}")

    def _give(self, name: str, setting: Setting, value: str) -> None:
        limits = self.ranges[name]
        kind, _, span = limits.partition(" ")
        if kind in ("integer", "float"):
            self._number(setting, name, value)
        elif limits:
            words = limits.split(", ")
            if value.lower() not in {word.lower() for word in words}:
                self._invalid(
                    setting,
                    "Expected value to be either true or false" if span == "false" else f"String must be one of: {limits}",
                )
            else:
                self.given[name] = Setting(setting.key, name, value.lower() if words == ["true", "false"] else value)
        elif value:
            self.given[name] = Setting(setting.key, name, value)

    def _number(self, setting: Setting, name: str, value: str) -> None:
        kind, _, span = self.ranges[name].partition(" ")
        low, high = (int(limit) for limit in span.split(" .. "))
        if name == "acks" and value.lower() == "all":
            self.given[name] = Setting(setting.key, name, "all")
            return
        if not re.fullmatch(r"[+-]?\d+" if kind == "integer" else r"[+-]?\d+(\.\d+)?", value, re.ASCII):
            self._invalid(setting, f"Not a number of type {'LONG' if kind == 'integer' else 'DOUBLE'}")
            return
        number = int(value) if "." not in value else float(value)
        if setting.name == "buffer.memory":
            number //= 1024
        if not low <= number <= high:
            limit = low if number < low else high
            if setting.name not in _LESS_WIDE:
                self._invalid(setting, f"Value must be {'at least' if number < low else 'no more than'} {limit}")
                return
            if not (low == 0 and number == -1):  # both mean: none, or the system's own
                self.warnings.append(f"{setting.key}={value} is beyond librdkafka's limit; {limit} is used")
            number = limit
        self.given[name] = Setting(setting.key, name, str(number))

    def _before(self, wanted: dict[str, Setting]) -> None:
        """Take out what means something only together."""
        self._partitioner(wanted)

    def _after(self) -> None:
        self._idempotence()

    def _idempotence(self) -> None:
        """A producer that may lose or reorder cannot be idempotent: as in Java, what was asked for outweighs a default."""
        against = [
            self.given[name]
            for name, breaks in (
                ("acks", lambda value: value not in ("all", "-1")),
                ("max.in.flight.requests.per.connection", lambda value: int(value) > 5),
                ("retries", lambda value: value == "0"),
            )
            if name in self.given and breaks(self.given[name].value)
        ]
        asked = self.given.get("enable.idempotence")
        if not against or (asked and asked.value == "false"):
            return
        setting = against[0]
        if asked:
            self._fault(setting, f"{setting.name}={setting.value} cannot go together with enable.idempotence=true")
        elif self.defaults.get("enable.idempotence") == "true":
            self.given["enable.idempotence"] = Setting(setting.key, "enable.idempotence", "false")
            self.warnings.append(
                f"{setting.key}={setting.value} turns off enable.idempotence: records may be doubled or swapped"
            )

    def _partitioner(self, wanted: dict[str, Setting]) -> None:
        setting = wanted.pop("partitioner.class", None)
        ignore_keys = wanted.pop("partitioner.ignore.keys", None)
        simple = setting.value.strip().rpartition(".")[2] if setting else ""
        if setting and simple == "RoundRobinPartitioner":
            self._give("partitioner", setting, "random")
            self.warnings.append(f"{setting.key}: records go to random partitions, which librdkafka has instead of round robin")
        elif setting and simple not in ("", "DefaultPartitioner", "UniformStickyPartitioner"):
            self._fault(
                setting, f"{setting.value} is a Java class, which cannot run here", hint="librdkafka's own: partitioner=..."
            )
        if ignore_keys and ignore_keys.value.strip().lower() == "true":
            self._give("partitioner", ignore_keys, "random")

    def _ssl_stores(self, wanted: dict[str, Setting]) -> None:
        """Java's stores: PEM and PKCS#12 can be read by librdkafka (trusted certificates only as PEM), JKS cannot."""
        store_type = _text(wanted.pop("ssl.truststore.type", None)).upper()
        password = wanted.pop("ssl.truststore.password", None)
        location = wanted.pop("ssl.truststore.location", None)
        if location and location.value.strip():
            if store_type == "PEM" or (not store_type and location.value.strip().lower().endswith((".pem", ".crt", ".cer"))):
                self._give("ssl.ca.location", location, location.value.strip())
            else:
                self._fault(
                    location,
                    f"a truststore of type {store_type or 'JKS'} cannot be read here",
                    hint="export its certificates as PEM (keytool -exportcert -rfc) and set ssl.truststore.type=PEM",
                )
        if password and store_type == "PEM":
            self.warnings.append(f"{password.key} has no meaning for a PEM truststore and is left out")

        store_type = _text(wanted.pop("ssl.keystore.type", None)).upper()
        location = wanted.get("ssl.keystore.location")
        if location and store_type == "PEM":
            del wanted["ssl.keystore.location"]
            self._give("ssl.certificate.location", location, location.value.strip())
            self._give("ssl.key.location", location, location.value.strip())
        elif location and (store_type == "JKS" or location.value.strip().lower().endswith(".jks")):
            del wanted["ssl.keystore.location"]
            self._fault(
                location,
                "a keystore of type JKS cannot be read here",
                hint="keytool -importkeystore -deststoretype PKCS12 makes one that can",
            )

    def _jaas(self, wanted: dict[str, Setting]) -> None:
        setting = wanted.pop("sasl.jaas.config", None)
        if setting is None or not setting.value.strip():
            return
        login = re.match(r"\s*([\w.$]+)\s+(?:required|requisite|sufficient|optional)\b(.*?);?\s*$", setting.value, re.DOTALL)
        if not login:
            self._fault(setting, 'not a JAAS entry, such as `...PlainLoginModule required username="u" password="p";`')
            return
        options = {
            name: quoted.replace('\\"', '"').replace("\\\\", "\\") if quoted or not plain else plain
            for name, quoted, plain in re.findall(r'([\w.]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))', login[2])
        }
        module = login[1].rpartition(".")[2]
        match module:
            case "PlainLoginModule" | "ScramLoginModule":
                names = {"username": "sasl.username", "password": "sasl.password"}
            case "OAuthBearerLoginModule":
                names = {"clientId": "sasl.oauthbearer.client.id", "clientSecret": "sasl.oauthbearer.client.secret"}
                names["scope"] = "sasl.oauthbearer.scope"
                if "clientId" in options or "sasl.oauthbearer.client.id" in wanted:
                    self._give("sasl.oauthbearer.method", setting, "oidc")
            case "Krb5LoginModule":
                names = {"keyTab": "sasl.kerberos.keytab", "principal": "sasl.kerberos.principal"}
                names["serviceName"] = "sasl.kerberos.service.name"
                if setting.key.startswith(f"{self.what}.override.") and "keyTab" in options:
                    self._fault(setting, "a connector may not override the keyTab: it reads a file of this machine")
                    return
            case _:
                self._fault(setting, f"the login module {login[1]} is Java code, which cannot run here")
                return
        for option, name in names.items():
            if option in options:
                self._give(name, setting, options[option])

    def _invalid(self, setting: Setting, why: str) -> None:
        shown = HIDDEN if is_secret(setting.name) else setting.value
        self._fault(setting, f"Invalid value {shown} for configuration {setting.name}: {why}")

    def _fault(self, setting: Setting, message: str, hint: str | None = None) -> None:
        self.faults.append(Fault(setting.key, f"{message} ({hint})" if hint else message))


class _ConsumerTranslation(_Translation):
    what = "consumer"
    canonical = _CONSUMER_CANONICAL
    ranges = _CONSUMER_RANGES
    ours = _CONSUMER_OURS
    no_meaning = _CONSUMER_NO_MEANING
    known = (*_CONSUMER_RANGES, *_CONSUMER_CANONICAL)

    def _before(self, wanted: dict[str, Setting]) -> None:
        self._assignors(wanted.pop("partition.assignment.strategy", None))
        reset = wanted.pop("auto.offset.reset", None)
        if reset is not None:
            meant = _RESETS.get(reset.value.strip().lower())
            if meant is None:
                self._invalid(reset, "String must be one of: earliest, latest, none")
            else:
                self.given["auto.offset.reset"] = Setting(reset.key, "auto.offset.reset", meant)
        protocol = wanted.get("group.protocol")
        if protocol is not None and protocol.value.strip().lower() == "classic":
            del wanted["group.protocol"]

    def _after(self) -> None:
        """librdkafka refuses a fetch.max.bytes below message.max.bytes, which means nothing else to a consumer."""
        fetch, message = self.given.get("fetch.max.bytes"), self.given.get("message.max.bytes")
        if fetch is None or int(fetch.value) >= (int(message.value) if message else _MESSAGE_MAX_BYTES):
            return
        low = self.ranges["message.max.bytes"].split()[1]
        fits = str(max(int(fetch.value), int(low)))
        for name in ("fetch.max.bytes", "message.max.bytes"):
            self.given[name] = Setting(fetch.key, name, fits)

    def _assignors(self, setting: Setting | None) -> None:
        """librdkafka takes several only if they are all of the old kind, or all cooperative: the last one is the newest."""
        if setting is None or not setting.value.strip():
            return
        names = [part.strip().rpartition(".")[2] for part in setting.value.split(",") if part.strip()]
        meant = [_ASSIGNORS.get(name, "") for name in names]
        if "" in meant:
            unknown = names[meant.index("")]
            self._fault(setting, f"{unknown} cannot be used here: choose among range, roundrobin and cooperative-sticky")
        elif "cooperative-sticky" in meant and len(meant) > 1:
            self.warnings.append(f"{setting.key}: cooperative-sticky is used; it cannot be combined with others here")
            self.given[setting.name] = Setting(setting.key, setting.name, "cooperative-sticky")
        else:
            self.given[setting.name] = Setting(setting.key, setting.name, ",".join(meant))


def _text(setting: Setting | None) -> str:
    return setting.value.strip() if setting else ""
