"""Renewed certificates, over real connections."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.certificates import Authority

from fastconnect.rest import server
from fastconnect.rest.server import RestServer

Until = Callable[..., None]


@pytest.fixture
def authorities(tmp_path: Path) -> tuple[Authority, Authority]:
    """The one before the renewal, and the one after it."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    return Authority(tmp_path / "old"), Authority(tmp_path / "new")


@pytest.fixture(autouse=True)
def files_are_looked_at_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOOK_AT_FILES_S", 0.01)


def serve_with(serve: Callable[..., RestServer], pem: Path, **more: str) -> str:
    """The address of a server that has its certificate in this file."""
    return serve(listeners="https://127.0.0.1:0", ssl_keystore_type="PEM", ssl_keystore_location=str(pem), **more).url


def greets(url: str, trusted: Authority, shown: Authority | None = None) -> bool:
    """Whether a client comes through that trusts one authority, and shows the certificate of the same or of another one."""
    context = ssl.create_default_context(cafile=str(trusted.ca))
    if shown is not None:
        context.load_cert_chain(shown.pem)
    host, _, port = url.removeprefix("https://").rpartition(":")
    try:
        with (
            socket.create_connection((host, int(port)), 10) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:  # ssl.SSLError is one
        return False


def test_a_renewed_certificate_is_used_without_a_restart(
    serve: Callable[..., RestServer], authorities: tuple[Authority, Authority], tmp_path: Path, until: Until
) -> None:
    old, new = authorities
    pem = tmp_path / "used.pem"
    url = serve_with(serve, shutil.copy(old.pem, pem))
    assert greets(url, old)
    assert not greets(url, new)
    pem.write_text("half of it")
    shutil.copy(new.pem, tmp_path / "next.pem")
    (tmp_path / "next.pem").replace(pem)
    until(lambda: greets(url, new), what="the new certificate is shown")
    assert not greets(url, old)


def test_what_is_no_certificate_is_told_and_the_one_before_stays(
    serve: Callable[..., RestServer],
    authorities: tuple[Authority, Authority],
    tmp_path: Path,
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    old, _ = authorities
    pem = tmp_path / "used.pem"
    url = serve_with(serve, shutil.copy(old.pem, pem))
    pem.write_text("no certificate")
    until(lambda: f"{pem} cannot be used for https" in caplog.text, what="the log says it")
    assert greets(url, old)
    assert caplog.text.count("cannot be used for https") == 1


def test_clients_of_a_new_authority_come_in_and_those_of_the_old_one_no_more(
    serve: Callable[..., RestServer], authorities: tuple[Authority, Authority], tmp_path: Path, until: Until
) -> None:
    old, new = authorities
    trusted = tmp_path / "trusted.pem"
    shutil.copy(old.ca, trusted)
    wanted = {"ssl_truststore_type": "PEM", "ssl_truststore_location": str(trusted), "ssl_client_auth": "required"}
    url = serve_with(serve, old.pem, **wanted)
    assert greets(url, old, shown=old)
    assert not greets(url, old, shown=new)
    shutil.copy(new.ca, trusted)
    until(lambda: greets(url, old, shown=new), what="a client with a certificate of the new authority comes in")
    assert not greets(url, old, shown=old)
    assert not greets(url, old)
