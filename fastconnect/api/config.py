"""A plugin's configuration as one typed class, from which conversion, validation and docs all come.

    class ClicksConfig(Config):
        topic: Topic
        page_size: Annotated[int, Meta(ge=1, description="Rows in one request.")] = 500      # config key: page.size
        password: Secret | None = None

A field without a default is required. A key that is not the field's name with dots is given by `field(name="my-key")`.
Importance, width, group, order and display name, which only user interfaces read, go into `Meta(extra_json_schema={...})`.
The types of fields are in `config_types.py`, Kafka Connect's ConfigDef made of a class in `config_def.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, dataclass_transform, get_args

import msgspec
from msgspec import Meta, field

from fastconnect.api.config_types import (
    HIDDEN,
    Bytes,
    Check,
    ClassName,
    Duration,
    Long,
    Regex,
    Secret,
    Short,
    TextType,
    Topic,
    text_type,
)
from fastconnect.errors import ConfigError, Fault

__all__ = [
    "Bytes",
    "Check",
    "ClassName",
    "Config",
    "ConfigField",
    "Duration",
    "Fault",
    "Long",
    "Meta",
    "Regex",
    "Secret",
    "Short",
    "Topic",
    "config_class_of",
    "field",
]


class ConfigField(msgspec.Struct, frozen=True):
    """One key of a config class."""

    name: str
    """The field's name in Python."""
    key: str
    type: TextType
    required: bool
    make_default: Callable[[], Any]

    @property
    def default(self) -> Any:
        """What the field is where the config does not name its key; None if it is required, or has no default."""
        return self.make_default()

    def default_text(self) -> str | None:
        """Return the default as a config file would have it."""
        return None if self.default is None else self.type.write(self.default)


class _ConfigMeta(msgspec.StructMeta):
    """Makes every field keyword-only, so that required fields may follow those with defaults (Struct does not inherit this)."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        options.setdefault("kw_only", True)
        cls = super().__new__(mcs, name, bases, namespace, **options)
        for taken in _TAKEN.intersection(cls.__struct_fields__):
            raise TypeError(f"{name}.{taken} would hide Config.{taken}: call it `{taken}_` and give it field(name={taken!r})")
        return cls


_TAKEN = frozenset({"parse", "faults", "check", "to_properties", "replace", "fields"})


def _key_of(name: str) -> str:
    return name.replace("_", ".")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Config(msgspec.Struct, metaclass=_ConfigMeta, frozen=True, rename=_key_of):
    """Base of all configuration classes; itself it has no keys. Never changed once made: `replace` gives a new one."""

    @classmethod
    def parse(cls, props: Mapping[str, str | None], *, where: str | None = None) -> Self:
        """Make a config of Kafka Connect's strings; keys it does not know are left alone.

        A null stands for the default. `where` names the config in the error, such as `connector orders-file`.

        Raises:
            ConfigError: with everything that is wrong, not only the first thing.
        """
        config, faults = cls._read(props)
        if config is None or faults:
            count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
            raise ConfigError(f"the configuration has {count}", faults=faults, where=where)
        return config

    @classmethod
    def faults(cls, props: Mapping[str, str | None]) -> list[Fault]:
        """Return everything that is wrong with these strings, in Kafka Connect's words."""
        return cls._read(props)[1]

    def check(self) -> Iterable[Fault]:
        """Yield a Fault for whatever only several fields together show; called when each field alone is right."""
        return ()

    def to_properties(self) -> dict[str, str]:
        """Write the config as Kafka Connect's strings, secrets included: for a task's config, never for a log.

        Raises:
            ConfigError: a list holds a value with a comma, which its text would split.
        """
        properties: dict[str, str] = {}
        faults: list[Fault] = []
        for entry in self.fields():
            value = getattr(self, entry.name)
            if value is not None:
                try:
                    properties[entry.key] = entry.type.write(value)
                except ValueError as error:
                    faults.append(Fault(entry.key, str(error)))
        if faults:
            raise ConfigError("the configuration cannot be written as text", faults=faults)
        return properties

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)

    @classmethod
    def fields(cls) -> tuple[ConfigField, ...]:
        """Return its keys, in the order of the class."""
        return _fields_of(cls)

    @classmethod
    def _read(cls, props: Mapping[str, str | None]) -> tuple[Self | None, list[Fault]]:
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for entry in _fields_of(cls):
            text = props.get(entry.key)
            if text is None:
                if entry.required:
                    faults.append(Fault(entry.key, f'Missing required configuration "{entry.key}" which has no default value.'))
                elif entry.type.nullable and entry.key in props:
                    values[entry.name] = None
                continue
            try:
                values[entry.name] = entry.type.read(text.strip())
            except ValueError as error:
                shown = HIDDEN if entry.type.secret else _shown(entry, text)
                faults.append(Fault(entry.key, f"Invalid value {shown} for configuration {entry.key}: {error}"))
        if faults:
            return None, faults
        config = cls(**values)
        return config, list(config.check())


def _shown(entry: ConfigField, text: str) -> str:
    """Return a bad value as Kafka Connect shows it: a list in brackets."""
    return f"[{', '.join(part.strip() for part in text.split(','))}]" if entry.type.name == "LIST" else text


@functools.cache
def _fields_of(cls: type[Config]) -> tuple[ConfigField, ...]:
    entries = []
    for info in msgspec.structs.fields(cls):
        if info.name.startswith("_"):  # kept beside the keys by a class of the runtime; no key itself
            continue
        try:
            kind = text_type(info.type)
        except TypeError as error:
            raise TypeError(f"{cls.__qualname__}.{info.name}: {error}") from None
        entries.append(ConfigField(info.name, info.encode_name, kind, info.required, _default_of(info)))
    return tuple(entries)


def _default_of(info: msgspec.structs.FieldInfo) -> Callable[[], Any]:
    if info.default_factory is not msgspec.NODEFAULT:
        factory: Callable[[], Any] = info.default_factory
        return factory
    value = None if info.default is msgspec.NODEFAULT else info.default
    return lambda: value


def config_class_of(cls: type, default: type[Config]) -> type[Config]:
    """Find the config class in `class X(SourceTask[XConfig])`; `default` if none is named there, or `config_class` is set."""
    if "config_class" in cls.__dict__:
        return default
    for base in cls.__dict__.get("__orig_bases__", ()):
        for arg in get_args(base):
            if isinstance(arg, type) and issubclass(arg, Config):
                return arg
            if isinstance(arg, str) or type(arg).__name__ == "ForwardRef":
                raise TypeError(f"{cls.__name__}: define {arg} before the class that names it, or set config_class")
    return default
