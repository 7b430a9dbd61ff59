"""The REST keys of a worker file: what is taken, what is refused, and what stays closed by default."""

from __future__ import annotations

import pytest

from fastconnect.config.rest import Listener, RestConfig, TlsConfig
from fastconnect.config.worker import WorkerConfig
from fastconnect.errors import ConfigError


def rest(**keys: str) -> RestConfig:
    return RestConfig.of(WorkerConfig.parse({key.replace("_", "."): value for key, value in keys.items()}))


def faults(**keys: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        rest(**keys)
    return [fault.key for fault in refusal.value.faults]


def test_without_listeners_only_this_machine_is_listened_to():
    assert rest().addresses == [Listener("http", "127.0.0.1", 8083)]
    assert rest().addresses[0].is_local


@pytest.mark.parametrize("address", ["http://0.0.0.0:8083", "http://:8083", "http://[::]:1", "http://10.1.2.3:80"])
def test_an_address_that_others_reach_is_refused_with_the_keys_that_would_do(address):
    with pytest.raises(ConfigError, match=r"rest\.auth\.file .* ssl\.client\.auth=required .* rest\.insecure=true"):
        rest(listeners=address)
    assert rest(listeners=address, rest_insecure="true").addresses[0].port
    assert rest(listeners=address, rest_auth_file="/etc/fc/users").addresses


def test_admin_listeners_are_looked_at_too():
    assert faults(admin_listeners="http://:9090") == ["admin.listeners"]


@pytest.mark.parametrize(
    "address", ["localhost:8083", "ftp://localhost:1", "http://localhost", "http://localhost:99999", "http://a b:1"]
)
def test_what_is_no_address_is_refused(address):
    assert faults(listeners=address) == ["listeners"]


def test_several_listeners_and_cases_of_the_scheme():
    assert rest(listeners="HTTP://localhost:1, http://[::1]:0").addresses == [
        Listener("http", "localhost", 1),
        Listener("http", "::1", 0),
    ]


def test_an_empty_admin_listener_turns_the_admin_api_off_and_none_puts_it_beside_the_rest():
    assert rest().has_admin_api
    assert not rest(admin_listeners="").has_admin_api
    assert rest(admin_listeners="").admin_addresses == []
    assert [str(each) for each in rest(admin_listeners="http://localhost:9").admin_addresses] == ["http://localhost:9"]


def test_https_needs_a_certificate_in_pem():
    assert faults(listeners="https://localhost:1") == ["ssl.keystore.location"]
    assert faults(listeners="https://localhost:1", listeners_https_ssl_keystore_location="a.jks") == [
        "listeners.https.ssl.keystore.type"
    ]
    tls = rest(listeners="https://localhost:1", ssl_keystore_location="a.pem", ssl_keystore_type="PEM").tls("listeners")
    assert tls is not None
    assert tls.ssl_keystore_location == "a.pem"


def test_tls_settings_with_a_prefix_count_alone():
    config = rest(
        listeners="https://localhost:1",
        ssl_truststore_location="brokers.pem",
        ssl_truststore_type="PEM",
        listeners_https_ssl_keystore_location="rest.pem",
        listeners_https_ssl_keystore_type="PEM",
    )
    tls = config.tls("listeners")
    assert tls is not None
    assert (tls.ssl_keystore_location, tls.ssl_truststore_location) == ("rest.pem", None)


def test_client_certificates_open_an_address_only_over_https():
    keys = {
        "ssl_client_auth": "required",
        "ssl_keystore_location": "a.pem",
        "ssl_keystore_type": "PEM",
        "ssl_truststore_location": "ca.pem",
        "ssl_truststore_type": "PEM",
    }
    assert rest(listeners="https://:1", **keys).addresses
    assert faults(listeners="https://:1,http://:2", **keys) == ["listeners"]
    del keys["ssl_truststore_location"]
    assert "ssl.client.auth" in faults(listeners="https://localhost:1", **keys)


def test_response_headers_are_read_as_kafka_connect_writes_them():
    given = 'set X-Frame-Options: SAMEORIGIN, "add Cache-Control: no-cache, no-store", setDate Expires: 0'
    headers = [(each.name, each.value, each.replaces) for each in rest(response_http_headers_config=given).response_headers]
    assert headers == [
        ("X-Frame-Options", "SAMEORIGIN", True),
        ("Cache-Control", "no-cache, no-store", False),
        ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT", True),
    ]


@pytest.mark.parametrize("header", ["X: 1", "set X", "put X: 1", "set X Y: 1", "setDate X: tomorrow", "set X: a\tb"])
def test_what_is_no_header_is_refused(header):
    assert faults(response_http_headers_config=header) == ["response.http.headers.config"]


def test_origins_are_exact():
    assert rest(access_control_allow_origin="https://a.example, http://b:8080").access_control_allow_origin
    assert faults(access_control_allow_origin="https://*.example") == ["access.control.allow.origin"]


def test_a_worker_does_not_warn_about_keys_that_are_read_here():
    keys = [entry.key for entry in RestConfig.fields()] + ["ssl.client.auth", "listeners.https.ssl.keystore.location"]
    values = dict.fromkeys(keys, "x") | {"listeners": "http://x:1"}
    assert WorkerConfig.parse(values).warnings == []


def test_every_tls_key_begins_as_kafkas_do():
    assert all(entry.key.startswith("ssl.") for entry in TlsConfig.fields())
