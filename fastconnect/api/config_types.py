"""What a field of a `Config` may hold, and how it is read from a config's text and written back.

Kafka Connect's configs are maps of text to text. `text_type` finds for a Python annotation the two functions between text
and value; the types beyond Python's own (`Secret`, `Topic`, `Duration` ...) are here too. What a config as a whole is:
`config.py`.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal, NoReturn, TypeAlias, Union, get_args, get_origin

import msgspec


class Secret:
    """A password or token: shown as `[hidden]` wherever it is printed; `reveal()` gives the text itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret text; keep it out of logs, errors and argument lists."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: pass the config's properties on instead")


HIDDEN = "[hidden]"
"""What stands for a secret in logs, errors and answers. Source: Kafka's Password.HIDDEN."""


class _As(Enum):
    """How the text of an annotated `str` or `int` is meant; makes the aliases below differ from the plain type."""

    LONG = "LONG"
    SHORT = "SHORT"
    DURATION = "DURATION"
    BYTES = "BYTES"
    TOPIC = "TOPIC"
    CLASS = "CLASS"


Topic: TypeAlias = Annotated[str, _As.TOPIC]
"""The name of a Kafka topic: 1 to 249 of letters, digits, `.`, `_` and `-`."""

Duration: TypeAlias = Annotated[int, _As.DURATION]
"""Milliseconds; in a config `500`, `500ms`, `5s`, `2m`, `1h` or `1d`."""

Bytes: TypeAlias = Annotated[int, _As.BYTES]
"""A size in bytes; in a config `1048576`, `512kB`, `1MB` (a million), `1MiB` (1,048,576), and so on up to `TiB`."""

Long: TypeAlias = Annotated[int, _As.LONG]
"""An int that is shown as Kafka Connect's LONG (a plain `int` is shown as INT; both hold 64 bits)."""

Short: TypeAlias = Annotated[int, _As.SHORT]
"""An int of 16 bits."""

ClassName: TypeAlias = Annotated[str, _As.CLASS]
"""The class name or alias of a plugin; shown as Kafka Connect's CLASS."""

Regex: TypeAlias = re.Pattern[str]
"""A regular expression, compiled; it is Python's, which is Java's but for possessive and a few rarer forms."""


class Check(msgspec.Struct, frozen=True):
    """A rule of one field that `Meta` cannot say: `Annotated[str, Check(lambda text: "Not a city" if ... else None)]`."""

    fault_of: Callable[[Any], str | None]
    """Gets the value and returns why it is wrong, or None."""


class TextType(msgspec.Struct, frozen=True):
    """How one Python type is read from text and written as text.

    `read` raises ValueError with Kafka Connect's reason (`Not a number of type INT`). `name` is Kafka Connect's type name.
    """

    name: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    nullable: bool = False
    choices: tuple[str, ...] = ()
    metas: tuple[msgspec.Meta, ...] = ()
    read_unlimited: Callable[[str], Any] | None = None

    def is_readable(self, text: str) -> bool:
        """Whether Kafka Connect's type can hold this text, though the value may be beyond the field's limits."""
        if self.name in ("STRING", "CLASS", "LIST"):
            return True
        try:
            (self.read_unlimited or self.read)(text)
        except ValueError:
            return False
        return True

    @property
    def secret(self) -> bool:
        """Whether its text must never be shown."""
        return self.name == "PASSWORD"

    def note(self, name: str, default: Any = None) -> Any:
        """Return what the field's `Meta(extra_json_schema={...})` says under a name, such as `importance`."""
        for meta in reversed(self.metas):
            if meta.extra_json_schema and name in meta.extra_json_schema:
                return meta.extra_json_schema[name]
        return default

    @property
    def description(self) -> str:
        """What the field's `Meta(description=...)` says."""
        return next((meta.description for meta in reversed(self.metas) if meta.description), "")


def text_type(annotation: Any) -> TextType:
    """Find how a field annotated like this is read and written.

    Raises:
        TypeError: no text stands for such a type.
    """
    metas: list[msgspec.Meta] = []
    marks: list[_As] = []
    checks: list[Check] = []
    nullable = False
    while True:  # Annotated and Optional may wrap each other in either order
        if get_origin(annotation) is Annotated:
            annotation, *notes = get_args(annotation)
            metas[:0] = [note for note in notes if isinstance(note, msgspec.Meta)]
            marks += [note for note in notes if isinstance(note, _As)]
            checks[:0] = [note for note in notes if isinstance(note, Check)]
        elif get_origin(annotation) in (Union, types.UnionType):
            arms = [arm for arm in get_args(annotation) if arm is not type(None)]
            if len(arms) != 1:
                raise TypeError(f"{annotation} is not supported in a Config: one type, or one type and None")
            nullable, annotation = True, arms[0]
        else:
            break
    plain = _plain_type(annotation, marks[0] if marks else None, metas)
    read = _checked(plain.read, metas, checks) if metas or checks else plain.read
    return TextType(plain.name, read, plain.write, nullable, plain.choices, tuple(metas), plain.read)


def _plain_type(annotation: Any, mark: _As | None, metas: list[msgspec.Meta]) -> TextType:
    origin = get_origin(annotation)
    if mark is not None:
        return _MARKED[mark]
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if origin is Literal:
        return _choice_type(get_args(annotation), any((meta.extra_json_schema or {}).get("ignore_case") for meta in metas))
    if annotation is re.Pattern or origin is re.Pattern:
        return TextType("STRING", _read_regex, lambda pattern: str(pattern.pattern))
    if origin in (list, tuple, set, frozenset):
        return _list_type(origin, get_args(annotation)) or _json_type(annotation)
    # pathlib is not imported for its own sake: whoever annotates with Path has done so
    if "pathlib" in sys.modules and annotation is sys.modules["pathlib"].Path:
        return TextType("STRING", sys.modules["pathlib"].Path, str)
    if origin is dict or annotation is dict or (isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)):
        return _json_type(annotation)
    raise TypeError(
        f"{annotation} is not supported in a Config: use bool, int, float, str, Literal, Path, Secret, Topic, Regex, Duration, "
        "Bytes, a list of these, or a dict or msgspec.Struct (written as JSON)"
    )


def _read_bool(text: str) -> bool:
    match text.lower():
        case "true":
            return True
        case "false":
            return False
    raise ValueError("Expected value to be either true or false")


_INTEGER = re.compile(r"[+-]?[0-9]+")
_LONG_LIMIT = 2**63  # Kafka Connect's widest integer


def _read_int(kind: str, limit: int = _LONG_LIMIT) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not -limit <= (number := int(text)) < limit:
            raise ValueError(f"Not a number of type {kind}")
        return number

    return read


def _read_float(text: str) -> float:
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    raise ValueError("Not a number of type DOUBLE")


def _read_regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"Invalid regex: {error}") from None


_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def _read_topic(text: str) -> str:
    """Source of the rule: Kafka's Topic.validate."""
    if not _TOPIC.fullmatch(text) or text in (".", ".."):
        raise ValueError("Not a topic name: 1 to 249 letters, digits, '.', '_' and '-' (and not '.' or '..')")
    return text


_DURATION = re.compile(r"([+-]?[0-9]+) *(ms|s|m|h|d)?")
_MS_OF = {None: 1, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _read_duration(text: str) -> int:
    if match := _DURATION.fullmatch(text):
        return int(match[1]) * _MS_OF[match[2]]
    raise ValueError("Not a time: write it as 500 (milliseconds), 500ms, 5s, 2m, 1h or 1d")


_SIZE = re.compile(r"([0-9]+) *(?:([kmgt])(i)?)?b?", re.IGNORECASE)
_POWER_OF = {"k": 1, "m": 2, "g": 3, "t": 4}


def _read_bytes(text: str) -> int:
    if match := _SIZE.fullmatch(text):
        scale: int = (1024 if match[3] else 1000) ** (_POWER_OF[match[2].lower()] if match[2] else 0)
        return int(match[1]) * scale
    raise ValueError("Not a size: write it as 1048576 (bytes), 512kB, 1MB or 1MiB")


def _write_bool(value: bool) -> str:
    return "true" if value else "false"


_SIMPLE: dict[Any, TextType] = {
    bool: TextType("BOOLEAN", _read_bool, _write_bool),
    int: TextType("INT", _read_int("INT"), str),
    float: TextType("DOUBLE", _read_float, repr),
    str: TextType("STRING", str, str),
    Secret: TextType("PASSWORD", Secret, Secret.reveal),
}
_MARKED: dict[_As, TextType] = {
    _As.LONG: TextType("LONG", _read_int("LONG"), str),
    _As.SHORT: TextType("SHORT", _read_int("SHORT", 2**15), str),
    _As.DURATION: TextType("LONG", _read_duration, str),
    _As.BYTES: TextType("LONG", _read_bytes, str),
    _As.TOPIC: TextType("STRING", _read_topic, str),
    _As.CLASS: TextType("CLASS", str, str),
}


def _choice_type(choices: tuple[Any, ...], ignore_case: bool) -> TextType:
    if not all(isinstance(choice, str) for choice in choices):
        raise TypeError(f"Literal{list(choices)} is not supported in a Config: its choices must be str")
    fold: Callable[[str], str] = str.lower if ignore_case else str
    by_text = {fold(choice): choice for choice in choices}
    allowed = ", ".join(choices)
    why = f"String must be one of (case insensitive): {allowed.upper()}" if ignore_case else f"String must be one of: {allowed}"

    def read(text: str) -> str:
        try:
            return str(by_text[fold(text)])
        except KeyError:
            raise ValueError(why) from None

    return TextType("STRING", read, str, choices=choices)


def _list_type(origin: Any, args: tuple[Any, ...]) -> TextType | None:
    """Return the type of comma separated values, or None if the items have no plain text of their own."""
    if origin is tuple and (len(args) != 2 or args[1] is not Ellipsis):
        raise TypeError("a tuple of fixed length is not supported in a Config: use tuple[T, ...]")
    item = text_type(args[0]) if args else _SIMPLE[str]
    if item.name == "JSON":
        return None

    def read(text: str) -> Any:
        return origin(item.read(part.strip()) for part in text.split(",")) if text else origin()

    def write(values: Any) -> str:
        texts = [item.write(value) for value in values]
        for text in texts:
            # A comma inside a value would be read back as two values: say so rather than lose or invent one.
            if "," in text or text != text.strip() or (not text and len(texts) == 1):
                raise ValueError(f"{text!r} cannot stand in a comma separated list")
        return ",".join(texts)

    return TextType("PASSWORD" if item.secret else "LIST", read, write, choices=item.choices)


def _json_type(annotation: Any) -> TextType:
    """JSON stands for a value without a plain text; for what a connector hands to its own tasks, such as parts of files."""
    decoder = msgspec.json.Decoder(annotation)

    def read(text: str) -> Any:
        try:
            return decoder.decode(text)
        except msgspec.MsgspecError as error:
            raise ValueError(f"Not the JSON that is expected: {error}") from None

    return TextType("JSON", read, lambda value: msgspec.json.encode(value).decode())


def _checked(read: Callable[[str], Any], metas: list[msgspec.Meta], checks: list[Check]) -> Callable[[str], Any]:
    """Read, then hold the value against the limits in the field's Meta, and its checks."""

    def checked(text: str) -> Any:
        value = read(text)
        for meta in metas:
            if why := _broken_limit(meta, value):
                raise ValueError(why)
        for check in checks:
            if why := check.fault_of(value):
                raise ValueError(why)
        return value

    return checked


def _broken_limit(meta: msgspec.Meta, value: Any) -> str | None:
    if meta.ge is not None and value < meta.ge:
        return f"Value must be at least {meta.ge}"
    if meta.gt is not None and value <= meta.gt:
        return f"Value must be more than {meta.gt}"
    if meta.le is not None and value > meta.le:
        return f"Value must be no more than {meta.le}"
    if meta.lt is not None and value >= meta.lt:
        return f"Value must be less than {meta.lt}"
    if meta.multiple_of is not None and value % meta.multiple_of:
        return f"Value must be a multiple of {meta.multiple_of}"
    text = value.reveal() if isinstance(value, Secret) else value
    thing = "String" if isinstance(text, str) else "List"
    if meta.min_length is not None and len(text) < meta.min_length:
        return f"{thing} may not be empty" if not text else f"{thing} must have a length of at least {meta.min_length}"
    if meta.max_length is not None and len(text) > meta.max_length:
        return f"{thing} must have a length of at most {meta.max_length}"
    if meta.pattern is not None and not re.search(meta.pattern, text):
        return f"String must match the pattern {meta.pattern}"
    return None
