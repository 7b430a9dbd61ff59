"""What a connector function asks for: its settings, and what the runtime gives it.

Settings are one parameter that is annotated with a `Config` class, or plain parameters of which a `Config` class is made:
`def clicks(url: str, page_size: int = 500)` has the keys `url`, which is required, and `page.size`. What becomes of such a
function is in functions.py.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from fastconnect.api.config import Config, field

if TYPE_CHECKING:
    import inspect


REQUIRED = object()
"""Stands for the default of a setting that has none."""


class Setting(msgspec.Struct, frozen=True):
    """A field of the config class that is made for a function."""

    annotation: Any
    default: Any = REQUIRED


class Signature(msgspec.Struct, frozen=True):
    """How a connector function is called."""

    function: Callable[..., Any]
    config_class: type[Config]
    config_parameter: str | None
    """The parameter that takes the whole config; None where settings are parameters of their own."""
    settings: tuple[str, ...]
    """The parameters that are settings."""
    given: frozenset[str]
    """The parameters that the runtime gives."""

    def call(self, config: Config, **given: Any) -> Any:
        """Call the function with its settings, and with those of the given values that it asks for."""
        arguments = {name: value for name, value in given.items() if name in self.given}
        if self.config_parameter is not None:
            arguments[self.config_parameter] = config
        arguments.update((name, getattr(config, name)) for name in self.settings)
        return self.function(**arguments)


def signature_of(function: Callable[..., Any], given: frozenset[str], more: Mapping[str, Setting]) -> Signature:
    """Read a function's signature.

    Args:
        function: plain or async, a generator function or not.
        given: names of parameters that are no settings, for the runtime gives them.
        more: settings that there are even where the function does not ask for them.
    Raises:
        TypeError: a parameter cannot be a setting; says which and why.
    """
    import inspect  # only where there is a connector function: it is a large module

    if not inspect.isroutine(function):
        raise TypeError(f"{function!r} is not a function")
    name = function.__qualname__
    parameters = _parameters(function)
    config_parameter: str | None = None
    base: type[Config] = Config
    settings: dict[str, Setting] = {}
    for parameter in parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name}: the parameter {parameter} cannot be a setting; give it a plain name")
        if parameter.name in given:
            continue
        hint = _hint(function, parameter)
        if isinstance(hint, type) and issubclass(hint, Config):
            config_parameter, base = parameter.name, hint
        else:
            settings[parameter.name] = _setting(hint, parameter)
    if config_parameter is not None and settings:
        raise TypeError(f"{name}: {', '.join(settings)}: make it a field of {base.__name__}")
    there = {entry.name for entry in base.fields()} | set(settings)
    fields = {**settings, **{key: setting for key, setting in more.items() if key not in there}}
    return Signature(
        function,
        _config_class(function, base, fields) if fields else base,
        config_parameter,
        tuple(settings),
        given.intersection(parameters),
    )


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    import inspect

    if sys.version_info >= (3, 14):  # there annotations are evaluated when they are asked for, and names may be missing
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF).parameters
    return inspect.signature(function).parameters


def _hint(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation of a setting. What others are, such as an Iterator that is known to the type checker only, is not read."""
    if parameter.annotation is parameter.empty:
        return None
    annotated = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return get_type_hints(annotated, getattr(function, "__globals__", {}), include_extras=True)[parameter.name]
    except NameError as error:
        raise TypeError(f"{function.__qualname__}: the annotation of {parameter.name} cannot be read: {error}") from error


def _setting(hint: Any, parameter: inspect.Parameter) -> Setting:
    """What a parameter is as a field; one without an annotation is what its default is, or else text."""
    required = parameter.default is parameter.empty
    if hint is None:
        hint = str if required or parameter.default is None else type(parameter.default)
        if not required and parameter.default is None:
            hint = str | None
    return Setting(hint, REQUIRED if required else parameter.default)


def _config_class(function: Callable[..., Any], base: type[Config], fields: Mapping[str, Setting]) -> type[Config]:
    def body(namespace: dict[str, Any]) -> None:
        namespace["__module__"] = function.__module__
        namespace["__doc__"] = f"The settings of {function.__name__}."
        namespace["__annotations__"] = {name: setting.annotation for name, setting in fields.items()}
        for name, setting in fields.items():
            if isinstance(setting.default, list | dict | set):
                namespace[name] = field(default_factory=setting.default.copy)
            elif setting.default is not REQUIRED:
                namespace[name] = setting.default

    made: type[Config] = types.new_class(f"{function.__name__}_config", (base,), {}, body)
    try:
        made.fields()  # an annotation that no text can stand for is told now
    except TypeError as error:
        raise TypeError(str(error).replace(f"{made.__qualname__}.", f"{function.__qualname__}: ", 1)) from None
    return made
