"""What is no HTTP, too much of it, or too slow."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from fakes.malformed import HOST, NO_HTTP, STRANGE, exchange

from fastconnect.rest import call, http_protocol
from fastconnect.rest.server import RestServer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def body_of(answer: bytes) -> object:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_http_is_400_in_json_and_the_end_of_the_connection(client, name):
    answer = exchange(client.url, NO_HTTP[name])
    assert status_of(answer) == 400, answer
    assert b"content-type: application/json" in answer.lower()
    assert b"connection: close" in answer.lower()
    assert isinstance(body_of(answer), dict)
    assert client.ask("GET", "/connectors").status == 200


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_strange_is_refused_in_json_or_answered(client, name):
    answer = exchange(client.url, STRANGE[name] + HOST + b"Connection: close\r\n\r\n" + b"{}")
    assert status_of(answer) < 500, answer
    assert b"text/html" not in answer.lower()
    assert status_of(answer) == 200 or isinstance(body_of(answer), dict)


def test_headers_end_at_8_kib(client):
    answer = exchange(client.url, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 10_000)
    assert status_of(answer) == 431
    fits = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"x" * 7_000 + b"\r\n\r\n"
    assert status_of(exchange(client.url, fits)) == 200


def test_a_body_ends_at_1_mib(client):
    big = json.dumps({"name": "a", "config": {"x": "y" * (1 << 20)}})
    assert client.ask("POST", "/connectors", text=big).status == 413
    fits = json.dumps({"name": "a", "config": {"connector.class": "x", "x": "y" * 1_000_000}})
    assert client.ask("POST", "/connectors", text=fits).status == 201


def test_the_tasks_of_a_large_connector_may_come_from_another_worker(client):
    large = json.dumps([{"x": "y" * 1_000}] * 3_000)
    assert client.ask("POST", "/connectors/a/tasks", text=large).status not in (413, 500)
    assert client.ask("POST", "/connectors/a/tasks", text=json.dumps([{"x": "y" * (1 << 24)}])).status == 413


def test_a_body_in_chunks_ends_there_too(client):
    head = b"POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = exchange(
        client.url, head + b"10000\r\n" + b"x" * 65536 + b"\r\n" + b"100000\r\n" + b"x" * (1 << 20) + b"\r\n0\r\n\r\n"
    )
    assert status_of(answer) == 413


def test_headers_that_do_not_arrive_are_408(serve: Callable[..., RestServer], monkeypatch):
    monkeypatch.setattr(http_protocol, "HEADERS_WITHIN_S", 0.1)
    url = serve().url
    assert status_of(exchange(url, b"")) == 408
    assert status_of(exchange(url, b"GET / HTTP/1.1\r\nHost: loc")) == 408
    # The second request of a connection has as little time as the first.
    second = exchange(url, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /conn")
    assert status_of(second) == 200
    assert b"HTTP/1.1 408" in second


def test_a_body_that_does_not_arrive_is_408(serve: Callable[..., RestServer], monkeypatch):
    monkeypatch.setattr(call, "BODY_WITHIN_S", 0.1)
    head = b"POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
    url = serve().url
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(head)
        assert status_of(connection.recv(65536)) == 408


def test_more_than_the_allowed_connections_are_sent_away(serve: Callable[..., RestServer], monkeypatch, client):
    monkeypatch.setattr(http_protocol, "MOST_CONNECTIONS", 3)
    client.url = serve().url
    parts = urlsplit(client.url)
    kept = [socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) for _ in range(3)]
    try:
        for each in kept:
            each.sendall(b"GET /connectors HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status_of(each.recv(65536)) == 200
        answer = exchange(client.url, b"")
        assert (status_of(answer), b"retry-after: 1" in answer.lower()) == (503, True)
    finally:
        for each in kept:
            each.close()


def test_requests_of_one_connection_are_answered_in_order(client):
    ask = b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    answer = exchange(client.url, ask % (b"/connectors", b"") + ask % (b"/nope", b"Connection: close\r\n"))
    assert answer.index(b"200 OK") < answer.index(b"404 Not Found")


def test_a_client_that_hangs_up_in_the_middle_of_a_body_harms_nobody(client):
    head = b"POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    parts = urlsplit(client.url)
    for _ in range(5):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
            connection.sendall(head)
    assert client.ask("GET", "/connectors").status == 200
