"""From worker to worker: two real servers, of which one knows that the other must answer."""

from __future__ import annotations

import pytest
from fakes.memory_herder import MemoryHerder

from fastconnect.herder.refusals import OtherWorkerError

CONFIG = {"connector.class": "org.example.One"}
TOO_FAR = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
NO_LEADER = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."


@pytest.fixture
def leader() -> MemoryHerder:
    return MemoryHerder()


@pytest.fixture
def leaders_url(serve, leader) -> str:
    return serve(of=leader).url


@pytest.fixture
def follower(client, herder, leaders_url):
    """A client of a worker that is not the leader."""
    herder.failure = OtherWorkerError("not the leader", leaders_url)
    return client


def test_the_leaders_answer_comes_back_with_a_location_of_the_worker_that_was_asked(follower, leader, leaders_url):
    answer = follower.ask("POST", "/connectors", {"name": "a/b", "config": CONFIG})
    assert answer.status == 201
    assert answer.headers["location"] == f"{follower.url}/connectors/a%2Fb"
    assert list(leader.store.snapshot().connectors) == ["a/b"]
    assert follower.ask("GET", "/connectors/a%2Fb").json["name"] == "a/b"
    assert follower.ask("DELETE", "/connectors/a%2Fb").status == 204


def test_the_leaders_refusal_comes_back_as_it_is(follower):
    answer = follower.ask("DELETE", "/connectors/nope")
    assert (answer.status, answer.json) == (404, {"error_code": 404, "message": "Connector nope not found"})


def test_parameters_go_along(follower, leader):
    leader.put_connector("a", CONFIG, replace=False)
    assert follower.ask("POST", "/connectors/a/restart?includeTasks=true&onlyFailed=true").status == 202
    assert leader.restarts[0].include_tasks
    assert leader.restarts[0].only_failed


def test_a_request_is_sent_on_twice_at_most(follower, leader, leaders_url, herder):
    assert follower.ask("DELETE", "/connectors/a?forward=false").json["message"] == TOO_FAR
    # Two workers that each think the other is the leader: the third refuses.
    leader.failure = OtherWorkerError("not the leader", follower.url)
    answer = follower.ask("DELETE", "/connectors/a")
    assert (answer.status, answer.json["message"]) == (409, TOO_FAR)


def test_without_a_known_leader_it_is_409(client, herder):
    herder.failure = OtherWorkerError("not the leader", None)
    answer = client.ask("DELETE", "/connectors/a")
    assert (answer.status, answer.json["message"]) == (409, NO_LEADER)


def test_a_leader_that_is_gone_is_500_without_its_address(client, herder):
    herder.failure = OtherWorkerError("not the leader", "http://127.0.0.1:1")
    answer = client.ask("DELETE", "/connectors/a")
    assert answer.status == 500
    assert answer.json["message"] == "IO Error trying to forward REST request: ConnectError"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "gopher://x"])
def test_it_is_sent_on_by_http_only(client, herder, url):
    herder.failure = OtherWorkerError("not the leader", url)
    assert client.ask("DELETE", "/connectors/a").status == 409


def test_only_authorization_goes_along(client, herder, until):
    import socket
    import threading

    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                got.append(connection.recv(65536))
                connection.sendall(
                    b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )

        thread = threading.Thread(target=answer)
        thread.start()
        herder.failure = OtherWorkerError("not the leader", f"http://127.0.0.1:{other.getsockname()[1]}/")
        status = client.ask("DELETE", "/connectors/a%2Fb?x=1", Authorization="Basic abc", Cookie="c=1", X_Other="1").status
        thread.join(20)
    assert status == 302  # not followed
    request = got[0].lower()
    assert request.startswith(b"delete /connectors/a%2fb?forward=true&x=1 ")
    assert b"authorization: basic abc" in request
    assert b"cookie" not in request
    assert b"x-other" not in request
