"""A ConfigListener that writes down what it hears."""

from __future__ import annotations

from fastconnect.storage.config_store import SessionKey


class Heard:
    """What a config store has told, in its order."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.keys: list[SessionKey] = []

    def on_connector_config(self, name: str) -> None:
        self.all.append(f"config {name}")

    def on_connector_removed(self, name: str) -> None:
        self.all.append(f"removed {name}")

    def on_task_configs(self, name: str) -> None:
        self.all.append(f"tasks {name}")

    def on_target(self, name: str) -> None:
        self.all.append(f"target {name}")

    def on_restart(self, name: str, *, only_failed: bool, include_tasks: bool) -> None:
        self.all.append(f"restart {name} only_failed={only_failed} include_tasks={include_tasks}")

    def on_session_key(self, key: SessionKey) -> None:
        self.keys.append(key)

    def on_logger_level(self, logger: str, level: str) -> None:
        self.all.append(f"logger {logger} {level}")
