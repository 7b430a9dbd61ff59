"""Named clusters, so that nobody types addresses: `contexts.json` in the user-config folder, readable by its owner only."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import msgspec

from fastconnect import paths
from fastconnect.client.cluster import Cluster
from fastconnect.errors import ConfigError
from fastconnect.nearest import did_you_mean


class Contexts(msgspec.Struct, omit_defaults=True):
    """The clusters that a user has named, and which of them is asked if nothing else is said."""

    current: str | None = None
    clusters: dict[str, Cluster] = {}

    def get(self, name: str) -> Cluster:
        """The cluster of this name.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.clusters:
            known = ", ".join(sorted(self.clusters)) or "none yet"
            raise ConfigError(
                f"there is no context {name}{did_you_mean(name, self.clusters)}",
                hint=f"there are: {known}; `fastconnect context add NAME URL` makes one",
            )
        return self.clusters[name]

    def add(self, name: str, cluster: Cluster) -> None:
        """Name a cluster; the first one is used from now on."""
        self.clusters[name] = cluster
        if self.current not in self.clusters:
            self.current = name

    def use(self, name: str) -> None:
        """Have this cluster asked if nothing else is said."""
        self.get(name)
        self.current = name

    def remove(self, name: str) -> None:
        """Forget a cluster; if it was in use, none is from now on."""
        self.get(name)
        del self.clusters[name]
        if self.current == name:
            self.current = None


def file() -> Path:
    """Where the contexts are kept."""
    return paths.config_folder() / "contexts.json"


def load() -> Contexts:
    """Read the contexts; none if there is no file.

    Raises:
        ConfigError: the file cannot be read, or others may read the passwords in it.
    """
    path = file()
    try:
        with path.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            raw = opened.read()
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise ConfigError(f"the contexts cannot be read: {error.strerror}", where=str(path)) from None
    try:
        contexts = msgspec.json.decode(raw, type=Contexts)
    except msgspec.MsgspecError as error:  # which may name a key, never a value
        raise ConfigError(f"the contexts cannot be read: {error}", where=str(path), hint="mend or remove the file") from None
    if mode & 0o077 and any(each.password for each in contexts.clusters.values()):
        raise ConfigError("others may read the passwords in it", where=str(path), hint=f"chmod 600 {path}")
    return contexts


def save(contexts: Contexts) -> None:
    """Write the contexts, whole or not at all; only their owner may read them.

    Raises:
        ConfigError: the file cannot be written.
    """
    path = file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".contexts-", dir=path.parent)  # 0600 from its first moment
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(msgspec.json.format(msgspec.json.encode(contexts)) + b"\n")
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise ConfigError(f"the contexts cannot be written: {error.strerror}", where=str(path)) from None
