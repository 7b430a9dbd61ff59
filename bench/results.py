"""Results: one JSON file a scenario in bench/results/, with all that is needed to judge the figures or to repeat them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench import machine
from bench.scenario import Contestant, Figures, Scenario, medians
from bench.settings import JAVA_PRODUCER, LIBRDKAFKA_PRODUCER, PARTITIONS, RESULTS

Result = dict[str, Any]


def make(
    scenario: Scenario,
    contestants: Sequence[Contestant],
    rounds: Sequence[dict[str, Figures]],
    lines: int,
    broker: str,
    quick: bool,
) -> Result:
    """Everything about one scenario's run. A goal whose contestants did not all take part is left out."""
    names = {contestant.name for contestant in contestants}
    goals = []
    for goal in scenario.goals:
        if goal.ours in names and (goal.against is None or goal.against in names):
            value = goal.value(rounds)
            goals.append(
                {
                    "goal": goal.text,
                    "figure": goal.figure,
                    "ours": goal.ours,
                    "against": goal.against,
                    "side": goal.side,
                    "limit": goal.limit,
                    "value": value,
                    "in_rounds": goal.in_rounds(rounds),
                    "met": goal.met(value),
                }
            )
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "command": f"python -m bench.run --scenario {scenario.name} --lines {lines} --repeats {len(rounds)}"
        + " --quick" * quick,
        "how": scenario.notes,
        "machine": machine.machine(),
        "versions": machine.versions() | {one.name: one.version() for one in contestants if one.version},
        "settings": {
            "lines": lines,
            "repeats": len(rounds),
            "warm_up_rounds": int(scenario.warm_up and not quick),
            "order": [one.name for one in contestants],
            "topic": {
                "partitions": PARTITIONS,
                "replication": 1,
                **{k: v for one in contestants for k, v in one.topic_config.items()},
            },
            "broker": broker,
            "producer of librdkafka": LIBRDKAFKA_PRODUCER,
            "producer of Java": JAVA_PRODUCER,
            **scenario.settings,
        },
        "goals": goals,
        "medians": medians(rounds),
        "rounds": list(rounds),
    }


def write(result: Result) -> None:
    """Replace the scenario's results file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result['scenario']}.json"
    path.write_text(json.dumps(_rounded(result), indent=2, ensure_ascii=False) + "\n")
    print(f"-> {path.relative_to(RESULTS.parent.parent)}", flush=True)


def read() -> list[Result]:
    """All results that there are."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]


def show(result: Result) -> int:
    """Print medians and goals; return how many goals were missed."""
    print(f"\n{result['title']}")
    for name, figures in result["medians"].items():
        print(f"  {name:34}{in_words(figures)}")
    for goal in result["goals"]:
        verdict = "reached" if goal["met"] else "NOT REACHED"
        print(f"  {goal['goal']}: {_short(goal['value'])} ({goal['side']} {_short(goal['limit'])}: {verdict})")
    print(flush=True)
    return sum(not goal["met"] for goal in result["goals"])


def in_words(figures: Mapping[str, float]) -> str:
    """Figures on one line, their units in their names."""
    return "  ".join(f"{name}={_short(value)}" for name, value in figures.items())


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _rounded(value: Any) -> Any:
    """Six significant digits are more than any figure here is worth."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
