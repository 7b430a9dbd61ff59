"""Connect schemas as JSON Schemas, and back; and values by them, where they differ from the JsonConverter's.

| Connect | JSON Schema |
| --- | --- |
| INT8 to INT64, FLOAT32, FLOAT64 | integer, number, with connect.type |
| BOOLEAN, STRING | boolean, string |
| BYTES, Decimal | string, number, with connect.type bytes |
| Date, Time, Timestamp | integer, with the name as title |
| ARRAY, STRUCT | array, object; a field's place is its connect.index |
| MAP with required text keys | object with additionalProperties |
| MAP with other keys | an array of objects with the properties key and value |
| optional | oneOf null and the type |
| STRUCT io.confluent.connect.json.OneOf | oneOf of what its fields are |

A schema's name is its title, its doc the description, version and parameters are connect.version and connect.parameters. Read
too: anyOf, lists of types, enums (as strings), $ref inside the schema or to one that it references. Not mapped: allOf except
of a type and its constraints, not, patternProperties, tuples, and schemas that contain themselves; constraints such as minimum
are neither checked nor kept.

Source of names and rules: the behaviour of Confluent's JsonSchemaConverter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastconnect.api.schema import DECIMAL, INTEGER_BITS, Schema, Struct, Type
from fastconnect.converters.json_reading import JsonReaders
from fastconnect.converters.json_reading import Read as ReadNode
from fastconnect.converters.json_values import JsonWriters
from fastconnect.converters.json_values import Write as WriteNode
from fastconnect.errors import DataError

NAMESPACE = "io.confluent.connect.json"
ONE_OF = f"{NAMESPACE}.OneOf"
_ENUM = f"{NAMESPACE}.Enum"
_ONE_OF_FIELD = f"{ONE_OF}.field."

_NUMBERS = dict.fromkeys(INTEGER_BITS, "integer") | {Type.FLOAT32: "number", Type.FLOAT64: "number"}
_READ_TYPES: Mapping[str, Schema] = {
    "int8": Schema.int8(),
    "int16": Schema.int16(),
    "int32": Schema.int32(),
    "int64": Schema.int64(),
    "float32": Schema.float32(),
    "float64": Schema.float64(),
    "bytes": Schema.bytes(),
}


def has_text_keys(schema: Schema) -> bool:
    """Whether a map becomes a JSON object."""
    keys = schema.key_schema
    return keys is not None and keys.type is Type.STRING and not keys.is_optional


# ---- Connect -> JSON Schema ----


def to_json_schema(schema: Schema, write_default: Callable[[Schema, Any], Any], index: int | None = None) -> dict[str, Any]:
    """Make the JSON Schema.

    Args:
        write_default: makes JSON of a default value.
        index: the place in a struct that it is for.
    """
    if schema.name == ONE_OF and schema.type is Type.STRUCT:
        members = [to_json_schema(field.schema.required(), write_default, field.index) for field in schema.fields]
        node: dict[str, Any] = {"oneOf": [{"type": "null"}, *members] if schema.is_optional else members}
    else:
        node = _bare(schema, write_default)
        if schema.is_optional:
            node = {"oneOf": [{"type": "null"}, node]}
    if index is not None:
        node["connect.index"] = index
    return node


def _bare(schema: Schema, write_default: Callable[[Schema, Any], Any]) -> dict[str, Any]:
    node: dict[str, Any] = {}
    if schema.name is not None:
        node["title"] = schema.name
    if schema.doc is not None:
        node["description"] = schema.doc
    if schema.default is not None:
        node["default"] = write_default(schema, schema.default)
    kind = schema.type
    if kind in _NUMBERS:
        node |= {"type": _NUMBERS[kind], "connect.type": kind.lower()}
    elif kind is Type.STRING:
        parameters = schema.parameters or {}
        if _ENUM in parameters:
            node["enum"] = [text for key, text in parameters.items() if key.startswith(f"{_ENUM}.")]
        else:
            node["type"] = "string"
    elif kind is Type.BYTES:
        node |= {"type": "number" if schema.name == DECIMAL else "string", "connect.type": "bytes"}
    elif kind is Type.BOOLEAN:
        node["type"] = "boolean"
    elif kind is Type.ARRAY:
        assert schema.value_schema is not None
        node |= {"type": "array", "items": to_json_schema(schema.value_schema, write_default)}
    elif kind is Type.MAP:
        node |= _map(schema, write_default)
    else:
        properties = {field.name: to_json_schema(field.schema, write_default, field.index) for field in schema.fields}
        node |= {"type": "object", "properties": properties}
    if schema.version is not None:
        node["connect.version"] = schema.version
    kept = {key: text for key, text in (schema.parameters or {}).items() if not key.startswith(NAMESPACE)}
    if kept:
        node["connect.parameters"] = kept
    return node


def _map(schema: Schema, write_default: Callable[[Schema, Any], Any]) -> dict[str, Any]:
    assert schema.key_schema is not None
    assert schema.value_schema is not None
    if has_text_keys(schema):
        values = to_json_schema(schema.value_schema, write_default)
        return {"type": "object", "additionalProperties": values, "connect.type": "map"}
    entry = {
        "key": to_json_schema(schema.key_schema, write_default, 0),
        "value": to_json_schema(schema.value_schema, write_default, 1),
    }
    return {"type": "array", "items": {"type": "object", "properties": entry}, "connect.type": "map"}


# ---- JSON Schema -> Connect ----


def to_connect(
    tree: Any,
    read_default: Callable[[Schema, Any], Any],
    *,
    references: Mapping[str, Any],
    version: int | None = None,
    nonrequired_optional: bool = False,
) -> Schema:
    """Make the Connect schema.

    Args:
        read_default: makes a default value of JSON.
        references: parsed schemas that are meant by name.
        version: the schema's version in the registry, used where the schema does not say one itself.
        nonrequired_optional: properties that are not among the required ones are optional.
    Raises:
        DataError: there is none.
    """
    return _ToConnect(tree, read_default, references, nonrequired_optional).schema(tree, version=version)


class _ToConnect:
    def __init__(
        self, root: Any, read_default: Callable[[Schema, Any], Any], references: Mapping[str, Any], nonrequired_optional: bool
    ) -> None:
        self._root = root
        self._read_default = read_default
        self._references = references
        self._nonrequired_optional = nonrequired_optional
        self._open: list[str] = []

    def schema(self, node: Any, *, optional: bool = False, version: int | None = None) -> Schema:
        if not isinstance(node, dict):
            raise DataError(f"The JSON Schema has {node!r} where a schema belongs; true and false are not supported")
        if "$ref" in node:
            return self._referred(str(node["$ref"]), optional, version)
        members = node.get("oneOf", node.get("anyOf"))
        if members is None and isinstance(node.get("type"), list):
            rest = {key: each for key, each in node.items() if key not in ("type", "connect.index", "default", "title")}
            members = [{"type": "null"} if kind == "null" else {**rest, "type": kind} for kind in node["type"]]
        if members is not None:
            return self._one_of(members, optional, version)
        if "allOf" in node:
            return self._all_of(node["allOf"], optional, version)
        schema = self._plain(node)
        changes: dict[str, Any] = {"optional": optional}
        if node.get("title") is not None and schema.name is None:
            changes["name"] = node["title"]
        said = node.get("connect.version", version)
        if said is not None:
            changes["version"] = said
        if node.get("description") is not None:
            changes["doc"] = node["description"]
        if node.get("connect.parameters"):
            changes["parameters"] = {**(schema.parameters or {}), **node["connect.parameters"]}
        schema = schema.but(**changes)
        default = node.get("default")
        return schema if default is None else schema.with_default(self._read_default(schema, default))

    def _plain(self, node: Mapping[str, Any]) -> Schema:
        kind, said = node.get("type"), node.get("connect.type")
        if "enum" in node:
            symbols = {f"{_ENUM}.{symbol}": str(symbol) for symbol in node["enum"]}
            return Schema.string(parameters={_ENUM: "", **symbols})
        if kind is None and "properties" in node:
            kind = "object"
        if kind in ("integer", "number", "string") and said in _READ_TYPES:
            return _READ_TYPES[str(said)]
        if kind == "integer":
            return Schema.int64()
        if kind == "number":
            return Schema.float64()
        if kind == "boolean":
            return Schema.boolean()
        if kind == "string":
            return Schema.string()
        if kind == "array":
            return self._array(node)
        if kind == "object":
            return self._object(node)
        raise DataError(f"The JSON Schema has a part that Connect has no type for: {dict(node)}")

    def _array(self, node: Mapping[str, Any]) -> Schema:
        items = node.get("items")
        if not isinstance(items, dict):
            raise DataError("Array schema did not specify the items type")
        if node.get("connect.type") == "map" and "properties" in items:
            return Schema.map(self.schema(items["properties"]["key"]), self.schema(items["properties"]["value"]))
        return Schema.array(self.schema(items))

    def _object(self, node: Mapping[str, Any]) -> Schema:
        values = node.get("additionalProperties")
        if isinstance(values, dict) and (node.get("connect.type") == "map" or not node.get("properties")):
            return Schema.map(Schema.string(), self.schema(values))
        properties = list((node.get("properties") or {}).items())
        properties.sort(key=lambda entry: entry[1].get("connect.index", len(properties)) if isinstance(entry[1], dict) else 0)
        required = node.get("required") or ()
        fields: list[tuple[str, Schema]] = []
        for name, each in properties:
            schema = self.schema(each)
            fields.append((name, schema.optional() if self._nonrequired_optional and name not in required else schema))
        return Schema.struct(fields)

    def _one_of(self, members: list[Any], optional: bool, version: int | None) -> Schema:
        some = [member for member in members if not (isinstance(member, dict) and member.get("type") == "null")]
        has_null = len(some) < len(members)
        if len(some) == 1:
            return self.schema(some[0], optional=optional or has_null, version=version)
        fields = [(f"{_ONE_OF_FIELD}{i}", self.schema(member, optional=True)) for i, member in enumerate(some)]
        return Schema.struct(fields, name=ONE_OF, optional=optional or has_null)

    def _all_of(self, members: list[Any], optional: bool, version: int | None) -> Schema:
        merged: dict[str, Any] = {}
        for member in members:
            if isinstance(member, dict) and "properties" not in member:
                merged.update(member)
            else:
                raise DataError("The JSON Schema has an allOf of objects, which no Connect schema stands for")
        return self.schema(merged, optional=optional, version=version)

    def _referred(self, reference: str, optional: bool, version: int | None) -> Schema:
        if reference in self._open:
            raise DataError(f"The JSON Schema contains itself at {reference}, which no Connect schema can")
        name, _, path = reference.partition("#")
        outer = self._root
        if name:
            if name not in self._references:
                raise DataError(f"The JSON Schema refers to {reference}, which it does not reference in the registry")
            outer = self._references[name]
        node = outer
        for part in path.strip("/").split("/") if path.strip("/") else ():
            node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
        if node is None:
            raise DataError(f"The JSON Schema refers to {reference}, which is not there")
        self._open.append(reference)
        before, self._root = self._root, outer
        schema = self.schema(node, optional=optional, version=version)
        self._root = before
        self._open.pop()
        return schema


# ---- values ----


class SchemaWriters(JsonWriters):
    """The JsonConverter's writers, but for maps whose keys are not texts, and for oneOf."""

    def _map(self, schema: Schema) -> WriteNode:
        if has_text_keys(schema):
            return super()._map(schema)
        write_key, write_value = self._inner(schema.key_schema), self._inner(schema.value_schema)
        return lambda value: [{"key": write_key(key), "value": write_value(element)} for key, element in value.items()]

    def _struct(self, schema: Schema) -> WriteNode:
        if schema.name != ONE_OF:
            return super()._struct(schema)
        members = [(field.name, self.writer(field.schema)) for field in schema.fields]

        def write(value: Any) -> Any:
            for name, write_member in members:
                element = value.get_without_default(name)
                if element is not None:
                    return write_member(element)
            return None

        return write


class SchemaReaders(JsonReaders):
    """The JsonConverter's readers, but for maps whose keys are not texts, and for oneOf."""

    def _map(self, schema: Schema) -> ReadNode:
        if has_text_keys(schema):
            return super()._map(schema)
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        read_key, read_value = self.reader(schema.key_schema), self.reader(schema.value_schema)

        def read(node: Any) -> Any:
            if not isinstance(node, list) or not all(isinstance(entry, dict) for entry in node):
                raise DataError("Maps with keys that are not texts should be encoded as a JSON array of objects")
            entries: dict[Any, Any] = {}
            for entry in node:
                key = read_key(entry.get("key"))
                entries[tuple(key) if isinstance(key, list) else key] = read_value(entry.get("value"))
            return entries

        return read

    def _struct(self, schema: Schema) -> ReadNode:
        if schema.name != ONE_OF:
            return super()._struct(schema)
        members = [(field.name, field.schema, self.reader(field.schema)) for field in schema.fields]

        def read(node: Any) -> Any:
            for name, member, read_member in members:
                if _could_be(member, node):
                    return Struct(schema).put(name, read_member(node))
            raise DataError(f"Did not find matching oneOf field for data: {node!r}")

        return read


def _could_be(schema: Schema, node: Any) -> bool:
    kind = schema.type
    if isinstance(node, bool):
        return kind is Type.BOOLEAN
    if isinstance(node, int):
        return kind in _NUMBERS or schema.name == DECIMAL
    if isinstance(node, float):
        return kind in (Type.FLOAT32, Type.FLOAT64) or schema.name == DECIMAL
    if isinstance(node, str):
        return kind is Type.STRING or kind is Type.BYTES
    if isinstance(node, list):
        return kind is Type.ARRAY or (kind is Type.MAP and not has_text_keys(schema))
    if isinstance(node, dict):
        if kind is Type.STRUCT:
            return schema.name != ONE_OF and all(schema.field(name) is not None for name in node)
        return kind is Type.MAP and has_text_keys(schema)
    return False
