"""Each route against a herder in memory: codes, headers and shapes as Kafka Connect has them."""

from __future__ import annotations

import pytest
from fakes.memory_herder import MemoryHerder

from fastconnect.herder.answers import RestartRequest
from fastconnect.states import TargetState, TaskId

CONFIG = {"connector.class": "org.example.One", "tasks.max": 1}
STORED = {"connector.class": "org.example.One", "tasks.max": "1", "name": "orders"}


@pytest.fixture
def orders(client):
    """A connector that is there already."""
    assert client.ask("POST", "/connectors", {"name": "orders", "config": CONFIG}).status == 201
    return client


def test_a_new_connector_is_answered_with_201_and_where_it_is(client):
    answer = client.ask("POST", "/connectors", {"name": " orders ", "config": CONFIG})
    assert answer.status == 201
    assert answer.headers["location"] == f"{client.url}/connectors/orders"
    assert answer.json == {"name": "orders", "config": STORED, "tasks": [{"connector": "orders", "task": 0}], "type": "source"}


def test_a_second_of_the_same_name_is_409(orders):
    answer = orders.ask("POST", "/connectors", {"name": "orders", "config": CONFIG})
    assert (answer.status, answer.json) == (409, {"error_code": 409, "message": "Connector orders already exists"})


def test_another_name_in_the_config_is_400(client):
    answer = client.ask("POST", "/connectors", {"name": "orders", "config": {**CONFIG, "name": "other"}})
    message = "Connector name configuration (other) doesn't match connector name in the URL (orders)"
    assert (answer.status, answer.json["message"]) == (400, message)


@pytest.mark.parametrize(
    ("given", "target"), [("paused", TargetState.PAUSED), ("STOPPED", TargetState.STOPPED), ("Running", TargetState.STARTED)]
)
def test_the_initial_state_is_taken_in_any_case(client, herder, given, target):
    assert client.ask("POST", "/connectors", {"name": "a", "config": CONFIG, "initial_state": given}).status == 201
    assert herder.store.snapshot().connectors["a"].target is target


def test_the_config_of_a_connector_is_put_read_and_patched(client):
    put = client.ask("PUT", "/connectors/orders/config", CONFIG)
    assert (put.status, put.headers["location"]) == (201, f"{client.url}/connectors/orders")
    again = client.ask("PUT", "/connectors/orders/config", CONFIG)
    assert (again.status, again.headers.get("location")) == (200, None)
    assert client.ask("PATCH", "/connectors/orders/config", {"x": True, "tasks.max": None}).status == 200
    assert client.ask("GET", "/connectors/orders/config").json == {
        "connector.class": "org.example.One",
        "name": "orders",
        "x": "true",
    }


def test_a_patch_may_not_give_a_connector_another_name(orders):
    answer = orders.ask("PATCH", "/connectors/orders/config", {"name": "other"})
    assert answer.status == 400
    assert orders.ask("PATCH", "/connectors/orders/config", {"name": "orders"}).status == 200


@pytest.mark.parametrize("name", ["a/b", "..%", "ü ö", "x+y", "a?b#c", "😀", "%2F"])
def test_a_name_of_any_characters_can_be_asked_for(client, name):
    from urllib.parse import quote

    created = client.ask("POST", "/connectors", {"name": name, "config": CONFIG})
    assert created.status == 201, created.body
    path = f"/connectors/{quote(name, safe='')}"
    assert created.headers["location"] == client.url + path
    assert client.ask("GET", f"{path}/status").json["name"] == name
    assert client.ask("DELETE", path).status == 204
    assert client.ask("GET", path).status == 404


@pytest.mark.parametrize("name", [".", "..", "x" * 256])
def test_a_name_that_no_url_and_no_key_can_hold_is_refused(client, name):
    assert client.ask("POST", "/connectors", {"name": name, "config": CONFIG}).status == 400


def test_connectors_can_be_expanded(orders):
    assert orders.ask("GET", "/connectors").json == ["orders"]
    both = orders.ask("GET", "/connectors?expand=status&expand=info").json["orders"]
    assert both["status"]["connector"]["state"] == "RUNNING"
    assert both["info"]["config"] == STORED
    for unknown in ("nothing", "info,status"):
        assert orders.ask("GET", f"/connectors?expand={unknown}").json == {"orders": {}}


def test_a_connector_that_is_gone_while_others_are_expanded_is_left_out(orders, herder: MemoryHerder):
    names = herder.connectors().result()
    herder.connectors = lambda: herder._answered(lambda: [*names, "gone"])  # type: ignore[method-assign]
    assert list(orders.ask("GET", "/connectors?expand=info").json) == ["orders"]


@pytest.mark.parametrize(
    ("verb", "status", "state"), [("pause", 202, "PAUSED"), ("stop", 204, "STOPPED"), ("resume", 202, "RUNNING")]
)
def test_a_connector_is_paused_stopped_and_resumed_without_a_body(orders, verb, status, state):
    answer = orders.ask("PUT", f"/connectors/orders/{verb}")
    assert (answer.status, answer.body, answer.headers.get("content-type")) == (status, b"", None)
    assert orders.ask("GET", "/connectors/orders/status").json["connector"]["state"] == state
    assert orders.ask("PUT", f"/connectors/nope/{verb}").json["message"] == "Unknown connector nope"


def test_a_restart_is_204_and_with_parameters_202_with_what_will_be(orders, herder):
    plain = orders.ask("POST", "/connectors/orders/restart?includeTasks=banana")
    assert (plain.status, plain.body) == (204, b"")
    full = orders.ask("POST", "/connectors/orders/restart?includeTasks=TRUE&onlyFailed=true")
    assert (full.status, full.json["name"]) == (202, "orders")
    assert herder.restarts == ["orders", RestartRequest(connector="orders", only_failed=True, include_tasks=True)]
    assert orders.ask("POST", "/connectors/nope/restart").json["message"] == "Unknown connector: nope"


def test_tasks_are_listed_looked_at_and_restarted(orders, herder):
    assert orders.ask("GET", "/connectors/orders/tasks").json == [{"id": {"connector": "orders", "task": 0}, "config": STORED}]
    assert orders.ask("GET", "/connectors/orders/tasks/0/status").json == {
        "id": 0,
        "state": "RUNNING",
        "worker_id": "127.0.0.1:8083",
    }
    assert orders.ask("GET", "/connectors/orders/tasks/9/status").json["message"] == "No status found for task orders-9"
    assert orders.ask("POST", "/connectors/orders/tasks/0/restart").status == 204
    assert herder.restarts == [TaskId("orders", 0)]


@pytest.mark.parametrize("task", ["abc", "0x1", "9999999999", "1.0", "%30%00"])
def test_a_task_that_is_no_number_is_no_path(orders, task):
    answer = orders.ask("GET", f"/connectors/orders/tasks/{task}/status")
    assert (answer.status, answer.json["message"]) == (404, "HTTP 404 Not Found")


def test_topics_are_shown_and_forgotten_unless_tracking_is_off(client, herder, serve):
    herder.topics["orders"] = ["t"]
    assert client.ask("GET", "/connectors/orders/topics").json == {"orders": {"topics": ["t"]}}
    assert client.ask("PUT", "/connectors/orders/topics/reset").status == 202
    assert client.ask("GET", "/connectors/orders/topics").json == {"orders": {"topics": []}}
    client.url = serve(topic_tracking_allow_reset="false").url
    assert client.ask("PUT", "/connectors/orders/topics/reset").json["message"] == "Topic tracking reset is disabled."
    client.url = serve(topic_tracking_enable="false").url
    assert client.ask("GET", "/connectors/orders/topics").status == 403
    assert client.ask("PUT", "/connectors/orders/topics/reset").json["message"] == "Topic tracking is disabled."


def test_offsets_are_shown_altered_and_reset(orders):
    one = {"partition": {"file": "x"}, "offset": {"position": 1}}
    assert orders.ask("PATCH", "/connectors/orders/offsets", {"offsets": [one]}).status == 400
    orders.ask("PUT", "/connectors/orders/stop")
    altered = orders.ask("PATCH", "/connectors/orders/offsets", {"offsets": [one]})
    assert altered.json == {"message": "The offsets for this connector have been altered successfully"}
    assert orders.ask("GET", "/connectors/orders/offsets").json == {"offsets": [one]}
    assert orders.ask("DELETE", "/connectors/orders/offsets").status == 200
    assert orders.ask("GET", "/connectors/orders/offsets").json == {"offsets": []}


@pytest.mark.parametrize("body", [{}, {"offsets": []}, {"offsets": None}])
def test_no_offsets_are_400_in_kafka_connects_words(orders, body):
    answer = orders.ask("PATCH", "/connectors/orders/offsets", body)
    assert answer.json["message"] == "Partitions / offsets need to be provided for an alter offsets request"


@pytest.mark.parametrize("offset", [{"position": 1 << 63}, {"a": [{"b": -(1 << 63) - 1}]}])
def test_offsets_that_do_not_fit_64_bits_are_400(orders, offset):
    orders.ask("PUT", "/connectors/orders/stop")
    answer = orders.ask("PATCH", "/connectors/orders/offsets", {"offsets": [{"partition": {"a": 1}, "offset": offset}]})
    assert answer.status == 400
    fits = {"partition": {"a": (1 << 63) - 1}, "offset": {"a": -(1 << 63)}}
    assert orders.ask("PATCH", "/connectors/orders/offsets", {"offsets": [fits]}).status == 200


def test_plugins_are_connectors_unless_all_are_asked_for(client):
    assert [each["type"] for each in client.ask("GET", "/connector-plugins").json] == ["sink", "source"]
    assert len(client.ask("GET", "/connector-plugins?connectorsOnly=false").json) == 3
    assert client.ask("GET", "/connector-plugins/org.example.OneConverter/config?version=1.0").json == [
        {"name": "topic", "version": "1.0"}
    ]
    assert client.ask("GET", "/connector-plugins/Nope/config").json["message"] == "Unknown plugin Nope."


def test_a_config_for_another_class_than_the_paths_is_not_validated(client):
    given = {"connector.class": "org.example.OneSinkConnector", "n": 1.50}
    ok = client.ask("PUT", "/connector-plugins/OneSink/config/validate", text='{"connector.class": "OneSink", "n": 1.50}')
    assert ok.json["given"] == {"connector.class": "OneSink", "n": "1.50"}
    answer = client.ask("PUT", "/connector-plugins/OneSource/config/validate", given)
    message = "Included connector type org.example.OneSinkConnector does not match request type OneSource"
    assert (answer.status, answer.json["message"]) == (400, message)


def test_loggers_are_listed_and_set(client):
    set_level = client.ask("PUT", "/admin/loggers/tests.rest", {"level": "debug"})
    assert (set_level.status, set_level.json) == (200, ["tests.rest"])
    assert client.ask("GET", "/admin/loggers/tests.rest").json["level"] == "DEBUG"
    assert client.ask("GET", "/admin/loggers").json["root"]
    assert client.ask("PUT", "/admin/loggers/tests.rest?scope=cluster", {"level": "INFO"}).status == 204
    assert client.ask("GET", "/admin/loggers/tests.no.such").json["message"] == "Logger tests.no.such not found."
    assert client.ask("PUT", "/admin/loggers/tests.rest", {"level": "LOUD"}).json == {
        "error_code": 404,
        "message": "invalid log level 'LOUD'.",
    }
    assert client.ask("PUT", "/admin/loggers/tests.rest", {}).status == 400


def test_internal_requests_bring_body_algorithm_and_signature_to_the_herder(orders, herder):
    assert orders.ask("POST", "/connectors/orders/tasks", [{"a": 1}]).status == 400
    headers = {"X_Connect_Authorization": "c2lnbmF0dXJl", "X_Connect_Request_Signature_Algorithm": "HmacSHA256"}
    assert orders.ask("POST", "/connectors/orders/tasks", text='[ {"a": 1}]', **headers).status == 204
    assert orders.ask("PUT", "/connectors/orders/fence", **headers).status == 204
    assert [(each.body, each.signature, each.algorithm) for each in herder.signatures] == [
        (b'[ {"a": 1}]', b"signature", "HmacSHA256"),
        (b"", b"signature", "HmacSHA256"),
    ]


def test_health_says_starting_with_503_and_when_to_come_again(client, herder):
    assert client.ask("GET", "/health").status == 200
    herder.is_ready = False
    answer = client.ask("GET", "/health")
    assert (answer.status, answer.json["status"], answer.headers["retry-after"]) == (503, "starting", "1")


def test_metrics_are_text_for_prometheus(client):
    answer = client.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert client.ask("GET", "/metrics", Accept="text/plain").status == 200
    assert client.ask("GET", "/metrics", Accept="application/openmetrics-text, text/plain;q=0.5").status == 200
