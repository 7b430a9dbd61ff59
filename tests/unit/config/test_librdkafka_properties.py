"""The table of librdkafka's properties that is shipped, against the librdkafka that is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fastconnect import librdkafka
from fastconnect.config import librdkafka_properties as shipped

SCRIPT = Path(__file__).parents[2] / "code" / "make_librdkafka_properties.py"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_librdkafka_properties", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_the_script_makes_of_the_installed_librdkafka(maker):
    if librdkafka.version == shipped.VERSION:
        assert maker.TARGET.read_text() == maker.render()
    else:  # another version may know more or less, but what we rely on must be there
        names = {row[0] for row in maker.table()}
        assert {"acks", "enable.idempotence", "linger.ms", "message.timeout.ms", "partitioner"} <= names


def test_callbacks_are_not_in_the_table():
    assert not [name for name in shipped.RANGES if name.endswith("_cb") or name in ("opaque", "interceptors")]


def test_every_alias_means_a_property_of_the_table():
    assert set(shipped.ALIASES.values()) <= shipped.RANGES.keys()
    assert not shipped.ALIASES.keys() & shipped.RANGES.keys()
