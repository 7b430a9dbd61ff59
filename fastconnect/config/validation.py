"""Everything that is wrong with a connector's configuration, in one answer and in Kafka Connect's words.

Nothing is started, but the plugin's code is imported and its config class may run `check`: where that code is not trusted this
is called in a process of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fastconnect import masking, plugins
from fastconnect.api.config import Config, Fault
from fastconnect.api.config_def import ConfigKey, config_keys, embedding_order
from fastconnect.api.config_types import HIDDEN
from fastconnect.config.client import is_secret
from fastconnect.config.connector import FREE_PREFIXES, ConnectorConfig, SourceConnectorConfig
from fastconnect.config.error_handling import DEAD_LETTERS, ErrorSettings
from fastconnect.config.providers import Providers, unknown_variables
from fastconnect.config.sink_connector import SinkConnectorConfig
from fastconnect.config.task_clients import Client, group_of, override_faults
from fastconnect.config.topic_creation import TopicCreation
from fastconnect.config.worker import CONVERTER_KEYS, ConverterKind, WorkerConfig, under
from fastconnect.errors import ConfigError, PluginNotFoundError
from fastconnect.nearest import did_you_mean
from fastconnect.plugins import Kind, Plugin


class ConfigValue(msgspec.Struct):
    """What one key's value came to."""

    definition: ConfigKey
    value: str | None
    errors: list[str]
    recommended_values: list[str] = []
    visible: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the object that Kafka Connect's validate answer lists for this key."""
        return {
            "definition": self.definition.to_json(),
            "value": {
                "name": self.definition.name,
                "value": self.value,
                "recommended_values": self.recommended_values,
                "errors": self.errors,
                "visible": self.visible,
            },
        }


class Validation(msgspec.Struct):
    """What is wrong with a connector's configuration (`faults`) and what is odd about it (`warnings`)."""

    name: str
    """The connector class, as it was given."""
    faults: list[Fault] = []
    warnings: list[str] = []
    values: list[ConfigValue] = []

    @property
    def ok(self) -> bool:
        """Whether the connector can be started with it."""
        return not self.faults

    @property
    def errors(self) -> list[str]:
        """The texts of all faults, as Kafka Connect counts them."""
        return (
            [error for value in self.values for error in value.errors]
            if self.values
            else [fault.message for fault in self.faults]
        )

    def to_json(self) -> dict[str, Any]:
        """Return the body of `PUT /connector-plugins/{plugin}/config/validate`."""
        groups = dict.fromkeys(value.definition.group for value in self.values if value.definition.group)
        return {
            "name": self.name,
            "error_count": len(self.errors),
            "groups": list(groups),
            "configs": [value.to_json() for value in self.values],
        }

    def summary(self) -> str:
        """Return the text of all faults with which Kafka Connect refuses a connector."""
        errors = self.errors
        return "\n".join(
            [
                f"Connector configuration is invalid and contains the following {len(errors)} error(s):",
                *errors,
                "You can also find the above list of errors at the endpoint "
                "`/connector-plugins/{connectorType}/config/validate`",
            ]
        )


def validate(config: Mapping[str, str | None], worker: WorkerConfig | None = None, *, recommend: bool = False) -> Validation:
    """Look at a connector's whole configuration: the runtime's keys, the plugin's, its converters' and its producers'.

    Never raises for what is wrong with the config; a plugin that cannot be found or imported is a fault too.

    Args:
        recommend: list the installed plugins where one is to be named; all their code is imported for that.
    """
    return _Validator(config, worker or WorkerConfig(), recommend=recommend).run()


class _Validator:
    def __init__(self, config: Mapping[str, str | None], worker: WorkerConfig, *, recommend: bool = False) -> None:
        self.raw = config
        self.recommend = recommend
        self.config = config
        self.worker = worker
        self.class_name = (config.get("connector.class") or "").strip()
        self.plugin: Plugin | None = None
        self.faults: list[Fault] = []
        self.warnings: list[str] = []
        self.values: list[ConfigValue] = []
        self.not_found: set[str] = set()
        """Keys whose value names no class, which is then shown as null."""

    @property
    def is_sink(self) -> bool:
        """Whether the connector is a sink; one that cannot be found counts as a source."""
        return self.plugin is not None and self.plugin.kind == "sink"

    @property
    def framework(self) -> type[ConnectorConfig]:
        """The keys of the runtime."""
        return SinkConnectorConfig if self.is_sink else SourceConnectorConfig

    def run(self) -> Validation:
        if any(value is not None and "${" in value for value in self.raw.values()):
            try:
                self.config = Providers.of(self.worker.originals).resolve(self.raw, "connector config")
                self.class_name = (self.config.get("connector.class") or "").strip()
            except ConfigError as error:
                self.faults += error.faults
            unknown = unknown_variables(self.config, self.worker.originals)
            self.warnings += [
                f"{key}: {variable} stays as it is written: the worker's config.providers name no {provider}"
                for key, variable, provider in unknown
            ]
        self.plugin = plugin = self._find_plugin()
        own = plugin.cls.config_class if plugin else Config  # type: ignore[attr-defined]
        self._keys(self.framework, self.config, leave_out=own)
        if plugin:
            self._keys(own, self.config)
            self._version(plugin)
            self._unknown_keys(plugin, own)
        self._nulls(own)
        if self.is_sink:
            self._group()
        else:
            self._exactly_once()
            self._of_sources_only()
        self._overrides()
        for kind in CONVERTER_KEYS:
            self._converter(kind)
        self._chain("transforms", "transform", "Transforms")
        self._chain("predicates", "predicate", "Predicates")
        self._not_yet()
        self._mask()
        if self.recommend:
            self._recommended()
        return Validation(self.class_name, self.faults, self.warnings, self._with_errors())

    def _mask(self) -> None:
        """Take the values of config providers out of the answer again."""
        if self.config is self.raw:
            return
        self.faults = [Fault(fault.key, masking.hide(fault.message)) for fault in self.faults]
        self.warnings = [masking.hide(warning) for warning in self.warnings]
        for value in self.values:
            key = value.definition.name
            if value.value is not None and value.value != HIDDEN and self.raw.get(key) != self.config.get(key):
                value.value = self.raw.get(key)

    def _find_plugin(self) -> Plugin | None:
        if not self.class_name:
            return None  # the missing key is found as any other
        try:
            return plugins.find_plugin(plugins.kind_of_connector(self.class_name), self.class_name)
        except plugins.WrongKindError as error:
            self._fault("connector.class", error.message)
        except PluginNotFoundError as error:
            self._fault("connector.class", error.message if error.where else _no_such_connector(self.class_name))
        return None

    def _keys(
        self, config_class: type[Config], config: Mapping[str, str | None], prefix: str = "", leave_out: type[Config] = Config
    ) -> None:
        """Check the keys of one config class, and note the value of each."""
        left_out = {entry.key for entry in leave_out.fields()}
        try:
            faults = config_class.faults(config)
        except Exception as error:  # a plugin's own check may fail in any way
            faults = [Fault("", f"{config_class.__name__}.check failed: {type(error).__name__}: {error}")]
        bad = {fault.key for fault in faults}
        self.faults += [
            Fault(prefix + fault.key if fault.key else "", fault.message) for fault in faults if fault.key not in left_out
        ]
        definitions = config_keys(config_class)
        if issubclass(config_class, ConnectorConfig):
            definitions = [self._with_worker_default(definition) for definition in definitions]
        for entry, definition in zip(config_class.fields(), definitions, strict=True):
            if entry.key in left_out:
                continue
            text = config.get(entry.key)
            value = definition.default_value if text is None else text.strip()
            if entry.key in bad and text is not None and not entry.type.is_readable(text.strip()):
                value = None
            elif entry.type.secret and value is not None:
                value = HIDDEN
            self.values.append(ConfigValue(definition.prefixed(prefix), value, []))

    def _with_worker_default(self, definition: ConfigKey) -> ConfigKey:
        """Put in what a key of the runtime is when the connector leaves it out, which is not the same everywhere."""
        defaults: dict[str, str | None] = {key: self.worker.converter(kind)[0] for kind, key in CONVERTER_KEYS.items()}
        for kind, key in CONVERTER_KEYS.items():
            name = (self.config.get(key) or "").strip() or self.worker.converter(kind)[0]
            defaults[f"{key}.plugin.version"] = _version_of("header_converter" if kind == "header" else "converter", name)
        if self.plugin:
            defaults["connector.plugin.version"] = self.plugin.version
        default = defaults.get(definition.name)
        return msgspec.structs.replace(definition, default_value=default) if default else definition

    def _version(self, plugin: Plugin) -> None:
        wanted = (self.config.get("connector.plugin.version") or "").strip()
        why = version_refusal(plugin, wanted) if wanted else None
        if why:
            self._fault("connector.class", why)
            self._fault("connector.plugin.version", why)

    def _unknown_keys(self, plugin: Plugin, own: type[Config]) -> None:
        known = [entry.key for entry in (*own.fields(), *self.framework.fields())]
        for key in self.config:
            if key not in known and not key.startswith(FREE_PREFIXES):
                self.warnings.append(f"{key} is not known to {plugin.alias}{did_you_mean(key, known)}")
        for converter in CONVERTER_KEYS.values():
            settings = [key for key in self.config if key.startswith(f"{converter}.") and key not in known]
            if settings and not self.config.get(converter):
                keys = ", ".join(settings)
                self.warnings.append(f"{keys}: of no effect without {converter} in the same config; the worker's is used")

    def _nulls(self, own: type[Config]) -> None:
        # Kafka Connect lets a null pass for the connector's own keys; here it stands for the key's default.
        own_keys = {entry.key for entry in own.fields()}
        required = {entry.key for entry in self.framework.fields() if entry.required}
        for key, value in self.config.items():
            if value is None and key not in own_keys | required:
                self._fault(key, "Null value can not be supplied as the configuration value.")

    def _exactly_once(self) -> None:
        if (self.config.get("exactly.once.support") or "").strip().lower() == "required":
            self._fault("exactly.once.support", "This worker does not have exactly-once source support enabled.")
        if (self.config.get("transaction.boundary") or "").strip().lower() == "connector":
            self._fault(
                "transaction.boundary",
                "The connector does not support connector-defined transaction boundaries with the given configuration. "
                "Please reconfigure it to use a different transaction boundary definition.",
            )

    def _of_sources_only(self) -> None:
        """Check what Kafka Connect's answer has no definitions of: dead letters of a source, and how its topics are created."""
        dead_letters = [key for key in self.config if key.startswith(DEAD_LETTERS)]
        known = [entry.key for entry in ErrorSettings.fields()]
        self.faults += [fault for fault in ErrorSettings.faults(self.config) if fault.key.startswith(DEAD_LETTERS)]
        for key in dead_letters:
            if key not in known:
                self.warnings.append(f"{key} is not known{did_you_mean(key, known)}")
        try:
            TopicCreation.of(self.worker, self.config)
        except ConfigError as error:
            # Kafka Connect lets these pass here, and fails the tasks.
            self.warnings += [f"{str(fault).removesuffix('.')}. The tasks will fail for it." for fault in error.faults]

    def _group(self) -> None:
        group = self.worker.originals.get("group.id")
        if group and group == group_of(self.config.get("name") or "", self.config):
            name = self.config.get("name")
            self._fault("name", f"Consumer group for sink connector named {name} conflicts with Connect worker group {group}")

    def _overrides(self) -> None:
        if self.is_sink:
            self._overrides_of("consumer")
        if self._has_admin():
            self._overrides_of("admin")
        # As Kafka Connect: the producer of a sink is that of its dead letters.
        if not self.is_sink or self.config.get("errors.deadletterqueue.topic.name"):
            self._overrides_of("producer")

    def _has_admin(self) -> bool:
        if self.config.get("errors.deadletterqueue.topic.name"):
            return True
        return not self.is_sink and any(key.startswith("topic.creation.") for key in self.config)

    def _overrides_of(self, client: Client) -> None:
        faults, warnings = override_faults(client, self.worker, self.config)
        self.faults += faults
        self.warnings += warnings
        for name, value in under(f"{client}.override.", self.config).items():
            definition = ConfigKey(
                name=f"{client}.override.{name}",
                type="STRING",
                required=False,
                default_value=None,
                importance="MEDIUM",
                documentation="",
                display_name=name,
            )
            self.values.append(ConfigValue(definition, HIDDEN if is_secret(name) else value, []))

    def _converter(self, kind: ConverterKind) -> None:
        key = CONVERTER_KEYS[kind]
        name = (self.config.get(key) or "").strip()
        if not name:
            return
        interface = "HeaderConverter" if kind == "header" else "Converter"
        cls = self._class_of(key, name, "header_converter" if kind == "header" else "converter", interface)
        config_class = getattr(cls, "config_class", None)
        if config_class is not None:
            settings = {**under(f"{key}.", self.config), "converter.type": kind}
            self._keys(config_class, settings, prefix=f"{key}.")
            known = [entry.key for entry in config_class.fields()]
            for setting in settings:
                if setting not in known and setting not in ("converter.type", "plugin.version"):
                    self.warnings.append(f"{key}.{setting} is not known to {name}{did_you_mean(setting, known)}")

    def _class_of(self, key: str, name: str, kind: Kind, interface: str) -> type | None:
        try:
            return plugins.find(kind, name)
        except plugins.WrongKindError:
            self._fault(key, f"Class class {name} does not implement the {interface} interface")
        except PluginNotFoundError as error:
            why = error.message if error.where else f"Class {name} could not be found."
            self._fault(key, f"Invalid value {name} for configuration {key}: {why}")
            self.not_found.add(key)
        return None

    def _chain(self, key: str, kind: Kind, group: str) -> None:
        """Check the transforms, or the predicates, that are named under a key."""
        for alias in dict.fromkeys(part.strip() for part in (self.config.get(key) or "").split(",")):
            if not alias:
                continue
            prefix = f"{key}.{alias}."
            interface = "Transformation" if kind == "transform" else "Predicate"
            own_group = f"{group}: {alias}"
            definition = ConfigKey(
                name=f"{prefix}type",
                type="CLASS",
                required=True,
                default_value=None,
                importance="HIGH",
                documentation=f"Class of the {kind} {alias}.",
                group=own_group,
                order_in_group=0,
                width="LONG",
                display_name=f"{interface} type for {alias}",
            )
            name = (self.config.get(definition.name) or "").strip()
            cls = self._class_of(definition.name, name, kind, interface) if name else None
            self.values.append(ConfigValue(definition, name or None, []))
            version = _version_of(kind, name) if cls is not None else None
            self._value(
                ConfigKey(
                    name=f"{prefix}plugin.version",
                    type="STRING",
                    required=False,
                    default_value=version,
                    importance="HIGH",
                    documentation=f"Version of the {kind} {alias}.",
                    group=own_group,
                    order_in_group=1,
                    width="LONG",
                    display_name=f"{interface} version for {alias}",
                )
            )
            if not name:
                self._fault(definition.name, f'Missing required configuration "{definition.name}" which has no default value.')
                continue
            if cls is not None and hasattr(cls, "config_class"):
                self._embed(cls.config_class, prefix, own_group, _PREDICATE_KEYS if kind == "transform" else [])
            if kind == "transform" and f"{prefix}negate" in self.config and f"{prefix}predicate" not in self.config:
                self._fault(
                    definition.name,
                    f"Config '{prefix}negate' was provided but there is no config '{prefix}predicate' "
                    "defining a predicate to be negated.",
                )

    def _embed(self, config_class: type[Config], prefix: str, group: str, more: list[ConfigKey]) -> None:
        """Check the keys of a transform or predicate, which become keys of the connector's config."""
        first = len(self.values)
        faults = len(self.faults)
        self._keys(config_class, under(prefix, self.config))
        found = {value.definition.name: value for value in self.values[first:]}
        del self.values[first:]
        for order, key in enumerate(embedding_order([*(value.definition for value in found.values()), *more]), 2):
            definition = key.embedded(prefix, group, order)
            if (value := found.get(key.name)) is not None:
                self.values.append(ConfigValue(definition, value.value, []))
            else:
                self._value(definition)
        for index, fault in enumerate(self.faults[faults:], faults):
            if fault.key in found:
                message = fault.message.replace(f'configuration "{fault.key}"', f'configuration "{prefix}{fault.key}"')
                message = message.replace(f"for configuration {fault.key}:", f"for configuration {prefix}{fault.key}:")
                self.faults[index] = Fault(prefix + fault.key, message)

    def _value(self, definition: ConfigKey) -> None:
        """Note the value of a key that is only shown."""
        given = self.config.get(definition.name)
        self.values.append(ConfigValue(definition, definition.default_value if given is None else given.strip(), []))

    def _recommended(self) -> None:
        """List what may be named by the keys that name plugins and their versions."""
        kinds: dict[str, Kind] = dict.fromkeys(CONVERTER_KEYS.values(), "converter")
        kinds[CONVERTER_KEYS["header"]] = "header_converter"
        for value in self.values:
            key, kind = value.definition.name, kinds.get(value.definition.name)
            if key.endswith("plugin.version"):
                default = value.definition.default_value
                value.recommended_values = [] if default is None else [default]
            elif key.startswith("transforms.") and key.endswith(".type") and value.definition.type == "CLASS":
                kind = "transform"
            elif key.startswith("predicates.") and key.endswith(".type") and value.definition.type == "CLASS":
                kind = "predicate"
            if kind is not None:
                value.recommended_values = [plugin.name for plugin in plugins.all() if plugin.kind == kind]

    def _not_yet(self) -> None:
        """Say of keys that are right, but that nothing acts on yet."""
        for prefix, why in (_NOT_YET_OF_SINKS if self.is_sink else _NOT_YET).items():
            keys = [key for key in self.config if key.startswith(prefix)]
            if keys:
                self.warnings.append(f"{', '.join(keys)}: of no effect, {why}")

    def _fault(self, key: str, message: str) -> None:
        self.faults.append(Fault(key, message))

    def _with_errors(self) -> list[ConfigValue]:
        """Hang the faults on the values; one that belongs to no key of ours goes to the connector's class."""
        by_key = {value.definition.name: value for value in self.values}
        for fault in self.faults:
            value = by_key.get(fault.key) or by_key["connector.class"]
            value.errors.append(fault.message)
            if fault.key == "tasks.max" and fault.message.endswith("Not a number of type INT"):
                # Kafka Connect goes on to check the null that came of it, and clients may count its errors.
                value.errors.append("Invalid value null for configuration tasks.max: Value must be non-null")
            if fault.key in self.not_found:
                value.value = None
                if (version := by_key.get(f"{fault.key}.plugin.version")) is not None and fault.key in CONVERTER_KEYS.values():
                    version.visible = False  # of nothing there is no version to choose
        return self.values


_PREDICATE_KEYS = [
    ConfigKey(
        name="predicate",
        type="STRING",
        required=False,
        default_value=None,
        importance="MEDIUM",
        documentation="The alias of a predicate; the transform is only applied to records that it holds for.",
        display_name="predicate",
    ),
    ConfigKey(
        name="negate",
        type="BOOLEAN",
        required=False,
        default_value="false",
        importance="MEDIUM",
        documentation="Whether the transform is applied to the other records instead.",
        display_name="negate",
    ),
]
"""What each transform can be told beside its own keys."""

_READ_ONCE = "what config providers give is read once, when a task starts"

_NOT_YET = {
    "consumer.override.": "a source has no consumer",
    "config.action.reload": _READ_ONCE,
}


_NOT_YET_OF_SINKS = {
    "topic.creation.": "a sink creates no topics",
    "config.action.reload": _READ_ONCE,
}


def version_refusal(plugin: Plugin, wanted: str) -> str | None:
    """Say why a plugin is not of the wanted version (`latest`, one, or a range as Maven writes it); None if it is."""
    if wanted == "latest" or _in_range(plugin.version or "", wanted):
        return None
    span = wanted if wanted[0] in "[(" else f"[{wanted},{wanted}]"
    return f"Plugin {plugin.name} not found that matches the version range {span}, available versions: [{plugin.version}]"


def _no_such_connector(name: str) -> str:
    known = [plugin for plugin in plugins.all() if plugin.kind in ("source", "sink")]
    names = ", ".join(plugin.name for plugin in known) or "none"
    meant = did_you_mean(name, [alias for plugin in known for alias in (plugin.name, plugin.alias)])
    why = f"Failed to find any class that implements Connector and which name matches {name}"
    return f"{why}, available connectors are: {names}{meant}"


def _version_of(kind: Kind, name: str) -> str | None:
    try:
        return plugins.find_plugin(kind, name).version
    except PluginNotFoundError:
        return None


_RANGE = re.compile(r"([\[(])\s*([^,\[\]()]*)\s*(?:(,)\s*([^,\[\]()]*))?\s*([\])])")


def _in_range(version: str, wanted: str) -> bool:
    """Whether a version is the wanted one, or in a range such as `[1.0,2.0)`; both as Maven writes them."""
    span = _RANGE.fullmatch(wanted)
    if span is None:
        return version == wanted
    opening, low, comma, high, closing = span.groups()
    if not comma:
        return version == low
    number = _numbers(version)
    above = not low or (_numbers(low) <= number if opening == "[" else _numbers(low) < number)
    below = not high or (number <= _numbers(high) if closing == "]" else number < _numbers(high))
    return above and below


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version)]
    while numbers and numbers[-1] == 0:  # 1.0 and 1 are the same
        numbers.pop()
    return tuple(numbers)
