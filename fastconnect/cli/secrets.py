"""Keeps secrets out of what client commands show of configurations: passwords stay in the cluster and in the files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fastconnect.client.rest_client import RestClient
from fastconnect.errors import ClusterError, ConfigError, Fault
from fastconnect.masking import HIDDEN

_VARIABLE = re.compile(r"\$\{[^${}]*\}")
_IN_ADDRESS = re.compile(r"(://[^/@\s:]*:)[^/@\s]+(?=@)")


class Secrets:
    """Tells which keys are secret: those that look so, and those that a plugin says are passwords.

    Args:
        client: the cluster that knows the plugins; None: only what looks secret is.
    """

    def __init__(self, client: RestClient | None = None) -> None:
        self._client = client
        self._passwords: dict[str, frozenset[str]] = {}

    def text(self, connector_class: str, key: str, value: str | None) -> str | None:
        """The value as it may be shown. A variable, such as `${file:/etc/db:password}`, is no secret."""
        from fastconnect.config.client import is_secret

        if not value or _VARIABLE.fullmatch(value):
            return value
        if is_secret(key.lower()) or key in self._passwords_of(connector_class):
            return HIDDEN
        return _IN_ADDRESS.sub(rf"\1{HIDDEN}", value)

    def config(self, config: Mapping[str, str | None]) -> dict[str, str | None]:
        """A configuration as it may be shown."""
        connector_class = config.get("connector.class") or ""
        return {key: self.text(connector_class, key, value) for key, value in config.items()}

    def _passwords_of(self, connector_class: str) -> frozenset[str]:
        if self._client is None or not connector_class:
            return frozenset()
        if connector_class not in self._passwords:
            try:
                keys = self._client.plugin_config(connector_class)
            except ClusterError:  # a plugin that the worker has no more, or a worker before Kafka 3.2
                keys = []
            self._passwords[connector_class] = frozenset(key.name for key in keys if key.type == "PASSWORD")
        return self._passwords[connector_class]


def refuse_hidden(configs: Iterable[tuple[str, Mapping[str, str | None]]]) -> None:
    """Refuse configurations that were shown with their secrets hidden, before `[hidden]` becomes the password.

    Args:
        configs: each with where it comes from.
    Raises:
        ConfigError: naming all such keys.
    """
    faults = [
        Fault(f"{where}: {key}", f"the value has {HIDDEN} in it")
        for where, config in configs
        for key, value in config.items()
        if value is not None and HIDDEN in value
    ]
    if faults:
        raise ConfigError(
            "secrets were hidden when this was written",
            faults=faults,
            hint="put the real values there, or variables such as ${env:PASSWORD}; `config get --secrets` shows them",
        )
