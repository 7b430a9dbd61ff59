"""The text of .proto files: read into a file descriptor, and written from one.

Read is what describes messages: syntax, package, imports, messages, enums, oneofs, maps, proto3's optional, and of options the
ones of fields that Confluent's converters write (`confluent.field_meta`). Services, extensions and all other options are passed
over; groups, which proto3 does not have, are an error.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from confluent_kafka.schema_registry.confluent import meta_pb2
from google.protobuf import descriptor_pb2, text_format
from google.protobuf.message import DecodeError

from fastconnect.errors import DataError

FileProto = descriptor_pb2.FileDescriptorProto
FieldProto = descriptor_pb2.FieldDescriptorProto
FIELD_META: Any = getattr(meta_pb2, "field_meta")  # noqa: B009 - an extension, which type checkers do not see

_PART = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<word>[A-Za-z_.][\w.]*|[-+]?[0-9][\w.+-]*)"""
    r"""|(?P<sign>.)""",
    re.DOTALL,
)
SCALARS: dict[str, int] = {
    name: FieldProto.Type.Value(f"TYPE_{name.upper()}")
    for name in (
        *("double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes"),
        *("uint32", "sfixed32", "sfixed64", "sint32", "sint64"),
    )
}
_NAMES = {number: name for name, number in SCALARS.items()}


def read_proto(text: str, name: str) -> Any:
    """Read a schema as a registry has it: the text of a .proto file, or the base64 of a file descriptor.

    Args:
        name: what the file is called by those that import it.
    Raises:
        DataError: it is neither.
    """
    try:
        made = FileProto.FromString(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, DecodeError):
        return _Parser(text, name).file()
    made.name = name
    return made


def camel(name: str) -> str:
    """Return the name of a map's entries without `Entry`, as protoc makes it of the field's name."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._parts = [match for match in _PART.finditer(text) if match.lastgroup != "space"]
        self._at = 0

    # ---- parts ----

    def _peek(self) -> str:
        return self._parts[self._at].group() if self._at < len(self._parts) else ""

    def _next(self, wanted: str | None = None) -> str:
        part = self._peek()
        if not part or (wanted is not None and part != wanted):
            line = self._text.count("\n", 0, self._parts[self._at].start()) + 1 if part else "the end"
            raise DataError(
                f"The Protobuf schema cannot be read: {wanted or 'more'} was expected at line {line}, not {part or 'nothing'}"
            )
        self._at += 1
        return part

    def _took(self, part: str) -> bool:
        if self._peek() != part:
            return False
        self._at += 1
        return True

    def _number(self) -> int:
        part = self._next()
        try:
            return int(part, 0)
        except ValueError as error:
            raise DataError(f"The Protobuf schema cannot be read: {part} stands where a number belongs") from error

    def _skip_statement(self) -> None:
        """Pass over all up to a semicolon, or to the end of the block in braces that comes before one."""
        while True:
            part = self._next()
            if part == ";":
                return
            if part == "{":
                self._skip_block()
                self._took(";")
                return

    def _skip_block(self) -> None:
        depth = 1
        while depth:
            part = self._next()
            depth += (part == "{") - (part == "}")

    # ---- grammar ----

    def file(self) -> Any:
        made = FileProto(name=self._name)
        while self._peek():
            word = self._next()
            if word == "syntax":
                self._next("=")
                syntax = self._next()[1:-1]
                if syntax == "proto3":
                    made.syntax = syntax
                self._next(";")
            elif word == "package":
                made.package = self._next()
                self._next(";")
            elif word == "import":
                if self._peek() in ("public", "weak"):
                    self._next()
                made.dependency.append(self._next()[1:-1])
                self._next(";")
            elif word == "message":
                self._message(made.message_type.add(), made)
            elif word == "enum":
                self._enum(made.enum_type.add())
            elif word in ("option", "service", "extend"):
                self._skip_statement()
            elif word == "edition":
                raise DataError("The Protobuf schema is of an edition; only proto2 and proto3 are read")
            elif word != ";":
                raise DataError(f"The Protobuf schema cannot be read: {word} begins no statement")
        return made

    def _message(self, made: Any, file: Any) -> None:
        made.name = self._next()
        self._next("{")
        while not self._took("}"):
            word = self._peek()
            if word == "message" and self._is_block():
                self._next()
                self._message(made.nested_type.add(), file)
            elif word == "enum" and self._is_block():
                self._next()
                self._enum(made.enum_type.add())
            elif word == "oneof" and self._is_block():
                self._oneof(made)
            elif word in ("option", "reserved", "extensions", "extend"):
                self._skip_statement()
            elif not self._took(";"):
                self._field(made, None)
        for field in made.field:
            if field.proto3_optional:
                field.oneof_index = len(made.oneof_decl)  # of its own, and after the real ones
                made.oneof_decl.add(name=f"_{field.name}")

    def _is_block(self) -> bool:
        after = [part.group() for part in self._parts[self._at + 1 : self._at + 3]]
        return len(after) == 2 and after[1] == "{"

    def _oneof(self, made: Any) -> None:
        self._next("oneof")
        index = len(made.oneof_decl)
        made.oneof_decl.add(name=self._next())
        self._next("{")
        while not self._took("}"):
            if self._peek() == "option":
                self._skip_statement()
            elif not self._took(";"):
                self._field(made, index)

    def _field(self, made: Any, oneof: int | None) -> None:
        field = made.field.add(label=FieldProto.LABEL_OPTIONAL)
        if oneof is not None:
            field.oneof_index = oneof
        label = self._peek()
        if label in ("repeated", "required", "optional"):
            self._next()
            if label == "optional":
                field.proto3_optional = self._is_proto3()
            else:
                field.label = FieldProto.Label.Value(f"LABEL_{label.upper()}")
        kind = self._next()
        if kind == "group":
            raise DataError("The Protobuf schema has a group, which is not supported")
        if kind == "map" and self._took("<"):
            entry = made.nested_type.add()
            entry.options.map_entry = True
            for number, name in enumerate(("key", "value"), 1):
                part = entry.field.add(name=name, number=number, label=FieldProto.LABEL_OPTIONAL)
                self._type(part, self._next())
                self._next("," if number == 1 else ">")
            field.name = self._next()
            entry.name = f"{camel(field.name)}Entry"
            field.label, field.type_name = FieldProto.LABEL_REPEATED, entry.name
        else:
            self._type(field, kind)
            field.name = self._next()
        self._next("=")
        field.number = self._number()
        if self._took("["):
            self._options(field)
        self._next(";")

    def _is_proto3(self) -> bool:
        return bool(re.search(r"""\bsyntax\s*=\s*["']proto3["']""", self._text))

    @staticmethod
    def _type(field: Any, kind: str) -> None:
        if kind in SCALARS:
            field.type = SCALARS[kind]
        else:
            field.type_name = kind  # the pool finds out whose it is, and whether it is a message or an enum

    def _options(self, field: Any) -> None:
        depth = 0
        start = self._parts[self._at].start()
        while depth or self._peek() != "]":
            part = self._next()
            depth += (part in "[{") - (part in "]}")
        text = self._text[start : self._parts[self._at].start()]
        self._next("]")
        if "confluent.field_meta" in text:
            _read_meta(field, text)
        packed = re.search(r"(?:^|,)\s*packed\s*=\s*(true|false)", text)
        if packed:
            field.options.packed = packed[1] == "true"

    def _enum(self, made: Any) -> None:
        made.name = self._next()
        self._next("{")
        while not self._took("}"):
            if self._peek() in ("option", "reserved"):
                if self._next() == "option" and re.match(r"\s*allow_alias\s*=\s*true", self._text[self._here() :]):
                    made.options.allow_alias = True
                self._skip_statement()
            elif not self._took(";"):
                value = made.value.add(name=self._next())
                self._next("=")
                value.number = self._number()
                while self._next() != ";":
                    pass

    def _here(self) -> int:
        return self._parts[self._at].start()


def _read_meta(field: Any, text: str) -> None:
    """Read `(confluent.field_meta) = {...}`, or `(confluent.field_meta).params = {...}`, of a field's options."""
    meta = field.options.Extensions[FIELD_META]
    for found in re.finditer(r"\(confluent\.field_meta\)\s*(?:\.\s*(\w+))?\s*=\s*", text):
        value = text[found.end() :]
        end = _end_of_value(value)
        said = value[1 : end - 1] if found[1] is None else f"{found[1]}: {value[:end]}"
        try:
            text_format.Merge(said, meta)
        except text_format.ParseError as error:
            raise DataError(f"The Protobuf schema cannot be read: the options of {field.name} are not: {error}") from error


def _end_of_value(text: str) -> int:
    depth = 0
    for part in _PART.finditer(text):
        if part.group() in ("{", "["):
            depth += 1
        elif part.group() in ("}", "]"):
            depth -= 1
        if depth == 0 and part.lastgroup != "space":
            return part.end()
    return len(text)


# ---- writing ----


def write_proto(file: Any) -> str:
    """Write a file descriptor of proto3 as text."""
    lines = ['syntax = "proto3";']
    if file.package:
        lines.append(f"package {file.package};")
    if file.dependency:
        lines += ["", *(f'import "{name}";' for name in file.dependency)]
    for message in file.message_type:
        lines += ["", *_message_lines(message, "")]
    return "\n".join(lines) + "\n"


def _message_lines(message: Any, indent: str) -> Iterator[str]:
    yield f"{indent}message {message.name} {{"
    inner = f"{indent}  "
    entries = {entry.name: entry for entry in message.nested_type if entry.options.map_entry}
    for field in message.field:
        if not field.HasField("oneof_index") or field.proto3_optional:
            yield inner + _field_line(field, entries)
    for index, oneof in enumerate(message.oneof_decl):
        members = [f for f in message.field if f.HasField("oneof_index") and f.oneof_index == index and not f.proto3_optional]
        if members:
            yield f"{inner}oneof {oneof.name} {{"
            yield from (f"{inner}  {_field_line(field, entries)}" for field in members)
            yield f"{inner}}}"
    for nested in message.nested_type:
        if nested.name not in entries:
            yield ""
            yield from _message_lines(nested, inner)
    for enum in message.enum_type:
        yield f"{inner}enum {enum.name} {{"
        yield from (f"{inner}  {value.name} = {value.number};" for value in enum.value)
        yield f"{inner}}}"
    yield f"{indent}}}"


def _field_line(field: Any, entries: dict[str, Any]) -> str:
    entry = entries.get(field.type_name.rpartition(".")[2]) if field.type == FieldProto.TYPE_MESSAGE else None
    if entry is not None:
        kind = f"map<{_type_text(entry.field[0])}, {_type_text(entry.field[1])}>"
    else:
        kind = _type_text(field)
        if field.label == FieldProto.LABEL_REPEATED:
            kind = f"repeated {kind}"
        elif field.proto3_optional:
            kind = f"optional {kind}"
    return f"{kind} {field.name} = {field.number}{_meta_text(field)};"


def _type_text(field: Any) -> str:
    kind: str = _NAMES.get(field.type, field.type_name)
    return kind


def _meta_text(field: Any) -> str:
    if not field.HasField("options"):
        return ""
    params = field.options.Extensions[FIELD_META].params
    said = ", ".join(f'{{key: "{key}", value: "{params[key]}"}}' for key in sorted(params))
    return f" [(confluent.field_meta) = {{params: [{said}]}}]" if said else ""
