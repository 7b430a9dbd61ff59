"""The connectors that a standalone worker is started with: none of them starts before each was found good.

So all that is wrong with them is said at once, as with the faults of a single one.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastconnect.herder.snapshot import ConnectorSpec


class FirstConnectors:
    """Waits until each connector has answered.

    Args:
        specs: the connectors that were given.
    """

    def __init__(self, specs: Iterable[ConnectorSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._waiting = set(self._specs)
        self._faults: dict[str, list[str]] = {}
        self.task_configs: dict[str, list[dict[str, str]]] = {}
        """What each has said its tasks are; not of those that are not to be started, or have failed for now."""

    @property
    def all_have_answered(self) -> bool:
        """Whether it can be said now how it goes on."""
        return not self._waiting

    def answered(self, name: str, faults: Iterable[str] = (), task_configs: list[dict[str, str]] | None = None) -> None:
        """A connector has said what is wrong with its configuration, or what its tasks are."""
        self._waiting.discard(name)
        if faults := list(faults):
            self._faults[name] = faults
        if task_configs is not None:
            self.task_configs[name] = task_configs

    def everything_wrong(self) -> str | None:
        """All faults of all connectors, as a text for the user; None: there are none."""
        if not self._faults:
            return None
        count = sum(map(len, self._faults.values()))
        lines = [f"the configuration has {'one fault' if count == 1 else f'{count} faults'}, so nothing was started"]
        for name, faults in self._faults.items():
            lines.append(f"connector {name} ({self._specs[name].origin}):")
            lines += [f"  - {fault}" for fault in faults]
        return "\n".join(lines)
