"""The registry as the converters need it: a schema's id, and the schema of an id; each asked once, then remembered.

confluent-kafka's client does the HTTP. What goes wrong is told here in a sentence: a registry that is not there is a
`RetriableError`, a schema it refuses a `DataError` with its reason, a name it does not let in a `ConfigError`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, NoReturn, TypeAlias, TypeVar

import msgspec

from fastconnect.converters.registry.config import RegistryConverterConfig
from fastconnect.errors import ConfigError, ConnectError, DataError, RetriableError

SchemaType: TypeAlias = Literal["AVRO", "JSON", "PROTOBUF"]
T = TypeVar("T")

NEEDS_EXTRA = "converters with a Schema Registry need more packages: pip install 'fastconnect-kafka[schema-registry]'"

_INCOMPATIBLE = 409
_NOT_FOUND = 404
_INVALID = 422
_UNAUTHORISED = frozenset({401, 403})


class Registered(NamedTuple):
    """A schema as the registry has it."""

    id: int
    text: str
    type: str
    references: Mapping[str, str]
    """Name by which the schema means another one -> that one's text; those that others mean come before them."""


class RegistryClient:
    """One registry, as one converter asks it. Nothing is connected before the first question."""

    def __init__(self, config: RegistryConverterConfig) -> None:
        self._config = config
        self._url = ", ".join(_without_password(url) for url in config.schema_registry_url)
        self._opened: tuple[Any, Any, Any] | None = None

    def register(self, subject: str, text: str, kind: SchemaType) -> int:
        """Have a schema registered, and return its id; it may be there already."""
        normalize = self._config.normalize_schemas
        return int(self._ask(subject, lambda client, schema: client.register_schema(subject, schema(text, kind), normalize)))

    def look_up(self, subject: str, text: str, kind: SchemaType) -> int:
        """Return the id of a schema that must be there.

        Raises:
            DataError: it is not.
        """
        normalize = self._config.normalize_schemas
        found = self._ask(subject, lambda client, schema: client.lookup_schema(subject, schema(text, kind), normalize))
        return int(found.schema_id)

    def latest(self, subject: str) -> Registered:
        """Return the latest schema of a subject."""
        found = self._ask(subject, lambda client, schema: client.get_latest_version(subject))
        return self._with_references(found.schema_id, found.schema)

    def schema(self, schema_id: int, subject: str | None = None) -> Registered:
        """Return the schema of an id.

        Raises:
            DataError: there is none.
        """
        found = self._ask(None, lambda client, schema: client.get_schema(schema_id), schema_id)
        return self._with_references(schema_id, found)

    def version(self, subject: str, schema_id: int) -> int | None:
        """Return which version of the subject a schema is; None if it is none of them."""
        try:
            found = self._ask(subject, lambda client, schema: client.lookup_schema(subject, client.get_schema(schema_id)))
        except DataError:
            return None  # written under another naming strategy, or its subject was deleted since
        return None if found.version is None else int(found.version)

    def _with_references(self, schema_id: int, found: Any) -> Registered:
        references: dict[str, str] = {}

        def collect(schema: Any) -> None:
            for reference in schema.references or ():
                if reference.name not in references:
                    version = self._ask(
                        reference.subject,
                        lambda client, _, of=reference: client.get_version(of.subject, of.version),  # type: ignore[misc]
                    )
                    collect(version.schema)
                    references[reference.name] = version.schema.schema_str

        collect(found)
        return Registered(schema_id, found.schema_str, found.schema_type, references)

    def _ask(self, subject: str | None, question: Callable[[Any, Any], T], schema_id: int | None = None) -> T:
        client, schema, refusal = self._open()
        try:
            return question(client, schema)
        except refusal as error:
            self._refused(error, subject, schema_id)
        except Exception as error:
            if isinstance(error, ConnectError):
                raise
            raise RetriableError(
                f"The Schema Registry cannot be reached: {_reason(error)}",
                where=self._url,
                hint="see that it runs and that schema.registry.url is right",
            ) from error

    def _refused(self, error: Any, subject: str | None, schema_id: int | None) -> NoReturn:
        status, reason = error.http_status_code, _one_line(error.error_message)
        about = f"subject {subject}" if subject is not None else f"schema id {schema_id}"
        if status in _UNAUTHORISED:
            raise ConfigError(
                f"The Schema Registry does not let this user in (HTTP {status}): {reason}",
                where=self._url,
                hint="set basic.auth.credentials.source=USER_INFO and basic.auth.user.info=name:password of a user who may "
                f"use {about}",
            ) from error
        if status == _INCOMPATIBLE:
            raise DataError(
                f"The schema is not compatible with the earlier ones of its subject: {reason}",
                where=about,
                hint="make the change compatible (a new field needs a default, or to be optional), or change the subject's "
                "compatibility level in the registry",
            ) from error
        if status == _NOT_FOUND and subject is not None:
            raise DataError(
                f"The Schema Registry does not have this schema: {reason}",
                where=about,
                hint="register it, or set auto.register.schemas=true",
            ) from error
        if status == _NOT_FOUND:
            raise DataError(
                f"The Schema Registry does not know the schema that the message was written with: {reason}",
                where=about,
                hint="see that schema.registry.url is the registry that the message's producer used",
            ) from error
        if status == _INVALID:
            raise DataError(f"The Schema Registry does not accept the schema: {reason}", where=about) from error
        raise RetriableError(f"The Schema Registry cannot answer (HTTP {status}): {reason}", where=self._url) from error

    def _open(self) -> tuple[Any, Any, Any]:
        """Make confluent-kafka's client: in the task's process, since its connections do not survive a fork."""
        if self._opened is None:
            try:
                from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
                from confluent_kafka.schema_registry.error import SchemaRegistryError
            except ImportError as error:
                raise missing(error) from error
            try:
                client = SchemaRegistryClient(self._settings())
            except (ValueError, TypeError, OSError) as error:
                raise ConfigError(f"The Schema Registry cannot be used: {error}", where=self._url) from error
            weakref.finalize(self, client.close)  # converters are not told when they are no longer needed
            self._opened = client, Schema, SchemaRegistryError
        return self._opened

    def _settings(self) -> dict[str, Any]:
        config = self._config
        key_password = config.schema_registry_ssl_key_password
        settings = {
            "url": ",".join(config.schema_registry_url),
            "basic.auth.user.info": config.user_info if config.basic_auth_credentials_source == "USER_INFO" else None,
            "ssl.ca.location": config.schema_registry_ssl_ca_location,
            "ssl.certificate.location": config.schema_registry_ssl_certificate_location,
            "ssl.key.location": config.schema_registry_ssl_key_location,
            "ssl.key.password": key_password.reveal() if key_password is not None else None,
            "timeout": config.request_timeout_ms / 1000,
            "max.retries": config.max_retries,
            "retries.wait.ms": 100,  # the converter waits this long with all its task: not the client's own 1 s to 20 s
            "retries.max.wait.ms": 1000,
            "cache.capacity": config.schemas_cache_config,
        }
        return {key: value for key, value in settings.items() if value is not None}


def missing(error: ImportError) -> ConfigError:
    """Say what to install for a package that is not there."""
    return ConfigError(f"the package {error.name or error} is not installed", hint=NEEDS_EXTRA)


def parse_schema(text: str, where: str) -> Any:
    """Parse a schema that is JSON.

    Raises:
        DataError: it is not.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise DataError(f"The registry's schema is not JSON: {error}", where=where) from error


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _reason(error: Exception) -> str:
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:1000]
