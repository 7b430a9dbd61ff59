from __future__ import annotations

import json

from click.testing import CliRunner

from fastconnect.cli.plugins import plugins


def test_the_installed_plugins_are_listed_with_their_names():
    lines = [line.split() for line in CliRunner().invoke(plugins, []).stdout.splitlines()]

    assert lines[0] == ["KIND", "CLASS", "ALIAS", "VERSION"]
    assert any(line[:3] == ["source", "fastconnect.FileSource", "FileSource"] for line in lines)


def test_the_list_as_json():
    found = json.loads(CliRunner().invoke(plugins, ["--json"]).stdout)

    names = {(plugin["kind"], plugin["class"], plugin["alias"]) for plugin in found}
    assert ("converter", "org.apache.kafka.connect.json.JsonConverter", "Json") in names
    assert ("source", "fastconnect.SequenceSource", "SequenceSource") in names
    assert all(plugin["version"] for plugin in found)
