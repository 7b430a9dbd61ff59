"""Has a consumer group forget its offsets of single partitions.

confluent-kafka has no call for that, librdkafka has: it is called here by ctypes. Deleting the group and committing the other
offsets again would come to the same, but for a process that is killed in between.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping

from fastconnect import librdkafka
from fastconnect.api.sink_records import TopicPartition
from fastconnect.errors import ConnectError

_PRODUCER = 0  # rd_kafka_type_t: the cheapest kind of client
_CONF_OK = 0
_ANSWER_WITHIN_MS = 30_000
_TEXT_BYTES = 512


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
    client = _client(library, properties)
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
        return _error(library, event)
    finally:
        if event:
            library.rd_kafka_event_destroy(event)
        library.rd_kafka_DeleteConsumerGroupOffsets_destroy(request)
        library.rd_kafka_topic_partition_list_destroy(wanted)
        library.rd_kafka_queue_destroy(queue)
        library.rd_kafka_destroy(client)


def _client(library: ctypes.CDLL, properties: Mapping[str, str]) -> int:
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    conf = library.rd_kafka_conf_new()
    for name, value in {**properties, "log_level": "2"}.items():
        if library.rd_kafka_conf_set(conf, name.encode(), str(value).encode(), text, _TEXT_BYTES) != _CONF_OK:
            library.rd_kafka_conf_destroy(conf)
            raise ConnectError(text.value.decode(errors="replace"))
    client: int | None = library.rd_kafka_new(_PRODUCER, conf, text, _TEXT_BYTES)
    if not client:
        library.rd_kafka_conf_destroy(conf)
        raise ConnectError(text.value.decode(errors="replace"))
    return client


def _error(library: ctypes.CDLL, event: int | None) -> str | None:
    if not event:
        return "_TIMED_OUT"
    if code := library.rd_kafka_event_error(event):
        return _name(library, code)
    result = library.rd_kafka_event_DeleteConsumerGroupOffsets_result(event)
    count = ctypes.c_size_t()
    groups = library.rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, ctypes.byref(count))
    for number in range(count.value):
        if (error := library.rd_kafka_group_result_error(groups[number])) and (code := library.rd_kafka_error_code(error)):
            return _name(library, code)
        answered = library.rd_kafka_group_result_partitions(groups[number])
        if not answered:
            continue
        for each in range(answered.contents.cnt):
            if code := answered.contents.elems[each].err:
                return _name(library, code)
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
        ("queue_new", pointer, (pointer,)),
        ("queue_poll", pointer, (pointer, number)),
        ("queue_destroy", None, (pointer,)),
        ("topic_partition_list_new", lists, (number,)),
        ("topic_partition_list_add", pointer, (lists, text, ctypes.c_int32)),
        ("topic_partition_list_destroy", None, (lists,)),
        ("DeleteConsumerGroupOffsets_new", pointer, (text, lists)),
        ("DeleteConsumerGroupOffsets", None, (pointer, pointer, ctypes.c_size_t, pointer, pointer)),
        ("DeleteConsumerGroupOffsets_destroy", None, (pointer,)),
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
