"""Transforms and predicates with their settings, and one record through them."""

from __future__ import annotations

from typing import Any

import pytest

from fastconnect.api.transform import Record, Records
from fastconnect.errors import ConfigError


def configured(cls: type[Any], config: dict[str, str] | None = None) -> Any:
    """A transform or predicate that has taken its settings."""
    made = cls()
    made.configure(config or {})
    return made


def through(transform: Any, record: Record) -> Record | None:
    """What becomes of one record; None if it is dropped."""
    after = transform.apply_batch(Records.of([record]))
    return after.record(0) if len(after) else None


def faults_of(cls: type[Any], config: dict[str, str]) -> list[str]:
    """What a user is told of settings that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        configured(cls, config)
    return [str(fault) for fault in caught.value.faults]
