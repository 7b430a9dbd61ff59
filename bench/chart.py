"""Draws the results as an SVG of bars, docs/images/bench.svg: a panel a scenario, each with its own scale.

As a program: `python -m bench.chart` draws it anew from the results files.
"""

from __future__ import annotations

from html import escape

from bench import results
from bench.settings import PROJECT

PATH = PROJECT / "docs" / "images" / "bench.svg"

# Scenario -> heading, figure.
PANELS = {
    "file_vs_kcat": ("One file, whole process", "records_per_second"),
    "file_vs_mq_bridge": ("One file, whole process", "records_per_second"),
    "file_vs_confluent_loop": ("One file, send part", "send_records_per_second"),
    "file_vs_connect": ("One file, send part", "send_records_per_second"),
    "dicts_vs_connect": ("A dict a record, 1 task", "send_records_per_second"),
    "dicts_8_tasks_vs_connect": ("A dict a record, 8 tasks", "send_records_per_second"),
    "idle_memory": ("Memory, 8 idle tasks", "pss_mb"),
    "start_time": ("Start of 8 tasks", "all_tasks_seconds"),
}
UNITS = {
    "records_per_second": "records/s, more is better",
    "send_records_per_second": "records/s, more is better",
    "pss_mb": "MB, less is better",
    "all_tasks_seconds": "seconds, less is better",
}

COLUMNS = 2
PANEL_WIDTH, MARGIN, ROW, HEAD = 450, 20, 26, 48
NAME_WIDTH, VALUE_WIDTH = 170, 62
OURS, THEIRS, INK, PALE = "#0b7a75", "#b8c4c2", "#1d2b2a", "#5b6b69"


def svg(found: list[results.Result]) -> str:
    """The whole picture. It has a background of its own, so that it reads the same on a dark page."""
    by_name = {result["scenario"]: result for result in found}
    panels = [(by_name[name], *PANELS[name]) for name in PANELS if name in by_name]
    drawn: list[str] = []
    top = MARGIN
    for first in range(0, len(panels), COLUMNS):
        row = panels[first : first + COLUMNS]
        for column, (result, heading, figure) in enumerate(row):
            drawn += _panel(result, heading, figure, MARGIN + column * (PANEL_WIDTH + MARGIN), top)
        top += HEAD + ROW * max(len(result["medians"]) for result, _, _ in row) + MARGIN
    width = MARGIN + COLUMNS * (PANEL_WIDTH + MARGIN)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="13" role="img" aria-label="fastconnect beside its rivals; the figures are in the table">'
    )
    return "\n".join([head, f'<rect width="{width}" height="{top}" rx="8" fill="#ffffff"/>', *drawn, "</svg>", ""])


def write(found: list[results.Result]) -> None:
    """Replace the picture."""
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(svg(found))
    print(f"-> {PATH.relative_to(PROJECT)}")


def _panel(result: results.Result, heading: str, figure: str, left: int, top: int) -> list[str]:
    medians = result["medians"]
    longest = max(figures[figure] for figures in medians.values())
    drawn = [
        _text(left, top + 14, heading, INK, 'font-weight="bold" font-size="15"'),
        _text(left, top + 32, UNITS[figure], PALE, 'font-size="11"'),
    ]
    for index, (name, figures) in enumerate(medians.items()):
        y = top + HEAD + index * ROW
        ours = name == "fastconnect"
        length = max(2.0, (PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH) * figures[figure] / longest)
        drawn.append(_text(left, y + 13, _short_name(name), INK, 'font-weight="bold"' if ours else ""))
        drawn.append(
            f'<rect x="{left + NAME_WIDTH}" y="{y}" width="{length:.1f}" height="18" rx="2" fill="{OURS if ours else THEIRS}"/>'
        )
        drawn.append(_text(left + NAME_WIDTH + length + 6, y + 13, in_short(figures[figure]), INK))
    return drawn


def in_short(value: float) -> str:
    """Three significant digits at most: 2.81 M, 435 k, 342, 0.61."""
    for size, unit in ((1e6, " M"), (1e3, " k"), (1.0, "")):
        if value >= size:
            return f"{value / size:.3g}{unit}" if value < 999.5 * size else f"{value / size:.0f}{unit}"
    return f"{value:.2g}"


def _short_name(name: str) -> str:
    for long, short in (("without plugin scan", "no scan"), (" FileStreamSource", ", file"), (", Java source", ", Java")):
        name = name.replace(long, short)
    return name


def _text(x: float, y: float, text: str, fill: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" {more}>{escape(text)}</text>'.replace(" >", ">")


if __name__ == "__main__":
    write(results.read())
