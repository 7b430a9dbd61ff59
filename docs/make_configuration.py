"""Makes docs/configuration.md of the Config classes, so that it says what the code does: `python docs/make_configuration.py`.

tests/docs/test_configuration.py fails when the page is not what this makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fastconnect import paths, plugins
from fastconnect.api.config import Config, ConfigField
from fastconnect.api.converter import Converter
from fastconnect.config import connector as source_connector
from fastconnect.config.distributed import DistributedConfig
from fastconnect.config.rest import RestConfig, TlsConfig
from fastconnect.config.worker import WorkerConfig

PAGE = Path(__file__).with_name("configuration.md")

HEAD = """\
# Configuration

Made from the code by `python docs/make_configuration.py`; not to be changed by hand.

Config files are `.properties`, JSON, TOML or YAML, with Kafka Connect's keys. A key that nobody knows is a warning that names
the key that was probably meant; everything else that is wrong is told at once, before anything is started.
`fastconnect validate FILE` does only that.

| type | how it is written |
| --- | --- |
| text, regex | as it is |
| topic | at most 249 letters, digits, `.`, `_` and `-` |
| class | a name that `fastconnect plugins` lists |
| whole number, number | `42`, `0.5` |
| true or false | `true`, `false` |
| time | milliseconds, or `500ms`, `5s`, `2m`, `1h`, `1d` |
| size | bytes, or `512kB`, `1MB` (a million), `1MiB` (1,048,576) |
| list | values with commas between |
| secret | as it is; shown as `[hidden]` wherever it is printed |
"""

KINDS = {
    "source": ("Source connectors", "Each has these keys beside those of every source connector."),
    "sink": ("Sink connectors", "Each has these keys beside those of every sink connector."),
    "converter": (
        "Converters",
        "Their keys have `key.converter.` or `value.converter.` before them, and count beside the `key.converter` or\n"
        "`value.converter` that names the class. Those of Kafka itself can be the `header.converter` too.",
    ),
    "header_converter": ("Header converters", "Their keys have `header.converter.` before them."),
    "transform": (
        "Transforms",
        "Their keys have `transforms.<name>.` before them, for each `<name>` in `transforms`; `type` names the class.",
    ),
    "predicate": (
        "Predicates",
        "Their keys have `predicates.<name>.` before them, for each `<name>` in `predicates`; `type` names the class.",
    ),
}


def page() -> str:
    """The whole page."""
    parts = [HEAD, *_runtime()]
    shipped = [plugin for plugin in plugins.all() if plugin.cls.__module__.startswith("fastconnect.")]
    for kind, (title, intro) in KINDS.items():
        found = [plugin for plugin in shipped if plugin.kind == kind]
        if kind == "header_converter":
            found = [plugin for plugin in found if not issubclass(plugin.cls, Converter)]
        if found:
            parts += [f"\n## {title}\n\n{intro}\n", *_plugins(found)]
    return "".join(parts)


def _runtime() -> Iterator[str]:
    yield "\n## The worker\n\n"
    yield "The file that `--worker` names. Beside these keys: `producer.*` for the producers of all source tasks,\n"
    yield "`consumer.*` for the consumers of all sink tasks, and Kafka's own security keys for both.\n\n"
    yield _table(WorkerConfig.fields())
    yield "\n## The REST API\n\n"
    yield "Keys of the worker's file, for a worker that answers it; what it answers is told in [rest.md](rest.md).\n\n"
    yield _table(RestConfig.fields())
    yield "\n### TLS of the REST API\n\n"
    yield "For https listeners. With `listeners.https.` or `admin.listeners.https.` before them they are those listeners'\n"
    yield "own, and then none of those without a prefix counts there.\n\n"
    yield _table(TlsConfig.fields())
    yield "\n## A distributed worker\n\n"
    yield "What a member of a group (`fastconnect run --distributed --worker FILE`) has beside that. Other keys that begin\n"
    yield "with `config.storage.`, `offset.storage.` or `status.storage.` are settings of that topic, if it is made.\n"
    yield "Its own Kafka clients have the settings without a prefix, such as `request.timeout.ms`.\n\n"
    yield _table(DistributedConfig.fields())
    yield "\n## Every source connector\n\n"
    yield "Beside these keys: `producer.override.*`, and the keys of its converters, transforms and predicates.\n\n"
    yield _table(source_connector.SourceConnectorConfig.fields())
    sink_fields = _sink_fields()
    if sink_fields:
        yield "\n## Every sink connector\n\n"
        yield "Beside these keys: `consumer.override.*`, and the keys of its converters, transforms and predicates.\n\n"
        yield _table(sink_fields)


def _sink_fields() -> tuple[ConfigField, ...]:
    try:
        from fastconnect.config.sink_connector import SinkConnectorConfig
    except ImportError:
        return ()
    return SinkConnectorConfig.fields()


def _plugins(found: Iterable[plugins.Plugin]) -> Iterator[str]:
    """A section for each config class; plugins that differ only in their names (`$Key`, `$Value`) share one."""
    by_config: dict[tuple[type[Config], str], list[plugins.Plugin]] = {}
    for plugin in found:
        own: type[Config] = plugin.cls.config_class  # type: ignore[attr-defined]
        stem = plugin.name.partition("$")[0]
        by_config.setdefault((own, stem if "$" in plugin.name else plugin.name), []).append(plugin)
    for (own, _), same in by_config.items():
        yield f"\n### {same[0].name.rpartition('.')[2].partition('$')[0]}\n\n"
        yield f"{' · '.join(f'`{plugin.name}`' for plugin in same)}\n\n"
        yield f"{_first_paragraph(same[0].cls)}\n\n"
        yield _table(own.fields()) if own.fields() else "No keys of its own.\n"


def _first_paragraph(cls: type) -> str:
    text = (cls.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(line.strip() for line in text.splitlines())


def _table(fields: Iterable[ConfigField]) -> str:
    rows = [f"| `{entry.key}` | {_type(entry)} | {_default(entry)} | {_cell(entry.type.description)} |" for entry in fields]
    return "\n".join(["| key | type | default | what it is |", "| --- | --- | --- | --- |", *rows]) + "\n"


def _type(entry: ConfigField) -> str:
    kind = entry.type
    if kind.choices and kind.name == "STRING":
        return ", ".join(f"`{choice}`" for choice in kind.choices)
    name = {
        "BOOLEAN": "true or false",
        "INT": "whole number",
        "SHORT": "whole number",
        "DOUBLE": "number",
        "LIST": "list",
        "CLASS": "class",
        "PASSWORD": "secret",
        "JSON": "JSON",
    }.get(kind.name, "text")
    if kind.name == "LONG":
        name = "time" if _reads(entry, "5s") else "size" if _reads(entry, "5kB") else "whole number"
    elif kind.name == "STRING" and not _reads(entry, "("):
        name = "regex" if _reads(entry, "a b") else "topic"
    return name + _limits(entry)


def _reads(entry: ConfigField, text: str) -> bool:
    try:
        (entry.type.read_unlimited or entry.type.read)(text)
    except ValueError:
        return False
    return True


def _limits(entry: ConfigField) -> str:
    said = []
    for meta in entry.type.metas:
        bounds = ((">=", meta.ge), (">", meta.gt), ("<=", meta.le), ("<", meta.lt))
        said += [f"{sign} {limit}" for sign, limit in bounds if limit is not None]
    return f", {' and '.join(said)}" if said else ""


def _default(entry: ConfigField) -> str:
    if entry.required:
        return "**required**"
    if entry.default == str(paths.default_offsets_file()):
        return "`offsets.sqlite` in the user-data folder"
    text = entry.default_text()
    if text is None:
        return "none"
    return f"`{text}`" if text else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == text else "docs/configuration.md is stale: run python docs/make_configuration.py")
    PAGE.write_text(text)
