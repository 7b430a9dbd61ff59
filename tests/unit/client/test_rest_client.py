"""What the client sends, when it tries again, and how it says that something did not work."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator

import pytest
from fakes.memory_herder import MemoryHerder
from fakes.rest_cluster import LOST, Scripted, error, serving

from fastconnect.client.answers import Offset
from fastconnect.client.cluster import Cluster
from fastconnect.client.rest_client import RestClient
from fastconnect.errors import ClusterRefusedError, ClusterUnreachableError, ConfigError, Fault

CONFIG = {"connector.class": "org.example.OneSourceConnector", "topic": "t"}
REBALANCE = error(
    409, "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."
)
STATUS = {"name": "a", "connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": [], "type": "source"}


class Slept(list[float]):
    """Waits without waiting."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def client(*urls: str, **options) -> RestClient:
    return RestClient(Cluster(urls), **{"sleep": Slept(), "retry_for_s": 5, **options})


@pytest.fixture
def asked() -> Iterator[RestClient]:
    """A client of our own API."""
    with serving(MemoryHerder()) as url, client(url) as own:
        yield own


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


# What is asked


def test_a_connectors_whole_life(asked: RestClient):
    assert asked.server_info().kafka_cluster_id == "a-cluster"
    assert asked.create("a", CONFIG).tasks[0].task == 0
    assert asked.connector_names() == ["a"]
    assert asked.status("a").connector.state == "RUNNING"
    assert asked.config("a") == {"name": "a", **CONFIG}
    assert asked.put_config("a", {**CONFIG, "x": "1"}).config["x"] == "1"
    assert asked.patch_config("a", {"x": None}).config == {"name": "a", **CONFIG}
    asked.pause("a")
    assert asked.status("a").connector.state == "PAUSED"
    asked.stop("a")
    asked.alter_offsets("a", [Offset({"file": "f"}, {"position": 1})])
    assert asked.offsets("a") == [Offset({"file": "f"}, {"position": 1})]
    assert "reset" in asked.reset_offsets("a")
    asked.resume("a")
    assert [task.id.task for task in asked.tasks("a")] == [0]
    asked.restart("a", include_tasks=True)
    asked.restart_task("a", 0)
    assert asked.topics("a") == []
    assert list(asked.connectors()) == ["a"]
    asked.delete("a")
    assert asked.connector_names() == []


@pytest.mark.parametrize("name", ["a b", "a/b", "ä", "a+b", "100%", "a?b#c", "...", "a;b=c", "…"])
def test_names_with_any_characters_are_found_again(asked: RestClient, name: str):
    asked.create(name, CONFIG)
    asked.create("other", CONFIG)
    assert asked.config(name) == {"name": name, **CONFIG}
    asked.delete(name)
    assert asked.connector_names() == ["other"]


def test_a_name_of_dots_is_no_step_in_the_path():
    with Scripted((200, STATUS)) as server, client(server.url) as own:
        own.status("..")
    assert server.requests[0][1] == "/connectors/%2E%2E/status"


def test_an_initial_state_is_sent_only_where_there_is_one():
    with Scripted((201, {"name": "a", "config": {}, "tasks": [], "type": "source"})) as server, client(server.url) as own:
        own.create("a", CONFIG, "RUNNING")
        own.create("a", CONFIG, "PAUSED")
    assert [body.get("initial_state") for *_, body in server.requests] == [None, "PAUSED"]


def test_user_and_password_are_sent_and_shown_nowhere():
    with Scripted((401, {"error_code": 401, "message": "User cannot access the resource."})) as server:
        own = RestClient(Cluster((server.url,), "me", "geheim"))
        with own, pytest.raises(ClusterRefusedError) as refused:
            own.connector_names()
    assert server.requests[0][2]["Authorization"] == "Basic " + base64.b64encode(b"me:geheim").decode()
    assert "--user" in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_an_address_may_have_a_path():
    with Scripted((200, [])) as server, client(f"{server.url}/connect") as own:
        own.connector_names()
    assert server.requests[0][1] == "/connect/connectors"


def test_a_class_that_the_cluster_does_not_know_is_a_fault_without_the_list_of_all_classes():
    text = (
        "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: Failed to find any class that implements Connector "
        "and which name matches X, available connectors are: PluginDesc{klass=class A}"
    )
    with Scripted(error(500, text)) as server, client(server.url) as own:
        assert own.faults({"connector.class": "X"}) == [
            Fault("connector.class", "Failed to find any class that implements Connector and which name matches X")
        ]


def test_the_faults_of_a_validation():
    configs = [
        {"definition": {"name": "topic", "type": "STRING"}, "value": {"name": "topic", "errors": ["one", "two"]}},
        {"definition": {"name": "file", "type": "STRING"}, "value": {"name": "file", "value": "f", "errors": []}},
    ]
    with (
        Scripted((200, {"name": "X", "error_count": 2, "groups": [], "configs": configs})) as server,
        client(server.url) as own,
    ):
        assert own.faults({"connector.class": "X"}) == [Fault("topic", "one"), Fault("topic", "two")]
        assert own.faults({}) == [Fault("connector.class", "is missing")]
    assert len(server.requests) == 1


# When it tries again


@pytest.mark.parametrize(
    "trouble",
    [
        REBALANCE,
        error(503, "Worker is still starting up."),
        error(500, "Request cannot be completed because a rebalance is expected"),
        error(500, "IO Error trying to forward REST request: Connection refused"),
        (502, b"<html>"),
        (LOST, None),
    ],
    ids=["rebalance", "starting", "rebalance as 500", "leader away", "proxy", "lost"],
)
def test_a_question_is_asked_again_until_it_is_answered(trouble):
    with Scripted(trouble, trouble, (200, STATUS)) as server, client(server.url) as own:
        assert own.status("a").connector.state == "RUNNING"
    assert len(server.requests) == 3


def test_the_waits_grow():
    slept = Slept()
    with Scripted(*[REBALANCE] * 6, (200, STATUS)) as server, client(server.url, sleep=slept) as own:
        own.status("a")
    assert slept == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


@pytest.mark.parametrize(
    "answer",
    [error(409, "Connector a already exists"), error(400, "bad"), error(404, "none"), error(500, "broken")],
    ids=["exists", "bad", "not there", "broken"],
)
def test_what_will_be_answered_alike_again_is_not_asked_again(answer):
    with Scripted(answer) as server, client(server.url) as own, pytest.raises(ClusterRefusedError) as refused:
        own.create("a", CONFIG)
    assert refused.value.status == answer[0]
    assert len(server.requests) == 1


def test_a_create_whose_answer_was_lost_is_not_repeated_for_it_may_have_been_done():
    with (
        Scripted((LOST, None)) as server,
        client(server.url) as own,
        pytest.raises(ClusterUnreachableError, match="may have been carried out"),
    ):
        own.create("a", CONFIG)
    assert len(server.requests) == 1


def test_a_create_that_meets_a_rebalance_is_repeated():
    done = (201, {"name": "a", "config": {}, "tasks": [], "type": "source"})
    with Scripted(REBALANCE, done) as server, client(server.url) as own:
        own.create("a", CONFIG)
    assert len(server.requests) == 2


def test_a_delete_whose_answer_was_lost_has_done_it_if_the_connector_is_gone_then():
    with Scripted((LOST, None), error(404, "Connector a not found")) as server, client(server.url) as own:
        own.delete("a")
    with (
        Scripted(error(404, "Connector a not found")) as server,
        client(server.url) as own,
        pytest.raises(ClusterRefusedError, match="not found"),
    ):
        own.delete("a")


def test_patience_has_an_end_and_the_trouble_is_told_once():
    told: list[str] = []
    with Scripted(REBALANCE) as server, client(server.url, retry_for_s=0.5, on_trouble=told.append) as own:
        own._sleep = _real_sleep
        with pytest.raises(ClusterRefusedError, match="try again in a moment"):
            own.status("a")
    assert len(server.requests) >= 2
    assert len(told) == 1
    assert "no known leader URL" in told[0]


def _real_sleep(seconds: float) -> None:
    import time

    time.sleep(seconds)


def test_no_patience_means_one_try():
    with Scripted(REBALANCE) as server, client(server.url, retry_for_s=0) as own, pytest.raises(ClusterRefusedError):
        own.status("a")
    assert len(server.requests) == 1


def test_the_next_worker_is_asked_at_once_where_one_is_away_and_is_remembered():
    slept, told = Slept(), []
    options = {"retry_for_s": 0, "sleep": slept, "on_trouble": told.append}
    with Scripted((200, STATUS)) as server, client(free_url(), server.url, **options) as own:
        assert own.status("a").name == "a"
        assert own.status("a").name == "a"
    assert len(server.requests) == 2
    assert (slept, told) == ([], [])


# How it says what did not work


def test_nobody_there():
    url = free_url()
    with client(url, retry_for_s=0) as own, pytest.raises(ClusterUnreachableError) as refused:
        own.pause("a")
    assert f"PUT {url}/connectors/a/pause: cannot reach {url}" in str(refused.value)
    assert "FASTCONNECT_URL" in str(refused.value)


def test_somebody_else_there():
    with (
        Scripted((200, b"<html>Hello</html>", {"Content-Type": "text/html"})) as server,
        client(server.url) as own,
        pytest.raises(ClusterUnreachableError, match=r"is no Kafka Connect.*is the address right"),
    ):
        own.connector_names()


def test_an_error_that_is_no_json():
    with (
        Scripted((400, b"<html>Ambiguous</html>")) as server,
        client(server.url) as own,
        pytest.raises(ClusterRefusedError, match=r"HTTP 400 Bad Request.*in Java cannot be asked about a name like this"),
    ):
        own.status("a/b")


def test_a_redirect_is_not_followed_but_told():
    with (
        Scripted((301, None, {"Location": "https://there/"})) as server,
        client(server.url) as own,
        pytest.raises(ClusterRefusedError, match="has moved to https://there/"),
    ):
        own.connector_names()


def test_an_error_names_method_and_address():
    with (
        Scripted(error(404, "Connector a not found")) as server,
        client(server.url) as own,
        pytest.raises(ClusterRefusedError) as refused,
    ):
        own.connector("a")
    assert str(refused.value) == f"GET {server.url}/connectors/a: Connector a not found"


def test_an_address_that_cannot_be_is_a_config_error():
    with client(f"http://{'ü' * 70}", retry_for_s=0) as own, pytest.raises(ConfigError, match="no address"):
        own.connector_names()


def test_plain_http_to_an_https_port_says_what_may_be_wrong():
    with (
        Scripted((200, [])) as server,
        client(server.url.replace("http:", "https:"), retry_for_s=0) as own,
        pytest.raises(ClusterUnreachableError, match="http://"),
    ):
        own.connector_names()
