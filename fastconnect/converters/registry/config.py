"""What the three converters may be told about the registry, in Confluent's keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from fastconnect.api.config import Duration, Fault, Meta, Secret
from fastconnect.api.converter import ConverterConfig
from fastconnect.converters.registry.subjects import STRATEGIES, strategy

_TOPIC_NAME = "io.confluent.kafka.serializers.subject.TopicNameStrategy"


class RegistryConverterConfig(ConverterConfig):
    """Where the registry is, who asks, and which schemas are used."""

    schema_registry_url: Annotated[
        list[str],
        Meta(description="Where the registry is, such as http://localhost:8081; several are tried in turn."),
    ]
    auto_register_schemas: Annotated[
        bool,
        Meta(description="Whether a schema that the registry does not have is registered; otherwise it is an error."),
    ] = True
    use_latest_version: Annotated[
        bool,
        Meta(
            description="Whether values are written with the subject's latest schema instead of their own; "
            "has an effect only with auto.register.schemas=false."
        ),
    ] = False
    key_subject_name_strategy: Annotated[
        str, Meta(description="How the subject of a key's schema is named: TopicName-, RecordName- or TopicRecordNameStrategy.")
    ] = _TOPIC_NAME
    value_subject_name_strategy: Annotated[
        str,
        Meta(description="How the subject of a value's schema is named: TopicName-, RecordName- or TopicRecordNameStrategy."),
    ] = _TOPIC_NAME
    normalize_schemas: Annotated[
        bool, Meta(description="Whether the registry brings schemas into one form before it compares them.")
    ] = False
    schemas_cache_config: Annotated[int, Meta(ge=1, description="How many schemas are remembered, each way.")] = 1000
    basic_auth_credentials_source: Annotated[
        Literal["URL", "USER_INFO"],
        Meta(description="Where the name and password are: in the registry's URL, or in basic.auth.user.info."),
    ] = "URL"
    basic_auth_user_info: Annotated[Secret | None, Meta(description="The name and password, as name:password.")] = None
    schema_registry_basic_auth_user_info: Annotated[Secret | None, Meta(description="The same, under its older key.")] = None
    schema_registry_ssl_ca_location: Annotated[
        str | None,
        Meta(description="A PEM file or folder of the authorities that the registry's certificate may be signed by."),
    ] = None
    schema_registry_ssl_certificate_location: Annotated[
        str | None, Meta(description="A PEM file with the certificate that is shown to the registry.")
    ] = None
    schema_registry_ssl_key_location: Annotated[str | None, Meta(description="A PEM file with that certificate's key.")] = None
    schema_registry_ssl_key_password: Annotated[Secret | None, Meta(description="The password of that key.")] = None
    request_timeout_ms: Annotated[Duration, Meta(description="How long the registry may take for an answer.")] = 10_000
    max_retries: Annotated[int, Meta(ge=0, description="How often a request is sent again when the registry is not there.")] = 3
    latest_compatibility_strict: Annotated[
        bool,
        Meta(description="With use.latest.version: whether a field that the latest schema lacks is an error, not left out."),
    ] = True

    def check(self) -> Iterable[Fault]:
        """Yield what only several keys together show."""
        for key, name in (
            ("key.subject.name.strategy", self.key_subject_name_strategy),
            ("value.subject.name.strategy", self.value_subject_name_strategy),
        ):
            if strategy(name) is None:
                yield Fault(key, f"Invalid value {name} for configuration {key}: must be one of {', '.join(STRATEGIES)}")
        if not self.schema_registry_url:
            yield Fault(
                "schema.registry.url", 'Missing required configuration "schema.registry.url" which has no default value.'
            )
        for url in self.schema_registry_url:
            if not url.startswith(("http://", "https://")):
                yield Fault(
                    "schema.registry.url",
                    f"Invalid value {url} for configuration schema.registry.url: must begin with http:// or https://",
                )
        user = self.user_info
        if self.basic_auth_credentials_source == "USER_INFO" and (user is None or ":" not in user):
            yield Fault("basic.auth.user.info", "must be name:password where basic.auth.credentials.source=USER_INFO")

    @property
    def user_info(self) -> str | None:
        """The name and password, as name:password."""
        said = self.basic_auth_user_info or self.schema_registry_basic_auth_user_info
        return None if said is None else said.reveal()

    @property
    def takes_latest(self) -> bool:
        """Whether values are written with the latest schema of their subject."""
        return self.use_latest_version and not self.auto_register_schemas
