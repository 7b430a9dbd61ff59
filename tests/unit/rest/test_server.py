"""Sockets: ports that are taken, advertised addresses, several listeners."""

from __future__ import annotations

import socket

import pytest

from fastconnect.config.rest import Listener, RestConfig
from fastconnect.errors import ConfigError
from fastconnect.rest.server import advertised_url, bind


def bound(**keys: str):
    return bind(RestConfig.parse({key.replace("_", "."): value for key, value in keys.items()}))


def test_port_0_takes_a_free_one_and_tells_it():
    ports = bound(listeners="http://127.0.0.1:0")
    try:
        port = ports.listeners[0][1].getsockname()[1]
        assert (ports.url, ports.worker_id) == (f"http://127.0.0.1:{port}", f"127.0.0.1:{port}")
    finally:
        ports.close()


def test_a_taken_port_is_a_sentence_that_names_the_key():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError) as refused:
            bound(listeners=f"http://127.0.0.1:0,http://127.0.0.1:{port}")
    assert f"http://127.0.0.1:{port} cannot be listened to: Address already in use" in str(refused.value)
    assert "listeners" in str(refused.value)


def test_a_name_that_is_no_address_of_this_machine_is_a_sentence_too():
    with pytest.raises(ConfigError, match="cannot be listened to"):
        bound(listeners="http://no.such.host.invalid:0", rest_insecure="true")


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({}, "http://127.0.0.1:1"),
        ({"rest.advertised.listener": "https"}, "https://localhost:2"),
        ({"rest.advertised.host.name": "w1.example", "rest.advertised.port": "80"}, "http://w1.example:80"),
        ({"rest.advertised.host.name": "::1"}, "http://[::1]:1"),
    ],
)
def test_the_advertised_address(keys, url):
    listeners = [Listener("http", "127.0.0.1", 1), Listener("https", "localhost", 2)]
    given = {"listeners": ",".join(map(str, listeners)), "ssl.keystore.location": "a.pem", "ssl.keystore.type": "PEM"}
    assert advertised_url(RestConfig.parse({**given, **keys}), listeners) == url


def test_an_open_listener_is_advertised_by_the_machines_name():
    config = RestConfig.parse({"listeners": "http://0.0.0.0:1", "rest.insecure": "true"})
    assert advertised_url(config, config.addresses) == f"http://{socket.getfqdn()}:1"


def test_all_addresses_are_listened_to_by_both_protocols():
    ports = bound(listeners="http://:0", rest_insecure="true")
    try:
        port = ports.listeners[0][1].getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    finally:
        ports.close()


def test_several_listeners_answer_alike(serve, client):
    server = serve(listeners="http://127.0.0.1:0,http://localhost:0")
    assert len(server.urls) == 2
    for url in server.urls:
        client.url = url
        assert client.ask("GET", "/connectors").json == []
