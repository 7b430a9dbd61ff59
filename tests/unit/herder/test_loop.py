from __future__ import annotations

import socket
import threading
from concurrent.futures import Future

import pytest

from fastconnect.herder.loop import HerderLoop, result_of
from fastconnect.herder.refusals import RequestRefusedError
from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import Command, Finish, FrameReader, Ping, Pong, Report, TaskStatus, frame

WITHIN_S = 60


class Running:
    """A loop on a thread of its own, and the supervisor's end of its socket."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(WITHIN_S)
        self.loop = HerderLoop(theirs)
        self.heard: list[Report] = []
        self.thread = threading.Thread(target=self._run, args=(theirs,), daemon=True)
        self.thread.start()

    def _run(self, theirs: socket.socket) -> None:
        with theirs:
            self.loop.run(self.heard.append)

    def end(self) -> None:
        with self.socket:
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(WITHIN_S)
        assert not self.thread.is_alive()


@pytest.fixture
def running():
    of_test = Running()
    yield of_test
    if of_test.thread.is_alive():
        of_test.end()


def test_what_other_threads_ask_is_done_on_the_herders_thread(running):
    assert running.loop.submit(threading.get_ident).result(WITHIN_S) == running.thread.ident


def test_an_error_goes_to_who_has_asked_and_the_loop_goes_on(running):
    with pytest.raises(ZeroDivisionError):
        running.loop.submit(lambda: 1 / 0).result(WITHIN_S)
    assert running.loop.submit(lambda: 1).result(WITHIN_S) == 1


def test_while_a_coroutine_waits_other_things_are_done(running):
    first: Future[int] = Future()

    async def add() -> int:
        return await result_of(first) + await result_of(running.loop.run_in_pool(lambda: 20))

    answer = running.loop.submit(add)
    assert running.loop.submit(lambda: "meanwhile").result(WITHIN_S) == "meanwhile"
    assert not answer.done()
    first.set_result(1)
    assert answer.result(WITHIN_S) == 21


def test_a_coroutine_gets_the_error_of_what_it_waits_for(running):
    async def ask() -> str:
        try:
            await result_of(running.loop.run_in_pool(lambda: 1 // 0))
        except ZeroDivisionError as error:
            return str(error)
        return "nothing"

    assert "zero" in running.loop.submit(ask).result(WITHIN_S)


def test_who_asks_cannot_have_half_a_change_left_undone(running):
    assert not running.loop.submit(lambda: 1).cancel()


def test_the_pool_is_not_the_herders_thread_but_what_follows_is(running):
    threads: Future[tuple[int, int]] = Future()
    pooled = running.loop.run_in_pool(
        threading.get_ident, lambda done: threads.set_result((done.result(), threading.get_ident()))
    )
    in_pool, after = threads.result(WITHIN_S)

    assert pooled.result() == in_pool != running.thread.ident
    assert after == running.thread.ident


def test_what_is_to_be_done_later_is_done_in_the_order_of_its_time(running):
    done: Future[list[str]] = Future()
    order: list[str] = []

    def start() -> None:
        running.loop.call_later(0.03, lambda: (order.append("last"), done.set_result(order)))
        running.loop.call_later(0.01, lambda: order.append("first"))
        running.loop.call_later(0.02, lambda: order.append("never")).cancel()

    running.loop.submit(start).result(WITHIN_S)
    assert done.result(WITHIN_S) == ["first", "last"]


def test_reports_are_heard_and_commands_are_sent(running):
    status = TaskStatus(TaskId("a", 0), 0, 1, State.RUNNING)
    running.socket.sendall(frame(status))
    running.loop.submit(lambda: running.loop.send(Finish(0, "done"))).result(WITHIN_S)

    assert running.heard == [status]
    assert list(FrameReader(Command).feed(running.socket.recv(4096))) == [Finish(0, "done")]


def test_the_supervisors_question_whether_the_herder_lives_is_answered(running):
    running.socket.sendall(frame(Ping()))

    assert list(FrameReader(Command).feed(running.socket.recv(4096))) == [Pong()]
    assert running.heard == []


def test_with_the_socket_the_loop_ends_and_nobody_waits_for_ever(running):
    never: Future[None] = Future()

    async def wait() -> None:
        await result_of(never)

    waiting = running.loop.submit(wait)
    running.loop.submit(lambda: None).result(WITHIN_S)
    running.end()

    for future in (waiting, running.loop.submit(lambda: None)):
        with pytest.raises(RequestRefusedError) as refused:
            future.result(WITHIN_S)
        assert refused.value.status == 503
    never.set_result(None)  # too late, and harmless


def test_what_takes_long_is_named_with_its_beginning(running):
    assert running.loop.stage is None
    with running.loop.doing("reading the config topic"), running.loop.doing("validating a"):
        what, _, begun = running.loop.stage.partition(", which began at ")
        assert what == "reading the config topic"
        assert begun.endswith("Z")
        assert len(begun) == len("2026-01-02T03:04:05.678Z")
    assert running.loop.stage is None
