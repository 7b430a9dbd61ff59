from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from fakes.certificates import PASSWORD, Authority

from fastconnect.config.client import Setting, to_consumer
from fastconnect.errors import ConfigError
from fastconnect.herder.group_client import TokenProvider, group_client


def client(**java: str) -> dict[str, object]:
    """What comes of settings in Java's names, with `_` for `.`."""
    named = {key.replace("_", "."): value for key, value in java.items()}
    settings = to_consumer([Setting(key, key, value) for key, value in named.items()], {})
    assert settings.faults == []
    return group_client({"bootstrap.servers": "a:1,b:2", **settings.properties}, "worker-1")


def test_without_security_there_are_addresses_and_a_name():
    assert client() == {
        "bootstrap_servers": ["a:1", "b:2"],
        "client_id": "worker-1",
        "security_protocol": "PLAINTEXT",
        "reconnect_backoff_max_ms": 1000,
    }


def test_waiting_times_are_taken_over():
    settings = client(reconnect_backoff_ms="70", reconnect_backoff_max_ms="700", connections_max_idle_ms="9000")

    assert settings["reconnect_backoff_ms"] == 70
    assert settings["reconnect_backoff_max_ms"] == 700
    assert settings["connections_max_idle_ms"] == 9000


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_user_and_password_come_from_jaas(mechanism):
    settings = client(
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism=mechanism,
        sasl_jaas_config='org.apache.kafka.PlainLoginModule required username="me" password="s;3\\"cret";',
    )

    assert settings["security_protocol"] == "SASL_PLAINTEXT"
    assert settings["sasl_mechanism"] == mechanism
    assert (settings["sasl_plain_username"], settings["sasl_plain_password"]) == ("me", 's;3"cret')


def test_kerberos_names_its_service():
    settings = client(security_protocol="SASL_PLAINTEXT", sasl_mechanism="GSSAPI", sasl_kerberos_service_name="k")

    assert settings["sasl_kerberos_service_name"] == "k"


def test_what_cannot_authenticate_is_refused():
    with pytest.raises(ConfigError, match="cannot authenticate by sasl"):
        client(security_protocol="SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER")


class TlsServer:
    """Takes one connection that shows a certificate of the authority, and answers `hello`."""

    def __init__(self, authority: Authority) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.pem)
        context.load_verify_locations(authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            try:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(b"hello")
            except OSError:
                pass

    def greets(self, context: object, name: str = "127.0.0.1") -> bool:
        """Whether a client with this context is greeted; an ssl.SSLError says why not."""
        assert isinstance(context, ssl.SSLContext)
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname=name) as secured,
            ):
                return secured.recv(5) == b"hello"
        finally:
            self._thread.join()
            self._listener.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(authority: Authority) -> TlsServer:
    return TlsServer(authority)


def one_line(file: Path) -> str:
    """As in a properties file."""
    return file.read_text().strip().replace("\n", " ")


def files(authority: Authority) -> dict[str, str]:
    return {
        "ssl_truststore_location": str(authority.ca),
        "ssl_truststore_type": "PEM",
        "ssl_keystore_location": str(authority.pem),
        "ssl_keystore_type": "PEM",
    }


def lines(authority: Authority) -> dict[str, str]:
    return {
        "ssl_truststore_certificates": one_line(authority.ca),
        "ssl_truststore_type": "PEM",
        "ssl_keystore_certificate_chain": one_line(authority.certificate),
        "ssl_keystore_key": one_line(authority.key),
        "ssl_keystore_type": "PEM",
    }


def pkcs12(authority: Authority) -> dict[str, str]:
    return files(authority) | {
        "ssl_keystore_location": str(authority.p12),
        "ssl_keystore_type": "PKCS12",
        "ssl_keystore_password": PASSWORD,
    }


@pytest.mark.parametrize("settings", [files, lines, pkcs12])
def test_certificates_come_from_files_lines_and_keystores(authority, server, settings):
    assert server.greets(client(security_protocol="SSL", **settings(authority))["ssl_context"])


def test_a_broker_of_another_name_is_refused_unless_names_do_not_matter(authority):
    settings = files(authority)

    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        TlsServer(authority).greets(client(security_protocol="SSL", **settings)["ssl_context"], name="localhost")

    settings["ssl_endpoint_identification_algorithm"] = ""
    assert TlsServer(authority).greets(client(security_protocol="SSL", **settings)["ssl_context"], name="localhost")


def test_a_broker_that_nobody_vouches_for_is_refused(authority, server):
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        server.greets(client(security_protocol="SSL")["ssl_context"])


@pytest.mark.parametrize(
    "changes",
    [
        {"ssl_keystore_password": "wrong"},
        {"ssl_keystore_location": "/no/such/file"},
        {"ssl_truststore_location": "/no/such/file"},
    ],
    ids=["password", "keystore", "truststore"],
)
def test_a_certificate_that_cannot_be_read_is_said_so(authority, changes):
    with pytest.raises(ConfigError, match=r"cannot be secured: .*ssl\.\* keys"):
        client(security_protocol="SSL", **(pkcs12(authority) | changes))


class Tokens(BaseHTTPRequestHandler):
    """Gives a token to who has the right secret."""

    asked: list[tuple[str | None, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append((self.headers["Authorization"], body))
        answer = f'{{"access_token": "token-{len(self.asked)}", "expires_in": 3600, "token_type": "Bearer"}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def tokens() -> Iterator[tuple[str, list[tuple[str | None, str]]]]:
    Tokens.asked = []
    with HTTPServer(("127.0.0.1", 0), Tokens) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token", Tokens.asked
        server.shutdown()
        thread.join()


def test_a_token_is_fetched_once_in_its_life(tokens):
    url, asked = tokens
    provider = group_client(
        {
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.token.endpoint.url": url,
            "sasl.oauthbearer.client.id": "me",
            "sasl.oauthbearer.client.secret": "secret",
            "sasl.oauthbearer.scope": "kafka",
            "sasl.oauthbearer.extensions": "a=1, b=2",
        },
        "worker-1",
    )["sasl_oauth_token_provider"]
    assert isinstance(provider, TokenProvider)

    assert [provider.token(), provider.token()] == ["token-1", "token-1"]

    assert asked == [(f"Basic {base64.b64encode(b'me:secret').decode()}", "grant_type=client_credentials&scope=kafka")]
    assert provider.extensions() == {"a": "1", "b": "2"}
