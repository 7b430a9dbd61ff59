"""Schemas as JSON, as the JsonConverter's envelope has them, and back.

The order of the keys is Kafka Connect's: `type`, then `items` or `keys` and `values` or `fields`, `optional`, `name`,
`version`, `doc`, `parameters`, `default`, and last `field` for a field of a struct.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from fastconnect.api.schema import Schema, Type
from fastconnect.errors import DataError

_NAMES = {
    Type.INT8: "int8",
    Type.INT16: "int16",
    Type.INT32: "int32",
    Type.INT64: "int64",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
    Type.ARRAY: "array",
    Type.MAP: "map",
    Type.STRUCT: "struct",
}
_TYPES = {name: kind for kind, name in _NAMES.items()}

WriteDefault: TypeAlias = Callable[[Schema, Any], Any]
ReadDefault: TypeAlias = Callable[[Schema, Any], Any]
K = TypeVar("K")
V = TypeVar("V")


def schema_to_json(schema: Schema | None, write_default: WriteDefault, field: str | None = None) -> dict[str, Any] | None:
    """Make the JSON object of a schema; `write_default` makes its default value ready for JSON."""
    if schema is None:
        return None
    said: dict[str, Any] = {"type": _NAMES[schema.type]}
    if schema.type is Type.ARRAY:
        said["items"] = schema_to_json(schema.value_schema, write_default)
    elif schema.type is Type.MAP:
        said["keys"] = schema_to_json(schema.key_schema, write_default)
        said["values"] = schema_to_json(schema.value_schema, write_default)
    elif schema.type is Type.STRUCT:
        said["fields"] = [schema_to_json(inner.schema, write_default, inner.name) for inner in schema.fields]
    said["optional"] = schema.is_optional
    for name, value in (
        ("name", schema.name),
        ("version", schema.version),
        ("doc", schema.doc),
        ("parameters", schema.parameters),
    ):
        if value is not None:
            said[name] = value
    if schema.default is not None:
        said["default"] = write_default(schema, schema.default)
    if field is not None:
        said["field"] = field
    return said


def schema_from_json(said: Any, read_default: ReadDefault) -> Schema | None:
    """Make the schema that a JSON object describes; null is no schema. `read_default` makes a value of a default's JSON.

    Raises:
        DataError: it describes none.
    """
    if said is None:
        return None
    name = said.get("type") if isinstance(said, dict) else None
    if not isinstance(name, str):
        raise DataError("Schema must contain 'type' field")
    kind = _TYPES.get(name)
    if kind is None:
        raise DataError(f"Unknown schema type: {name}")
    more: dict[str, Any] = {
        "optional": said.get("optional") is True,
        "name": _of(said, "name", str),
        "version": _of(said, "version", int),
        "doc": _of(said, "doc", str),
        "parameters": _parameters(said),
    }
    if kind is Type.STRUCT:
        schema = Schema.struct(_fields(said, read_default), **more)
    elif kind is Type.ARRAY:
        if said.get("items") is None:
            raise DataError("Array schema did not specify the element type")
        schema = Schema(kind, value_schema=schema_from_json(said["items"], read_default), **more)
    elif kind is Type.MAP:
        schema = Schema(
            kind, key_schema=_part(said, "key", read_default), value_schema=_part(said, "value", read_default), **more
        )
    else:
        schema = Schema(kind, **more)
    if "default" in said:
        default = read_default(schema, said["default"])
        return schema if default is None else schema.with_default(default)
    return schema


def _of(said: dict[str, Any], name: str, kind: type) -> Any:
    value = said.get(name)
    return value if type(value) is kind else None


def _parameters(said: dict[str, Any]) -> dict[str, str] | None:
    parameters = said.get("parameters")
    if not isinstance(parameters, dict):
        return None
    if not all(isinstance(value, str) for value in parameters.values()):
        raise DataError("Schema parameters must have string values.")
    return parameters


def _part(said: dict[str, Any], which: str, read_default: ReadDefault) -> Schema:
    if f"{which}s" not in said:
        raise DataError(f"Map schema did not specify the {which} type")
    schema = schema_from_json(said[f"{which}s"], read_default)
    if schema is None:
        raise DataError(f"{which}Schema cannot be null.")
    return schema


def _fields(said: dict[str, Any], read_default: ReadDefault) -> list[tuple[str, Schema]]:
    fields = said.get("fields")
    if not isinstance(fields, list):
        raise DataError('Struct schema\'s "fields" argument is not an array.')
    pairs: list[tuple[str, Schema]] = []
    for field in fields:
        name = field.get("field") if isinstance(field, dict) else None
        if not isinstance(name, str):
            raise DataError("Struct schema's field name not specified properly")
        schema = schema_from_json(field, read_default)
        assert schema is not None
        pairs.append((name, schema))
    return pairs


def remember(cache: dict[K, V], size: int, key: K, value: V) -> None:
    """Put something into a cache of so many entries; the oldest one goes for it."""
    if len(cache) >= size:
        cache.pop(next(iter(cache), key), None)
    cache[key] = value
