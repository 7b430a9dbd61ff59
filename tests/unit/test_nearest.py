"""Guessing what a mistyped name was meant to be."""

from __future__ import annotations

import pytest

from fastconnect.nearest import did_you_mean, nearest

KNOWN = ["batch.size", "file", "topic", "FileStreamSource"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("batch.sise", "batch.size"),
        ("batchsize", "batch.size"),
        ("FILE", "file"),
        ("filestreamsource", "FileStreamSource"),
        ("zzz", None),
    ],
)
def test_the_nearest_known_name_is_found_if_there_is_one_near(typed, meant):
    assert nearest(typed, KNOWN) == meant


def test_the_question_is_only_asked_when_there_is_a_guess():
    assert did_you_mean("topik", KNOWN) == "; did you mean topic?"
    assert did_you_mean("zzz", KNOWN) == ""
