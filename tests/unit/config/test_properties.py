"""Config files in all four formats, and Java's .properties to the letter."""

from __future__ import annotations

import contextlib
import itertools
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconnect.config.properties import (
    ConnectorFile,
    format_properties,
    load_config_file,
    load_connector_file,
    parse_properties,
)
from fastconnect.errors import ConfigError

# Each of these was read by java.util.Properties too, with the same outcome.
JAVA_READS = {
    "": {},
    "a=b": {"a": "b"},
    "a:b": {"a": "b"},
    "a b": {"a": "b"},
    "a\tb": {"a": "b"},
    "a = b ": {"a": "b "},
    "  a  :  b": {"a": "b"},
    "a": {"a": ""},
    "a=": {"a": ""},
    "=b": {"": "b"},
    "a==b": {"a": "=b"},
    "a = = b": {"a": "= b"},
    "a=b\nc=d\r\ne=f\rg=h": {"a": "b", "c": "d", "e": "f", "g": "h"},
    "a=1\na=2": {"a": "2"},
    "# c\n! d\n  # e\na=b": {"a": "b"},
    "\n\n \t\f\na=b": {"a": "b"},
    "a=b#c": {"a": "b#c"},
    "# c \\\na=b": {"a": "b"},
    "a=b\\\n   c": {"a": "bc"},
    "a=b\\\r\n   c": {"a": "bc"},
    "a=b\\\\\nc=d": {"a": "b\\", "c": "d"},
    "a=b\\\n#c": {"a": "b#c"},
    "\\\n#c\na=b": {"a": "b"},
    "a\\\n=b": {"a": "b"},
    "a=b\\\n\nc=d": {"a": "b", "c": "d"},
    "a=b\\": {"a": "b"},
    "a\\ b\\=c\\:d=e": {"a b=c:d": "e"},
    "a=\\t\\n\\r\\f\\q\\\\": {"a": "\t\n\r\fq\\"},
    "a=\\u00e9\\u00E9": {"a": "éé"},
    "a=\\uD83D\\uDE00": {"a": "😀"},
    "a=\\\\u0041": {"a": "\\u0041"},
    "a=\\ b": {"a": " b"},
    "a=b\x85c\u2028d\x0be": {"a": "b\x85c\u2028d\x0be"},
}


@pytest.mark.parametrize(("text", "properties"), JAVA_READS.items(), ids=repr)
def test_properties_are_read_as_java_reads_them(text, properties):
    assert parse_properties(text) == properties


@pytest.mark.parametrize("text", ["\n\na=\\u12", "\n\na=\\uzzzz", "\n\n\\u 123=b", "\n\na=\\u"])
def test_a_malformed_unicode_escape_is_named_by_its_line(text):
    with pytest.raises(ConfigError, match=r"worker.properties: line 3: \\u must be followed by four hex digits"):
        parse_properties(text, where="worker.properties")


@given(st.dictionaries(st.text(), st.text()))
def test_what_is_written_as_properties_is_read_back_as_the_same(properties):
    assert parse_properties(format_properties(properties)) == properties


@given(st.text(alphabet="ab=: \t\f\\\n\r#!u0é"))
def test_any_text_is_read_or_refused_with_a_sentence(text):
    if re.search(r"\\u(?![0-9a-fA-F]{4})", text):  # not even then always: the backslash may be escaped itself, or in a comment
        with contextlib.suppress(ConfigError):
            parse_properties(text)
    else:
        parse_properties(text)


def test_properties_are_written_in_ascii_one_key_a_line():
    assert format_properties({"a b": " x=é😀", "c": "d\n"}) == "a\\ b=\\ x\\=\\u00E9\\uD83D\\uDE00\nc=d\\n\n"


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


SAME_IN_ALL_FORMATS = {
    "worker.properties": "tasks.max=8\nproducer.linger.ms=5\nerrors.log.enable=true\npaths=a,b\nnote=é\n",
    "worker.conf": "tasks.max=8\nproducer.linger.ms=5\nerrors.log.enable=true\npaths=a,b\nnote=é\n",
    "worker.json": '{"tasks": {"max": 8}, "producer.linger.ms": 5, "errors.log.enable": true, "paths": ["a","b"],"note": "é"}',
    "worker": ' {"tasks.max": 8, "producer": {"linger.ms": 5}, "errors.log.enable": true, "paths": ["a", "b"], "note": "é"}',
    "worker.toml": 'tasks.max = 8\nerrors.log.enable = true\npaths = ["a", "b"]\nnote = "é"\n[producer]\n"linger.ms" = 5\n',
    "worker.yaml": "tasks.max: 8\nproducer:\n  linger.ms: 5\nerrors.log.enable: true\npaths: [a, b]\nnote: é\n",
    "worker.yml": "tasks: {max: 8}\nproducer:\n  linger: {ms: 5}\nerrors.log.enable: true\npaths:\n- a\n- b\nnote: é\n",
}


@pytest.mark.parametrize("name", SAME_IN_ALL_FORMATS)
def test_a_config_is_the_same_in_every_format(write, name):
    path = write(name, SAME_IN_ALL_FORMATS[name])
    assert load_config_file(path) == {
        "tasks.max": "8",
        "producer.linger.ms": "5",
        "errors.log.enable": "true",
        "paths": "a,b",
        "note": "é",
    }


def test_a_file_in_latin_1_is_read_as_java_would(write):
    assert load_config_file(write("worker.properties", "note=é".encode("latin-1"))) == {"note": "é"}


def test_a_byte_order_mark_is_no_part_of_the_first_key(write):
    assert load_config_file(write("worker.properties", b"\xef\xbb\xbfa=b")) == {"a": "b"}


def test_numbers_dates_and_nulls_become_text(write):
    path = write("c.toml", "a = 1.5\nb = 2026-11-24\nc = -3\n")
    assert load_config_file(path) == {"a": "1.5", "b": "2026-11-24", "c": "-3"}
    assert load_config_file(write("c.json", '{"a": null, "b": 1e3, "c": [1, true, "x"]}')) == {
        "a": None,
        "b": "1000.0",
        "c": "1,true,x",
    }


def test_an_empty_file_is_an_empty_config(write):
    assert load_config_file(write("c.properties", "")) == {}
    assert load_config_file(write("c.yaml", "")) == {}
    assert load_config_file(write("c.toml", "")) == {}


REFUSED = {
    ("c.json", '{"a": 1,\n"b" 2}'): r"c\.json: not valid JSON: .* in line 2",
    ("c.json", "[1]"): r"c\.json: a config file must hold keys and values, not a list",
    ("c.json", '{"a": {"b": 1}, "a.b": 2}'): r"c\.json: a\.b is said twice",
    ("c.json", '{"a": ["x,y"]}'): r"a has the value 'x,y' in a list, and its comma would split it in two",
    ("c.json", '{"a": [{"b": 1}]}'): "a is a list of lists or tables",
    ("c.json", '{"a":' * 40 + "1" + "}" * 40): "nested more than 32 deep",
    ("c.toml", "a = =\n"): r"c\.toml: not valid TOML: .*line 1",
    ("c.toml", 'key.converter = "x"\nkey.converter.schemas.enable = false'): "put them in quotes",
    ("c.yaml", "a: [1"): r"c\.yaml: not valid YAML: [^!]*line 1",
    ("c.yaml", "a: !!python/object/apply:os.system [exit]"): "not valid YAML",
    ("c.properties", "a=\\u1"): r"c\.properties: line 1: ",
}


@pytest.mark.parametrize(("file", "problem"), REFUSED.items(), ids=lambda item: str(item)[:40])
def test_what_is_no_config_is_refused_with_file_and_reason(write, file, problem):
    path = write(*file)
    with pytest.raises(ConfigError, match=problem):
        load_config_file(path)


def test_a_yaml_file_that_stands_for_billions_of_values_is_refused(write):
    names = "abcdefghij"
    text = "a: &a {" + ", ".join(f"k{n}: v" for n in range(10)) + "}\n"
    for one, other in itertools.pairwise(names):
        text += f"{other}: &{other} {{" + ", ".join(f"k{n}: *{one}" for n in range(10)) + "}\n"
    with pytest.raises(ConfigError, match="more than 10000 keys"):
        load_config_file(write("bomb.yaml", text))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.json: there is no such config file"):
        load_config_file(tmp_path / "gone.json")
    with pytest.raises(ConfigError, match="the config file cannot be read: Is a directory"):
        load_config_file(tmp_path)


def test_a_file_of_megabytes_is_refused_before_it_is_read(write):
    path = write("big.properties", b"")
    os.truncate(path, 1 << 30)
    with pytest.raises(ConfigError, match="which no config has"):
        load_config_file(path)


def test_a_flat_connector_file_has_its_name_inside(write):
    path = write("c.properties", "name=orders\nconnector.class=FileStreamSource\n")
    assert load_connector_file(path) == [ConnectorFile("orders", {"name": "orders", "connector.class": "FileStreamSource"})]


def test_a_connector_may_be_given_as_for_the_rest_api(write):
    path = write("c.json", '{"name": "orders", "config": {"tasks.max": 2}, "initial_state": "paused"}')
    assert load_connector_file(path) == [ConnectorFile("orders", {"tasks.max": "2", "name": "orders"}, "PAUSED")]


def test_one_file_may_hold_many_connectors(write):
    path = write("c.yaml", "- name: a\n  tasks.max: 1\n- name: b\n  config:\n    tasks.max: 2\n")
    assert [(file.name, file.config["tasks.max"]) for file in load_connector_file(path)] == [("a", "1"), ("b", "2")]


def test_a_connector_without_a_name_has_an_empty_one(write):
    assert load_connector_file(write("c.json", '{"topic": "t"}')) == [ConnectorFile("", {"topic": "t"})]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"name": "a", "config": {"name": "b"}}', r"configuration \(b\) doesn't match connector name in the file \(a\)"),
        (
            '{"name": "a", "config": {}, "initial_state": "ASLEEP"}',
            "initial_state must be RUNNING, PAUSED or STOPPED, not ASLEEP",
        ),
        ('{"name": "a", "config": {}, "tasks.max": 2}', "only `name` and `initial_state` may stand, not tasks.max"),
        ("[1]", "a connector must be keys and values"),
    ],
)
def test_a_connector_file_that_contradicts_itself_is_refused(write, content, problem):
    path = write("c.json", content)
    with pytest.raises(ConfigError, match=problem):
        load_connector_file(path)
