"""`python -m bench.run`: the contestants of each scenario take turns, A B C A B C; the figures go to bench/results/.

One round warms up (caches, downloads, the broker's JIT) and is thrown away; then come 5 whose figures are all kept.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bench import broker, chart, results, table
from bench.processes import ProgramFailedError
from bench.scenario import Contestant, Figures, Scenario, Turn, per_record
from bench.settings import LINES, REPEATS, SCENARIOS, WORK
from bench.topics import Topics

QUICK_LINES = 200_000


def main() -> int:
    arguments = _arguments()
    missed, failed, written = 0, [], False
    with broker.running(arguments.bootstrap_servers) as (bootstrap, described):
        for name in arguments.scenario or scenario_names():
            try:
                result = result_of(load(name), arguments, bootstrap, described)
            except Exception:  # the other scenarios' hour shall not be lost
                traceback.print_exc()
                failed.append(name)
                continue
            missed += results.show(result)
            if arguments.keep or not (arguments.quick or arguments.contestant):
                results.write(result)
                written = True
    if written:
        chart.write(results.read())
        table.write(results.read())
    if missed:
        print(f"{missed} goal(s) not reached.")
    if failed:
        print(f"Without a result, since a contestant failed: {', '.join(failed)}; logs are in {WORK / 'turns'}.")
    return 1 if missed or failed else 0


def result_of(scenario: Scenario, arguments: argparse.Namespace, bootstrap: str, described: str) -> results.Result:
    """Run one scenario as the command line asks."""
    lines = arguments.lines or (QUICK_LINES if arguments.quick else LINES)
    repeats = arguments.repeats or min(1 if arguments.quick else REPEATS, scenario.repeats or REPEATS)
    contestants = [one for one in scenario.contestants if not arguments.contestant or one.name in arguments.contestant]
    if not contestants:
        raise SystemExit(
            f"{scenario.name} has no such contestant; it has: {', '.join(one.name for one in scenario.contestants)}"
        )
    rounds = measure(scenario, contestants, Topics(bootstrap), lines, repeats, arguments.quick)
    return results.make(scenario, contestants, rounds, lines, described, arguments.quick)


def measure(
    scenario: Scenario, contestants: Sequence[Contestant], topics: Topics, lines: int, repeats: int, quick: bool
) -> list[dict[str, Figures]]:
    """All rounds of a scenario: what each contestant's turn gave, by its name."""
    rounds: list[dict[str, Figures]] = []
    first = 0 if scenario.warm_up and not quick else 1
    for number in range(first, repeats + 1):
        figures = {}
        for contestant in contestants:
            with turn(scenario, contestant, topics, lines, quick) as given:
                figures[contestant.name] = per_record(contestant.run(given))
                _check_count(given, figures[contestant.name])
            label = "warm-up" if number == 0 else f"round {number}/{repeats}"
            print(f"{scenario.name}, {label}, {contestant.name}: {results.in_words(figures[contestant.name])}", flush=True)
        if number:
            rounds.append(figures)
    return rounds


@contextmanager
def turn(scenario: Scenario, contestant: Contestant, topics: Topics, lines: int, quick: bool) -> Iterator[Turn]:
    """A fresh topic and a fresh folder; the folder (with the logs) is kept if the turn fails."""
    label = f"{scenario.name}-{contestant.name}".replace(" ", "-").replace(",", "").replace("/", "-")
    folder = WORK / "turns" / label
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with topics.fresh(f"bench-{label}", **contestant.topic_config) as topic:
        yield Turn(topics, topic, folder, lines, quick)
    shutil.rmtree(folder)
    # The deleted topic's unwritten pages are dropped with its files; what else is unwritten shall not slow the next one down.
    os.sync()
    time.sleep(0.5)


def scenario_names() -> list[str]:
    """All scenarios, by the names of their files."""
    return sorted(path.stem for path in SCENARIOS.glob("[a-z]*.py"))


def load(name: str) -> Scenario:
    """The scenario that a file of end_to_end/ holds."""
    if name not in scenario_names():
        raise SystemExit(f"There is no scenario {name!r}; there are: {', '.join(scenario_names())}")
    scenario = importlib.import_module(f"bench.end_to_end.{name}").SCENARIO
    assert isinstance(scenario, Scenario)
    return scenario


def _check_count(given: Turn, figures: Mapping[str, float]) -> None:
    """A contestant is believed only as far as the topic bears it out."""
    if "records" in figures:
        found = given.topics.count(given.topic)
        if found != figures["records"]:
            raise ProgramFailedError(
                f"Topic {given.topic} has {found} records, not the {figures['records']:.0f} that were to be sent: no result."
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--scenario", action="append", metavar="NAME", help="only this one (may be given again); default: all")
    parser.add_argument(
        "--contestant", action="append", metavar="NAME", help="only this one (may be given again); for trials, writes no result"
    )
    parser.add_argument("--lines", type=int, help=f"records a turn (default {LINES}, or what the scenario says)")
    parser.add_argument("--repeats", type=int, help=f"rounds that count (default {REPEATS}, or what the scenario says)")
    parser.add_argument("--quick", action="store_true", help="a trial: few records, one round, no warm-up, writes no result")
    parser.add_argument("--keep", action="store_true", help="write the result of a trial too")
    parser.add_argument("--bootstrap-servers", metavar="HOST:PORT", help="a broker that runs already; default: one is started")
    parser.add_argument("--list", action="store_true", help="list the scenarios and end")
    arguments = parser.parse_args()
    if arguments.list:
        for name in scenario_names():
            print(f"{name:28}{load(name).title}")
        sys.exit(0)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
