"""What a user is told of settings that cannot be used, for every transform: which key, what is wrong, what would be right."""

from __future__ import annotations

import pytest
from fakes.transforms import faults_of

from fastconnect import plugins

BOOLEAN = "Invalid value maybe for configuration replace.null.with.default: Expected value to be either true or false"
CASES = [
    ("Cast$Value", {}, 'spec: Missing required configuration "spec" which has no default value.'),
    ("Cast$Value", {"spec": ""}, "spec: Must specify at least one field to cast."),
    ("Cast$Value", {"spec": "a:integer"}, "spec: Invalid type found in casting spec: integer"),
    ("Cast$Value", {"spec": "a:bytes"}, "supported types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]"),
    ("Cast$Value", {"spec": "int8,a:int8"}, "may only specify a single cast in their spec"),
    ("Cast$Value", {"spec": "a:int8", "replace.null.with.default": "maybe"}, BOOLEAN),
    ("DropHeaders", {}, 'headers: Missing required configuration "headers"'),
    (
        "DropHeaders",
        {"headers": ""},
        "headers: Configuration 'headers' must not be empty. Valid values include: any non-empty value",
    ),
    ("DropHeaders", {"headers": "a,,b"}, "headers: Configuration 'headers' values must not be empty."),
    ("ExtractField$Key", {}, 'field: Missing required configuration "field"'),
    ("ExtractField$Key", {"field": "a", "field.syntax.version": "V3"}, "String must be one of (case insensitive): V1, V2"),
    ("ExtractField$Key", {"field": "`a", "field.syntax.version": "V2"}, "field: Incomplete backtick pair in path: [`a]"),
    ("ExtractField$Key", {"field": "a", "replace.null.with.default": "maybe"}, BOOLEAN),
    ("HeaderFrom$Value", {"headers": "h", "operation": "copy"}, 'fields: Missing required configuration "fields"'),
    (
        "HeaderFrom$Value",
        {"fields": "", "headers": "h", "operation": "copy"},
        "fields: Invalid value [] for configuration fields: Empty list",
    ),
    (
        "HeaderFrom$Value",
        {"fields": "a,b", "headers": "h", "operation": "copy"},
        "'fields' config must have the same number of elements",
    ),
    ("HeaderFrom$Value", {"fields": "a", "headers": "h", "operation": "cut"}, "operation: String must be one of: move, copy"),
    ("HoistField$Value", {}, 'field: Missing required configuration "field"'),
    ("InsertField$Value", {}, "No field insertion configured"),
    (
        "InsertField$Value",
        {"static.field": "s"},
        "static.value: Invalid value null for configuration static.value: No value specified",
    ),
    ("InsertField$Value", {"topic.field": "t", "replace.null.with.default": "maybe"}, BOOLEAN),
    ("InsertHeader", {"header": "h"}, 'value.literal: Missing required configuration "value.literal"'),
    ("MaskField$Value", {}, 'fields: Missing required configuration "fields"'),
    ("MaskField$Value", {"fields": "a", "replacement": ""}, "for configuration replacement: String must be non-empty"),
    (
        "RegexRouter",
        {"regex": "(", "replacement": "x"},
        "regex: Invalid value ( for configuration regex: Invalid regex: Unclosed group",
    ),
    (
        "RegexRouter",
        {"regex": "a", "replacement": "$1"},
        "replacement: Invalid value $1 for configuration replacement: No group 1",
    ),
    ("RegexRouter", {"regex": "a"}, 'replacement: Missing required configuration "replacement"'),
    ("ReplaceField$Value", {"renames": "a"}, "renames: Invalid value [a] for configuration renames: Invalid rename mapping: a"),
    ("ReplaceField$Value", {"include": "a,"}, "include: Configuration 'include' values must not be empty."),
    ("SetSchemaMetadata$Value", {}, "Neither schema name nor version configured"),
    ("SetSchemaMetadata$Value", {"schema.version": "one"}, "schema.version: Not a number of type INT"),
    ("TimestampConverter$Value", {}, 'target.type: Missing required configuration "target.type"'),
    ("TimestampConverter$Value", {"target.type": "date"}, "String must be one of: string, unix, Date, Time, Timestamp"),
    (
        "TimestampConverter$Value",
        {"target.type": "string"},
        "format: TimestampConverter requires format option to be specified",
    ),
    (
        "TimestampConverter$Value",
        {"target.type": "unix", "format": "yyyyb"},
        "SimpleDateFormat-compatible pattern for string timestamps: yyyyb",
    ),
    (
        "TimestampConverter$Value",
        {"target.type": "unix", "unix.precision": "days"},
        "nanoseconds, microseconds, milliseconds, seconds",
    ),
    (
        "TimestampRouter",
        {"timestamp.format": "'a"},
        "timestamp.format: Invalid value 'a for configuration timestamp.format: Unterminated quote",
    ),
    ("ValueToKey", {"fields": ""}, "fields: Configuration 'fields' must not be empty."),
    ("Expression", {}, "none of filter, topic, drop and set.<field> is there"),
    (
        "Expression",
        {"filter": "value.a >"},
        "filter: Invalid value value.a > for configuration filter: not an expression, at 1:10: Syntax error",
    ),
    ("Expression", {"filter": "'x'"}, "its values are of the type STRING, not bool"),
    (
        "Expression",
        {"set.a": "nope + 1"},
        "set.a: Invalid value nope + 1 for configuration set.a: not an expression, at 1:1: undeclared",
    ),
    ("PyTransform", {}, 'function: Missing required configuration "function"'),
    (
        "PyTransform",
        {"function": "nope"},
        "no installed package has a function of this name (entry points of the group fastconnect.functions",
    ),
    ("predicates.HasHeaderKey", {}, 'name: Missing required configuration "name"'),
    ("predicates.HasHeaderKey", {"name": ""}, "for configuration name: String must be non-empty"),
    (
        "predicates.TopicNameMatches",
        {"pattern": "["},
        "for configuration pattern: Invalid regex: Unclosed character class near index 0",
    ),
    ("predicates.TopicNameMatches", {"pattern": ""}, "for configuration pattern: String must be non-empty"),
]


@pytest.mark.parametrize(("name", "config", "told"), CASES)
def test_a_fault_names_the_key_and_what_is_wrong(name: str, config: dict[str, str], told: str) -> None:
    if name == "Expression":
        pytest.importorskip("cel_expr_python")
    kind: plugins.Kind = "predicate" if name.startswith("predicates.") else "transform"
    cls = plugins.find(kind, name.removeprefix("predicates."))

    faults = faults_of(cls, config)

    assert len(faults) == 1
    key, colon, rest = told.partition(": ")
    assert told in faults[0] or (colon and faults[0].startswith(f"{key}: ") and rest in faults[0])


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(
        plugins.find("transform", "HeaderFrom$Value"), {"operation": "cut", "replace.null.with.default": "maybe"}
    )

    assert [fault.partition(":")[0] for fault in faults] == ["fields", "headers", "operation", "replace.null.with.default"]
