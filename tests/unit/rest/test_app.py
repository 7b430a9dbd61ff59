"""What happens to every request: methods, negotiation, errors, time limits, and headers that each answer has."""

from __future__ import annotations

import time

import pytest
from fakes.memory_herder import MemoryHerder

from fastconnect.errors import ConfigError, ConnectError, Fault
from fastconnect.herder.refusals import ConflictError, RequestRefusedError
from fastconnect.rest.app import accepts


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no/such/path", 404),
        ("GET", "/connectors/x/nothing", 404),
        ("GET", "/connectors//status", 404),
        ("GET", "/connectors/x/tasks-config", 404),
        ("POST", "/", 405),
        ("DELETE", "/connectors", 405),
        ("PUT", "/connectors/x", 405),
        ("TRACE", "/connectors", 405),
        ("BREW", "/connectors", 405),
    ],
)
def test_what_is_not_there_is_said_in_kafka_connects_words(client, method, path, status):
    answer = client.ask(method, path)
    text = {404: "HTTP 404 Not Found", 405: "HTTP 405 Method Not Allowed"}[status]
    assert (answer.status, answer.json) == (status, {"error_code": status, "message": text})
    assert answer.headers["content-type"] == "application/json"


def test_a_slash_at_the_end_does_not_matter(client):
    assert client.ask("GET", "/connectors/").json == []
    assert client.ask("GET", "/connectors/x/status/").json["message"] == "No status found for connector x"


def test_head_is_get_without_the_body(client):
    answer = client.ask("HEAD", "/connectors")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", "application/json")


def test_options_says_what_is_possible(client):
    answer = client.ask("OPTIONS", "/connectors")
    assert (answer.status, answer.body) == (200, b"HEAD, POST, GET, OPTIONS")
    assert (answer.headers["allow"], answer.headers["content-type"]) == ("HEAD,POST,GET,OPTIONS", "text/plain")
    assert client.ask("DELETE", "/connectors").headers["allow"] == "HEAD, POST, GET, OPTIONS"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([], True),
        (["*/*"], True),
        (["application/*;q=0.1"], True),
        (["text/html, application/xhtml+xml, */*;q=0.8"], True),
        (["text/plain", "APPLICATION/JSON"], True),
        (["text/plain"], False),
        (["application/json;q=0"], False),
        (["application/json; q=0.0, text/plain"], False),
    ],
)
def test_who_takes_json_gets_it(given, taken):
    assert accepts(given, "application/json") is taken


def test_who_does_not_take_json_gets_406(client):
    assert client.ask("GET", "/connectors", Accept="text/plain").json["message"] == "HTTP 406 Not Acceptable"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data"]
)
def test_a_body_that_is_no_json_is_415(client, content_type):
    assert client.ask("POST", "/connectors", text="{}", Content_Type=content_type).status == 415


def test_an_empty_content_type_is_400_and_json_may_have_parameters(client):
    assert client.ask("POST", "/connectors", text="{}", Content_Type="").status == 400
    given = {"name": "a", "config": {"connector.class": "x"}}
    assert client.ask("POST", "/connectors", given, Content_Type="Application/JSON; charset=utf-8").status == 201


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (RequestRefusedError(400, "so not"), 400, "so not"),
        (ConflictError("not now"), 409, "not now"),
        (ConfigError("bad", faults=[Fault("k", "wrong")]), 400, "bad\n  - k: wrong"),
        (ConnectError("the broker is away"), 500, "the broker is away"),
        (ZeroDivisionError("secret detail"), 500, "The worker has failed to answer this request; its log says why."),
    ],
)
def test_a_failure_becomes_a_status_and_a_message(client, herder: MemoryHerder, failure, status, message):
    herder.failure = failure
    answer = client.ask("GET", "/connectors")
    assert (answer.status, answer.json) == (status, {"error_code": status, "message": message})


def test_503_says_when_to_come_again(client, herder):
    herder.failure = RequestRefusedError(503, "The worker is being stopped")
    assert client.ask("GET", "/connectors").headers["retry-after"] == "1"


def test_a_herder_that_does_not_answer_in_time_is_told_with_what_it_does(serve, client, herder):
    herder.silent = True
    client.url = serve(answer_within_s=0.2).url
    answer = client.ask("GET", "/connectors")
    assert (answer.status, answer.json["message"]) == (500, "Request timed out")
    herder.now_doing = "reading to the end of the config topic, which began at 2026-01-02T03:04:05.678Z"
    message = client.ask("GET", "/connectors").json["message"]
    assert message == f"Request timed out. The worker is currently {herder.now_doing}."


def test_every_answer_has_the_security_headers(client):
    for path in ("/connectors", "/nope"):
        headers = client.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"


def test_configured_headers_come_in_addition_or_instead(serve, client):
    client.url = serve(response_http_headers_config="set X-Frame-Options: SAMEORIGIN, add X-One: 1").url
    headers = client.ask("GET", "/nope").headers
    assert (headers["x-frame-options"], headers["x-one"], headers["x-content-type-options"]) == ("SAMEORIGIN", "1", "nosniff")


def test_admin_listeners_answer_for_loggers_alone(serve, client):
    server = serve(admin_listeners="http://127.0.0.1:0")
    client.url = server.url
    assert client.ask("GET", "/admin/loggers").status == 404
    client.url = server.admin_urls[0]
    assert client.ask("GET", "/admin/loggers").status == 200
    assert client.ask("GET", "/health").status == 200
    assert client.ask("GET", "/connectors").status == 404


def test_loggers_can_be_turned_off(serve, client):
    client.url = serve(admin_listeners="").url
    assert client.ask("GET", "/admin/loggers").status == 404


def test_a_server_that_is_closed_answers_what_was_asked_and_no_more(serve, client, herder):
    server = serve()
    client.url = server.url
    assert client.ask("GET", "/connectors").status == 200
    begun = time.monotonic()
    server.close()
    assert time.monotonic() - begun < 30
    with pytest.raises(ConnectionRefusedError):
        client.ask("GET", "/connectors")
