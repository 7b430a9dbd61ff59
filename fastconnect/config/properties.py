r"""Config files: Java's `.properties` exactly as Java reads them, and the same keys in JSON, TOML or YAML.

What the keys mean is not known here. All values become Kafka Connect's strings. In TOML and YAML, tables are another way to
write dots: `[producer]` with `"linger.ms" = 5` is the key `producer.linger.ms`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from fastconnect.errors import ConfigError

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_KEYS = 10_000
"""Far beyond any real config; a YAML file of a few lines can stand for billions of values by its aliases."""
MAX_DEPTH = 32


class ConnectorFile(msgspec.Struct, frozen=True):
    """One connector as a file describes it; `name` is also in `config` if the file said it there."""

    name: str
    config: dict[str, str | None]
    initial_state: Literal["RUNNING", "PAUSED", "STOPPED"] = "RUNNING"


def load_config_file(path: str | Path) -> dict[str, str | None]:
    """Read a flat config, such as a worker's, from a .properties, .json, .toml or .yaml file.

    Raises:
        ConfigError: the file cannot be read, or says something else; with the file, and where known the line.
    """
    content = _load(Path(path))
    if not isinstance(content, Mapping):
        raise ConfigError("a config file must hold keys and values, not a list", where=str(path))
    return _flat(content, str(path))


def load_connector_file(path: str | Path) -> list[ConnectorFile]:
    """Read the connectors in a file: a flat config, Kafka Connect's `{"name", "config", "initial_state"}`, or a list of either.

    Raises:
        ConfigError: as `load_config_file`; also a name said twice in different words, or an unknown initial state.
    """
    content = _load(Path(path))
    entries = content if isinstance(content, list) else [content]
    return [_connector(entry, str(path)) for entry in entries]


def _connector(entry: Any, where: str) -> ConnectorFile:
    if not isinstance(entry, Mapping):
        raise ConfigError("a connector must be keys and values", where=where)
    if not isinstance(entry.get("config"), Mapping):
        config = _flat(entry, where)
        return ConnectorFile(config.get("name") or "", config)
    config = _flat(entry["config"], where)
    unknown = entry.keys() - {"name", "config", "initial_state"}
    if unknown:
        raise ConfigError(
            f"beside `config` only `name` and `initial_state` may stand, not {', '.join(sorted(map(str, unknown)))}",
            where=where,
            hint="move it into `config`",
        )
    name = str(entry.get("name") or "").strip()
    inner = (config.get("name") or "").strip()
    if name and inner and name != inner:
        raise ConfigError(
            f"Connector name configuration ({inner}) doesn't match connector name in the file ({name})", where=where
        )
    if name:
        config["name"] = name
    match str(entry.get("initial_state") or "RUNNING").upper():
        case "RUNNING" | "PAUSED" | "STOPPED" as state:
            return ConnectorFile(name or inner, config, state)
        case other:
            raise ConfigError(f"initial_state must be RUNNING, PAUSED or STOPPED, not {other}", where=where)


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError("there is no such config file", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"the config file cannot be read: {error.strerror}", where=str(path)) from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"the file has more than {MAX_FILE_BYTES} bytes, which no config has", where=str(path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # how Java reads a .properties file
    match path.suffix.lower():
        case ".json":
            return _load_json(text, str(path))
        case ".toml":
            return _load_toml(text, str(path))
        case ".yaml" | ".yml":
            return _load_yaml(text, str(path))
    if text.lstrip().startswith("{"):  # Kafka Connect too takes JSON whatever the file is called
        return _load_json(text, str(path))
    return parse_properties(text, where=str(path))


def _load_json(text: str, where: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"not valid JSON: {_with_line(str(error), text)}", where=where) from None


def _with_line(problem: str, text: str) -> str:
    """Turn msgspec's `(byte 17)` into a line number."""
    found = re.search(r"\s*\(byte (\d+)\)$", problem)
    if not found:
        return problem
    line = text.encode(errors="surrogatepass")[: int(found[1])].count(b"\n") + 1
    return f"{problem[: found.start()]} in line {line}"


def _load_toml(text: str, where: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = None
        if "overwrite" in str(error).lower():
            hint = 'where one key is the beginning of another, put them in quotes: "key.converter.schemas.enable" = false'
        raise ConfigError(f"not valid TOML: {error}", where=where, hint=hint) from None


def _load_yaml(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            "reading YAML needs the package pyyaml", where=where, hint="pip install 'fastconnect-kafka[yaml]', or use JSON"
        ) from None
    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"not valid YAML: {str(error) or 'nested too deep'}", where=where) from None


def _flat(content: Mapping[Any, Any], where: str) -> dict[str, str | None]:
    """Join nested keys by dots and write every value as Kafka Connect's string."""
    flat: dict[str, str | None] = {}
    for key, value in _entries(content, "", 0, where):
        if key in flat:
            raise ConfigError(f"{key} is said twice", where=where)
        if len(flat) >= MAX_KEYS:
            raise ConfigError(f"more than {MAX_KEYS} keys", where=where)
        flat[key] = _text(key, value, where)
    return flat


def _entries(content: Mapping[Any, Any], prefix: str, depth: int, where: str) -> Iterator[tuple[str, Any]]:
    if depth > MAX_DEPTH:
        raise ConfigError(f"keys are nested more than {MAX_DEPTH} deep", where=where)
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _entries(value, f"{prefix}{key}.", depth + 1, where)
        else:
            yield f"{prefix}{key}", value


def _text(key: str, value: Any, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        texts = [_text(key, item, where) or "" for item in value if not isinstance(item, list | Mapping)]
        if len(texts) < len(value):
            raise ConfigError(f"{key} is a list of lists or tables, where Kafka Connect knows only text", where=where)
        if comma := next((text for text in texts if "," in text), None):
            raise ConfigError(f"{key} has the value {comma!r} in a list, and its comma would split it in two", where=where)
        return ",".join(texts)
    return str(value)  # numbers; dates of TOML and YAML in ISO form


def parse_properties(text: str, *, where: str | None = None) -> dict[str, str]:
    r"""Read Java's `.properties`: `key=value`, `key:value` or `key value`; `#` and `!` comments; `\` continues a line.

    Of a key that comes twice the last one counts. Source: java.util.Properties.load.

    Raises:
        ConfigError: a `\u` without four hex digits behind it.
    """
    properties: dict[str, str] = {}
    for number, line in _logical_lines(text):
        key, value = _split(line)
        try:
            properties[_unescape(key)] = _unescape(value)
        except ValueError as error:
            raise ConfigError(f"line {number}: {error}", where=where) from None
    return properties


_BLANK = " \t\f"


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each logical line with the number of its first line: comments, blanks and continuations are resolved.

    `str.splitlines` will not do: it splits at characters that are part of a value for Java.
    """
    logical = ""
    first = 0
    continued = False
    for number, natural in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = natural.lstrip(_BLANK)
        # A comment is no comment where it continues a line that has said something already.
        if not logical and (not line or line[0] in "#!"):
            continued = False
            continue
        if not continued:
            first = number
        backslashes = len(line) - len(line.rstrip("\\"))
        continued = backslashes % 2 == 1
        logical += line[:-1] if continued else line
        if not continued:
            yield first, logical
            logical = ""
    if logical:
        yield first, logical


_KEY = re.compile(r"(?:[^\\=: \t\f]|\\.)*", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t\f]*(?:[=:][ \t\f]*)?")


def _split(line: str) -> tuple[str, str]:
    key = _KEY.match(line)
    assert key  # it matches the empty text too
    separator = _SEPARATOR.match(line, key.end())
    assert separator
    return key[0], line[separator.end() :]


_ESCAPE = re.compile(r"\\(?:u(.{0,4})|(.)|$)", re.DOTALL)
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        digits, char = found.groups()
        if digits is None:
            return _ESCAPED.get(char, char or "")
        if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
            raise ValueError(f"\\u must be followed by four hex digits, not by {digits!r}")
        return chr(int(digits, 16))

    unescaped = _ESCAPE.sub(plain, text)
    # Java's \u is a UTF-16 unit: a character beyond U+FFFF is written as two of them.
    return unescaped.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def format_properties(properties: Mapping[str, str]) -> str:
    """Write Java's `.properties`, one key a line, so that Java and `parse_properties` read the same again."""
    lines = [f"{_escape(key, key=True)}={_escape(value, key=False)}\n" for key, value in properties.items()]
    return "".join(lines)


_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f", "\\": "\\\\", "=": "\\=", ":": "\\:", "#": "\\#", "!": "\\!"}


def _escape(text: str, *, key: bool) -> str:
    parts = []
    for place, char in enumerate(text):
        if char == " ":
            parts.append("\\ " if key or place == 0 else " ")
        elif char in _NAMED:
            parts.append(_NAMED[char])
        elif " " < char <= "~":
            parts.append(char)
        else:
            units = char.encode("utf-16-be", "surrogatepass")
            parts += [f"\\u{units[i] << 8 | units[i + 1]:04X}" for i in range(0, len(units), 2)]
    return "".join(parts)
