from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from fakes.herder import Clock

from fastconnect.errors import ConnectError
from fastconnect.herder.leader_client import Leader, TaskConfigSender, http_post
from fastconnect.herder.loop import HerderLoop
from fastconnect.herder.refusals import RequestRefusedError


class Group:
    """A leader elsewhere, nowhere, or here."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._ours, theirs = socket.socketpair()
        self._theirs = theirs
        self.loop = HerderLoop(theirs, self.clock)
        self.leader: Leader | None = Leader("http://leader:1/")
        self.posted: list[tuple[str, bytes, dict[str, str]]] = []
        self.stored: list[tuple[str, list[dict[str, str | None]]]] = []
        self.error: Exception | None = None
        self.sender = TaskConfigSender(self.loop, lambda: self.leader, self._store, self._post, lambda: None, "HmacSHA256")

    def _store(self, name, configs):
        self.stored.append((name, list(configs)))
        done: Future[None] = Future()
        if self.error is None:
            done.set_result(None)
        else:
            done.set_exception(self.error)
        return done

    def _post(self, url, body, headers):
        self.posted.append((url, body, dict(headers)))
        if self.error is not None:
            raise self.error

    def until(self, condition) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            self.loop.turn()
            time.sleep(0.001)

    def wait(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.loop.turn()

    @property
    def waiting(self) -> list[float]:
        """How long it still waits for each next try."""
        return [timer.due - self.clock() for _, _, timer in self.loop._timers if not timer.cancelled]

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


@pytest.fixture
def group() -> Iterator[Group]:
    group = Group()
    yield group
    group.close()


def test_they_are_posted_to_the_leader_once(group):
    group.sender.send("a", [{"n": "0"}])
    group.until(lambda: group.posted and not group.sender._unsent)
    group.wait(100)

    assert group.posted == [("http://leader:1/connectors/a/tasks", b'[{"n":"0"}]', {"Content-Type": "application/json"})]


def test_on_the_leader_itself_they_are_stored_without_a_request(group):
    group.leader = Leader(None)
    group.sender.send("a", [{"n": "0"}])

    assert group.stored == [("a", [{"n": "0"}])]
    assert group.posted == []


def test_what_is_refused_is_sent_again_and_each_wait_is_longer(group):
    group.error = RequestRefusedError(409, "not now")
    group.sender.send("a", [])
    waits = []
    for count in range(1, 5):
        group.until(lambda: len(group.posted) == count and group.waiting)  # noqa: B023
        waits.append(group.waiting[0])
        group.error = None if count == 4 else group.error
        group.wait(waits[-1] + 0.001)

    assert [0.8 * each <= wait <= 1.2 * each for each, wait in zip((0.25, 0.5, 1, 2), waits, strict=True)] == [True] * 4
    group.until(lambda: not group.sender._unsent)
    assert len(group.posted) == 5


def test_another_leader_is_tried_at_once(group):
    group.leader = None
    group.sender.send("a", [{}])
    group.wait(0.1)
    assert group.posted == []

    group.leader = Leader("http://other:1")
    group.sender.try_all()
    group.until(lambda: group.posted)
    assert group.posted[0][0] == "http://other:1/connectors/a/tasks"


def test_only_the_newest_of_a_connector_are_sent(group):
    group.leader = None
    group.sender.send("a", [{"n": "old"}])
    group.sender.send("a", [{"n": "new"}])
    group.sender.send("b", [{}])
    group.sender.drop("b")
    group.leader = Leader(None)
    group.sender.try_all()

    assert group.stored == [("a", [{"n": "new"}])]


def test_what_another_worker_says_by_now_is_not_sent(group):
    group.leader = None
    group.sender.send("a", [{}])
    group.sender.send("b", [{}])
    group.sender.keep(["b"])
    group.leader = Leader(None)
    group.sender.try_all()

    assert [name for name, _ in group.stored] == ["b"]


def test_an_answer_that_is_no_success_and_a_leader_that_is_not_there_are_errors():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(403 if self.path == "/wrong" else 200)
            self.end_headers()
            self.wfile.write(b"Internal request contained invalid signature.")

        def log_message(self, *_: object) -> None:
            pass

    post = http_post(lambda: None)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            post(f"{url}/right", b"[]", {})
            with pytest.raises(RequestRefusedError, match="answers 403: Internal request contained invalid signature"):
                post(f"{url}/wrong", b"[]", {})
        finally:
            server.shutdown()
            thread.join()
    with pytest.raises(ConnectError, match="the leader does not answer"):
        post(url, b"[]", {})
