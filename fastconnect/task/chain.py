"""Transforms and predicates, in the order in which a connector's config names them, applied to a batch at once.

A connector that names none has no chain, which costs nothing: its records are not even looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress, pairwise
from typing import Any

from fastconnect import plugins
from fastconnect.api.transform import Predicate, Records, Transform
from fastconnect.config.worker import under
from fastconnect.errors import ConfigError, Fault
from fastconnect.task.origin import Origin
from fastconnect.task.tolerance import ContractBroken, Stage, Tolerance


class Step:
    """One transform, and for which records it is meant: those for which the predicate holds, or (`negate`) does not."""

    def __init__(self, by: str, transform: Transform[Any], predicate: Predicate[Any] | None, negate: bool) -> None:
        self.by = by
        self.transform = transform
        self.predicate = predicate
        self.negate = negate

    def apply(self, records: Records) -> Records:
        """Apply it to the records that it is meant for; the others keep their places between them."""
        if self.predicate is None:
            return self._changed(records)
        holds = self.predicate.test_batch(records)
        if len(holds) != len(records):
            raise ContractBroken(f"{type(self.predicate).__name__} has given {len(holds)} answers for {len(records)} records")
        chosen = [bool(each) != self.negate for each in holds]
        if all(chosen):
            return self._changed(records)
        if not any(chosen):
            return records
        indexes = range(len(records))
        changed = self._changed(records.select(list(compress(indexes, chosen))))
        return Records.joined([changed, records.select([i for i in indexes if not chosen[i]])])

    def _changed(self, records: Records) -> Records:
        changed = self.transform.apply_batch(records)
        if len(changed.rows) != len(changed.values):
            raise ContractBroken(f"{self.by} has given {len(changed.rows)} rows for {len(changed.values)} records")
        if changed.rows is not records.rows and any(first >= second for first, second in pairwise(changed.rows)):
            raise ContractBroken(f"{self.by} has changed the order of records, or doubled some: their offsets would be wrong")
        return changed


class TransformChain:
    """The transforms of one task."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps

    @classmethod
    def of(cls, connector_config: Mapping[str, str | None]) -> TransformChain | None:
        """Make and configure what `transforms` and `predicates` name; None if there are no transforms.

        Raises:
            ConfigError: with everything that is wrong with them.
        """
        aliases = _names(connector_config, "transforms")
        if not aliases:
            return None
        faults: list[Fault] = []
        predicates = {
            alias: _made("predicate", f"predicates.{alias}.", connector_config, faults)
            for alias in _names(connector_config, "predicates")
        }
        steps: list[Step] = []
        for alias in aliases:
            prefix = f"transforms.{alias}."
            made = _made("transform", prefix, connector_config, faults)
            named = (connector_config.get(f"{prefix}predicate") or "").strip()
            if named and named not in predicates:
                faults.append(Fault(f"{prefix}predicate", f"there is no predicate {named} in predicates"))
            negate = (connector_config.get(f"{prefix}negate") or "false").strip().lower() == "true"
            if made is not None:
                predicate = predicates.get(named) if named else None
                steps.append(Step(made[0], made[1], None if predicate is None else predicate[1], negate))
        if faults:
            raise ConfigError("the transforms cannot be used", faults=faults, where="connector config")
        return cls(steps)

    def apply(self, records: Records, origin: Origin, tolerance: Tolerance) -> Records:
        """Send the records through all steps; what a transform drops, or what fails and is tolerated, is left out.

        Raises:
            ToleranceExceeded: a record failed.
        """
        for step in self.steps:
            if not len(records):
                break
            batch = records
            parts = tolerance.attempt(
                Stage.TRANSFORMATION,
                step.by,
                origin,
                batch.rows,
                lambda part, step=step, batch=batch: step.apply(  # type: ignore[misc]
                    batch if part.stop - part.start == len(batch) else batch.select(range(part.start, part.stop))
                ),
            )
            records = parts[0][1] if len(parts) == 1 else Records.joined([part for _, part in parts])
        return records

    def close(self) -> None:
        """Let go of what the transforms and predicates have taken."""
        for step in self.steps:
            step.transform.close()
            if step.predicate is not None:
                step.predicate.close()


def _names(config: Mapping[str, str | None], key: str) -> list[str]:
    return list(dict.fromkeys(name for part in (config.get(key) or "").split(",") if (name := part.strip())))


def _made(kind: plugins.Kind, prefix: str, config: Mapping[str, str | None], faults: list[Fault]) -> tuple[str, Any] | None:
    """The class name and the configured plugin of one alias."""
    name = (config.get(f"{prefix}type") or "").strip()
    if not name:
        faults.append(Fault(f"{prefix}type", f'Missing required configuration "{prefix}type" which has no default value.'))
        return None
    try:
        plugin = plugins.find_plugin(kind, name)
        made = plugin.cls()
        made.configure(under(prefix, config))
    except ConfigError as error:
        faults += [Fault(prefix + fault.key, fault.message) for fault in error.faults] or [Fault(f"{prefix}type", str(error))]
        return None
    return plugin.name, made
