"""The worker's REST keys: where it listens, what others call it by, who may ask, and what is added to its answers.

All keys of Kafka Connect are here. Two things differ, for whoever may create a connector runs code on this machine: without
`listeners` only this machine is listened to, and an open address needs a password file, client certificates, or the plain word
`rest.insecure=true`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, Self

import msgspec

from fastconnect.api.config import Config, Fault, Meta, Secret, field
from fastconnect.config.worker import WorkerConfig, under

DEFAULT_LISTENER = "http://127.0.0.1:8083"

HTTPS_PREFIXES = {"listeners": "listeners.https.", "admin.listeners": "admin.listeners.https."}
"""Before the TLS settings of each kind of listener; those without a prefix count where none has it."""

_LISTENER = re.compile(r"(?P<scheme>[a-zA-Z]+)://(?P<host>\[[0-9a-fA-F:%.]*\]|[0-9a-zA-Z\-._]*):(?P<port>[0-9]+)/?")
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s*]+")
_HEADER = re.compile(r"(?P<action>set|add|setDate|addDate)\s+(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(?P<value>.*)")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Listener(msgspec.Struct, frozen=True):
    """An address to listen at; an empty host means all of this machine's."""

    scheme: Literal["http", "https"]
    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_open(self) -> bool:
        """Whether it stands for all addresses of this machine."""
        return self.host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class ResponseHeader(msgspec.Struct, frozen=True):
    """A header that every answer gets; `replaces` one of the same name."""

    name: str
    value: str
    replaces: bool


class TlsConfig(Config):
    """How https listeners prove who they are, and whom they trust. Only PEM is read."""

    ssl_keystore_type: Annotated[str, Meta(description="PEM; Java's own key stores are not read.")] = "JKS"
    ssl_keystore_location: Annotated[
        str | None, Meta(description="A PEM file with the private key and the certificate chain of the https listeners.")
    ] = None
    ssl_keystore_certificate_chain: Annotated[
        str | None, Meta(description="The certificate chain itself, in PEM, instead of `ssl.keystore.location`.")
    ] = None
    ssl_keystore_key: Annotated[
        Secret | None, Meta(description="The private key itself, in PEM, beside `ssl.keystore.certificate.chain`.")
    ] = None
    ssl_key_password: Annotated[Secret | None, Meta(description="Opens the private key, if it is encrypted.")] = None
    ssl_truststore_type: Annotated[str, Meta(description="PEM; Java's own trust stores are not read.")] = "JKS"
    ssl_truststore_location: Annotated[
        str | None, Meta(description="A PEM file with the authorities whose client certificates are accepted.")
    ] = None
    ssl_truststore_certificates: Annotated[
        str | None, Meta(description="These authorities themselves, in PEM, instead of `ssl.truststore.location`.")
    ] = None
    ssl_client_auth: Annotated[
        Literal["none", "requested", "required"], Meta(description="Whether clients show a certificate of their own.")
    ] = "none"

    def check(self) -> Iterable[Fault]:
        """Java's own formats, and half of what is needed."""
        for store, kind in (("keystore", self.ssl_keystore_type), ("truststore", self.ssl_truststore_type)):
            if kind.upper() != "PEM" and getattr(self, f"ssl_{store}_location") is not None:
                yield Fault(
                    f"ssl.{store}.type",
                    f"{kind} cannot be read, only PEM: convert the {store} by `keytool -importkeystore ... -deststoretype "
                    f"PKCS12` and `openssl pkcs12 -in ... -out {store}.pem`, and set ssl.{store}.type=PEM",
                )
        if (self.ssl_keystore_certificate_chain is None) != (self.ssl_keystore_key is None):
            yield Fault("ssl.keystore.key", "ssl.keystore.certificate.chain and ssl.keystore.key belong together")
        if self.ssl_client_auth == "required" and not self.trusts:
            yield Fault("ssl.client.auth", "required needs ssl.truststore.location: whose certificates are accepted")

    @property
    def has_key(self) -> bool:
        """Whether there is a certificate to show."""
        return self.ssl_keystore_location is not None or self.ssl_keystore_certificate_chain is not None

    @property
    def trusts(self) -> bool:
        """Whether it is said whom to trust."""
        return self.ssl_truststore_location is not None or self.ssl_truststore_certificates is not None


class RestConfig(Config):
    """The REST keys of a worker; `of` reads them of the worker's own config."""

    listeners: Annotated[
        list[str],
        Meta(
            description="Where the REST API listens: `http://host:port` or `https://host:port`, several with commas between. "
            "Port 0 takes any free one. An address that other machines reach needs `rest.auth.file`, "
            "`ssl.client.auth=required` or `rest.insecure=true`. Kafka Connect listens at all addresses by default."
        ),
    ] = field(default_factory=lambda: [DEFAULT_LISTENER])
    admin_listeners: Annotated[
        list[str] | None,
        Meta(
            description="Where `/admin/loggers` is answered: by default at `listeners`, with an empty value nowhere, else at "
            "these addresses only, which then answer nothing else but /health and /metrics."
        ),
    ] = None
    rest_advertised_host_name: Annotated[str | None, Meta(description="The host by which other workers reach this one.")] = None
    rest_advertised_port: Annotated[
        int | None, Meta(ge=1, le=65_535, description="The port by which other workers reach this one.")
    ] = None
    rest_advertised_listener: Annotated[
        Literal["http", "https"] | None, Meta(description="Which kind of listener other workers use; by default the first one.")
    ] = None
    rest_auth_file: Annotated[
        str | None,
        Meta(
            description="A file with who may use the REST API, by HTTP basic auth: a line for each user, made by "
            "`fastconnect rest-user NAME`."
        ),
    ] = None
    rest_insecure: Annotated[
        bool, Meta(description="Allow addresses that other machines reach without any of that: whoever comes may do all.")
    ] = False
    rest_allowed_hosts: Annotated[
        list[str],
        Meta(
            description="Names by which the REST API may be called (the Host header). By default any, but for listeners that "
            "only this machine reaches: those answer to localhost, their address and the advertised name."
        ),
    ] = field(default_factory=list)
    access_control_allow_origin: Annotated[
        list[str],
        Meta(description="Web pages of these origins (`https://console.example.org`, or `*`) may use the REST API."),
    ] = field(default_factory=list)
    access_control_allow_methods: Annotated[
        list[str], Meta(description="The HTTP methods that such pages may use; by default GET, POST and HEAD.")
    ] = field(default_factory=list)
    response_http_headers_config: Annotated[
        str,
        Meta(
            description="Headers to put into every answer: `[set|add|setDate|addDate] name: value`, several with commas "
            "between, in double quotes where they have commas themselves."
        ),
    ] = ""
    topic_tracking_enable: Annotated[bool, Meta(description="Whether `/connectors/{name}/topics` is answered.")] = True
    topic_tracking_allow_reset: Annotated[
        bool, Meta(description="Whether `/connectors/{name}/topics/reset` may be asked for.")
    ] = True

    _tls: Mapping[str, TlsConfig] = field(default_factory=dict)

    @classmethod
    def of(cls, worker: WorkerConfig) -> Self:
        """Read the REST keys of a worker's config, variables of config providers replaced.

        Raises:
            ConfigError: with everything that is wrong with them.
        """
        originals = dict(worker.originals)
        keys = {entry.key for entry in cls.fields()} | {entry.key for entry in TlsConfig.fields()}
        mine = {key: value for key, value in originals.items() if key in keys or key.startswith(tuple(HTTPS_PREFIXES.values()))}
        if any("${" in value for value in mine.values()):
            from fastconnect.config.providers import Providers

            mine = {key: value or "" for key, value in Providers.of(originals).resolve(mine, "worker config").items()}
        return cls.parse(mine, where="worker config")

    @classmethod
    def _read(cls, props: Mapping[str, str | None]) -> tuple[Self | None, list[Fault]]:
        config, faults = super()._read(props)
        if config is None:
            return None, faults
        tls = {}
        for kind, prefix in HTTPS_PREFIXES.items():
            if not any(listener.scheme == "https" for listener in config._all(kind)):
                continue
            # All or nothing, as Kafka Connect does: who sets some of them for REST does not mean those for brokers too.
            own = under(prefix, props)
            read, wrong = TlsConfig._read(own or props)
            faults += [Fault(f"{prefix if own else ''}{fault.key}", fault.message) for fault in wrong]
            if read is not None:
                tls[kind] = read
                if not read.has_key:
                    key = f"{prefix if own else ''}ssl.keystore.location"
                    faults.append(Fault(key, f"{kind} has https, which needs a certificate: name a PEM file"))
        config = config.replace(_tls=tls)
        return config, faults + list(config._open_addresses())

    def check(self) -> Iterable[Fault]:
        """What is no address, no origin and no header."""
        for key, given in (("listeners", self.listeners), ("admin.listeners", self.admin_listeners or [])):
            for text in given:
                if (found := _LISTENER.fullmatch(text)) is None or found["scheme"].lower() not in ("http", "https"):
                    yield Fault(key, f"Invalid listener {text}: write it as http://host:port or https://host:port")
                elif int(found["port"]) > 65_535:
                    yield Fault(key, f"Invalid listener {text}: there is no such port")
        if not self.listeners:
            yield Fault("listeners", "must name at least one address, such as http://127.0.0.1:8083")
        wanted = self.rest_advertised_listener
        if wanted is not None and not any(text.lower().startswith(f"{wanted}:") for text in self.listeners):
            yield Fault("rest.advertised.listener", f"no listener is {wanted}")
        for origin in self.access_control_allow_origin:
            if not _ORIGIN.fullmatch(origin):
                yield Fault(
                    "access.control.allow.origin", f"Invalid origin {origin}: write it as https://host or https://host:port"
                )
        for method in self.access_control_allow_methods:
            if not _TOKEN.fullmatch(method):
                yield Fault("access.control.allow.methods", f"Invalid HTTP method {method}")
        try:
            list(self.response_headers)
        except ValueError as error:
            yield Fault("response.http.headers.config", str(error))

    @property
    def addresses(self) -> list[Listener]:
        """Where to listen."""
        return self._all("listeners")

    @property
    def admin_addresses(self) -> list[Listener]:
        """Where to listen for what concerns the worker itself; empty: it is answered at `addresses`, or nowhere."""
        return self._all("admin.listeners")

    @property
    def has_admin_api(self) -> bool:
        """Whether `/admin` is answered at `addresses`."""
        return self.admin_listeners is None

    def tls(self, kind: str) -> TlsConfig | None:
        """The TLS settings of `listeners` or `admin.listeners`, if any of these is https."""
        return self._tls.get(kind)

    @property
    def response_headers(self) -> Iterator[ResponseHeader]:
        """The headers of `response.http.headers.config`."""
        import csv
        from email.utils import formatdate

        for text in next(csv.reader([self.response_http_headers_config], skipinitialspace=True), []):
            if not text.strip():
                continue
            found = _HEADER.fullmatch(text.strip())
            if found is None or not found["value"].isprintable():
                raise ValueError(f"Invalid header {text.strip()!r}: write it as `[set|add|setDate|addDate] name: value`")
            value = found["value"].strip()
            if found["action"].endswith("Date"):
                if not value.isdecimal():
                    raise ValueError(f"Invalid header {text.strip()!r}: a date is milliseconds since the epoch")
                value = formatdate(int(value) / 1000, usegmt=True)
            yield ResponseHeader(found["name"], value, found["action"].startswith("set"))

    def _all(self, kind: str) -> list[Listener]:
        texts = self.listeners if kind == "listeners" else self.admin_listeners or []
        return [
            Listener(
                "https" if found["scheme"].lower() == "https" else "http",
                found["host"].strip("[]"),
                int(found["port"]),
            )
            for text in texts
            if (found := _LISTENER.fullmatch(text)) is not None
        ]

    def _open_addresses(self) -> Iterator[Fault]:
        """Addresses that other machines reach, where nothing says who may use them."""
        if self.rest_insecure or self.rest_auth_file is not None:
            return
        for kind in HTTPS_PREFIXES:
            tls = self.tls(kind)
            for listener in self._all(kind):
                certain = listener.scheme == "https" and tls is not None and tls.ssl_client_auth == "required"
                if not listener.is_local and not certain:
                    yield Fault(
                        kind,
                        f"{listener} can be reached by other machines, and whoever reaches it may run connectors here: set "
                        "rest.auth.file (users and passwords) or ssl.client.auth=required (https with client certificates), "
                        "or rest.insecure=true if the network keeps others away",
                    )
