"""The probe against real sockets: answers of a broker, of something else, and none."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from fastconnect.broker import probe

BROKER = struct.pack(">ih9sih", 1, 9, b"127.0.0.1", 9092, -1)
CONTROLLER_AND_NO_TOPICS = struct.pack(">ii", 1, 0)


def answer(brokers: bytes, count: int, cluster_id: bytes) -> bytes:
    body = struct.pack(">ii", 1, count) + brokers + struct.pack(">h", len(cluster_id)) + cluster_id + CONTROLLER_AND_NO_TOPICS
    return struct.pack(">i", len(body)) + body


@contextmanager
def server(reply: bytes) -> Iterator[int]:
    """Answers one connection with these bytes, in two pieces, and closes it."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):  # the probe may hang up after the first piece
            connection.recv(4096)
            connection.sendall(reply[:5])
            connection.sendall(reply[5:])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("brokers", [1, 3])
def test_a_brokers_cluster_id_is_read(brokers: int) -> None:
    with server(answer(BROKER * brokers, brokers, b"the-cluster")) as port:
        assert probe.cluster_id(port, timeout_s=30) == "the-cluster"


def test_a_broker_that_is_not_registered_yet_does_not_count() -> None:
    with server(answer(b"", 0, b"the-cluster")) as port:
        assert probe.cluster_id(port, timeout_s=30) is None


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\0\0\4\0\0\0\1",
        b"\xff\xff\xff\xff",
        answer(BROKER, 9, b"x"),
        answer(BROKER, 1, b"\xff"),
    ],
)
def test_what_is_no_answer_of_a_broker_counts_as_none(reply: bytes) -> None:
    with server(reply) as port:
        assert probe.cluster_id(port, timeout_s=30) is None


def test_a_silent_port_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert probe.cluster_id(listener.getsockname()[1], timeout_s=0.05) is None


def test_a_port_without_a_listener_counts_as_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert probe.cluster_id(port, timeout_s=30) is None
