r"""Whole pipelines, each as the connector file a user of Kafka Connect has, with what goes in.

`$NAME` stands for the pipeline's name, `$IN` for the file or topic that goes in, `$OUT` for the topic or file that comes out.
record.py runs them on Kafka Connect, tests/integration/test_pipelines.py here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NOON = 1709210096789  # 2024-02-29T12:34:56.789Z
EARLY = 5000  # on the day of 1970-01-01

LINES = [
    "plain", "", "  spaces  ", "tab\there", 'quote " and back\\slash', "üñí → 😀", "1234", "-7.5", "true", "null",
    '{"a": 1}', "\x01\x1f\x7f", "x" * 300,
]  # fmt: skip
NUMBERS = ["1", "-1", "0", "127", "128", "abc", "2147483647", "2147483648", "1.5", "", "99999999999999999999", "7"]
DATES = ["2024-02-29", "1970-01-01", "not a date", "1969-12-31", "2100-12-31"]
BOOLEANS = ["true", "TRUE", "yes", "false", "1", ""]


@dataclass(frozen=True)
class Message:
    """A record of an input topic. Text stands for its UTF-8 bytes."""

    value: bytes | str | None
    key: bytes | str | None = None
    headers: Sequence[tuple[str, bytes | str | None]] = ()
    timestamp: int = NOON
    topic: str = "$IN"


@dataclass(frozen=True)
class Pipeline:
    """A connector and its input: lines of a file for a source, messages of topics for a sink.

    `differs`: what of the result is compared less strictly, and why: `value order` (the entries of a printed map, in any
    order), `line order` (lines of the file, in any order), `header NAME` (not compared), `fewer` (ours are the first of
    theirs), `more` (theirs are the first of ours), `message` (an error's text here begins with the text there, classes by
    their Python names), `file` (ours is `ours`).
    """

    name: str
    config: str
    lines: Sequence[str] = ()
    messages: Sequence[Message] = ()
    partitions: int = 1
    topics: Sequence[str] = ("$OUT",)
    differs: Mapping[str, str] = field(default_factory=dict)
    ours: str = ""

    @property
    def is_source(self) -> bool:
        """Whether it writes to Kafka."""
        return bool(self.lines)

    def filled(self, text: str, folder: str) -> str:
        """A text of this pipeline with its names filled in."""
        file, topic = f"{folder}/{self.name}.txt", f"pipe.{self.name}"
        into, out = (file, topic) if self.is_source else (topic, file)
        return text.replace("$NAME", self.name).replace("$IN", into).replace("$OUT", out)

    def properties(self, folder: str) -> str:
        """The connector file, its files in `folder`."""
        kind = "FileStreamSource" if self.is_source else "FileStreamSink"
        ends = "file=$IN\ntopic=$OUT\n" if self.is_source else "file=$OUT\n"
        if not self.is_source and "topics.regex" not in self.config:
            ends += "topics=$IN\n"
        head = f"name=$NAME\nconnector.class=org.apache.kafka.connect.file.{kind}Connector\ntasks.max=1\n{ends}"
        return self.filled(head + self.config, folder)

    def output_topics(self) -> list[str]:
        """The topics that it may write to."""
        names = self.topics if self.is_source else [topic for topic in self.topics if topic != "$OUT"]
        return [self.filled(name, "") for name in names]

    def input_topics(self) -> list[str]:
        """The topics that it reads."""
        return sorted({self.filled(message.topic, "") for message in self.messages})


STRING = "org.apache.kafka.connect.storage.StringConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"
BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
LONG = "org.apache.kafka.connect.converters.LongConverter"

STRINGS = f"key.converter={STRING}\nvalue.converter={STRING}\n"
WITH_SCHEMAS = f"key.converter={JSON}\nvalue.converter={JSON}\n"
PLAIN = f"key.converter={STRING}\nvalue.converter={JSON}\nvalue.converter.schemas.enable=false\n"
TOLERANT = "errors.tolerance=all\n"
DEAD_LETTERS = (
    "errors.tolerance=all\nerrors.deadletterqueue.topic.name=pipe.$NAME.dead\n"
    "errors.deadletterqueue.topic.replication.factor=1\n"
)
WITH_CONTEXT = DEAD_LETTERS + "errors.deadletterqueue.context.headers.enable=true\n"
DEAD_TOPIC = ("$OUT", "pipe.$NAME.dead")
TRACE = {
    "header __connect.errors.exception.stacktrace": "the trace of a Python program names other files and lines",
    "message": "Kafka Connect's text first, then what it leaves to its cause: where and why",
}
MAP_ORDER = {
    "value order": "Kafka Connect reads objects without a schema into a HashMap, in the order of their keys' hash codes; "
    "here they keep the order that they have in the message",
}


def chain(*steps: str, **predicates: str) -> str:
    """Lines of a config for transforms: each step is `Class key=value; key=value`, and predicates alike."""
    names = [f"t{number}" for number in range(len(steps))]
    lines = [f"transforms={','.join(names)}"]
    for kind, each in [("transforms", dict(zip(names, steps, strict=True))), ("predicates", predicates)]:
        if kind == "predicates" and each:
            lines.append(f"predicates={','.join(each)}")
        package = "org.apache.kafka.connect.transforms." + ("predicates." if kind == "predicates" else "")
        for name, step in each.items():
            plugin, _, settings = step.partition(" ")
            lines.append(f"{kind}.{name}.type={package}{plugin}")
            lines += [f"{kind}.{name}.{setting.strip()}" for setting in settings.split(";") if setting.strip()]
    return "\n".join(lines) + "\n"


HOIST = "HoistField$Value field=line"


def sources() -> Iterator[Pipeline]:
    """Lines of a file into a topic."""

    def source(name: str, config: str, lines: Sequence[str] = LINES, **more: Any) -> Pipeline:
        return Pipeline(f"source-{name}", config, lines=lines, **more)

    yield source("string", STRINGS)
    yield source("json-with-schemas", WITH_SCHEMAS)
    yield source("json", PLAIN)
    yield source("latin1", STRINGS + "value.converter.converter.encoding=ISO-8859-1\n")
    yield source("bytes", f"key.converter={STRING}\nvalue.converter={BYTES}\n" + TOLERANT, differs={
        "more": "a line is bytes already; there ByteArrayConverter refuses it, since the source says that it is text",
    })  # fmt: skip
    yield source("line-ends", STRINGS, ["a\r", "b\rc", "\r", "d\r\r", "e"])
    yield source("small-batches", STRINGS + "batch.size=2\n", differs={
        "more": "Kafka Connect's source keeps the lines that it has read beyond batch.size until the file grows",
    })  # fmt: skip
    yield source(
        "cast-int32", "key.converter=org.apache.kafka.connect.converters.IntegerConverter\n"
        "value.converter=org.apache.kafka.connect.converters.IntegerConverter\n" + TOLERANT + chain("Cast$Value spec=int32"),
        NUMBERS,
    )  # fmt: skip
    yield source("cast-float64", WITH_SCHEMAS + TOLERANT + chain("Cast$Value spec=float64"), NUMBERS)
    yield source(
        "cast-boolean", "value.converter=org.apache.kafka.connect.converters.BooleanConverter\n"
        f"key.converter={STRING}\n" + chain("Cast$Value spec=boolean"), BOOLEANS,
    )  # fmt: skip
    yield source("cast-fails", STRINGS + chain("Cast$Value spec=int8"), ["1", "2", "x", "4"], differs={
        "fewer": "records before the bad one are sent one by one there, batch by batch here",
    })  # fmt: skip
    yield source("hoist", WITH_SCHEMAS + chain(HOIST))
    yield source("hoist-to-text", STRINGS + chain(HOIST))
    yield source(
        "insert", WITH_SCHEMAS + chain(HOIST, "InsertField$Value static.field=origin; static.value=a file",
                                       "InsertField$Value topic.field=topic!; static.field=must!; static.value=1"),
    )  # fmt: skip
    yield source(
        "insert-timestamp", WITH_SCHEMAS
        + chain(HOIST, "InsertField$Value timestamp.field=at!; partition.field=p", "MaskField$Value fields=at"),
    )  # fmt: skip
    yield source(
        "insert-timestamp-text", PLAIN + chain(
            HOIST, "InsertField$Value timestamp.field=at",
            "TimestampConverter$Value field=at; target.type=string; format='at' G", "InsertHeader header=h; value.literal=x",
        ),
    )  # fmt: skip
    yield source("mask", PLAIN + chain(HOIST, "MaskField$Value fields=line; replacement=***"))
    yield source(
        "route", STRINGS + chain("RegexRouter regex=pipe\\\\.(.*)-(.*); replacement=$2.pipe.$1"),
        topics=["$OUT", "route.pipe.source"],
    )  # fmt: skip
    yield source(
        "replace", PLAIN + chain(
            HOIST, "InsertField$Value static.field=b; static.value=2", "InsertField$Value static.field=c; static.value=3",
            "ReplaceField$Value exclude=b; renames=line:text,c:see",
        ),
    )  # fmt: skip
    yield source("extract", WITH_SCHEMAS + chain(HOIST, "ExtractField$Value field=line"))
    yield source(
        "keys", STRINGS + chain(
            HOIST, "ValueToKey fields=line", "ExtractField$Key field=line", "ExtractField$Value field=line"),
        partitions=5,
    )  # fmt: skip
    yield source("struct-keys", WITH_SCHEMAS + chain(HOIST, "ValueToKey fields=line", "SetSchemaMetadata$Key schema.name=Key"))
    yield source(
        "timestamp-router",
        STRINGS + chain("TimestampRouter topic.format=${timestamp}.${topic}; timestamp.format='day'"),
        topics=["$OUT", "day.$OUT"],
    )
    yield source(
        "flatten", WITH_SCHEMAS + chain(HOIST, "HoistField$Value field=inner", "HoistField$Value field=outer",
                                        "Flatten$Value delimiter=_"),
    )  # fmt: skip
    yield source(
        "headers-of-fields", WITH_SCHEMAS + chain(
            HOIST, "InsertField$Value static.field=more; static.value=12",
            "HeaderFrom$Value fields=more; headers=moved; operation=move",
            "HeaderFrom$Value fields=line,line; headers=one,two; operation=copy",
        ),
    )  # fmt: skip
    literals = ["1", "300", "1.5", "text", "true", "null", "[1, 2]", '{"a": "b"}', "2024-02-29", "2024-02-29T12:34:56.789Z"]
    yield source(
        "header-literals", STRINGS + chain(*(f"InsertHeader header=h{n}; value.literal={x}" for n, x in enumerate(literals))),
        LINES[:2],
    )  # fmt: skip
    yield source(
        "header-json", STRINGS + f"header.converter={JSON}\n"
        + chain(*(f"InsertHeader header=h{n}; value.literal={x}" for n, x in enumerate(literals))), LINES[:2],
    )  # fmt: skip
    yield source(
        "headers-dropped", STRINGS + chain(
            "InsertHeader header=a; value.literal=1", "InsertHeader header=b; value.literal=2",
            "InsertHeader header=a; value.literal=3", "DropHeaders headers=a,c",
        ),
    )  # fmt: skip
    yield source(
        "predicates", STRINGS + chain(
            "InsertHeader header=here; value.literal=1; predicate=ours", "InsertHeader header=no; predicate=ours; negate=true; "
            "value.literal=2", "Filter predicate=marked; negate=true",
            ours="TopicNameMatches pattern=pipe.*", marked="HasHeaderKey name=here",
        ),
    )  # fmt: skip
    yield source(
        "schema-metadata",
        WITH_SCHEMAS + chain(HOIST, "SetSchemaMetadata$Value schema.name=com.example.Line; schema.version=3"),
    )  # fmt: skip
    for target in ("Timestamp", "Date", "unix"):
        yield source(
            f"dates-to-{target.lower()}", WITH_SCHEMAS + TOLERANT
            + chain(f"TimestampConverter$Value target.type={target}; format=yyyy-MM-dd"), DATES,
        )  # fmt: skip


def envelope(schema: Mapping[str, Any], payload: Any) -> str:
    """A message of JsonConverter with its schema."""
    return json.dumps({"schema": schema, "payload": payload}, separators=(",", ":"))


def struct(*fields: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The schema of a struct."""
    return {"type": "struct", "fields": list(fields), "optional": False, **more}


def one(name: str, kind: str, /, **more: Any) -> dict[str, Any]:
    """The schema of a field."""
    return {"field": name, "type": kind, "optional": True, **more}


LOGICAL = "org.apache.kafka.connect.data."
ORDER = struct(
    one("id", "int64", optional=False), one("note", "string"), one("price", "double", default=1.5), one("ok", "boolean"),
    one("tags", "array", items={"type": "string"}), name="Order", version=2,
)  # fmt: skip
ORDERS = [
    Message(envelope(ORDER, {"id": 1, "note": "first", "price": 2.5, "ok": True, "tags": ["a", "b"]}), "k1"),
    Message(envelope(ORDER, {"id": -9007199254740993, "note": None, "price": None, "ok": None, "tags": None}), None),
    Message(envelope(ORDER, {"id": 3, "note": "dritte, größte", "price": 1e21, "ok": False, "tags": []}), "k3",
            [("a", "1"), ("b", None)], EARLY),
    Message(None, "k1"),
]  # fmt: skip
DAYS = struct(
    one("date", "int32", name=LOGICAL + "Date", version=1), one("time", "int32", name=LOGICAL + "Time", version=1),
    one("at", "int64", name=LOGICAL + "Timestamp", version=1),
    one("sum", "bytes", name=LOGICAL + "Decimal", version=1, parameters={"scale": "2"}),
)  # fmt: skip
TIMES = [
    Message(envelope(DAYS, {"date": 19782, "time": 45296789, "at": NOON, "sum": "MDk="})),
    Message(envelope(DAYS, {"date": -1, "time": 0, "at": -1, "sum": "/w=="})),
    Message(envelope(DAYS, {"date": None, "time": None, "at": None, "sum": None})),
]
# One letter after the other: in this order a HashMap has them, too.
MAPS = [
    Message('{"a":1,"b":2.5,"c":"text","d":true,"e":null,"f":[1,"x",null],"g":{"a":{"b":1}}}', "k"),
    Message('{"a":-1,"b":1e22,"c":"","d":false,"f":[],"g":{}}', "k", [("a", "1")], EARLY),
    Message('{"a":9223372036854775807,"b":0.1,"c":"ü\\u0041\\n"}', None),
]
WORDS = [
    Message('{"id":1,"customer":"Ann","city":"Oslo","amount":12.5,"active":true}'),
    Message('{"zeta":1,"alpha":{"y":2,"x":[3,{"w":4}]},"mid":null}'),
]
POISON = [
    Message('{"a":1}', "k0"), Message("{broken", "k1", [("h", "1"), ("__connect.errors.topic", "there already")]),
    Message('{"a":2}', None), Message("", "k3"), Message("[1,", None, timestamp=EARLY), Message(b"\xff\xfe", b"\x00\x01"),
    Message('{"a":3} trailing', "k6"), Message(None, "k7"), Message('{"a":4}', "k8"),
]  # fmt: skip


def sinks() -> Iterator[Pipeline]:
    """Topics into a file."""

    def sink(name: str, config: str, messages: Sequence[Message], **more: Any) -> Pipeline:
        return Pipeline(f"sink-{name}", config, messages=messages, **more)

    keys_as_text = WITH_SCHEMAS.replace("key.converter=" + JSON, "key.converter=" + STRING)
    yield sink("string", STRINGS, [Message(line) for line in LINES] + [Message(None, "k"), Message(b"\xff\xc3(")])
    yield sink(
        "surrogates", STRINGS, [Message(b"a\xed\xa0\x80b")], ours="a\ufffd\ufffd\ufffdb\n",
        differs={"file": "half a surrogate pair, which is no UTF-8, becomes one U+FFFD in Java, one for each byte in Python"},
    )  # fmt: skip
    yield sink("latin1", STRINGS + "value.converter.converter.encoding=ISO-8859-1\n", [Message(b"\xfc\xf1\xed"), Message("ü")])
    yield sink("json-with-schemas", keys_as_text, ORDERS)
    yield sink("keys-fail", WITH_SCHEMAS, ORDERS)
    yield sink("json", PLAIN, MAPS)
    yield sink("json-scalars", PLAIN, [Message(x) for x in ("1", '"text"', "true", "null", "[1.5,[]]", "12e3", "{}", "1e300")])
    yield sink(
        "json-numbers", PLAIN, [Message("-0.0"), Message("123456789012345678901234567890")],
        ours="-0.0\n123456789012345678901234567890\n",
        differs={"file": "a number stays what it is; Java loses the sign of 0.0, and all bits beyond 64"},
    )  # fmt: skip
    yield sink("json-words", PLAIN, WORDS, differs=MAP_ORDER)
    yield sink("logical-types", WITH_SCHEMAS, TIMES)
    numbers = (0, -1, 2**63 - 1, -(2**63))
    yield sink(
        "longs",
        f"key.converter={LONG}\nvalue.converter={LONG}\n",
        [*(Message(number.to_bytes(8, "big", signed=True)) for number in numbers), Message(None)],
    )
    yield sink(
        "bytes-to-base64", f"key.converter={BYTES}\nvalue.converter={BYTES}\n" + chain("Cast$Value spec=string"),
        [Message(bytes(range(256))), Message(""), Message(None)],
    )  # fmt: skip
    yield sink(
        "insert", keys_as_text + chain(
            "InsertField$Value topic.field=t; partition.field=p!; offset.field=o!; timestamp.field=at; "
            "static.field=s; static.value=v"), ORDERS[:3],
    )  # fmt: skip
    yield sink(
        "insert-into-map",
        PLAIN + chain("InsertField$Value offset.field=o; timestamp.field=t", "ReplaceField$Value include=a,o,t"),
        MAPS, differs=MAP_ORDER,
    )  # fmt: skip
    yield sink(
        "timestamp-router", PLAIN + chain(
            "TimestampRouter topic.format=${topic}.${timestamp}; timestamp.format=yyyy-MM-dd'T'HH:mm",
            "RegexRouter regex=(.*)T(.*); replacement=$2 $1",
            "ReplaceField$Value include=a", "InsertField$Value topic.field=t"), MAPS, differs=MAP_ORDER,
    )  # fmt: skip
    tombstone, header = "RecordIsTombstone", "HasHeaderKey name=a"
    yield sink("without-tombstones", keys_as_text + chain("Filter predicate=gone", gone=tombstone), ORDERS)
    yield sink("only-with-header", keys_as_text + chain("Filter predicate=has; negate=true", has=header), ORDERS)
    yield sink(
        "predicates", keys_as_text + chain(
            "Filter predicate=gone", "ExtractField$Value field=id; predicate=has; negate=true",
            "ExtractField$Value field=note; predicate=has", gone=tombstone, has=header), ORDERS,
    )  # fmt: skip
    yield sink(
        "nested-field", PLAIN + TOLERANT + chain("ExtractField$Value field=g.a.b; field.syntax.version=V2"), MAPS[:2]
    )  # fmt: skip
    yield sink("flatten", PLAIN + chain("ReplaceField$Value include=g", "Flatten$Value delimiter=/"), MAPS[:2])
    yield sink("cast", keys_as_text + chain("Filter predicate=gone", "Cast$Value spec=id:string,price:float32,ok:int8",
                                            gone=tombstone), ORDERS)  # fmt: skip
    yield sink("keep-nulls", keys_as_text + "value.converter.replace.null.with.default=false\n"
               + chain("ReplaceField$Value exclude=tags; replace.null.with.default=false"), ORDERS)  # fmt: skip
    yield sink("mask", PLAIN + chain("MaskField$Value fields=a,b,c,d,f,g", "MaskField$Value fields=c; replacement=x"), MAPS[:2])
    yield sink(
        "times-as-text", WITH_SCHEMAS + chain(
            "TimestampConverter$Value field=at; target.type=string; format=yyyy-MM-dd HH:mm:ss.SSS z",
            "TimestampConverter$Value field=date; target.type=unix; unix.precision=seconds",
            "TimestampConverter$Value field=time; target.type=Timestamp"), TIMES,
    )  # fmt: skip
    yield sink(
        "value-to-key", keys_as_text + chain("Filter predicate=gone", "ValueToKey fields=id,note", gone=tombstone), ORDERS
    )
    yield sink(
        "hoist-headers", f"key.converter={STRING}\nvalue.converter={STRING}\nheader.converter={STRING}\n"
        + chain("HoistField$Value field=v", "SetSchemaMetadata$Value schema.name=N"), MAPS,
    )  # fmt: skip
    yield sink(
        "two-topics", "key.converter=org.apache.kafka.connect.storage.StringConverter\n"
        f"value.converter={STRING}\ntopics.regex=pipe\\\\.$NAME\\\\.(one|two)\n",
        [Message(f"{topic} {n}", topic=f"$IN.{topic}") for n in range(5) for topic in ("one", "two", "other")],
        differs={"line order": "the order of records of two topics is nowhere said"},
    )  # fmt: skip
    yield sink("consumer-override", STRINGS + "consumer.override.max.poll.records=1\nconsumer.override.fetch.max.bytes=1000\n",
               [Message(line) for line in LINES])  # fmt: skip
    yield sink("skips-bad", PLAIN + TOLERANT, POISON)
    yield sink("dead-letters", PLAIN + DEAD_LETTERS, POISON, topics=DEAD_TOPIC)
    yield sink("dead-letters-context", PLAIN + WITH_CONTEXT, POISON, topics=DEAD_TOPIC, differs=TRACE)
    yield sink(
        "wrong-type", keys_as_text + TOLERANT, [Message(envelope(ORDER, {"id": "text"})), Message(envelope(ORDER, {"id": 2}))],
        ours="Struct{id=2,price=1.5}\n",
        differs={"file": "a text where the schema says INT64 is a bad record here; Kafka Connect makes it 0"},
    )  # fmt: skip
    yield sink(
        "dead-letters-no-envelope", f"key.converter={STRING}\nvalue.converter={JSON}\n" + WITH_CONTEXT,
        [*ORDERS, *MAPS, Message(envelope(ORDER, {"note": "no id"})),
         Message('{"schema":{"type":"nope"},"payload":1}'), Message('{"schema":null,"payload":{"a":1}}'),
         Message('{"payload":1}')],
        topics=DEAD_TOPIC, differs=TRACE,
    )  # fmt: skip
    yield sink(
        "dead-letters-transform", PLAIN + WITH_CONTEXT + chain("Cast$Value spec=c:int8", "ReplaceField$Value include=c"),
        [Message('{"c":"12"}', "k0"), Message('{"c":"text"}', "k1", [("h", "x")]), Message('{"c":300}', "k2"),
         Message('"no map"'), Message('{"c":"999"}'), Message('{"c":{"d":1}}'), Message(None)],
        topics=DEAD_TOPIC, differs=TRACE,
    )  # fmt: skip
    yield sink(
        "dead-letters-keys", f"key.converter={LONG}\nvalue.converter={STRING}\n" + WITH_CONTEXT,
        [Message("good", (7).to_bytes(8, "big")), Message("no key"), Message("short", "abc"), Message("long", "123456789")],
        topics=DEAD_TOPIC, differs=TRACE,
    )  # fmt: skip


PIPELINES: Sequence[Pipeline] = [*sources(), *sinks()]
