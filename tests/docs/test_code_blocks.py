"""The code in the docs runs: what is written there is done here, in the order of the page, in one folder.

A block's language says what is done with it. With a file's name behind it, it is written to that file, and Python is compiled.
`sh` is run by bash and must succeed. `text` is what the commands before it have printed, where `...` stands for anything.
`toml` is only shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PAGES = ["writing-a-connector.md"]
SHOWN_ONLY = {"toml"}

BLOCK = re.compile(r"^```(?P<language>\w*) ?(?P<name>[\w./-]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> Iterator[tuple[int, str, str, str]]:
    """Line, language, file name and code of each block of a page."""
    text = (ROOT / "docs" / page).read_text()
    for match in BLOCK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match["language"], match["name"], match["code"]


@pytest.fixture
def environment(tmp_path: Path, kafka: str) -> dict[str, str]:
    """A shell's environment whose `fastconnect` writes to the tests' broker, where the page leaves it to the embedded one."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    real = Path(sys.executable).with_name("fastconnect")
    command = bin_folder / "fastconnect"
    command.write_text(
        f'#!/bin/sh\ncase "$1" in run|ingest) exec "{real}" "$@" --bootstrap-servers {kafka};; *) exec "{real}" "$@";; esac\n'
    )
    command.chmod(0o755)
    path = os.pathsep.join([str(bin_folder), str(real.parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "FASTCONNECT_HOME": str(tmp_path / "home")}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_does_what_the_page_says(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    printed = ""
    count = 0
    for line, language, name, code in blocks(page):
        where = f"{page} line {line}"
        count += 1
        if name:
            (folder / name).write_text(code)
            if language == "python":
                compile(code, where, "exec")
        elif language == "sh":
            ended = subprocess.run(
                ["bash", "-euc", code],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            printed = ended.stdout
            assert ended.returncode == 0, f"{where}: {code}{printed}"
        elif language == "text":
            expected = ".*".join(map(re.escape, code.strip().split("...")))
            assert re.search(expected, printed), f"{where}: expected\n{code}\nbut the commands have printed\n{printed}"
        else:
            assert language in SHOWN_ONLY, f"{where}: what is to be done with a block of {language!r}?"
    assert count > 10, "no blocks were found: has their form changed?"
