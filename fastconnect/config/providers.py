"""Config providers: `${file:/etc/secrets.properties:password}`, `${dir:/run/secrets:token}`, `${env:TOKEN}` in values.

They are named in the worker's config, as in Kafka Connect, and resolved in the processes of tasks and connectors only, right
before their code runs: everywhere else (herder, statuses, logs, storage) the text stays as it was written. What was resolved is
masked from then on (masking.py).

Whoever may write a connector's config must not thereby read this machine's files. So a provider gives nothing but what the
worker's config allows: folders (`param.allowed.paths`) or names of variables (`param.allowlist.pattern`). In Kafka Connect both
may be left out, and then all is allowed.

Source: Kafka's ConfigTransformer, FileConfigProvider, DirectoryConfigProvider, EnvVarConfigProvider and AllowedPaths.
"""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from fastconnect import masking
from fastconnect.api.java_regex import compile_java, fault_of_java_regex
from fastconnect.config.properties import parse_properties
from fastconnect.errors import ConfigError, Fault

PREFIX = "config.providers"

_VARIABLE = re.compile(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}")
_LARGEST_BYTES = 1 << 20
_NEVER = ("/proc", "/dev", "/sys")
"""Whatever is allowed: there is nothing to configure from, but much that is not for everyone (/proc/self/environ)."""


class Provider(ABC):
    """Gives the values of one kind of variable."""

    def __init__(self, name: str, params: Mapping[str, str]) -> None:
        self.name = name

    @abstractmethod
    def value(self, path: str, key: str) -> str | None:
        """The value of `${name:path:key}`; None if there is no such key, which leaves the text as it is.

        Raises:
            ConfigError: it may not be read, or cannot be.
        """

    @classmethod
    def faults(cls, prefix: str, params: Mapping[str, str]) -> Iterator[Fault]:
        """What is wrong with the parameters."""
        return iter(())


class _AllowedPaths:
    """The folders and files that may be read, and the reading of them."""

    def __init__(self, provider: str, allowed: str) -> None:
        self._provider = provider
        self._allowed = [os.path.realpath(path) for part in allowed.split(",") if (path := part.strip())]

    def read(self, path: str) -> bytes:
        """Read a regular file, if it is really inside of what is allowed, wherever links lead."""
        if not self._allowed:
            raise ConfigError(
                f"the config provider {self._provider} may read nothing",
                hint=f"set {PREFIX}.{self._provider}.param.allowed.paths in the worker's config: the folders it may read",
            )
        self._check(os.path.realpath(path), path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            raise ConfigError(f"could not read properties from file {path}: {error.strerror}") from error
        try:
            # Asked of the open file: between a look at the path and the opening, a link may have been turned elsewhere.
            self._check(os.readlink(f"/proc/self/fd/{fd}"), path)
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise ConfigError(f"{path} is no regular file")
            if about.st_size > _LARGEST_BYTES:
                raise ConfigError(
                    f"{path} has {about.st_size} bytes, more than the {_LARGEST_BYTES} that a config provider reads"
                )
            with open(fd, "rb", closefd=False) as file:
                return file.read(_LARGEST_BYTES)
        finally:
            os.close(fd)

    def _check(self, real: str, path: str) -> None:
        if any(_within(real, never) for never in _NEVER) or not any(_within(real, allowed) for allowed in self._allowed):
            raise ConfigError(
                f"the config provider {self._provider} may not read {path}",
                hint=f"see {PREFIX}.{self._provider}.param.allowed.paths in the worker's config",
            )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


class FileProvider(Provider):
    """`${file:path:key}`: a key of a properties file."""

    def __init__(self, name: str, params: Mapping[str, str]) -> None:
        super().__init__(name, params)
        self._paths = _AllowedPaths(name, params.get("allowed.paths", ""))

    def value(self, path: str, key: str) -> str | None:
        """The key's value in the file."""
        if not path:
            return None
        try:
            return parse_properties(self._paths.read(path).decode()).get(key)
        except (UnicodeDecodeError, ValueError) as error:
            raise ConfigError(f"{path} is no properties file: {error}") from error


class DirectoryProvider(Provider):
    """`${dir:folder:file}`: the whole content of a file, as secrets are mounted into containers."""

    def __init__(self, name: str, params: Mapping[str, str]) -> None:
        super().__init__(name, params)
        self._paths = _AllowedPaths(name, params.get("allowed.paths", ""))

    def value(self, path: str, key: str) -> str | None:
        """The file's content; there is no such key if the folder has no file of this name."""
        if not path or not key:
            return None
        if key in (".", "..") or "/" in key or "\0" in key:
            raise ConfigError(f"{key!r} is no name of a file in {path}", where=f"config provider {self.name}")
        file = os.path.join(path, key)
        if not os.path.lexists(file):
            return None
        return self._paths.read(file).decode(errors="replace")


class EnvVarProvider(Provider):
    """`${env:NAME}`: an environment variable of the worker."""

    def __init__(self, name: str, params: Mapping[str, str]) -> None:
        super().__init__(name, params)
        pattern = params.get("allowlist.pattern", "").strip()
        self._allowed = compile_java(pattern) if pattern else None

    def value(self, path: str, key: str) -> str | None:
        """The variable's value."""
        if path:
            raise ConfigError(f"Path is not supported for EnvVarConfigProvider, invalid value '{path}'")
        if self._allowed is None or not self._allowed.fullmatch(key):
            raise ConfigError(
                f"the config provider {self.name} may not read the environment variable {key}",
                hint=f"set {PREFIX}.{self.name}.param.allowlist.pattern in the worker's config: a regular expression that "
                "matches the whole names of those it may read",
            )
        return os.environ.get(key)

    @classmethod
    def faults(cls, prefix: str, params: Mapping[str, str]) -> Iterator[Fault]:
        """A pattern that is none."""
        pattern = params.get("allowlist.pattern", "").strip()
        why = fault_of_java_regex(pattern) if pattern else None
        if why:
            key = f"{prefix}.param.allowlist.pattern"
            yield Fault(key, f"Invalid value {pattern} for configuration {key}: {why}")


_CLASSES: dict[str, type[Provider]] = {
    "file": FileProvider,
    "directory": DirectoryProvider,
    "dir": DirectoryProvider,
    "envvar": EnvVarProvider,
    "env": EnvVarProvider,
}
_JAVA_PACKAGE = "org.apache.kafka.common.config.provider."


def _class_of(name: str) -> type[Provider] | None:
    """The provider that a class name or an alias stands for."""
    return _CLASSES.get(name.removeprefix(_JAVA_PACKAGE).removesuffix("ConfigProvider").lower())


class Providers:
    """The providers that a worker's config names."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers

    @classmethod
    def of(cls, worker: Mapping[str, str]) -> Providers:
        """Make them of a worker's config, as it was given; what is wrong with it was told when the worker was started."""
        providers: dict[str, Provider] = {}
        for name in _names(worker):
            found = _class_of(worker.get(f"{PREFIX}.{name}.class", name).strip())
            if found is not None:
                start = f"{PREFIX}.{name}.param."
                params = {key.removeprefix(start): value for key, value in worker.items() if key.startswith(start)}
                providers[name] = found(name, params)
        return cls(providers)

    def resolve(self, config: Mapping[str, str | None], where: str) -> dict[str, str | None]:
        """Return a config with its variables replaced, and mask their values from now on.

        A variable of an unknown provider, or of a key that is not there, stays as it is written.

        Raises:
            ConfigError: with every value that may not or cannot be read.
        """
        faults: list[Fault] = []
        resolved: dict[str, str | None] = {}
        for key, value in config.items():
            try:
                resolved[key] = None if value is None else self._resolved(value)
            except ConfigError as error:
                faults.append(Fault(key, str(error)))
        if faults:
            raise ConfigError("a config provider cannot give what the configuration asks for", faults=faults, where=where)
        return resolved

    def _resolved(self, text: str) -> str:
        if "${" not in text:
            return text

        def value_of(found: re.Match[str]) -> str:
            provider = self._providers.get(found[1])
            value = None if provider is None else provider.value(found[3] or "", found[4])
            if value is None:
                return found[0]
            masking.add([value])
            return value

        return _VARIABLE.sub(value_of, text)


def unknown_variables(config: Mapping[str, str | None], worker: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(key, variable, provider) for each variable that looks like one of a provider which the worker does not name."""
    named = _names(worker)
    return [
        (key, found[0], found[1])
        for key, value in config.items()
        if value is not None and "${" in value
        for found in _VARIABLE.finditer(value)
        if found[1] not in named and _class_of(found[1]) is not None
    ]


def restored(
    task_config: Mapping[str, str], raw: Mapping[str, str | None], resolved: Mapping[str, str | None]
) -> dict[str, str]:
    """A task's config with variables where the connector's own config had them, so that no secret leaves the process.

    Source: Kafka Connect's Herder (ConnectUtils and KAFKA-8426): a key counts whose raw value has a variable.
    """
    kept = dict(task_config)
    for key, value in task_config.items():
        given, was = raw.get(key), resolved.get(key)
        if given is not None and was is not None and given != was and was.strip() == value.strip():
            kept[key] = given
    return kept


def provider_faults(worker: Mapping[str, str]) -> list[Fault]:
    """Everything that is wrong with the providers that a worker's config names."""
    faults: list[Fault] = []
    for name in _names(worker):
        key = f"{PREFIX}.{name}.class"
        class_name = worker.get(key, name).strip()
        found = _class_of(class_name)
        if found is None:
            faults.append(
                Fault(
                    key,
                    f"Invalid value {class_name} for configuration {key}: there is no such config provider here; there are "
                    "FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider",
                )
            )
        else:
            start = f"{PREFIX}.{name}.param."
            params = {each.removeprefix(start): value for each, value in worker.items() if each.startswith(start)}
            faults += found.faults(f"{PREFIX}.{name}", params)
    return faults


def _names(worker: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(name for part in worker.get(PREFIX, "").split(",") if (name := part.strip())))
