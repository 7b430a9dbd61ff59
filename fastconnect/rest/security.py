"""Who may ask, and from where: Host and Origin, users and their roles, and the headers that keep browsers careful.

A web page that an operator looks at must not be able to steer the worker: requests from foreign origins change nothing (CSRF),
and a worker that only this machine reaches answers to its own names only (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import ssl
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from fastconnect.config.rest import Listener, RestConfig, TlsConfig
from fastconnect.errors import ConfigError
from fastconnect.rest import error_body
from fastconnect.rest.route import Needs
from fastconnect.rest.users import Role, Users

ALWAYS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY"}

SAFE = ("GET", "HEAD", "OPTIONS")

_ALLOWS: dict[Role, tuple[Needs, ...]] = {
    "read": ("nothing", "read"),
    "operate": ("nothing", "read", "operate"),
    "admin": ("nothing", "read", "operate", "change"),
}


class Guard:
    """Looks at each request before it is handled.

    Args:
        config: the worker's REST keys.
        listener: the one that the requests come in by.
        own_names: what this worker is called by others.
    """

    def __init__(self, config: RestConfig, users: Users | None, listener: Listener, own_names: Iterable[str]) -> None:
        self._users = users
        self._origins = {origin.lower().rstrip("/") for origin in config.access_control_allow_origin}
        self._hosts: set[str] | None = None
        if config.rest_allowed_hosts or listener.is_local:
            self._hosts = {name.lower() for name in (*config.rest_allowed_hosts, *own_names)}
            self._hosts |= {"localhost", listener.host.lower()} - {""}
        self._listens_locally = listener.is_local

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request that must not come here like this; None: it may."""
        headers = request.headers
        strange = request.scope["http_version"] not in ("1.0", "1.1")
        if strange or len(headers.getlist("host")) > 1 or ("content-length" in headers and "transfer-encoding" in headers):
            # Two parsers may see two different requests in this one; nothing after it on this connection is heard.
            return error_body.answer(400, headers={"Connection": "close"})
        if not self._knows_host(headers.get("host", "")):
            return error_body.answer(
                403, "This worker is not known by the name in the Host header; rest.allowed.hosts lists the names that it has"
            )
        origin = headers.get("origin")
        if request.method not in SAFE and origin is not None and not self._knows_origin(origin, request):
            return error_body.answer(403, "Web pages of this origin may not change anything here")
        return None

    async def stranger(self, request: Request, needs: Needs) -> Response | None:
        """The answer to who may not ask for this; None: it may be asked for."""
        if self._users is None or needs in ("nothing", "signature"):
            return None
        address = request.client.host if request.client is not None else ""
        credentials = _credentials(request.headers.get("authorization"))
        if credentials is None:
            return _unknown()
        role = self._users.known(*credentials)
        if role is None:
            if not self._users.may_try(address):
                return error_body.answer(429, "Too many wrong passwords; try again in a minute", {"Retry-After": "60"})
            role = await asyncio.to_thread(self._users.check, *credentials)
        if role is None:
            self._users.was_wrong(address)
            return _unknown()
        if needs not in _ALLOWS[role]:
            return error_body.answer(403, f"Users with the role {role} may not do this")
        return None

    def _knows_host(self, host: str) -> bool:
        if self._hosts is None:
            return True
        name = urlsplit(f"//{host}").hostname if _is_host(host) else None
        if name is None:
            return False
        if name.lower() in self._hosts:
            return True
        try:
            return self._listens_locally and ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    def _knows_origin(self, origin: str, request: Request) -> bool:
        host = request.headers.get("host", "")
        same = origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())
        return same or "*" in self._origins or origin.lower() in self._origins


def _is_host(text: str) -> bool:
    try:
        urlsplit(f"//{text}").port  # noqa: B018 - raises for what is none
    except ValueError:
        return False
    return True


def _credentials(header: str | None) -> tuple[str, str] | None:
    scheme, _, given = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(given.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


def _unknown() -> Response:
    return error_body.answer(401, headers={"WWW-Authenticate": 'Basic realm="fastconnect", charset="UTF-8"'})


def server_context(tls: TlsConfig) -> ssl.SSLContext:
    """The TLS of https listeners: version 1.2 and above.

    Raises:
        ConfigError: a file cannot be read, or is no PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, tls)
    context.verify_mode = {"none": ssl.CERT_NONE, "requested": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}[
        tls.ssl_client_auth
    ]
    return context


def client_context(tls: TlsConfig) -> ssl.SSLContext:
    """The TLS by which a worker asks others: the same certificate and the same authorities."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, tls)
    return context


def _load(context: ssl.SSLContext, tls: TlsConfig) -> None:
    password = tls.ssl_key_password.reveal() if tls.ssl_key_password is not None else ""
    where = tls.ssl_keystore_location or "ssl.keystore.certificate.chain"
    try:
        if tls.ssl_keystore_location is not None:
            context.load_cert_chain(tls.ssl_keystore_location, password=password)
        elif tls.ssl_keystore_certificate_chain is not None and tls.ssl_keystore_key is not None:
            with _memory_file(f"{tls.ssl_keystore_key.reveal()}\n{tls.ssl_keystore_certificate_chain}\n") as path:
                context.load_cert_chain(path, password=password)
        where = tls.ssl_truststore_location or "ssl.truststore.certificates"
        if tls.ssl_truststore_location is not None:
            context.load_verify_locations(tls.ssl_truststore_location)
        elif tls.ssl_truststore_certificates is not None:
            context.load_verify_locations(cadata=tls.ssl_truststore_certificates)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
        raise ConfigError(
            f"{where} cannot be used for https: {reason}",
            hint="it must be PEM, and the key in it be opened by ssl.key.password",
        ) from None


class _memory_file:  # noqa: N801 - used as a function
    """A file that only this process sees, for what takes a file's name only; OpenSSL cannot read a key from memory here."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> Path:
        import os

        self._fd = os.memfd_create("rest-key", os.MFD_CLOEXEC)
        os.write(self._fd, self._text.encode())
        return Path(f"/proc/self/fd/{self._fd}")

    def __exit__(self, *_: object) -> None:
        import os

        os.close(self._fd)
