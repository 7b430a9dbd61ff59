"""Text to value and back, one type at a time, with Kafka Connect's reasons."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect.api.config import Bytes, Check, ClassName, Duration, Long, Meta, Regex, Secret, Topic
from fastconnect.api.config_types import text_type


class Part(msgspec.Struct):
    path: str
    start: int = 0


READABLE: list[tuple[Any, str, Any]] = [
    (bool, "true", True),
    (bool, "FALSE", False),
    (int, "+7", 7),
    (int, "-9223372036854775808", -(2**63)),
    (Long, "3000000000", 3_000_000_000),
    (float, "1e3", 1000.0),
    (str, "", ""),
    (str, "a, b", "a, b"),
    (str | None, "x", "x"),
    (Annotated[int | None, Meta(ge=1)], "1", 1),
    (Annotated[int, Meta(ge=1)] | None, "1", 1),
    (Literal["none", "all"], "all", "all"),
    (Annotated[Literal["BASE64", "NUMERIC"], Meta(extra_json_schema={"ignore_case": True})], "numeric", "NUMERIC"),
    (list[str], "a , b,c", ["a", "b", "c"]),
    (list[str], "", []),
    (list[int], "1,2", [1, 2]),
    (tuple[str, ...], "a", ("a",)),
    (frozenset[str], "a,a", frozenset({"a"})),
    (Annotated[list[str], Meta(min_length=1)], "a", ["a"]),
    (Secret, "pw", Secret("pw")),
    (Topic, "orders.v1_x-y", "orders.v1_x-y"),
    (Regex, "a+", re.compile("a+")),
    (Duration, "500", 500),
    (Duration, "500ms", 500),
    (Duration, "5 s", 5_000),
    (Duration, "2m", 120_000),
    (Duration, "1h", 3_600_000),
    (Duration, "1d", 86_400_000),
    (Duration, "-1", -1),
    (Bytes, "1048576", 1_048_576),
    (Bytes, "512kB", 512_000),
    (Bytes, "1MB", 1_000_000),
    (Bytes, "1MiB", 1_048_576),
    (Bytes, "2 gib", 2 * 1024**3),
    (Bytes, "1k", 1_000),
    (ClassName, "org.apache.Foo$Value", "org.apache.Foo$Value"),
    (Path, "/var/log", Path("/var/log")),
    (Part, '{"path":"a,b","start":5}', Part("a,b", 5)),
    (list[Part], '[{"path":"a"}]', [Part("a")]),
    (dict[str, int], '{"a":1}', {"a": 1}),
]


@pytest.mark.parametrize(("annotation", "text", "value"), READABLE, ids=lambda item: str(item)[:40])
def test_a_text_is_read_as_its_type(annotation, text, value):
    assert text_type(annotation).read(text) == value


@pytest.mark.parametrize(("annotation", "text", "value"), READABLE, ids=lambda item: str(item)[:40])
def test_what_is_written_is_read_back_as_the_same(annotation, text, value):
    kind = text_type(annotation)
    assert kind.read(kind.write(value)) == value


UNREADABLE: list[tuple[Any, str, str]] = [
    (bool, "yes", "Expected value to be either true or false"),
    (bool, "", "Expected value to be either true or false"),
    (int, "many", "Not a number of type INT"),
    (int, "1_000", "Not a number of type INT"),
    (int, "1.0", "Not a number of type INT"),
    (int, "", "Not a number of type INT"),
    (int, "٣", "Not a number of type INT"),
    (int, "9223372036854775808", "Not a number of type INT"),
    (Long, "x", "Not a number of type LONG"),
    (float, "1_0", "Not a number of type DOUBLE"),
    (float, "one", "Not a number of type DOUBLE"),
    (Annotated[int, Meta(ge=1)], "0", "Value must be at least 1"),
    (Annotated[int, Meta(gt=1)], "1", "Value must be more than 1"),
    (Annotated[int, Meta(le=5)], "6", "Value must be no more than 5"),
    (Annotated[int, Meta(lt=5)], "5", "Value must be less than 5"),
    (Annotated[int, Meta(multiple_of=2)], "3", "Value must be a multiple of 2"),
    (Annotated[int, Meta(ge=1)] | None, "0", "Value must be at least 1"),
    (Annotated[Duration, Meta(ge=1)], "0s", "Value must be at least 1"),
    (Annotated[str, Meta(min_length=1)], "", "String may not be empty"),
    (Annotated[str, Meta(min_length=3)], "ab", "String must have a length of at least 3"),
    (Annotated[str, Meta(max_length=1)], "ab", "String must have a length of at most 1"),
    (Annotated[str, Meta(pattern="^a$")], "b", "String must match the pattern ^a$"),
    (Annotated[Secret, Meta(min_length=4)], "abc", "String must have a length of at least 4"),
    (Annotated[list[str], Meta(min_length=1)], "", "List may not be empty"),
    (Annotated[list[str], Meta(max_length=1)], "a,b", "List must have a length of at most 1"),
    (list[int], "1,x", "Not a number of type INT"),
    (list[Annotated[int, Meta(ge=1)]], "1,0", "Value must be at least 1"),
    (Annotated[str, Check(lambda text: "Not a city" if text == "x" else None)], "x", "Not a city"),
    (Literal["none", "all"], "ALL", "String must be one of: none, all"),
    (
        Annotated[Literal["interval", "poll"], Meta(extra_json_schema={"ignore_case": True})],
        "x",
        "String must be one of (case insensitive): INTERVAL, POLL",
    ),
    (Topic, "a b", "Not a topic name: 1 to 249 letters, digits, '.', '_' and '-' (and not '.' or '..')"),
    (Topic, "..", "Not a topic name: 1 to 249 letters, digits, '.', '_' and '-' (and not '.' or '..')"),
    (Topic, "x" * 250, "Not a topic name: 1 to 249 letters, digits, '.', '_' and '-' (and not '.' or '..')"),
    (Topic, "a\n", "Not a topic name: 1 to 249 letters, digits, '.', '_' and '-' (and not '.' or '..')"),
    (Duration, "5 weeks", "Not a time: write it as 500 (milliseconds), 500ms, 5s, 2m, 1h or 1d"),
    (Duration, "1.5s", "Not a time: write it as 500 (milliseconds), 500ms, 5s, 2m, 1h or 1d"),
    (Bytes, "-1", "Not a size: write it as 1048576 (bytes), 512kB, 1MB or 1MiB"),
    (Bytes, "1XB", "Not a size: write it as 1048576 (bytes), 512kB, 1MB or 1MiB"),
    (Regex, "([", "Invalid regex: unterminated character set at position 1"),
    (Part, '{"start":5}', "Not the JSON that is expected: Object missing required field `path`"),
]


@pytest.mark.parametrize(("annotation", "text", "reason"), UNREADABLE, ids=lambda item: str(item)[:40])
def test_a_bad_text_is_refused_with_its_reason(annotation, text, reason):
    with pytest.raises(ValueError) as refusal:
        text_type(annotation).read(text)
    assert str(refusal.value) == reason


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (bool, "BOOLEAN"),
        (int, "INT"),
        (Long, "LONG"),
        (Duration, "LONG"),
        (Bytes, "LONG"),
        (float, "DOUBLE"),
        (str, "STRING"),
        (Topic, "STRING"),
        (list[str], "LIST"),
        (ClassName, "CLASS"),
        (Secret, "PASSWORD"),
        (list[Secret], "PASSWORD"),
    ],
)
def test_each_type_has_a_name_that_kafka_connect_knows(annotation, name):
    assert text_type(annotation).name == name


@pytest.mark.parametrize("annotation", [int | str, complex, object, tuple[int, str], Literal[1, 2], None])
def test_a_type_that_no_text_stands_for_is_refused(annotation):
    with pytest.raises(TypeError, match="not supported in a Config"):
        text_type(annotation)


@pytest.mark.parametrize("values", [["a,b"], [" a"], [""], ["a", "b "]])
def test_a_list_whose_text_would_be_read_as_another_list_is_not_written(values):
    with pytest.raises(ValueError, match="cannot stand in a comma separated list"):
        text_type(list[str]).write(values)


@given(st.lists(st.text()))
def test_a_list_is_read_back_as_it_was_or_not_written_at_all(values):
    kind = text_type(list[str])
    try:
        text = kind.write(values)
    except ValueError:
        return
    assert kind.read(text) == values


def test_a_secret_is_hidden_wherever_it_is_printed():
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {secret:>10} {[secret]} {secret}"
    assert "hunter2" not in shown
    assert shown.count("[hidden]") == 5
    assert secret.reveal() == "hunter2"


def test_a_secret_is_not_pickled():
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("hunter2"))


def test_secrets_compare_by_what_they_hide():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")


def test_a_value_beyond_its_limits_is_readable_but_another_type_is_not():
    kind = text_type(Annotated[int, Meta(ge=1)])
    assert kind.is_readable("0")
    assert not kind.is_readable("many")
