"""A connector in a Python file that somebody gives to `fastconnect run`: `clicks.py:clicks`.

Only who sits at the shell can name a file: neither a config file nor REST can. The file is imported in the processes of its
connector and its tasks, never in the supervisor, which hands on its path.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeGuard

import msgspec

from fastconnect import plugins
from fastconnect.api.connector import SinkConnector, SourceConnector
from fastconnect.errors import FunctionError
from fastconnect.nearest import did_you_mean

AnyConnector: TypeAlias = SourceConnector[Any] | SinkConnector[Any]


class LocalFile(msgspec.Struct, frozen=True):
    """A file, and which of its connectors is meant; without a name the only one that it has."""

    path: Path
    name: str | None = None
    topic: str | None = None
    """What `--topic` says; which key that is depends on the kind of the connector."""

    @classmethod
    def parse(cls, text: str, topic: str | None = None) -> LocalFile | None:
        """Read `FILE.py` or `FILE.py:NAME`; None if it is neither."""
        path, colon, name = text.rpartition(":")
        if not colon or not path.endswith(".py"):
            path, name = text, ""
        if not path.endswith(".py"):
            return None
        return cls(Path(path).absolute(), name or None, topic)

    @property
    def connector_class(self) -> str:
        """What stands for `connector.class`; a dot in it would make an alias of what is behind it."""
        stem = self.path.stem.replace(".", "_")
        return f"{stem}:{self.name}" if self.name else stem

    @property
    def connector_name(self) -> str:
        """The name of the connector where none is given."""
        return f"{self.path.stem}-{self.name}" if self.name else self.path.stem

    def register(self, config: Mapping[str, str | None]) -> dict[str, str | None]:
        """Import the file and make its connector known to this process; return the config with its topic.

        Raises:
            FunctionError: the file cannot be imported, or has no such connector; says which it has.
        """
        cls = _connector_in(self._import(), self)
        plugins.register(self.connector_class, cls)
        if self.topic is None:
            return dict(config)
        return {("topic" if issubclass(cls, SourceConnector) else "topics"): self.topic, **config}

    def _import(self) -> ModuleType:
        name = self.path.stem
        folder = str(self.path.parent)
        if folder not in sys.path:
            sys.path.append(folder)  # what lies beside it can be imported; behind all else, so that it hides nothing
        found = importlib.machinery.PathFinder.find_spec(name)
        if name in sys.modules or found is None or found.origin != str(self.path):
            name = f"{name}_file"  # another module has its name
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None or spec.loader is None:
            raise FunctionError("this is no Python file", where=str(self.path))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except FileNotFoundError as error:
            if error.filename != str(self.path):
                raise self._failed(error) from error
            raise FunctionError("there is no such file", where=str(self.path)) from None
        except (Exception, SystemExit) as error:
            raise self._failed(error) from error
        return module

    def _failed(self, error: BaseException) -> FunctionError:
        reason = (
            f"{type(error).__name__}: {error}"
            if not isinstance(error, SystemExit)
            else f"it has called sys.exit({error.code!r})"
        )
        hint = "install it into fastconnect's environment" if isinstance(error, ModuleNotFoundError) else None
        return FunctionError(f"the file cannot be imported: {reason}{self._trace(error)}", where=str(self.path), hint=hint)

    def _trace(self, error: BaseException) -> str:
        """The lines of the file that led to an error, below each other; none where it cannot even be read."""
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.path)]
        if isinstance(error, SyntaxError) or not lines:
            return ""
        return "".join(f"\n    line {frame.lineno}, in {frame.name}: {frame.line}" for frame in lines)


def _connector_in(module: ModuleType, file: LocalFile) -> type[AnyConnector]:
    there = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, SourceConnector | SinkConnector)
        and value.__module__ == module.__name__
    }
    names = ", ".join(there) or "none"
    if file.name is None:
        if len(there) == 1:
            return next(iter(there.values()))
        what = "has no connector" if not there else f"has {len(there)} connectors: {names}"
        hint = "put @source or @sink above a function" if not there else f"name one: {file.path.name}:{next(iter(there))}"
        raise FunctionError(f"the file {what}", where=str(file.path), hint=hint)
    if file.name in there:
        return there[file.name]
    found: Any = getattr(module, file.name, None)
    if found is None:
        raise FunctionError(
            f"there is nothing called {file.name} in it{did_you_mean(file.name, there)}",
            where=str(file.path),
            hint=f"connectors in it: {names}",
        )
    if inspect.isfunction(found):
        raise FunctionError(f"{file.name} is no connector", where=str(file.path), hint="put @source or @sink above it")
    if _is_connector(found):
        return found  # imported there from elsewhere
    raise FunctionError(
        f"{file.name} is a {type(found).__name__}, no connector", where=str(file.path), hint=f"connectors in it: {names}"
    )


def _is_connector(value: Any) -> TypeGuard[type[AnyConnector]]:
    return isinstance(value, type) and issubclass(value, SourceConnector | SinkConnector)
