"""`fastconnect` called in the process of the test: as at the shell, with exit code and outputs, but started at once."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from click.testing import CliRunner
from fakes.commands import Ended

from fastconnect.cli import main


def called(*words: object, typed: str | None = None, environment: Mapping[str, str] | None = None) -> Ended:
    """Call it with these arguments; `typed` is its standard input, which is no terminal."""
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, CliRunner().isolation(input=typed) as (out, err, _):
        for key, value in (environment or {}).items():
            patch.setitem(os.environ, key, value)
        try:
            main.main([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code
        return Ended(int(str(code or 0)), out.getvalue().decode(), err.getvalue().decode())
