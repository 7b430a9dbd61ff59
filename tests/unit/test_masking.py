from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest

from fastconnect import logs, masking

SECRET = 'pa ss/w"ord+é'


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    yield
    masking.forget()


def test_nothing_is_hidden_where_no_secret_is_known() -> None:
    assert masking.hide("password hunter2") == "password hunter2"


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        repr(SECRET)[1:-1],
    ],
)
def test_a_secret_is_hidden_however_it_is_written(written: str) -> None:
    masking.add([SECRET])
    assert masking.hide(f"a {written} b") == "a [hidden] b"


@pytest.mark.parametrize("user", ["u", "me", "you", "them"])
def test_a_secret_is_found_in_the_base64_of_more_than_itself(user: str) -> None:
    masking.add(["correct horse battery"])
    header = base64.b64encode(f"{user}:correct horse battery".encode()).decode()
    hidden = masking.hide(f"Authorization: Basic {header}")
    assert "[hidden]" in hidden
    assert len(hidden) < len(header) + 10


def test_the_lines_of_a_key_file_are_hidden_each() -> None:
    masking.add(["-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n"])
    assert masking.hide("at MIIEvQIBADANBg: bad") == "at [hidden]: bad"


def test_values_too_short_to_be_secret_stay() -> None:
    masking.add(["yes", "1", "  "])
    assert masking.hide("yes 1   no") == "yes 1   no"


def test_log_lines_and_their_traces_are_masked() -> None:
    masking.add(["hunter2"])
    reading, writing = os.pipe()
    logger = logging.getLogger("test.masking")
    logger.propagate = False
    handler = logs.LineHandler(writing, logs.LineWriter(writing))
    handler.setFormatter(logs.PlainFormatter())
    logger.addHandler(handler)
    try:
        try:
            raise ValueError("cannot log in with hunter2")
        except ValueError:
            logger.exception("Failed with hunter2.", extra=logs.facts(url="x?p=hunter2"))
    finally:
        logger.removeHandler(handler)
        os.close(writing)
    with open(reading, "rb") as file:
        text = file.read()
    assert b"hunter2" not in text
    assert text.count(b"[hidden]") == 4
