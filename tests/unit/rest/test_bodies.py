"""Bodies: what is read, and what is refused without being repeated."""

from __future__ import annotations

import json

import pytest

from fastconnect.rest import bodies
from fastconnect.rest.error_body import BadRequestError


def refusal(body: bytes, kind: object = bodies.CreateConnector) -> str:
    with pytest.raises(BadRequestError) as refused:
        bodies.decode(body, kind)  # type: ignore[arg-type]
    assert refused.value.status == 400
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"a\\u00fc\\n"', "aü\n"),
        ("1", "1"),
        ("1.50", "1.50"),
        ("-1E+5", "-1E+5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ("  1 ", "1"),
    ],
)
def test_values_of_a_config_become_text_as_they_were_written(written, text):
    assert bodies.config_of(bodies.decode(f'{{"k": {written}}}'.encode(), bodies.ConfigBody)) == {"k": text}


@pytest.mark.parametrize("value", ["{}", "[]", '{"a": 1}', "[1]"])
def test_an_object_or_array_in_a_config_is_refused(value):
    with pytest.raises(BadRequestError, match="a config value must be text, a number or a boolean"):
        bodies.config_of(bodies.decode(f'{{"k": {value}}}'.encode(), bodies.ConfigBody))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{not json",
        b'{"name": ',
        b"[1,]",
        b'{"name": NaN}',
        b'{"name": "a" "b"}',
        b"nul",
        b"'x'",
        b'{"name": "\xff\xfe"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\nb"}',
        b'{"name": "a"} trailing',
        b"\xef\xbb\xbf{}",
        b'"' + b"\\" * 1001,
        b"{" * 20,
        b"]]]]",
    ],
)
def test_what_is_no_json_is_refused(body):
    assert refusal(body).startswith("The request body is n")


@pytest.mark.parametrize(
    "number", ["01", "1.", ".5", "+1", "0x10", "1e", "NaN", "Infinity", "-", "1_0", "tru", "truefalse", "nulll"]
)
def test_what_is_no_json_number_is_refused_in_a_config_too(number):
    with pytest.raises(BadRequestError):
        bodies.config_of(bodies.decode(f'{{"k": {number}}}'.encode(), bodies.ConfigBody))


@pytest.mark.parametrize("body", [b"", b"  \r\n"])
def test_no_body_is_refused(body):
    assert refusal(body) == "The request needs a body, in JSON"


def test_what_is_of_another_type_is_refused_by_its_place():
    assert "Expected `object`, got `array`" in refusal(b"[]")
    assert "at `$.name`" in refusal(b'{"name": 1}')
    assert "at `$.config`" in refusal(b'{"config": "x"}')


def test_an_unknown_field_is_refused_with_the_known_ones_and_without_its_name():
    text = refusal(b'{"hunter2": 1}')
    assert "known are name, config, initial_state" in text
    assert "hunter2" not in text
    assert "known are offsets, partition, offset" in refusal(b'{"offsets": [{"hunter2": 1}]}', bodies.AlterOffsets)


def test_depth_ends_at_32():
    deep = b"[" * 29 + b"1" + b"]" * 29
    body = b'{"offsets": [{"partition": ' + deep + b"}]}"
    assert bodies.decode(body, bodies.AlterOffsets).offsets
    deeper = body.replace(b"[1]", b"[[1]]")
    assert refusal(deeper, bodies.AlterOffsets) == "The request body is nested deeper than 32 levels"
    assert "deeper than 32" in refusal(b"[" * 1_000_000)
    assert "deeper than 32" in refusal(b'{"a":' * 200_000)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": "x", "b": [{"c": 1, "d": {}, "c": 1}]}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"\\"": 1, "\\u0022" : 2}',
    ],
)
def test_a_key_twice_in_one_object_is_refused(body):
    assert refusal(body, dict) == "The request body has a key twice in one object"


@pytest.mark.parametrize(
    "body", [b'{"a": "a", "b": {"a": ["a", "a"]}}', b'{"a": {"x": 1}, "b": {"x": 1}}', b'{"a:": "\\":", "b": 1}']
)
def test_the_same_text_elsewhere_is_no_key_twice(body):
    assert bodies.decode(body, dict) == json.loads(body)


def test_a_refusal_is_short_and_repeats_nothing():
    for body in (b'{"hunter2": ' * 5, b'{"name": hunter2}', b'{"config": {"hunter2": {}}}', b'{"initial_state": ["hunter2"]}'):
        with pytest.raises(BadRequestError) as refused:
            bodies.config_of(bodies.decode(body, bodies.CreateConnector).config or {})
        assert len(str(refused.value)) < 512
        assert "hunter2" not in str(refused.value)
