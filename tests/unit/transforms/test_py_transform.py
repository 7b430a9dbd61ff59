"""Functions of a real package on sys.path, made in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.transforms import configured, faults_of, through

from fastconnect.api.transform import Record, Records
from fastconnect.errors import ConfigError, ConnectError
from fastconnect.transforms import py_transform
from fastconnect.transforms.py_transform import PyTransform

MODULE = """
from __future__ import annotations
from fastconnect.api.transform import Record, Records

def shout(record: Record) -> Record | None:
    return None if record.value is None else record.replace(value=record.value.upper())

def shout_all(records: Records) -> Records:
    return records.replace(values=[value.upper() for value in records.values])

def wrong(record):
    return record.value

def wrong_all(records: Records):
    return records.values

five = 5
"""
ENTRY_POINTS = """
[fastconnect.functions]
shout = acme_rules:shout
shout-all = acme_rules:shout_all
wrong = acme_rules:wrong
wrong-all = acme_rules:wrong_all
five = acme_rules:five
gone = acme_rules_gone:shout
"""


@pytest.fixture(autouse=True)
def _acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "acme_rules.py").write_text(MODULE)
    info = tmp_path / "acme_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    py_transform._entry_points.cache_clear()
    yield
    py_transform._entry_points.cache_clear()


def test_a_function_is_called_for_each_record_and_may_drop_it() -> None:
    transform = configured(PyTransform, {"function": "shout"})

    after = transform.apply_batch(Records("t", ["a", None, "b"]))

    assert after.values == ["A", "B"]
    assert list(after.rows) == [0, 2]


def test_a_function_of_records_is_called_for_all_at_once() -> None:
    transform = configured(PyTransform, {"function": "shout-all"})

    assert transform.apply_batch(Records("t", ["a", "b"])).values == ["A", "B"]


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    (fault,) = faults_of(PyTransform, {"function": "acme_rules:shout"})

    assert "no installed package has a function of this name" in fault
    assert "five, gone, shout, shout-all, wrong, wrong-all" in fault


@pytest.mark.parametrize(
    ("function", "why"),
    [("gone", "the function gone cannot be imported: ModuleNotFoundError"), ("five", "five is no function but a int")],
)
def test_what_cannot_be_called_is_said_at_the_start(function: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        configured(PyTransform, {"function": function})


@pytest.mark.parametrize(("function", "wanted"), [("wrong", "a Record or None"), ("wrong-all", "Records")])
def test_a_function_that_returns_something_else_is_named(function: str, wanted: str) -> None:
    transform = configured(PyTransform, {"function": function})

    with pytest.raises(ConnectError, match=rf"the function {function} returned \w+, not {wanted}"):
        through(transform, Record("t", "x"))
