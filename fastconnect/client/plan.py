"""What has to be done so that a cluster has the connectors that files describe: a pure function, and its outcome as data.

The values in a plan are the real ones; who shows it hides what is secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from fastconnect.errors import ConfigError

Config = Mapping[str, str | None]
Kind = Literal["create", "update", "delete", "unchanged"]

ABSENT = msgspec.UNSET
"""The value of a key that is not there; None is a key without a value."""


class Wanted(msgspec.Struct, frozen=True):
    """A connector as it should be, and where that is said."""

    name: str
    config: dict[str, str | None]
    initial_state: str = "RUNNING"
    origin: str = ""


class KeyChange(msgspec.Struct, frozen=True):
    """A key whose value changes, comes or goes."""

    key: str
    before: str | msgspec.UnsetType | None
    after: str | msgspec.UnsetType | None


class Change(msgspec.Struct, frozen=True):
    """What is to be done with one connector. Of one that is deleted, no keys are listed."""

    kind: Kind
    name: str
    keys: list[KeyChange] = []
    wanted: Wanted | None = None


class Plan(msgspec.Struct, frozen=True):
    """All changes: creates, then updates, then deletes, each sorted by name; and what stays as it is."""

    changes: list[Change]
    unchanged: list[str]

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    @property
    def connector_class(self) -> dict[str, str]:
        """The class of each connector that is created or updated."""
        return {each.name: each.wanted.config.get("connector.class") or "" for each in self.changes if each.wanted}


def plan(wanted: Iterable[Wanted], existing: Mapping[str, Config], *, prune: bool = False) -> Plan:
    """Compare what is wanted with what a cluster has.

    Args:
        existing: the configurations in the cluster, by connectors' names.
        prune: whether connectors that nobody wants are to be deleted.
    Raises:
        ConfigError: a connector has no name, or two have the same; all of these at once.
    """
    by_name = _by_name(wanted)
    creates = [
        Change("create", name, key_changes({}, config_of(each)), each) for name, each in by_name.items() if name not in existing
    ]
    updates = [
        Change("update", name, keys, each)
        for name, each in by_name.items()
        if name in existing and (keys := key_changes({"name": name, **existing[name]}, config_of(each)))
    ]
    deletes = [Change("delete", name) for name in sorted(existing) if prune and name not in by_name]
    changed = {each.name for each in (*creates, *updates)}
    return Plan([*creates, *updates, *deletes], [name for name in by_name if name not in changed])


def config_of(wanted: Wanted) -> dict[str, str | None]:
    """A configuration with its connector's name in it, as clusters keep it."""
    return {"name": wanted.name, **wanted.config}


def key_changes(before: Config, after: Config) -> list[KeyChange]:
    """The keys in which two configurations differ, sorted."""
    return [
        KeyChange(key, before.get(key, ABSENT), after.get(key, ABSENT))
        for key in sorted({*before, *after}, key=lambda key: (key != "name", key != "connector.class", key))
        if before.get(key, ABSENT) != after.get(key, ABSENT)
    ]


def _by_name(wanted: Iterable[Wanted]) -> dict[str, Wanted]:
    found: dict[str, Wanted] = {}
    faults = []
    for each in sorted(wanted, key=lambda each: (each.name, each.origin)):
        if not each.name:
            faults.append(f"{each.origin}: the connector has no name")
        elif each.name in found:
            faults.append(f"connector {each.name} is in {found[each.name].origin} and in {each.origin}")
        else:
            found[each.name] = each
    if faults:
        raise ConfigError("\n  - ".join(["the files do not say what is wanted:", *faults]))
    return found
