"""PyTransform: a Python function of an installed package is the transform.

    def shout(record: Record) -> Record | None:                  # for each record; None drops it
        return record.replace(value=record.value.upper())

    def shout_all(records: Records) -> Records:                  # for many at once, if its parameter is annotated so
        return records.replace(values=[value.upper() for value in records.values])

The package names it in its pyproject.toml, and a connector's config by that name; no path to code is ever taken from a config:

    [project.entry-points."fastconnect.functions"]               transforms.loud.type=fastconnect.PyTransform
    shout = "my_package.rules:shout"                             transforms.loud.function=shout
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastconnect.api.config import Check, Config, Meta
from fastconnect.api.transform import Record, Records, Transform
from fastconnect.errors import ConfigError, ConnectError

GROUP = "fastconnect.functions"


@functools.cache
def _entry_points() -> Mapping[str, Any]:
    from importlib.metadata import entry_points  # only here: its import takes as long as a small command

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _fault_of_name(name: str) -> str | None:
    if name in _entry_points():
        return None
    known = ", ".join(sorted(_entry_points())) or "none"
    return f"no installed package has a function of this name (entry points of the group {GROUP}: {known})"


class PyTransformConfig(Config):
    """Which function."""

    function: Annotated[
        str,
        Check(_fault_of_name),
        Meta(description=f"The name of the function, as an installed package has it in its entry points of the group {GROUP}."),
    ]


class PyTransform(Transform[PyTransformConfig]):
    """Calls a function for each record, or for many at once."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and import the function."""
        super().configure(configs)
        name = self.config.function
        try:
            function = _entry_points()[name].load()
        except Exception as error:  # other people's modules may fail in any way
            raise ConfigError(
                f"the function {name} cannot be imported: {type(error).__name__}: {error}",
                hint="is everything installed that it needs?",
            ) from error
        if not callable(function):
            raise ConfigError(f"{name} is no function but a {type(function).__name__}")
        self._function: Callable[[Any], Any] = function
        self._takes_many = _takes_many(function)

    def apply(self, record: Record) -> Record | None:
        """Return what the function makes of one record."""
        after = self._function(record)
        if after is not None and not isinstance(after, Record):
            raise self._wrong(after, "a Record or None")
        return after

    def apply_batch(self, records: Records) -> Records:
        """Return what the function makes of many records."""
        if not self._takes_many:
            return super().apply_batch(records)
        after = self._function(records)
        if not isinstance(after, Records):
            raise self._wrong(after, "Records")
        return after

    def _wrong(self, after: Any, wanted: str) -> ConnectError:
        return ConnectError(f"the function {self.config.function} returned {type(after).__name__}, not {wanted}")


def _takes_many(function: Callable[[Any], Any]) -> bool:
    """Whether its first parameter is annotated as Records, by the class or by its name."""
    parameters = list(inspect.signature(function).parameters.values())
    annotation = parameters[0].annotation if parameters else None
    return annotation is Records or (isinstance(annotation, str) and annotation.rpartition(".")[2] == "Records")
