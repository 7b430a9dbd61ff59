"""A Kafka cluster inside librdkafka, for tests of what a real one does only when it is ill.

librdkafka carries a mock cluster for its own tests: brokers that speak the real protocol on real sockets, and return the error
codes they are told to. What a healthy broker does is tested against Apache Kafka itself, in tests/integration.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from fastconnect.librdkafka import library

PRODUCE = 0  # the protocol's number of the request
METADATA = 3

_pointer = ctypes.c_void_p
for _name, _result, _arguments in (
    ("rd_kafka_conf_new", _pointer, []),
    ("rd_kafka_new", _pointer, [ctypes.c_int, _pointer, ctypes.c_char_p, ctypes.c_size_t]),
    ("rd_kafka_destroy", None, [_pointer]),
    ("rd_kafka_mock_cluster_new", _pointer, [_pointer, ctypes.c_int]),
    ("rd_kafka_mock_cluster_destroy", None, [_pointer]),
    ("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p, [_pointer]),
    ("rd_kafka_mock_topic_create", ctypes.c_int, [_pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
    ("rd_kafka_mock_topic_set_error", None, [_pointer, ctypes.c_char_p, ctypes.c_int]),
    ("rd_kafka_mock_push_request_errors_array", None, [_pointer, ctypes.c_int16, ctypes.c_size_t, _pointer]),
    ("rd_kafka_mock_broker_set_rtt", ctypes.c_int, [_pointer, ctypes.c_int32, ctypes.c_int]),
    ("rd_kafka_mock_broker_set_down", ctypes.c_int, [_pointer, ctypes.c_int32]),
    ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [_pointer, ctypes.c_int32]),
    ("rd_kafka_mock_broker_set_up", ctypes.c_int, [_pointer, ctypes.c_int32]),
):
    getattr(library, _name).restype = _result
    getattr(library, _name).argtypes = _arguments


class MockCluster:
    """One broker, which creates topics when they are asked for."""

    def __init__(self) -> None:
        why = ctypes.create_string_buffer(512)
        self._handle = library.rd_kafka_new(0, library.rd_kafka_conf_new(), why, len(why))
        assert self._handle, why.value.decode()
        self._cluster = library.rd_kafka_mock_cluster_new(self._handle, 1)
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.bootstrap_servers: str = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        assert library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1) == 0

    def answer_with(self, *codes: int, request: int = PRODUCE) -> None:
        """Answer the next requests of a kind with these error codes, one after the other; 0 is success."""
        array = (ctypes.c_int * len(codes))(*codes)
        library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(codes), array)

    def set_topic_error(self, name: str, code: int) -> None:
        """Answer questions about a topic with this error code."""
        library.rd_kafka_mock_topic_set_error(self._cluster, name.encode(), code)

    def answer_after(self, round_trip_ms: int) -> None:
        assert library.rd_kafka_mock_broker_set_rtt(self._cluster, 1, round_trip_ms) == 0

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        assert library.rd_kafka_mock_broker_set_down(self._cluster, 1) == 0
        yield
        assert library.rd_kafka_mock_broker_set_up(self._cluster, 1) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        library.rd_kafka_mock_cluster_destroy(self._cluster)
        library.rd_kafka_destroy(self._handle)
