"""What is asked about a consumer group by librdkafka's own functions: its committed offsets, and to forget some of them.

confluent-kafka has no call to forget single offsets. Deleting the group and committing the other offsets again would come to
the same, but for a process that is killed in between. To read them it has one, but with a client that belongs to no group: if
the group's coordinator is not known yet, librdkafka 2.16 then reads the group that is not there (rd_kafka_handle_OffsetFetch)
and takes the process with it. Here a consumer asks, which joins nothing.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable, Mapping

from fastconnect import librdkafka
from fastconnect.api.sink_records import TopicPartition
from fastconnect.errors import ConnectError

_PRODUCER, _CONSUMER = 0, 1  # rd_kafka_type_t
_NO_CONSUMER_CLOSE = 0x8  # nothing was joined, nothing is left
_CONF_OK = 0
_ANSWER_WITHIN_MS = 30_000
_TEXT_BYTES = 512

_NOT_YET = ("NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "_TRANSPORT")
"""What a group that was just made, or whose broker has just changed, answers for a moment."""

_AGAIN_AFTER_S = 0.2


class _Partition(ctypes.Structure):
    """rd_kafka_topic_partition_t."""

    _fields_ = (
        ("topic", ctypes.c_char_p),
        ("partition", ctypes.c_int32),
        ("offset", ctypes.c_int64),
        ("metadata", ctypes.c_void_p),
        ("metadata_size", ctypes.c_size_t),
        ("opaque", ctypes.c_void_p),
        ("err", ctypes.c_int),
        ("_private", ctypes.c_void_p),
    )


class _PartitionList(ctypes.Structure):
    """rd_kafka_topic_partition_list_t."""

    _fields_ = (("cnt", ctypes.c_int), ("size", ctypes.c_int), ("elems", ctypes.POINTER(_Partition)))


def committed_offsets(properties: Mapping[str, str], group: str) -> tuple[dict[TopicPartition, int], str | None]:
    """All offsets that a group has committed, and the name of the error if they cannot be had.

    Args:
        properties: librdkafka's, to reach the cluster.
    Raises:
        ConnectError: no client can be made of the properties.
    """
    library = _library()
    client = _client(library, _CONSUMER, {**properties, "group.id": group})
    queue = library.rd_kafka_queue_new(client)
    until = time.monotonic() + _ANSWER_WITHIN_MS / 1000
    try:
        while True:
            found, error = _list_offsets(library, client, queue, group)
            if error not in _NOT_YET or time.monotonic() > until:
                return found, error
            time.sleep(_AGAIN_AFTER_S)
    finally:
        library.rd_kafka_queue_destroy(queue)
        library.rd_kafka_destroy_flags(client, _NO_CONSUMER_CLOSE)


def _list_offsets(library: ctypes.CDLL, client: int, queue: int, group: str) -> tuple[dict[TopicPartition, int], str | None]:
    request = library.rd_kafka_ListConsumerGroupOffsets_new(group.encode(), None)
    event = None
    try:
        library.rd_kafka_ListConsumerGroupOffsets(client, (ctypes.c_void_p * 1)(request), 1, None, queue)
        event = library.rd_kafka_queue_poll(queue, _ANSWER_WITHIN_MS)
        found: dict[TopicPartition, int] = {}
        error = _error(library, event, "ListConsumerGroupOffsets", found)
        return found, error
    finally:
        if event:
            library.rd_kafka_event_destroy(event)
        library.rd_kafka_ListConsumerGroupOffsets_destroy(request)


def forget_offsets(properties: Mapping[str, str], group: str, partitions: Iterable[TopicPartition]) -> str | None:
    """Delete the committed offsets of a group; it must have no member that reads these topics.

    Args:
        properties: librdkafka's, to reach the cluster.
    Returns:
        The name of the first error, such as `NON_EMPTY_GROUP`. That there is no such group is none.
    Raises:
        ConnectError: no client can be made of the properties.
    """
    library = _library()
    client = _client(library, _PRODUCER, properties)
    queue = library.rd_kafka_queue_new(client)
    wanted = library.rd_kafka_topic_partition_list_new(1)
    for at in partitions:
        library.rd_kafka_topic_partition_list_add(wanted, at.topic.encode(), at.partition)
    request = library.rd_kafka_DeleteConsumerGroupOffsets_new(group.encode(), wanted)
    requests = (ctypes.c_void_p * 1)(request)
    event = None
    try:
        library.rd_kafka_DeleteConsumerGroupOffsets(client, requests, 1, None, queue)
        event = library.rd_kafka_queue_poll(queue, _ANSWER_WITHIN_MS)
        return _error(library, event, "DeleteConsumerGroupOffsets")
    finally:
        if event:
            library.rd_kafka_event_destroy(event)
        library.rd_kafka_DeleteConsumerGroupOffsets_destroy(request)
        library.rd_kafka_topic_partition_list_destroy(wanted)
        library.rd_kafka_queue_destroy(queue)
        library.rd_kafka_destroy(client)


def _client(library: ctypes.CDLL, kind: int, properties: Mapping[str, str]) -> int:
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    conf = library.rd_kafka_conf_new()
    for name, value in {**properties, "log_level": "2"}.items():
        if library.rd_kafka_conf_set(conf, name.encode(), str(value).encode(), text, _TEXT_BYTES) != _CONF_OK:
            library.rd_kafka_conf_destroy(conf)
            raise ConnectError(text.value.decode(errors="replace"))
    client: int | None = library.rd_kafka_new(kind, conf, text, _TEXT_BYTES)
    if not client:
        library.rd_kafka_conf_destroy(conf)
        raise ConnectError(text.value.decode(errors="replace"))
    return client


def _error(library: ctypes.CDLL, event: int | None, request: str, found: dict[TopicPartition, int] | None = None) -> str | None:
    """The first error of an answer; what it says of partitions goes to `found`."""
    if not event:
        return "_TIMED_OUT"
    if code := library.rd_kafka_event_error(event):
        return _name(library, code)
    result = getattr(library, f"rd_kafka_event_{request}_result")(event)
    count = ctypes.c_size_t()
    groups = getattr(library, f"rd_kafka_{request}_result_groups")(result, ctypes.byref(count))
    for number in range(count.value):
        if (error := library.rd_kafka_group_result_error(groups[number])) and (code := library.rd_kafka_error_code(error)):
            return _name(library, code)
        answered = library.rd_kafka_group_result_partitions(groups[number])
        if not answered:
            continue
        for each in answered.contents.elems[: answered.contents.cnt]:
            if each.err:
                return _name(library, each.err)
            if found is not None and each.offset >= 0:
                found[TopicPartition(each.topic.decode(), each.partition)] = each.offset
    return None


def _name(library: ctypes.CDLL, code: int) -> str | None:
    name = library.rd_kafka_err2name(code).decode()
    return None if name == "GROUP_ID_NOT_FOUND" else name


def _library() -> ctypes.CDLL:
    library = librdkafka.load()
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    lists = ctypes.POINTER(_PartitionList)
    for name, result, arguments in (
        ("conf_new", pointer, ()),
        ("conf_set", number, (pointer, text, text, text, ctypes.c_size_t)),
        ("conf_destroy", None, (pointer,)),
        ("new", pointer, (number, pointer, text, ctypes.c_size_t)),
        ("destroy", None, (pointer,)),
        ("destroy_flags", None, (pointer, number)),
        ("queue_new", pointer, (pointer,)),
        ("queue_poll", pointer, (pointer, number)),
        ("queue_destroy", None, (pointer,)),
        ("topic_partition_list_new", lists, (number,)),
        ("topic_partition_list_add", pointer, (lists, text, ctypes.c_int32)),
        ("topic_partition_list_destroy", None, (lists,)),
        ("DeleteConsumerGroupOffsets_new", pointer, (text, lists)),
        ("DeleteConsumerGroupOffsets", None, (pointer, pointer, ctypes.c_size_t, pointer, pointer)),
        ("DeleteConsumerGroupOffsets_destroy", None, (pointer,)),
        ("ListConsumerGroupOffsets_new", pointer, (text, lists)),
        ("ListConsumerGroupOffsets", None, (pointer, pointer, ctypes.c_size_t, pointer, pointer)),
        ("ListConsumerGroupOffsets_destroy", None, (pointer,)),
        ("event_ListConsumerGroupOffsets_result", pointer, (pointer,)),
        ("ListConsumerGroupOffsets_result_groups", ctypes.POINTER(pointer), (pointer, ctypes.POINTER(ctypes.c_size_t))),
        ("event_error", number, (pointer,)),
        ("event_destroy", None, (pointer,)),
        ("event_DeleteConsumerGroupOffsets_result", pointer, (pointer,)),
        ("DeleteConsumerGroupOffsets_result_groups", ctypes.POINTER(pointer), (pointer, ctypes.POINTER(ctypes.c_size_t))),
        ("group_result_error", pointer, (pointer,)),
        ("group_result_partitions", lists, (pointer,)),
        ("error_code", number, (pointer,)),
        ("err2name", text, (number,)),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library
