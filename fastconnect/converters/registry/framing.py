"""The bytes before a payload that say which schema it was written with.

    0   1               5
    +---+---------------+------------------+---------+
    | 0 | schema id     | message indexes  | payload |
    +---+---------------+------------------+---------+
          big-endian      Protobuf alone

Message indexes lead to a message in a .proto file: [1, 0] is the first message inside the second one. They are written as their
count and then each, as zigzag varints; [0], which they nearly always are, is the one byte 0.

Source: Confluent's wire format, "Formats, Serializers, and Deserializers" in the Schema Registry's documentation.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastconnect.errors import DataError

HEADER_BYTES = 5
_FIRST_MESSAGE = (0,)


def header(schema_id: int) -> bytes:
    """Make the bytes that go before a payload written with this schema."""
    return b"\0" + schema_id.to_bytes(4, "big")


def schema_id_of(data: bytes) -> int:
    """Read the id of the schema that a message was written with.

    Raises:
        DataError: the message does not begin as one with a schema id does.
    """
    if len(data) < HEADER_BYTES or data[0] != 0:
        begins = f"begins with the byte {data[0]}" if data else "is empty"
        if len(data) < HEADER_BYTES and data[:1] == b"\0":
            begins = f"has only {len(data)} bytes"
        raise DataError(
            f"The message {begins}; one with a schema of the registry begins with the byte 0 and the schema's id",
            hint="it was written by something else: choose the converter that it was written with",
        )
    return int.from_bytes(data[1:HEADER_BYTES], "big")


def write_indexes(indexes: Sequence[int]) -> bytes:
    """Write the path to a message in its .proto file."""
    if tuple(indexes) == _FIRST_MESSAGE:
        return b"\0"
    return b"".join(_varint(number << 1) for number in (len(indexes), *indexes))


def read_indexes(data: bytes, start: int = HEADER_BYTES) -> tuple[tuple[int, ...], int]:
    """Read the path to a message, and where the payload begins.

    Raises:
        DataError: it is cut off, or there is none.
    """
    if data[start : start + 1] == b"\0":
        return _FIRST_MESSAGE, start + 1
    count, at = _read_varint(data, start)
    indexes: list[int] = []
    while len(indexes) < count:
        number, at = _read_varint(data, at)
        indexes.append(number)
    return tuple(indexes), at


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise DataError("The message is cut off before its payload, in the list of message indexes")
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at  # zigzag
