"""Who may ask, and from where."""

from __future__ import annotations

import base64
import http.client
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fastconnect.config.rest import RestConfig, TlsConfig
from fastconnect.errors import ConfigError
from fastconnect.rest import security
from fastconnect.rest.server import RestServer, bind
from fastconnect.rest.users import TRIES, Role, Users, new_user

CONFIG = {"connector.class": "org.example.One"}


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    roles: list[tuple[str, Role]] = [("alice", "admin"), ("otto", "operate"), ("rita", "read")]
    file = tmp_path_factory.mktemp("users") / "users"
    lines = [new_user(name, f"pässword of {name}", role).line() for name, role in roles]
    file.write_text("# who may use it\n\n" + "\n".join(lines) + "\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def guarded(serve, client, password_file):
    client.url = serve(rest_auth_file=str(password_file)).url
    return client


def test_without_a_password_nothing_is_told(guarded):
    for path in ("/connectors", "/health", "/no/such/path"):
        answer = guarded.ask("GET", path)
        assert (answer.status, answer.json["message"]) == (401, "User cannot access the resource.")
        assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "header",
    [basic("alice", "wrong"), basic("nobody", "x"), "Basic", "Basic ???", "Basic YWxpY2U=", "Bearer x", basic("alice", "")],
)
def test_a_wrong_password_is_401(guarded, header):
    assert guarded.ask("GET", "/connectors", Authorization=header).status == 401


def test_a_right_password_is_enough_and_is_quick_the_second_time(guarded):
    header = basic("alice", "pässword of alice")
    assert guarded.ask("GET", "/connectors", Authorization=header).status == 200
    assert guarded.ask("GET", "/connectors", Authorization=header).status == 200


@pytest.mark.parametrize(
    ("user", "allowed"),
    [("alice", {"read", "operate", "change"}), ("otto", {"read", "operate"}), ("rita", {"read"})],
)
def test_a_role_says_what_a_user_may_do(guarded, herder, user, allowed):
    herder.put_connector("a", CONFIG, replace=False)
    header = basic(user, f"pässword of {user}")
    statuses = {
        "read": guarded.ask("GET", "/connectors/a", Authorization=header).status,
        "operate": guarded.ask("PUT", "/connectors/a/pause", Authorization=header).status,
        "change": guarded.ask("PATCH", "/connectors/a/config", {"x": 1}, Authorization=header).status,
    }
    assert {need for need, status in statuses.items() if status < 300} == allowed
    assert {status for status in statuses.values() if status >= 300} <= {403}


def test_other_workers_show_a_signature_instead(guarded, herder):
    herder.put_connector("a", CONFIG, replace=False)
    assert guarded.ask("POST", "/connectors/a/tasks", [], X_Connect_Authorization="c2ln").status == 204


def test_who_gives_wrong_passwords_has_to_wait_but_who_was_right_has_not(guarded):
    right = basic("alice", "pässword of alice")
    assert guarded.ask("GET", "/connectors", Authorization=right).status == 200
    statuses = [guarded.ask("GET", "/", Authorization=basic("alice", "no")).status for _ in range(TRIES + 1)]
    assert statuses == [401] * TRIES + [429]
    assert guarded.ask("GET", "/connectors", Authorization=right).status == 200


@pytest.mark.parametrize(
    "line", ["alice", "alice:secret:admin", "alice:scrypt$16384$8$1$AA==$AA==:boss", "a:scrypt$99999999$8$1$AA==$AA==:read", ""]
)
def test_a_file_with_a_line_that_is_no_user_is_refused_without_repeating_it(tmp_path, line):
    file = tmp_path / "users"
    file.write_text(line)
    file.chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        Users.read(file)
    assert "fastconnect rest-user" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_others_may_write_is_refused(tmp_path):
    file = tmp_path / "users"
    file.write_text(new_user("a", "b").line())
    file.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod go-w"):
        Users.read(file)


def test_a_line_hides_the_password_and_two_lines_for_one_differ():
    one, two = new_user("a", "hunter2"), new_user("a", "hunter2")
    assert one.line() != two.line()
    assert "hunter2" not in one.line()
    assert one.matches("hunter2")
    assert not one.matches("hunter3")


@pytest.mark.parametrize("name", ["", "a:b", " a", "#a", "a\n"])
def test_a_name_that_no_line_can_hold_is_refused(name):
    with pytest.raises(ConfigError):
        new_user(name, "x")


# Names and origins


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8083", "[::1]:8083", "127.1.2.3"])
def test_a_local_worker_answers_to_its_own_names(client, host):
    assert client.ask("GET", "/connectors", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8083", "127.0.0.1.evil.example", "", "a b", "localhost:x", "[::1"]
)
def test_a_local_worker_does_not_answer_to_others_names(client, host):
    assert client.ask("GET", "/connectors", Host=host).status == 403


def test_further_names_can_be_allowed(serve, client):
    client.url = serve(rest_allowed_hosts="connect.example.org").url
    assert client.ask("GET", "/connectors", Host="connect.example.org:443").status == 200
    assert client.ask("GET", "/connectors", Host="evil.example").status == 403


def test_a_web_page_of_another_origin_changes_nothing(client, herder):
    herder.put_connector("a", CONFIG, replace=False)
    answer = client.ask("POST", "/connectors/a/restart", Origin="https://evil.example")
    assert (answer.status, herder.restarts) == (403, [])
    assert client.ask("POST", "/connectors/a/restart", Origin=client.url).status == 204
    assert client.ask("POST", "/connectors/a/restart", Origin="null").status == 403


def test_without_cors_no_page_may_read(client):
    headers = client.ask("GET", "/connectors", Origin="https://evil.example").headers
    assert not [name for name in headers if name.startswith("access-control")]


def test_with_cors_exactly_the_given_origins_may_read_and_change(serve, client, herder):
    herder.put_connector("a", CONFIG, replace=False)
    origin = "https://console.example"
    client.url = serve(access_control_allow_origin=origin, access_control_allow_methods="GET,POST").url
    assert client.ask("GET", "/connectors", Origin=origin).headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in client.ask("GET", "/connectors", Origin="https://console.example.evil").headers
    preflight = client.ask("OPTIONS", "/connectors", Origin=origin, Access_Control_Request_Method="POST")
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-methods"] == "GET, POST"
    assert client.ask("POST", "/connectors/a/restart", Origin=origin).status == 204
    assert client.ask("POST", "/connectors/a/restart", Origin="https://evil.example").status == 403


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server and a client that it knows, each a PEM file with key and certificate."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    for who in ("server", "client"):
        openssl(
            "req", "-x509", *new_key, "-keyout", f"{who}.key", "-out", f"{who}.crt", "-subj", f"/CN={who}", "-days", "2",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        (folder / f"{who}.pem").write_text((folder / f"{who}.key").read_text() + (folder / f"{who}.crt").read_text())
    return folder


def https(url: str, certificates: Path, client: str | None) -> int:
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if client is not None:
        context.load_cert_chain(certificates / client)
    connection = http.client.HTTPSConnection(urlsplit(url).netloc, timeout=20, context=context)
    try:
        connection.request("GET", "/connectors")
        return connection.getresponse().status
    finally:
        connection.close()


def tls_keys(certificates: Path) -> dict[str, str]:
    return {
        "listeners": "https://127.0.0.1:0",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates / "ca.pem"),
    }


def test_https_and_client_certificates(herder, certificates):
    server = RestServer(herder, bind(RestConfig.parse({**tls_keys(certificates), "ssl.client.auth": "required"})))
    server.start()
    try:
        assert server.url.startswith("https://127.0.0.1:")
        assert https(server.url, certificates, "client.pem") == 200
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            https(server.url, certificates, None)
    finally:
        server.close()


def test_a_certificate_may_stand_in_the_worker_file_itself(herder, certificates):
    keys = {
        "listeners": "https://127.0.0.1:0",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": (certificates / "server.crt").read_text(),
        "ssl.keystore.key": (certificates / "server.key").read_text(),
    }
    server = RestServer(herder, bind(RestConfig.parse(keys)))
    server.start()
    try:
        assert https(server.url, certificates, None) == 200
    finally:
        server.close()


def test_a_certificate_that_cannot_be_used_is_one_sentence(tmp_path):
    file = tmp_path / "a.pem"
    file.write_text("nonsense")
    with pytest.raises(ConfigError, match=r"a\.pem cannot be used for https"):
        security.server_context(TlsConfig.parse({"ssl.keystore.location": str(file), "ssl.keystore.type": "PEM"}))
