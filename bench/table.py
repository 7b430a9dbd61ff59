"""Writes the table of results into README.md, between the lines <!-- bench:begin --> and <!-- bench:end -->.

As a program: `python -m bench.table` does it from the results files, `python -m bench.table -` prints the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from bench import results
from bench.chart import in_short
from bench.settings import PROJECT

README = PROJECT / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
TIMES = "\N{MULTIPLICATION SIGN}"
ORDER = (
    "file_vs_kcat",
    "file_vs_confluent_loop",
    "file_vs_connect",
    "file_vs_mq_bridge",
    "dicts_vs_connect",
    "dicts_8_tasks_vs_connect",
    "chain_vs_connect",
    "chain_of_none",
    "sink_bytes_vs_connect",
    "sink_json_vs_connect",
    "file_sink_vs_connect",
    "idle_memory",
    "many_connectors",
    "start_time",
    "recovery",
    "scaling",
    "kills",
)


def markdown(found: Iterable[results.Result]) -> str:
    """A row a goal: what, fastconnect's figure, the rival's, the ratio (a median of the rounds'), and the goal."""
    by_name = {result["scenario"]: result for result in found}
    ordered = [by_name[name] for name in ORDER if name in by_name]
    if not ordered:
        return "No results yet: `make bench` makes them."
    lines = ["| measured | fastconnect | rival | ratio | goal |", "| --- | ---: | ---: | ---: | --- |"]
    lines += [_row(result, goal) for result in ordered for goal in result["goals"]]
    return "\n".join([*lines, "", _origin(ordered)])


def write(found: Iterable[results.Result]) -> None:
    """Replace what is between the two marks.

    Raises:
        SystemExit: the README has no marks, so that it is not clear where the table belongs.
    """
    text = README.read_text() if README.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md has no lines {BEGIN} and {END}: put them where the table of results is to be.")
    README.write_text(f"{before}{BEGIN}\n{markdown(found)}\n{END}{after}")
    print("-> README.md")


def _row(result: results.Result, goal: dict[str, Any]) -> str:
    medians = result["medians"]
    ours = in_short(medians[goal["ours"]][goal["figure"]])
    sign = "≥" if goal["side"] == "at least" else "≤"
    if goal["against"]:
        rival = in_short(medians[goal["against"]][goal["figure"]])
        measured, unit = f"{goal['value']:.2f}{TIMES}", TIMES
    else:
        others = [
            figures[goal["figure"]]
            for name, figures in medians.items()
            if not name.startswith("fastconnect") and goal["figure"] in figures  # another job of ours is no rival
        ]
        rival = in_short(others[0]) if others else "-"
        measured, unit = "-", ""
    mark = "reached" if goal["met"] else "**not reached**"
    return f"| {goal['goal']} | {ours} | {rival} | {measured} | {sign} {goal['limit']:g}{unit}, {mark} |"


def _origin(found: list[results.Result]) -> str:
    """Machine and versions; several of each if the results are of several runs."""
    machines = _distinct(
        f"{m['cores']} cores of {m['cpu']}, {m['memory_gb']:.0f} GB, {m['kernel']}" for m in _all(found, "machine")
    )
    versions = _distinct(f"Python {v['python'].split()[-1]}, librdkafka {v['librdkafka']}" for v in _all(found, "versions"))
    dates = sorted({m["time"][:10] for m in _all(found, "machine")})
    counts = sorted({result["settings"]["repeats"] for result in found})
    rounds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    days = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    return (
        f"Medians of {rounds} rounds (each result says how many) in which the contestants took turns, broker on the same "
        f"machine: {'; '.join(machines)}. "
        f"{'; '.join(versions)}. {days}. Settings, versions and every single figure are in "
        "[bench/results/](bench/results/), what each scenario measures is in [bench/README.md](bench/README.md)."
    )


def _all(found: list[results.Result], part: str) -> list[dict[str, Any]]:
    return [result[part] for result in found]


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        print(markdown(results.read()))
    else:
        write(results.read())
