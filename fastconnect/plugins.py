"""Class name, alias or entry point -> class: the only way from a config to a plugin's code.

A plugin is an entry point of the group `fastconnect.plugins`. Its name there is the Java class it stands for
(`org.apache.kafka.connect.json.JsonConverter`) or, where there is none, `package.ClassName`. A config may also say the last
part of that name, the same without its suffix (`Json`), or the Python class's own name. Nothing else is ever imported: no
dotted path, no file.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from fastconnect.errors import PluginNotFoundError
from fastconnect.nearest import did_you_mean

Kind: TypeAlias = Literal["source", "sink", "converter", "header_converter", "transform", "predicate"]

GROUP = "fastconnect.plugins"

# kind -> the class its plugins are subclasses of, the suffixes an alias may leave out, and what to call it in a sentence
_KINDS: dict[Kind, tuple[str, tuple[str, ...], str]] = {
    "sink": ("fastconnect.api.connector:SinkConnector", ("Connector",), "sink connector"),
    "source": ("fastconnect.api.connector:SourceConnector", ("Connector",), "source connector"),
    "transform": ("fastconnect.api.transform:Transform", ("Transformation", "Transform"), "transform"),
    "predicate": ("fastconnect.api.transform:Predicate", ("Predicate",), "predicate"),
    "converter": ("fastconnect.api.converter:Converter", ("Converter",), "converter"),
    "header_converter": ("fastconnect.api.converter:HeaderConverter", ("HeaderConverter", "Converter"), "header converter"),
}


class WrongKindError(PluginNotFoundError):
    """There is a plugin of this name, but of another kind."""


class Plugin(msgspec.Struct, frozen=True):
    """One installed plugin under one kind; a class that is two kinds is listed twice."""

    name: str
    """The class name it is known by: its entry point's name."""
    kind: Kind
    cls: type
    distribution: str
    """The installed package it comes from, such as `fastconnect-kafka 0.1.0`."""

    @property
    def version(self) -> str | None:
        """Return the plugin's version as its class says it."""
        version = getattr(self.cls, "version", None)
        return version if isinstance(version, str) else None

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name a config may call it by."""
        own = self.cls.__name__
        return (self.name, *_aliases(self.name, self.kind), own, *_aliases(own, self.kind))

    @property
    def alias(self) -> str:
        """Return the shortest name a config may use."""
        return _aliases(self.name, self.kind)[-1]


class BrokenPlugin(msgspec.Struct, frozen=True):
    """An entry point that does not lead to a plugin, and why."""

    name: str
    distribution: str
    reason: str


def find(kind: Kind, name: str) -> type[Any]:
    """Return the class of the plugin that a config calls by this name.

    Raises:
        PluginNotFoundError: none is called so, or it is of another kind, or its code cannot be imported.
    """
    return find_plugin(kind, name).cls


@functools.cache
def find_plugin(kind: Kind, name: str) -> Plugin:
    """Return what is known of the plugin that a config calls by this name; as `find`."""
    called_so = [entry for entry in _entries() if name in entry.names(kind)]
    if exact := [entry for entry in called_so if entry.name == name]:
        called_so = exact
    fitting: list[Plugin] = []
    other: list[type] = []
    for entry in called_so:
        cls = entry.load()
        if _is_a(cls, kind):
            fitting.append(Plugin(entry.name, kind, cls, entry.distribution))
        else:
            other.append(cls)
    if len({plugin.cls for plugin in fitting}) > 1:
        candidates = ", ".join(sorted(plugin.name for plugin in fitting))
        raise PluginNotFoundError(f"{name} may be any of {candidates}", hint="use the full name")
    if fitting:
        return fitting[0]
    what = _KINDS[kind][2]
    if other:
        raise WrongKindError(f"{name} is installed, but it is not a {what}")
    known = [plugin for plugin in every()[0] if plugin.kind == kind]
    names = sorted(plugin.name for plugin in known)
    every_name = {alias for plugin in known for alias in (plugin.name, *_aliases(plugin.name, kind), plugin.cls.__name__)}
    raise PluginNotFoundError(
        f"no {what} is called {name}{did_you_mean(name, every_name)}",
        hint=f"installed: {', '.join(names)}" if names else f"no {what} is installed",
    )


def kind_of_connector(name: str) -> Literal["source", "sink"]:
    """Tell whether a connector class name means a source or a sink.

    Raises:
        PluginNotFoundError: it means neither.
    """
    try:
        find_plugin("source", name)
    except PluginNotFoundError as no_source:
        try:
            find_plugin("sink", name)
        except PluginNotFoundError:
            raise no_source from None
        return "sink"
    return "source"


def all() -> list[Plugin]:
    """Return every plugin that works, in Kafka Connect's order: by kind, then by class name. Imports them all."""
    return every()[0]


def broken() -> list[BrokenPlugin]:
    """Return every entry point that leads nowhere, for `fastconnect plugins` to show."""
    return every()[1]


@functools.cache
def every() -> tuple[list[Plugin], list[BrokenPlugin]]:
    """Return what works and what does not; the answer is kept, for entry points do not change under a running process."""
    working: list[Plugin] = []
    failed: list[BrokenPlugin] = []
    for entry in _entries():
        try:
            cls = entry.load()
        except PluginNotFoundError as error:
            failed.append(BrokenPlugin(entry.name, entry.distribution, error.message))
            continue
        kinds = [kind for kind in _KINDS if _is_a(cls, kind)]
        working += [Plugin(entry.name, kind, cls, entry.distribution) for kind in kinds]
        if not kinds:
            failed.append(BrokenPlugin(entry.name, entry.distribution, f"{cls.__qualname__} is no kind of plugin"))
    order = list(_KINDS)
    working.sort(key=lambda plugin: (order.index(plugin.kind), plugin.name))
    return working, failed


def register(name: str, cls: type) -> None:
    """Make a class known for the rest of this process, as if it were installed; for tests, and for a file that is run."""
    _entries().append(_Entry(name, f"{cls.__module__}:{cls.__qualname__}", "registered", cls))
    find_plugin.cache_clear()
    every.cache_clear()


def unregister(name: str) -> None:
    """Undo `register`."""
    _entries()[:] = [entry for entry in _entries() if not (entry.name == name and entry.distribution == "registered")]
    find_plugin.cache_clear()
    every.cache_clear()


def _aliases(name: str, kind: Kind) -> tuple[str, ...]:
    """Return the last part of a class name, and that without its suffix: `SimpleHeaderConverter`, `Simple`."""
    simple = name.rpartition(".")[2]
    for suffix in _KINDS[kind][1]:
        if simple.endswith(suffix) and simple != suffix:
            return (simple, simple.removesuffix(suffix))
    return (simple,)


def _is_a(cls: type, kind: Kind) -> bool:
    module, _, attribute = _KINDS[kind][0].partition(":")
    try:
        base = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return False  # a kind that this version has no plugins of
    return base is not None and issubclass(cls, base) and cls is not base


class _Entry:
    """An entry point: a name, and where its class is; nothing is imported before `load`."""

    def __init__(self, name: str, value: str, distribution: str, cls: type | None = None) -> None:
        self.name = name
        self.module, _, self.attribute = value.partition(":")
        self.distribution = distribution
        self.cls = cls

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return every name a config may call it by."""
        return (self.name, *_aliases(self.name, kind), self.attribute, *_aliases(self.attribute, kind))

    def load(self) -> type:
        """Import its class.

        Raises:
            PluginNotFoundError: the import fails, or what is there is no class.
        """
        if self.cls is None:
            try:
                found: Any = functools.reduce(getattr, self.attribute.split("."), importlib.import_module(self.module))
            except Exception as error:  # other people's modules may fail in any way
                reason = f"{type(error).__name__}: {error}"
                raise PluginNotFoundError(
                    f"the code of {self.name} cannot be imported: {reason}",
                    where=self.distribution,
                    hint="is everything installed that it needs?",
                ) from error
            if not isinstance(found, type):
                raise PluginNotFoundError(f"{self.module}:{self.attribute} is not a class", where=self.distribution)
            self.cls = found
        return self.cls


@functools.cache
def _entries() -> list[_Entry]:
    """Return all entry points of the group; of a name that comes twice the first on sys.path counts."""
    entries: dict[str, _Entry] = {}
    for distribution, name, value in _scan():
        entries.setdefault(name, _Entry(name, value, distribution))
    return list(entries.values())


def _scan() -> Iterator[tuple[str, str, str]]:
    """Read the entry points of all installed packages: distribution, name, value.

    importlib.metadata answers the same, but its import alone takes 20 ms, a good part of a command's start; this takes 1 to 2.
    """
    for folder in dict.fromkeys(sys.path):
        try:
            names = sorted(name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue
        for name in names:
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                    text = file.read()
            except OSError:  # most packages have none
                continue
            if GROUP in text:
                distribution = name.rpartition(".")[0].replace("-", " ", 1).replace("_", "-")
                yield from ((distribution, *pair) for pair in _pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of the lines in our section of an entry_points.txt."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()
