"""The inner loops are C: no line of a function that runs without the GIL touches a Python object."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "fastconnect" / "native"

ROW = re.compile(r'<pre class="cython line score-(\d+)"[^>]*>(.*?)</pre>', re.DOTALL)
FUNCTION = re.compile(r"^(?P<indent> *)cdef .*noexcept nogil:")


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("annotated")
    command = [sys.executable, "-m", "cython", "-a", "-I", NATIVE, "-o", folder / "_core.c", ROOT / "fastconnect" / "_core.pyx"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "native"


def rows(page: Path) -> list[tuple[int, str]]:
    """Score (0 is white: no Python) and text of each line that `cython -a` has annotated."""
    lines = [(int(score), html.unescape(re.sub(r"<[^>]+>", "", text))) for score, text in ROW.findall(page.read_text())]
    return [(score, re.sub(r"^.\d+: ?", "", text)) for score, text in lines]  # "+" or a hard space, the line number


def nogil_lines(page: Path) -> list[tuple[int, str]]:
    """The annotated lines inside functions that are declared `noexcept nogil`."""
    found: list[tuple[int, str]] = []
    indent: int | None = None
    for score, text in rows(page):
        if (begin := FUNCTION.match(text)) is not None:
            indent = len(begin["indent"])
        elif indent is not None and text.strip() and len(text) - len(text.lstrip()) <= indent:
            indent = None
        elif indent is not None:
            found.append((score, text.strip()))
    return found


@pytest.mark.parametrize("part", ["batch", "columns", "delivery", "fetched", "send_loop"])
def test_what_runs_without_the_gil_is_white(annotated: Path, part: str) -> None:
    lines = nogil_lines(annotated / f"{part}.html")
    assert len(lines) > 10, "no annotated lines found: has the report's format changed?"
    yellow = [f"{text}   (score {score})" for score, text in lines if score > 0]
    assert not yellow
