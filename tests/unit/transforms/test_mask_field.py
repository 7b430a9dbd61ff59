from __future__ import annotations

import pytest
from fakes.transforms import configured

from fastconnect.api.transform import Records
from fastconnect.errors import DataError
from fastconnect.transforms.mask_field import MaskFieldValue


def test_fields_of_one_class_or_of_many_are_masked_alike() -> None:
    transform = configured(MaskFieldValue, {"fields": "a,b"})

    same = transform.apply_batch(Records("t", [{"a": "x", "b": 1}, {"a": "y", "b": 2}]))
    mixed = transform.apply_batch(
        Records("t", [{"a": "x", "b": 1}, {"a": None, "b": 2.5}, {"b": True}, {"a": [1], "b": {"c": 1}}])
    )

    assert same.values == [{"a": "", "b": 0}] * 2
    assert mixed.values == [{"a": "", "b": 0}, {"a": None, "b": 0.0}, {"b": False, "a": None}, {"a": [], "b": {}}]


def test_masked_lists_are_not_shared_between_records() -> None:
    transform = configured(MaskFieldValue, {"fields": "a"})

    first, second = transform.apply_batch(Records("t", [{"a": [1]}, {"a": [2]}])).values

    assert first["a"] is not second["a"]


def test_a_replacement_becomes_a_number_where_one_was() -> None:
    transform = configured(MaskFieldValue, {"fields": "a,b,c", "replacement": "7"})

    assert transform.apply_batch(Records("t", [{"a": "x", "b": 1, "c": 2.5}])).values == [{"a": "7", "b": 7, "c": 7.0}]


@pytest.mark.parametrize(
    ("value", "replacement", "why"),
    [
        (1, "x", r"Unable to convert x \(class str\) to a number \(numbers need another replacement\)"),
        (True, "7", "Cannot mask value of type class bool with custom replacement. .*without `replacement`"),
        (b"x", "7", "Cannot mask value of type class bytes with custom replacement"),
    ],
)
def test_what_cannot_be_replaced_is_said(value: object, replacement: str, why: str) -> None:
    transform = configured(MaskFieldValue, {"fields": "a", "replacement": replacement})

    with pytest.raises(DataError, match=why):
        transform.apply_batch(Records("t", [{"a": value}]))


def test_bytes_cannot_be_masked() -> None:
    transform = configured(MaskFieldValue, {"fields": "a"})

    with pytest.raises(DataError, match="Cannot mask value of type: class bytes"):
        transform.apply_batch(Records("t", [{"a": b"x"}]))
