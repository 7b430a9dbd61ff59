from __future__ import annotations

import pytest

from fastconnect.cli import extras
from fastconnect.errors import ConfigError


def test_what_is_installed_is_no_trouble():
    for extra in extras.MODULES:
        extras.require(extra, "The REST API")


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "rest", ("starlette", "no_such_module_at_all"))

    with pytest.raises(ConfigError) as error:
        extras.require("rest", "The REST API")

    assert str(error.value) == (
        "The REST API needs packages that are not installed (no_such_module_at_all) (pip install 'fastconnect-kafka[rest]')"
    )
