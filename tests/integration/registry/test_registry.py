"""The converters against a real registry, and against confluent-kafka's own serializers."""

from __future__ import annotations

import datetime
import decimal
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fastconnect.api.converter import Converter
from fastconnect.api.schema import Schema, Struct
from fastconnect.converters.registry.avro import AvroConverter
from fastconnect.converters.registry.json_schema import JsonSchemaConverter
from fastconnect.converters.registry.protobuf import ProtobufConverter
from fastconnect.errors import ConfigError, DataError

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("registry")]

FORMATS = [AvroConverter, JsonSchemaConverter, ProtobufConverter]
MakeConverter = Callable[..., Converter[Any]]


@pytest.fixture
def make(registry: str) -> MakeConverter:
    def made(cls: type[Converter[Any]], **settings: str) -> Converter[Any]:
        converter = cls()
        given = {key.replace("_", "."): text for key, text in settings.items() if key != "is_key"}
        converter.configure({"schema.registry.url": registry, **given}, is_key=settings.get("is_key") == "true")
        return converter

    return made


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry}) as opened:
        yield opened


LINE = Schema.struct({"sku": Schema.string(), "count": Schema.int16()}, name="com.example.Line")
ORDER = Schema.struct(
    {
        "id": Schema.int64(),
        "note": Schema.string().optional(),
        "price": Schema.decimal(2),
        "day": Schema.date(),
        "at": Schema.timestamp(),
        "lines": Schema.array(LINE),
        "tags": Schema.map(Schema.string(), Schema.int32()),
        "weight": Schema.float64(),
        "raw": Schema.bytes(),
        "paid": Schema.boolean(),
    },
    name="com.example.Order",
)


def order(id: int) -> Struct:
    return Struct(
        ORDER,
        id=id,
        note="ä" if id % 2 else None,
        price=decimal.Decimal("12.50"),
        day=datetime.date(2024, 2, 29),
        at=datetime.datetime(2024, 2, 29, 12, 30, 0, 5000, tzinfo=datetime.UTC),
        lines=[Struct(LINE, sku="a", count=2), Struct(LINE, sku="b", count=-1)],
        tags={"x": 1},
        weight=0.5,
        raw=b"\x00\xff",
        paid=True,
    )


def plain(value: Any) -> Any:
    """A value with dicts for structs."""
    if isinstance(value, Struct):
        return {name: plain(value.get(name)) for name in value}
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("cls", FORMATS)
def test_a_batch_is_the_same_after_the_way_through_the_registry(cls: Any, make: MakeConverter, topic: str) -> None:
    orders = [order(i) for i in range(10)]
    written = make(cls, optional_for_nullables="true").encode_batch(topic, [*orders, None], [*[ORDER] * 10, None])
    assert isinstance(written, list)
    assert written[10] is None
    values, schemas = make(cls).decode_columns(topic, written)
    assert [plain(value) for value in values[:10]] == [plain(value) for value in orders]
    assert values[10] is None
    assert schemas is not None
    assert [schema.version if schema else None for schema in schemas] == [1] * 10 + [None]
    for value in values[:10]:
        value.validate()
    if cls is not ProtobufConverter:  # whose schemas keep the numbers of fields
        assert schemas[0] == ORDER.but(version=1)


@pytest.mark.parametrize("cls", FORMATS)
def test_dicts_get_a_schema_that_grows_compatibly(
    cls: Any, make: MakeConverter, client: SchemaRegistryClient, topic: str
) -> None:
    converter = make(cls)
    first = converter.encode_batch(topic, [{"a": 1, "b": "x"}, {"a": 2}])
    if cls is not JsonSchemaConverter:  # which lets a record have any property, so that a new one narrows it
        client.set_compatibility(f"{topic}-value", "BACKWARD")
    assert first == converter.encode_batch(topic, [{"a": 1, "b": "x"}, {"a": 2}])
    second = converter.encode_batch(topic, [{"a": 1, "c": {"d": [1.5]}}])
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert client.get_versions(f"{topic}-value") == [1, 2]
    values, _ = make(cls).decode_columns(topic, [*first, *second])
    missing = "" if cls is ProtobufConverter else None
    assert [plain(value) for value in values] == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": missing},
        {"a": 1, "b": missing, "c": {"d": [1.5]}},
    ]


def test_keys_and_values_that_are_no_structs_have_schemas_too(make: MakeConverter, topic: str) -> None:
    converter = make(AvroConverter, is_key="true")
    assert make(AvroConverter, is_key="true").to_connect_data(topic, converter.from_connect_data(topic, None, "k")).value == "k"
    assert converter.subject(topic, Schema.string()) == f"{topic}-key"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("strategy", "subject"), [("RecordNameStrategy", "com.example.R{0}"), ("TopicRecordNameStrategy", "{1}-com.example.R{0}")]
)
@pytest.mark.parametrize("cls", FORMATS)
def test_subjects_are_named_after_records_if_asked_for(
    cls: Any, strategy: str, subject: str, make: MakeConverter, client: SchemaRegistryClient, topic: str
) -> None:
    unique = topic.replace("-", "_")
    schema = Schema.struct({"a": Schema.int32()}, name=f"com.example.R{unique}")
    converter = make(cls, value_subject_name_strategy=f"io.confluent.kafka.serializers.subject.{strategy}")
    data = converter.from_connect_data(topic, schema, Struct(schema, a=1))
    assert client.get_versions(subject.format(unique, topic)) == [1]
    settings = {"value_subject_name_strategy": strategy, "enhanced_protobuf_schema_support": "true"}
    read, value = make(cls, **settings).to_connect_data(topic, data)
    assert value["a"] == 1
    assert read is not None
    assert read.version == 1


def test_a_schema_that_is_not_compatible_is_refused_with_the_registrys_reason(
    make: MakeConverter, client: SchemaRegistryClient, topic: str
) -> None:
    converter = make(AvroConverter)
    old = Schema.struct({"a": Schema.int32()}, name="com.example.R")
    new = Schema.struct({"a": Schema.int32(), "b": Schema.string()}, name="com.example.R")
    converter.from_connect_data(topic, old, Struct(old, a=1))
    client.set_compatibility(f"{topic}-value", "BACKWARD")
    with pytest.raises(DataError) as raised:
        converter.encode_batch(topic, [Struct(old, a=1), Struct(new, a=1, b="x")], [old, new])
    assert raised.value.index == 1  # type: ignore[attr-defined]
    text = str(raised.value)
    assert text.startswith(f"value of topic {topic}, subject {topic}-value: The schema is not compatible with the earlier ones")
    assert "b at /fields/1" in text
    assert "a new field needs a default, or to be optional" in text


@pytest.mark.parametrize("cls", FORMATS)
def test_schemas_are_not_registered_if_that_is_switched_off(cls: Any, make: MakeConverter, topic: str) -> None:
    schema = Schema.struct({"a": Schema.int32()}, name="com.example.R")
    value = Struct(schema, a=1)
    careful = make(cls, auto_register_schemas="false")
    with pytest.raises(DataError, match=rf"subject {topic}-value: The Schema Registry does not have this schema"):
        careful.from_connect_data(topic, schema, value)
    data = make(cls).from_connect_data(topic, schema, value)
    assert careful.from_connect_data(topic, schema, value) == data


@pytest.mark.parametrize("cls", FORMATS)
def test_values_are_made_to_fit_the_latest_schema_if_asked_for(cls: Any, make: MakeConverter, topic: str) -> None:
    schema = Schema.struct({"a": Schema.int32(), "b": Schema.string().optional()}, name="com.example.R")
    data = make(cls).from_connect_data(topic, schema, Struct(schema, a=1, b="x"))
    latest = make(cls, auto_register_schemas="false", use_latest_version="true")
    smaller = Schema.struct({"a": Schema.int32()}, name="com.example.Other")
    assert latest.encode_batch(topic, [{"a": 1, "b": "x"}]) == [data]
    (partly,) = latest.encode_batch(topic, [Struct(smaller, a=5)], [smaller])
    assert plain(make(cls).to_connect_data(topic, partly).value) == {"a": 5, "b": "" if cls is ProtobufConverter else None}  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has no field c"):
        latest.encode_batch(topic, [{"a": 1, "c": 2}])


def test_a_message_of_an_unknown_schema_or_of_another_format_is_told(make: MakeConverter, topic: str) -> None:
    with pytest.raises(DataError, match=r"schema id 2147483000: The Schema Registry does not know the schema"):
        make(AvroConverter).to_connect_data(topic, (b"\0" + (2147483000).to_bytes(4, "big") + b"x"))
    data = make(JsonSchemaConverter).from_connect_data(topic, None, {"a": 1})
    with pytest.raises(DataError, match=r"is of the type JSON, not AVRO"):
        make(AvroConverter).to_connect_data(topic, data)
    data = make(AvroConverter).from_connect_data(f"{topic}-2", None, {"a": "a long text"})
    assert data is not None
    with pytest.raises(DataError, match=r"The value does not fit its schema"):
        make(AvroConverter).to_connect_data(topic, data[:10])


# ---- confluent-kafka reads what we write, and the other way round ----


def context(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


def test_avro_is_confluents(make: MakeConverter, client: SchemaRegistryClient, topic: str) -> None:
    data = make(AvroConverter).from_connect_data(topic, ORDER, order(1))
    read = AvroDeserializer(client)(data, context(topic))
    assert read == {**plain(order(1))}
    text = """{"type": "record", "name": "Theirs", "fields": [
        {"name": "u", "type": ["null", "long", {"type": "enum", "name": "E", "symbols": ["A", "B"]},
            {"type": "record", "name": "X", "fields": [{"name": "x", "type": "int"}]},
            {"type": "record", "name": "Y", "fields": [{"name": "x", "type": "int"}]}]},
        {"name": "m", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}}]}"""
    write = AvroSerializer(client, text)
    for given, field, expected in [
        (None, None, None),
        (7, "long", 7),
        ("B", "E", "B"),
        (("Y", {"x": 3}), "Y", {"x": 3}),
    ]:
        written = write({"u": given, "m": 1_000_001, "f": b"ab"}, context(topic))
        _, value = make(AvroConverter).to_connect_data(topic, written)
        assert (value["m"], value["f"]) == (1_000_001, b"ab")
        assert (None if field is None else plain(value["u"].get(field))) == expected
        again = make(AvroConverter, enhanced_avro_schema_support="true")
        schema, value = again.to_connect_data(topic, written)
        if field is not None:
            theirs = again.from_connect_data(f"{topic}-again", schema, value)
            assert theirs is not None
            assert theirs[5:] == written[5:-2] + b"\4ab"  # a fixed comes back as bytes


def test_json_schema_is_confluents(make: MakeConverter, client: SchemaRegistryClient, topic: str) -> None:
    schema = Schema.struct({"a": Schema.int32(), "b": Schema.array(Schema.string()).optional()}, name="R")
    data = make(JsonSchemaConverter).from_connect_data(topic, schema, Struct(schema, a=1, b=["x"]))
    assert JSONDeserializer(None, schema_registry_client=client)(data, context(topic)) == {"a": 1, "b": ["x"]}
    text = '{"title": "T", "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": ["null", "string"]}}}'
    written = JSONSerializer(text, client)({"a": 5, "b": None}, context(f"{topic}-2"))
    read, value = make(JsonSchemaConverter).to_connect_data(f"{topic}-2", written)
    assert plain(value) == {"a": 5, "b": None}
    assert read == Schema.struct({"a": Schema.int64(), "b": Schema.string().optional()}, name="T", version=1)


def test_protobuf_is_confluents(make: MakeConverter, client: SchemaRegistryClient, topic: str) -> None:
    from google.protobuf import descriptor_pb2

    # a message type that is compiled in, with nested and repeated ones: [3, 1] in its file or so
    message = descriptor_pb2.DescriptorProto.ReservedRange(start=1, end=9)
    write = ProtobufSerializer(type(message), client, {"skip.known.types": False})
    written = write(message, context(topic))
    assert written is not None
    _, value = make(ProtobufConverter).to_connect_data(topic, written)
    assert plain(value) == {"start": 1, "end": 9}
    schema = Schema.struct({"start": Schema.int32(), "end": Schema.int32()}, name="R")
    data = make(ProtobufConverter).from_connect_data(f"{topic}-2", schema, Struct(schema, start=1, end=9))
    assert ProtobufDeserializer(type(message))(data, context(f"{topic}-2")) == message


def test_schemas_that_reference_others_are_read_with_them(
    make: MakeConverter, client: SchemaRegistryClient, topic: str
) -> None:
    from confluent_kafka.schema_registry import SchemaReference

    line = '{"type": "record", "name": "com.example.Line", "fields": [{"name": "sku", "type": "string"}]}'
    client.register_schema(f"{topic}-line", RegistrySchema(line, "AVRO"))
    text = '{"type": "record", "name": "Order", "fields": [{"name": "line", "type": "com.example.Line"}]}'
    reference = SchemaReference("com.example.Line", f"{topic}-line", 1)
    schema_id = client.register_schema(f"{topic}-value", RegistrySchema(text, "AVRO", [reference]))
    _, value = make(AvroConverter).to_connect_data(topic, b"\0" + schema_id.to_bytes(4, "big") + b"\2a")
    assert plain(value) == {"line": {"sku": "a"}}
    latest = make(AvroConverter, auto_register_schemas="false", use_latest_version="true")
    assert latest.encode_batch(topic, [{"line": {"sku": "a"}}]) == [b"\0" + schema_id.to_bytes(4, "big") + b"\2a"]


# ---- who may ask ----


class _Guard(BaseHTTPRequestHandler):
    """Lets one user through to the registry."""

    registry = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Basic bWU6c2VjcmV0":  # me:secret
            return self._answer(401, b'{"error_code": 401, "message": "Unauthorized"}')
        url = self.registry.removesuffix(urllib.parse.urlsplit(self.registry).path) + self.path
        asked = urllib.request.Request(url, body, {"Content-Type": self.headers["Content-Type"]})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return self._answer(answer.status, answer.read())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def guarded(registry: str) -> Iterator[str]:
    """URL of the same registry, behind a door."""
    _Guard.registry = registry
    with HTTPServer(("127.0.0.1", 0), _Guard) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{urllib.parse.urlsplit(registry).path}"
        server.shutdown()
        thread.join()


def test_a_user_who_is_not_let_in_is_told_what_to_set(guarded: str, topic: str) -> None:
    converter = AvroConverter()
    user = {"basic.auth.credentials.source": "USER_INFO", "basic.auth.user.info": "me:wrong"}
    converter.configure({"schema.registry.url": guarded, **user}, is_key=False)
    with pytest.raises(
        ConfigError, match=r"does not let this user in \(HTTP 401\): Unauthorized.*basic.auth.user.info"
    ) as raised:
        converter.encode_batch(topic, ["x"])
    assert "wrong" not in str(raised.value)
    converter.configure({"schema.registry.url": guarded, **user, "basic.auth.user.info": "me:secret"}, is_key=False)
    (data,) = converter.encode_batch(topic, ["x"])
    assert isinstance(data, bytes)
    assert data[5:] == b"\2x"
