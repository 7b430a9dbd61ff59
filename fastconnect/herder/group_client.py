"""The settings of the group member's own client, in kafka-python's names.

They come in librdkafka's names, into which config/client.py turns Java's.
Only what a connection needs is taken: addresses, TLS, SASL, waiting times. What would weaken or break a connection if it were
left out is a fault.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec
from kafka.net.sasl.oauth import AbstractTokenProvider

from fastconnect.errors import ConfigError

_NUMBERS = {
    "reconnect.backoff.ms": "reconnect_backoff_ms",
    "reconnect.backoff.max.ms": "reconnect_backoff_max_ms",
    "connections.max.idle.ms": "connections_max_idle_ms",
    "metadata.max.age.ms": "metadata_max_age_ms",
    "retry.backoff.ms": "retry_backoff_ms",
    "request.timeout.ms": "request_timeout_ms",
}
_RECONNECT_BACKOFF_MAX_MS = 1_000  # Kafka Connect's; a member has a session to keep
_TOKEN_TIMEOUT_S = 5.0
_TOKEN_USED_PART = 0.8  # of its life, as Java's clients do


def group_client(properties: Mapping[str, str], client_id: str) -> dict[str, Any]:
    """Return kafka-python's settings.

    Args:
        properties: librdkafka's; those that are not about a connection are not looked at.
        client_id: the name by which brokers know this worker.
    Raises:
        ConfigError: a certificate cannot be read, or something is set that kafka-python cannot do.
    """
    protocol = properties.get("security.protocol", "PLAINTEXT").upper()
    settings: dict[str, Any] = {
        "bootstrap_servers": properties.get("bootstrap.servers", "").split(","),
        "client_id": client_id,
        "security_protocol": protocol,
        "reconnect_backoff_max_ms": _RECONNECT_BACKOFF_MAX_MS,
    }
    for name, ours in _NUMBERS.items():
        if name in properties:
            settings[ours] = int(properties[name])
    if protocol.endswith("SSL"):
        try:
            settings["ssl_context"] = _ssl_context(properties)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigError(
                f"the connection to the brokers cannot be secured: {error}",
                where="worker config",
                hint="look at the files and passwords of its ssl.* keys",
            ) from error
    if protocol.startswith("SASL"):
        settings |= _sasl(properties)
    return settings


def _ssl_context(properties: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = properties.get("ssl.endpoint.identification.algorithm", "https") != "none"
    if properties.get("enable.ssl.certificate.verification", "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    location, pem = properties.get("ssl.ca.location"), properties.get("ssl.ca.pem")
    if location and location != "probe":
        folder = os.path.isdir(location)
        context.load_verify_locations(capath=location if folder else None, cafile=None if folder else location)
    elif pem:
        context.load_verify_locations(cadata=_lines(pem))
    else:
        context.load_default_certs()
    if revoked := properties.get("ssl.crl.location"):
        context.load_verify_locations(revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if ciphers := properties.get("ssl.cipher.suites"):
        context.set_ciphers(ciphers)
    _load_own_certificate(context, properties)
    return context


def _load_own_certificate(context: ssl.SSLContext, properties: Mapping[str, str]) -> None:
    password = properties.get("ssl.key.password")
    if location := properties.get("ssl.certificate.location"):
        context.load_cert_chain(location, properties.get("ssl.key.location"), password)
    elif certificate := properties.get("ssl.certificate.pem"):
        _load_pem(context, _lines(certificate) + "\n" + _lines(properties.get("ssl.key.pem", "")), password)
    elif location := properties.get("ssl.keystore.location"):
        _load_pem(context, _pem_of_pkcs12(location, properties.get("ssl.keystore.password", "")), None)


def _lines(pem: str) -> str:
    """In a properties file a PEM is one line, and each of its ends of lines a space or `\\n`."""
    if "\n" in pem.strip():
        return pem
    parts = pem.strip().replace("\\n", " ").split("-----")
    # Every second part is the text of a line such as `-----BEGIN CERTIFICATE-----`, the others are what stands between these.
    return "-----".join(part if number % 2 else "\n" + "\n".join(part.split()) + "\n" for number, part in enumerate(parts))


def _load_pem(context: ssl.SSLContext, pem: str, password: str | None) -> None:
    # OpenSSL reads a chain and its key from files only; this one is in memory, and gone when it is closed.
    fd = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(fd, pem.encode())
        context.load_cert_chain(f"/proc/self/fd/{fd}", password=password)
    finally:
        os.close(fd)


def _pem_of_pkcs12(location: str, password: str) -> str:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError:
        raise ConfigError(
            f"the keystore {location} is PKCS#12, which needs the package cryptography",
            where="worker config",
            hint="pip install cryptography, or make a PEM of it: openssl pkcs12 -in ... -out keystore.pem -nodes",
        ) from None
    with open(location, "rb") as file:
        key, certificate, chain = pkcs12.load_key_and_certificates(file.read(), password.encode() or None)
    if key is None or certificate is None:
        raise ValueError(f"{location} holds no key with its certificate")
    pem = serialization.Encoding.PEM
    parts = [
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        *(each.public_bytes(pem) for each in [certificate, *chain]),
    ]
    return b"".join(parts).decode()


def _sasl(properties: Mapping[str, str]) -> dict[str, Any]:
    mechanism = properties.get("sasl.mechanism", properties.get("sasl.mechanisms", "GSSAPI")).upper()
    settings: dict[str, Any] = {"sasl_mechanism": mechanism}
    match mechanism:
        case "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512":
            settings["sasl_plain_username"] = properties.get("sasl.username", "")
            settings["sasl_plain_password"] = properties.get("sasl.password", "")
        case "GSSAPI":
            settings["sasl_kerberos_service_name"] = properties.get("sasl.kerberos.service.name", "kafka")
        case "OAUTHBEARER" if properties.get("sasl.oauthbearer.token.endpoint.url"):
            settings["sasl_oauth_token_provider"] = TokenProvider(properties)
        case _:
            raise ConfigError(
                f"a member of a group cannot authenticate by sasl.mechanism={mechanism} with these settings",
                where="worker config",
                hint="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI, or OAUTHBEARER with sasl.oauthbearer.token.endpoint.url",
            )
    return settings


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 300.0


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    """Fetches access tokens by the client-credentials grant of OAuth 2, each once in most of its life."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._url = properties["sasl.oauthbearer.token.endpoint.url"]
        self._client = (
            properties.get("sasl.oauthbearer.client.id", ""),
            properties.get("sasl.oauthbearer.client.secret", ""),
        )
        self._form = {"grant_type": "client_credentials"}
        if scope := properties.get("sasl.oauthbearer.scope"):
            self._form["scope"] = scope
        self._extensions = dict(
            part.strip().split("=", 1) for part in properties.get("sasl.oauthbearer.extensions", "").split(",") if "=" in part
        )
        self._current = ""
        self._until = 0.0

    def token(self) -> str:
        """A token that can still be used."""
        now = time.monotonic()
        if now >= self._until:
            answer = httpx2.post(self._url, data=self._form, auth=self._client, timeout=_TOKEN_TIMEOUT_S)
            answer.raise_for_status()
            token = msgspec.json.decode(answer.content, type=_Token)
            self._current, self._until = token.access_token, now + token.expires_in * _TOKEN_USED_PART
        return self._current

    def extensions(self) -> dict[str, str]:
        """What goes with a token, as `sasl.oauthbearer.extensions` says."""
        return self._extensions
