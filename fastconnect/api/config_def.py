"""Kafka Connect's ConfigDef, made of a `Config` class: what REST, the docs and user interfaces show of a plugin's keys.

Nothing is read or checked here; that is `config.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fastconnect.api.config import Config, ConfigField
from fastconnect.api.config_types import HIDDEN


class ConfigKey(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of one key; the fields are those of Kafka Connect's REST answers, in their order."""

    name: str
    type: str
    required: bool
    default_value: str | None
    importance: str
    documentation: str
    group: str | None = None
    order_in_group: int = -1
    width: str = "NONE"
    display_name: str
    dependents: list[str] = []

    def to_json(self) -> dict[str, Any]:
        """Return the object that `GET /connector-plugins/{plugin}/config` lists for this key."""
        return msgspec.structs.asdict(self)

    def prefixed(self, prefix: str) -> ConfigKey:
        """Return the same key of a plugin inside a connector's config, such as `value.converter.schemas.enable`."""
        return msgspec.structs.replace(self, name=prefix + self.name)

    def embedded(self, prefix: str, group: str, order: int) -> ConfigKey:
        """Return the same key of a transform or predicate inside a connector's config, as Kafka's ConfigDef.embed does."""
        return msgspec.structs.replace(
            self,
            name=prefix + self.name,
            group=group if self.group is None else f"{group}: {self.group}",
            order_in_group=order,
            dependents=[prefix + name for name in self.dependents],
        )


def config_keys(config_class: type[Config]) -> list[ConfigKey]:
    """Return the definitions of all keys of a config class, in the order of its fields.

    What `Meta(extra_json_schema=...)` says under `importance`, `group`, `order`, `width`, `display_name` and `dependents` is
    taken over. Unsaid, a required key is of HIGH importance and any other of MEDIUM.
    """
    return [_config_key(entry) for entry in config_class.fields()]


_IMPORTANCE = ("HIGH", "MEDIUM", "LOW")


def embedding_order(keys: Sequence[ConfigKey]) -> list[ConfigKey]:
    """Return keys in the order in which Kafka Connect embeds them: required ones first, then by importance and name.

    Source: Kafka's ConfigDef.sortedConfigs.
    """
    groups = list(dict.fromkeys(key.group for key in keys if key.group is not None))
    return sorted(
        keys,
        key=lambda key: (
            -1 if key.group is None else groups.index(key.group),
            key.order_in_group,
            not key.required,
            _IMPORTANCE.index(key.importance),
            key.name,
        ),
    )


def _config_key(entry: ConfigField) -> ConfigKey:
    kind = entry.type
    default = entry.default_text()
    return ConfigKey(
        name=entry.key,
        type="STRING" if kind.name == "JSON" else kind.name,
        required=entry.required,
        default_value=HIDDEN if default is not None and kind.secret else default,
        importance=kind.note("importance", "HIGH" if entry.required else "MEDIUM"),
        documentation=kind.description,
        group=kind.note("group"),
        order_in_group=kind.note("order", -1),
        width=kind.note("width", "NONE"),
        display_name=kind.note("display_name", entry.key),
        dependents=list(kind.note("dependents", ())),
    )
