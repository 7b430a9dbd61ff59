"""Finding plugins by entry point, Java class name and alias; real packages on sys.path, made in a folder."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fastconnect import plugins
from fastconnect.errors import PluginNotFoundError

MODULE = """
from fastconnect.api.config import Config
from fastconnect.api.connector import SourceConnector

class ClicksSource(SourceConnector[Config]):
    version = "2.1"

class OtherClicks(SourceConnector[Config]):
    pass

class NoPlugin:
    pass

not_a_class = 5
"""

ENTRY_POINTS = """
[console_scripts]
clicks = acme_clicks:main

[fastconnect.plugins]
com.acme.ClicksSourceConnector = acme_clicks:ClicksSource
com.acme.other.ClicksSourceConnector = acme_clicks:OtherClicks
com.acme.Outer$Inner = acme_clicks:OtherClicks
com.acme.Nothing = acme_clicks:NoPlugin
com.acme.Five = acme_clicks:not_a_class
com.acme.Broken = acme_clicks_gone:Gone
# com.acme.Comment = acme_clicks:ClicksSource

[other.group]
com.acme.Hidden = acme_clicks:ClicksSource
"""


def forget():
    for answer in (plugins._entries, plugins.find_plugin, plugins.every):
        answer.cache_clear()


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """A package with plugins, as if installed, and nothing else."""
    (tmp_path / "acme_clicks.py").write_text(MODULE)
    info = tmp_path / "acme_clicks_package-1.5.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "no_entry_points-1.0.dist-info").mkdir()
    forget()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing"), str(tmp_path)])
        plugins._entries()
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("acme_clicks", None)
    forget()


def test_a_plugin_is_found_by_the_java_class_it_stands_for(acme):
    assert plugins.find("source", "com.acme.ClicksSourceConnector").__name__ == "ClicksSource"


@pytest.mark.parametrize("name", ["com.acme.Outer$Inner", "Outer$Inner", "OtherClicks"])
def test_a_plugin_is_found_by_the_last_part_of_its_name_and_by_its_python_class(acme, name):
    assert plugins.find("source", name).__name__ == "OtherClicks"


def test_an_alias_of_two_plugins_is_refused_with_their_names(acme):
    with pytest.raises(
        PluginNotFoundError,
        match=r"ClicksSourceConnector may be any of com\.acme\.ClicksSourceConnector, com\.acme\.other\.ClicksSourceConnector",
    ):
        plugins.find("source", "ClicksSourceConnector")


def test_an_unknown_name_is_answered_with_the_names_there_are(acme):
    with pytest.raises(PluginNotFoundError) as refusal:
        plugins.find("source", "com.acme.ClickSourceConnector")
    assert refusal.value.message == (
        "no source connector is called com.acme.ClickSourceConnector; did you mean com.acme.ClicksSourceConnector?"
    )
    assert "installed: com.acme.ClicksSourceConnector, com.acme.Outer$Inner, com.acme.other" in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["os.system", "builtins:eval", "acme_clicks:ClicksSource", "acme_clicks.ClicksSource", "com.acme.Hidden", "", ".."]
)
def test_nothing_but_an_entry_point_of_the_group_is_ever_imported(acme, name):
    with pytest.raises(PluginNotFoundError, match="no source connector is called"):
        plugins.find("source", name)


def test_a_plugin_of_another_kind_is_told_apart_from_none(acme):
    with pytest.raises(
        plugins.WrongKindError, match=r"com\.acme\.ClicksSourceConnector is installed, but it is not a converter"
    ):
        plugins.find("converter", "com.acme.ClicksSourceConnector")


def test_a_plugin_that_cannot_be_imported_is_found_but_named_as_broken(acme):
    with pytest.raises(PluginNotFoundError, match=r"the code of com\.acme\.Broken cannot be imported: ModuleNotFoundError"):
        plugins.find("source", "com.acme.Broken")


def test_all_lists_what_works_and_broken_what_does_not(acme):
    assert [(plugin.name, plugin.kind, plugin.alias, plugin.version, plugin.distribution) for plugin in plugins.all()] == [
        ("com.acme.ClicksSourceConnector", "source", "ClicksSource", "2.1", "acme-clicks-package 1.5"),
        ("com.acme.Outer$Inner", "source", "Outer$Inner", "0.1.0", "acme-clicks-package 1.5"),
        ("com.acme.other.ClicksSourceConnector", "source", "ClicksSource", "0.1.0", "acme-clicks-package 1.5"),
    ]
    assert [(plugin.name, plugin.reason) for plugin in plugins.broken()] == [
        ("com.acme.Nothing", "NoPlugin is no kind of plugin"),
        ("com.acme.Five", "acme_clicks:not_a_class is not a class"),
        (
            "com.acme.Broken",
            "the code of com.acme.Broken cannot be imported: ModuleNotFoundError: No module named 'acme_clicks_gone'",
        ),
    ]


def test_a_registered_class_is_found_until_it_is_unregistered(acme):
    cls = plugins.find("source", "com.acme.ClicksSourceConnector")
    plugins.register("my.Own", cls)
    assert plugins.find("source", "Own") is cls
    plugins.unregister("my.Own")
    with pytest.raises(PluginNotFoundError):
        plugins.find("source", "Own")


def test_a_connector_is_told_to_be_a_source(acme):
    assert plugins.kind_of_connector("OtherClicks") == "source"
    with pytest.raises(PluginNotFoundError, match="no source connector"):
        plugins.kind_of_connector("Nobody")


@pytest.mark.parametrize(
    ("name", "kind", "aliases"),
    [
        (
            "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "source",
            ("FileStreamSourceConnector", "FileStreamSource"),
        ),
        ("org.apache.kafka.connect.json.JsonConverter", "converter", ("JsonConverter", "Json")),
        ("org.apache.kafka.connect.storage.SimpleHeaderConverter", "header_converter", ("SimpleHeaderConverter", "Simple")),
        ("org.apache.kafka.connect.storage.StringConverter", "header_converter", ("StringConverter", "String")),
        ("org.apache.kafka.connect.transforms.MaskField$Value", "transform", ("MaskField$Value",)),
        ("fastconnect.FileSource", "source", ("FileSource",)),
        ("a.Converter", "converter", ("Converter",)),
    ],
)
def test_aliases_leave_out_packages_and_suffixes_as_kafka_connects_do(name, kind, aliases):
    assert plugins._aliases(name, kind) == aliases


def test_the_installed_entry_points_are_those_that_importlib_finds():
    import importlib.metadata

    forget()
    expected = {(point.name, point.value) for point in importlib.metadata.entry_points(group=plugins.GROUP)}
    assert {(entry.name, f"{entry.module}:{entry.attribute}") for entry in plugins._entries()} == expected
    assert expected


def test_importing_plugins_and_config_pulls_in_nothing_heavy():
    heavy = {
        "importlib.metadata",
        "email",
        "difflib",
        "confluent_kafka",
        "yaml",
        "tomllib",
        "click",
        "rich",
        "asyncio",
        "socket",
    }
    code = f"import sys, fastconnect.plugins, fastconnect.config.validation; print(sorted({heavy} & sys.modules.keys()))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
