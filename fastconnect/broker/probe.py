"""Asks a port whether an Apache Kafka answers there, and which: one Metadata request over a bare socket.

No Kafka client: a client starts threads, and the process that asks may have to fork later.
"""

from __future__ import annotations

import socket
import struct

_API_METADATA = 3
_VERSION = 2  # the first whose answer tells the cluster's id
_CORRELATION_ID = 1
_CLIENT_ID = b"fastconnect-probe"
_LONGEST_ANSWER_BYTES = 1 << 20


def cluster_id(port: int, timeout_s: float) -> str | None:
    """The id of the cluster whose broker answers on this port of 127.0.0.1; None if none does (yet).

    A broker that has started, but is not yet registered with its controller, counts as not answering.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            connection.sendall(_request())
            return _cluster_id(_answer(connection))
    except (OSError, struct.error, IndexError, UnicodeDecodeError):
        return None


def _request() -> bytes:
    # int16 api, int16 version, int32 correlation id, int16-prefixed client id, then the topics: an array of none
    body = struct.pack(f">hhih{len(_CLIENT_ID)}si", _API_METADATA, _VERSION, _CORRELATION_ID, len(_CLIENT_ID), _CLIENT_ID, 0)
    return struct.pack(">i", len(body)) + body


def _answer(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _read(connection, 4))
    if not 0 < length <= _LONGEST_ANSWER_BYTES:
        raise OSError("this is no answer of a Kafka broker")
    return _read(connection, length)


def _read(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise OSError("the connection was closed")
        data += piece
    return data


def _cluster_id(answer: bytes) -> str | None:
    # int32 correlation id, int32 count of brokers, each (int32 id, string host, int32 port, string rack), string cluster id;
    # a string is an int16 length (-1: none) and its bytes
    correlation_id, brokers = struct.unpack_from(">ii", answer)
    if correlation_id != _CORRELATION_ID or brokers < 1:
        return None
    place = 8
    for _ in range(brokers):
        _, place = _string(answer, place + 4)
        _, place = _string(answer, place + 4)
    return _string(answer, place)[0]


def _string(answer: bytes, place: int) -> tuple[str | None, int]:
    (length,) = struct.unpack_from(">h", answer, place)
    if length < 0:
        return None, place + 2
    end = place + 2 + length
    if end > len(answer):
        raise IndexError("the answer ends early")
    return answer[place + 2 : end].decode(), end
