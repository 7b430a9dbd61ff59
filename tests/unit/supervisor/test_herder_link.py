from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fastconnect.states import State, TaskId
from fastconnect.supervisor.control import (
    ConnectorAnswer,
    Finish,
    FrameReader,
    Inventory,
    Report,
    Stopping,
    StopTask,
    TaskStatus,
    frame,
)
from fastconnect.supervisor.herder_link import PENDING_LIMIT, BrokenLinkError, HerderLink


@pytest.fixture
def ends() -> Iterator[tuple[HerderLink, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    link = HerderLink(ours)
    yield link, theirs
    link.close()
    theirs.close()


def heard(link: HerderLink, theirs: socket.socket, count: int) -> list[Report]:
    reader = FrameReader(Report)
    reports: list[Report] = []
    while len(reports) < count:
        link.flush()
        reports += reader.feed(theirs.recv(1 << 20))  # type: ignore[arg-type]
    return reports


def status(number: int, started: int = 0) -> TaskStatus:
    return TaskStatus(TaskId("orders", number), 0, 1, State.RUNNING, reason="r" * 1000, started_count=started)


def test_reports_arrive_in_their_order(ends: tuple[HerderLink, socket.socket]) -> None:
    link, theirs = ends
    sent: list[Report] = [Inventory([]), status(0), ConnectorAnswer(1, body=b"x"), Stopping("why")]
    for report in sent:
        link.send(report)
    assert heard(link, theirs, 4) == sent


def test_statuses_of_a_task_that_were_not_sent_become_the_latest_one(ends: tuple[HerderLink, socket.socket]) -> None:
    link, theirs = ends
    for started in range(50_000):
        link.send(status(started % 10, started))
        link.flush()  # until the socket is full it sends; then it only keeps the latest
    reader = FrameReader(Report)
    theirs.setblocking(False)
    last = {}
    while link.has_unsent or last.get(9) != 49_999:
        link.flush()
        for report in reader.feed(theirs.recv(1 << 20)):
            assert isinstance(report, TaskStatus)
            last[report.id.task] = report.started_count
    assert last == {number: 49_990 + number for number in range(10)}


def test_sending_never_waits(ends: tuple[HerderLink, socket.socket]) -> None:
    link, theirs = ends
    link.send(ConnectorAnswer(1, body=b"x" * 10_000_000))
    link.flush()
    link.send(ConnectorAnswer(2, body=b"y"))
    link.flush()
    assert link.has_unsent
    assert [len(report.body or b"") for report in heard(link, theirs, 2)] == [10_000_000, 1]
    assert not link.has_unsent


def test_a_herder_that_reads_nothing_at_all_is_given_up(ends: tuple[HerderLink, socket.socket]) -> None:
    link, _ = ends
    for number in range(PENDING_LIMIT + 1):
        link.send(ConnectorAnswer(number))
    with pytest.raises(BrokenLinkError, match="unread"):
        link.send(ConnectorAnswer(0))


def test_the_end_comes_after_all_that_was_sent(ends: tuple[HerderLink, socket.socket]) -> None:
    link, theirs = ends
    link.send(ConnectorAnswer(1, body=b"x" * 3_000_000))
    link.end()
    heard(link, theirs, 1)
    link.flush()
    assert theirs.recv(1) == b""


def test_commands_are_received_however_they_are_cut(ends: tuple[HerderLink, socket.socket]) -> None:
    link, theirs = ends
    data = frame(StopTask(TaskId("a", 1))) + frame(Finish(0, "done"))
    received = []
    for place in range(len(data)):
        theirs.send(data[place : place + 1])
        received += link.receive()
    assert received == [StopTask(TaskId("a", 1)), Finish(0, "done")]
    assert link.receive() == []


@pytest.mark.parametrize("rubbish", [b"\xff" * 8, b"\0\0\0\1\xc1", frame(Stopping("a report is no command"))])
def test_rubbish_breaks_the_link(ends: tuple[HerderLink, socket.socket], rubbish: bytes) -> None:
    link, theirs = ends
    theirs.send(rubbish)
    with pytest.raises(BrokenLinkError, match="no command"):
        link.receive()


def test_a_closed_socket_breaks_the_link(ends: tuple[HerderLink, socket.socket]) -> None:
    link, theirs = ends
    theirs.close()
    with pytest.raises(BrokenLinkError, match="closed the socket"):
        link.receive()
    link.send(Stopping("x"))
    with pytest.raises(BrokenLinkError, match="broken"):
        link.flush()


def test_an_inventory_that_is_too_long_goes_without_its_traces(ends: tuple[HerderLink, socket.socket]) -> None:
    link, theirs = ends
    task = TaskStatus(TaskId("a", 1), 0, 1, State.FAILED, reason="why", trace="t" * 70_000_000)
    link.send(Inventory([task]))
    (inventory,) = heard(link, theirs, 1)
    assert isinstance(inventory, Inventory)
    assert (inventory.tasks[0].reason, inventory.tasks[0].trace) == ("why", None)


def test_a_report_that_cannot_be_sent_is_left_out(
    ends: tuple[HerderLink, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    link, theirs = ends
    link.send(ConnectorAnswer(1, body=b"x" * 70_000_000))
    link.send(Stopping("next"))
    assert heard(link, theirs, 1) == [Stopping("next")]
    assert "can't be sent" in caplog.text
