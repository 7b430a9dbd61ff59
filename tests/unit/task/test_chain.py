from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fastconnect import Config, SourceRecord, plugins
from fastconnect.api.transform import Predicate, Record, Records, Transform
from fastconnect.config.error_handling import ErrorSettings
from fastconnect.errors import ConfigError, DataError
from fastconnect.task.chain import TransformChain
from fastconnect.task.origin import PolledOrigin
from fastconnect.task.tolerance import ContractBroken, Tolerance, ToleranceExceeded


class TimesConfig(Config):
    factor: int = 2


class Times(Transform[TimesConfig]):
    """A whole batch at once."""

    calls: list[int] = []  # noqa: RUF012 - shared by all of a test

    def apply_batch(self, records: Records) -> Records:
        self.calls.append(len(records))
        if "bad" in records.values:
            raise DataError("bad is not to be multiplied")
        return records.replace(values=[value * self.config.factor for value in records.values])


class DropOdd(Transform[Config]):
    """Record by record."""

    def apply(self, record: Record) -> Record | None:
        return None if record.value % 2 else record


class Backwards(Transform[Config]):
    def apply_batch(self, records: Records) -> Records:
        return records.select(list(reversed(range(len(records)))))


class Small(Predicate[TimesConfig]):
    def test(self, record: Record) -> bool:
        return bool(record.value < self.config.factor)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    Times.calls.clear()
    for cls in (Times, DropOdd, Backwards, Small):
        plugins.register(f"test.{cls.__name__}", cls)
    yield
    for cls in (Times, DropOdd, Backwards, Small):
        plugins.unregister(f"test.{cls.__name__}")


def chain(**keys: str) -> TransformChain:
    made = TransformChain.of({key.replace("_", "."): value for key, value in keys.items()})
    assert made is not None
    return made


def values(chain: TransformChain, given: list[Any], errors: dict[str, str] | None = None) -> tuple[list[Any], list[int]]:
    origin = PolledOrigin([SourceRecord("t", value, source_offset={"n": n}) for n, value in enumerate(given)])
    records = chain.apply(Records("t", given), origin, Tolerance(ErrorSettings.parse(errors or {})))
    return records.values, list(records.rows)


def test_without_transforms_there_is_no_chain() -> None:
    assert TransformChain.of({"predicates": "p", "predicates.p.type": "Small"}) is None


def test_transforms_are_applied_in_their_order_to_the_batch_as_a_whole() -> None:
    made = chain(transforms="a,b", transforms_a_type="test.Times", transforms_a_factor="3", transforms_b_type="DropOdd")
    assert values(made, [1, 2, 3, 4]) == ([6, 12], [1, 3])
    assert Times.calls == [4]


@pytest.mark.parametrize(("negate", "expected"), [("false", [2, 5, 4, 7]), ("true", [1, 10, 2, 14])])
def test_a_predicate_divides_the_batch_and_the_order_stays(negate: str, expected: list[int]) -> None:
    made = chain(
        transforms="a",
        transforms_a_type="Times",
        transforms_a_predicate="small",
        transforms_a_negate=negate,
        predicates="small",
        predicates_small_type="Small",
        predicates_small_factor="4",
    )
    assert values(made, [1, 5, 2, 7]) == (expected, [0, 1, 2, 3])


def test_a_predicate_that_holds_for_all_or_none_does_not_divide() -> None:
    keys = {"transforms_a_type": "Times", "transforms_a_predicate": "p", "predicates": "p", "predicates_p_type": "Small"}
    made = chain(transforms="a", predicates_p_factor="100", **keys)
    assert values(made, [1, 2])[0] == [2, 4]
    assert values(made, [101, 102])[0] == [101, 102]
    assert Times.calls == [2]


def test_a_record_that_fails_is_left_out_of_the_rest_of_the_chain() -> None:
    made = chain(transforms="a,b", transforms_a_type="Times", transforms_b_type="DropOdd", transforms_a_factor="1")
    assert values(made, [1, 2, "bad", 4], {"errors.tolerance": "all"}) == ([2, 4], [1, 3])
    with pytest.raises(ToleranceExceeded, match=r'TRANSFORMATION with class test\.Times, .* source offset {"n":2}'):
        values(made, [1, 2, "bad", 4])


def test_the_columns_of_parts_are_put_together_again() -> None:
    parts = [
        Records(["a", "b"], [1, 2], keys=[b"k", None], rows=[0, 3]),
        Records("c", [3], timestamps=[5], rows=[1]),
        Records("c", [], rows=[]),
    ]
    joined = Records.joined(parts)
    assert joined.topics == ["a", "c", "b"]
    assert joined.values == [1, 3, 2]
    assert joined.keys == [b"k", None, None]
    assert joined.timestamps == [None, 5, None]
    assert joined.headers is None
    assert list(joined.rows) == [0, 1, 3]
    assert len(Records.joined([])) == 0


def test_a_transform_may_not_change_the_order() -> None:
    made = chain(transforms="a", transforms_a_type="Backwards")
    with pytest.raises(ContractBroken, match="has changed the order"):
        values(made, [1, 2], {"errors.tolerance": "all"})


def test_everything_that_is_wrong_with_the_transforms_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        chain(
            transforms="a,b,c",
            transforms_a_type="Times",
            transforms_a_factor="many",
            transforms_b_type="Nothing",
            transforms_c_type="DropOdd",
            transforms_c_predicate="p",
        )
    assert [(fault.key, fault.message.partition(" ")[0]) for fault in caught.value.faults] == [
        ("transforms.a.factor", "Invalid"),
        ("transforms.b.type", "no"),
        ("transforms.c.predicate", "there"),
    ]
