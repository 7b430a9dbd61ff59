"""Expression: keeps, routes and reshapes records by one-line rules in CEL, Google's Common Expression Language.

    transforms.rule.type=fastconnect.Expression
    transforms.rule.filter=value.amount > 100.0 && !value.test
    transforms.rule.topic=topic + "-" + value.country
    transforms.rule.set.net=double(value.amount) * 0.8
    transforms.rule.drop=amount,test

Expressions know `value`, `key`, `topic`, `headers` (a map; of a name that comes twice, the last) and `timestamp` (milliseconds
since 1970, or null), and see the record as it came. They are compiled once; one costs some microseconds a record.

Needs the package cel-expr-python (the extra `cel`), which is Google's own implementation. Nothing in CEL can loop forever, read
a file or call Python.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self

from fastconnect.api.config import Config, Fault, Meta, field
from fastconnect.api.logical import timestamp_from_ms, timestamp_to_ms
from fastconnect.api.schema import Schema, Struct, Type
from fastconnect.api.transform import Record, Records, Transform
from fastconnect.errors import DataError
from fastconnect.transforms.part import like, reader, require_map

_PURPOSE = "setting fields"
_SCHEMAS_KEPT = 1024
_VARIABLES = ("value", "key", "topic", "headers", "timestamp")
_NEEDS_CEL = "expressions need the package cel-expr-python: pip install 'fastconnect-kafka[cel]'"


class ExpressionConfig(Config):
    """The rules."""

    filter: Annotated[
        str | None, Meta(description="An expression that is true for the records to keep; without it, all are kept.")
    ] = None
    topic: Annotated[str | None, Meta(description="An expression for the name of the topic that a record goes to.")] = None
    drop: Annotated[list[str], Meta(description="Fields of the value that are left out.")] = field(default_factory=list)
    _sets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def _read(cls, props: Mapping[str, str | None]) -> tuple[Self | None, list[Fault]]:
        config, faults = super()._read(props)
        if config is not None:
            sets = {key[len("set.") :]: text for key, text in props.items() if key.startswith("set.") and text is not None}
            config = config.replace(_sets=sets)
            faults += config.expression_faults()
        return config, faults

    @property
    def sets(self) -> Mapping[str, str]:
        """Field of the value -> the expression it is set to, as `set.<field>` says."""
        return self._sets

    def expression_faults(self) -> Iterable[Fault]:
        """Yield what is wrong with the expressions."""
        if self.filter is None and self.topic is None and not self.drop and not self._sets:
            yield Fault("", "none of filter, topic, drop and set.<field> is there: nothing would be done")
        wanted: dict[str, tuple[str | None, str | None]] = {"filter": (self.filter, "BOOL"), "topic": (self.topic, "STRING")}
        wanted |= {f"set.{name}": (text, None) for name, text in self._sets.items()}
        for key, (text, kind) in wanted.items():
            if text is not None:
                try:
                    _compiled(text, kind)
                except ValueError as error:
                    yield Fault(key, f"Invalid value {text} for configuration {key}: {error}")


class _Compiled:
    """An expression, ready to be asked for one record after the other."""

    def __init__(self, text: str, expression: Any, cel: Any) -> None:
        self.text = text
        self.type = expression.return_type()
        self._eval = expression.eval
        self._error = cel.Type.ERROR
        # Only what the text may speak of is handed over.
        self.variables = tuple(name for name in _VARIABLES if re.search(rf"\b{name}\b", text))

    def of(self, record: Mapping[str, Any]) -> Any:
        """Evaluate it.

        Raises:
            DataError: it has no value for this record.
        """
        try:
            answer = self._eval(data={name: record[name] for name in self.variables})
            value = answer.plain_value()
        except (RuntimeError, TypeError, ValueError) as error:  # a value of a class that CEL does not know
            raise DataError(f"{self.text} cannot be asked of this record: {error}") from None
        if answer.type() == self._error:
            mixed = "No matching overloads" in str(value)
            hint = "int and double do not mix: write double(value.x)" if mixed else "has(value.x) asks for a field"
            raise DataError(f"{self.text} has no value: {value}", hint=hint)
        return bytes(value) if isinstance(value, bytearray) else value


def _compiled(text: str, kind: str | None) -> _Compiled:
    """Compile an expression whose values are to be of a type.

    Raises:
        ValueError: it is none, or of another type, or CEL is not installed.
    """
    try:
        from cel_expr_python import cel
    except ImportError:
        raise ValueError(_NEEDS_CEL) from None
    types = {"value": cel.Type.DYN, "key": cel.Type.DYN, "topic": cel.Type.STRING, "timestamp": cel.Type.DYN}
    env = cel.NewEnv(variables={**types, "headers": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})
    try:
        expression = env.compile(text)
    except RuntimeError as error:
        first_line = str(error).removeprefix("INVALID_ARGUMENT: ERROR: <input>:").splitlines()[0]
        raise ValueError(f"not an expression, at {first_line}") from None
    found = expression.return_type()
    if kind is not None and found not in (cel.Type.DYN, getattr(cel.Type, kind)):
        raise ValueError(f"its values are of the type {found.name()}, not {kind.lower()}")
    return _Compiled(text, expression, cel)


class Expression(Transform[ExpressionConfig]):
    """Keeps, routes and reshapes records by expressions."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and compile them."""
        super().configure(configs)
        config = self.config
        self._filter = None if config.filter is None else _compiled(config.filter, "BOOL")
        self._topic = None if config.topic is None else _compiled(config.topic, "STRING")
        self._sets = {name: _compiled(text, None) for name, text in config.sets.items()}
        self._drop = frozenset(config.drop)
        every = (self._filter, self._topic, *self._sets.values())
        self._needed = {name for one in every if one is not None for name in one.variables}
        self._schemas: dict[Schema, Schema] = {}

    def apply(self, record: Record) -> Record | None:
        """Return the record as the expressions want it; None if it is not kept."""
        seen = self._seen(record)
        if self._filter is not None:
            keep = self._filter.of(seen)
            if not isinstance(keep, bool):
                raise DataError(f"{self._filter.text} is neither true nor false: {keep!r}")
            if not keep:
                return None
        changes: dict[str, Any] = {}
        if self._topic is not None:
            changes["topic"] = self._topic.of(seen)
            if not isinstance(changes["topic"], str) or not changes["topic"]:
                raise DataError(f"{self._topic.text} is no name of a topic: {changes['topic']!r}")
        if record.value is not None and (self._sets or self._drop):
            sets = {name: expression.of(seen) for name, expression in self._sets.items()}
            if record.value_schema is None:
                kept = {name: old for name, old in require_map(record.value, _PURPOSE).items() if name not in self._drop}
                changes["value"] = {**kept, **sets}
            else:
                schema = self._schema(record.value_schema)
                changes["value_schema"] = schema
                changes["value"] = _struct(record.value, schema, sets)
        return record.replace(**changes) if changes else record

    def apply_batch(self, records: Records) -> Records:
        """Return the records that are kept, as the expressions want them."""
        if self._filter is not None and self._topic is None and not self._sets and not self._drop:
            kept = [i for i in range(len(records)) if self.apply(records.record(i)) is not None]
            return records if len(kept) == len(records) else records.select(kept)
        return super().apply_batch(records)

    def _seen(self, record: Record) -> dict[str, Any]:
        """The record as expressions see it."""
        seen: dict[str, Any] = {"topic": record.topic, "timestamp": record.timestamp}
        if "value" in self._needed:
            seen["value"] = record.value if record.value_schema is None else plain(record.value)
        if "key" in self._needed:
            seen["key"] = record.key if record.key_schema is None else plain(record.key)
        if "headers" in self._needed:
            seen["headers"] = {header.name: plain(header.value) for header in record.headers}
        return seen

    def _schema(self, schema: Schema) -> Schema:
        """The schema of the values that come of those of another."""
        made = self._schemas.get(schema)
        if made is None:
            if len(self._schemas) >= _SCHEMAS_KEPT:
                self._schemas.clear()
            fields = {f.name: f.schema for f in schema.fields if f.name not in self._drop}
            made = self._schemas[schema] = like(schema, {**fields, **dict(self._new_fields(schema))}.items())
        return made

    def _new_fields(self, schema: Schema) -> Iterator[tuple[str, Schema]]:
        for name, expression in self._sets.items():
            known = schema.field(name)
            if known is not None:
                yield name, known.schema
            elif expression.type.name() in _SCHEMAS:
                yield name, _SCHEMAS[expression.type.name()]
            else:
                raise DataError(
                    f"the type of the new field {name} is not known, as a record with a schema needs it",
                    hint=f"write set.{name}=string({expression.text}), or int(...), double(...), bool(...)",
                )


_SCHEMAS = {
    "BOOL": Schema.boolean(optional=True),
    "INT": Schema.int64(optional=True),
    "UINT": Schema.int64(optional=True),
    "DOUBLE": Schema.float64(optional=True),
    "STRING": Schema.string(optional=True),
    "BYTES": Schema.bytes(optional=True),
    "TIMESTAMP": Schema.timestamp(optional=True),
}


def _struct(value: Any, schema: Schema, sets: Mapping[str, Any]) -> Struct:
    if not isinstance(value, Struct):
        raise DataError(f"Only Struct objects supported for [{_PURPOSE}], found: {type(value).__name__}")
    old = dict(zip((f.name for f in value.schema.fields), reader(value.schema, replace_null=True)(value), strict=True))
    struct = Struct(schema)
    for made in schema.fields:
        found = sets[made.name] if made.name in sets else old[made.name]
        if made.schema.type in (Type.FLOAT32, Type.FLOAT64) and isinstance(found, int):
            found = float(found)
        struct.put(made.name, found)
    return struct


def plain(value: Any) -> Any:
    """Return a value as expressions see it: structs as maps, Decimals as doubles, dates as texts for `timestamp(...)`."""
    if isinstance(value, Struct):
        return {f.name: plain(value.get(f.name)) for f in value.schema.fields}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime.datetime):
        return timestamp_from_ms(timestamp_to_ms(value)).isoformat()
    if isinstance(value, datetime.date):
        return f"{value.isoformat()}T00:00:00Z"
    return float(value) if isinstance(value, decimal.Decimal) else value
