"""What a chain without transforms costs: the same file with `transforms=` in the config and without."""

from __future__ import annotations

from bench import ours
from bench.scenario import Contestant, Goal, Scenario

PLAIN = "fastconnect, no chain"

SCENARIO = Scenario(
    name="chain_of_none",
    title="one file of JSON lines, 1 task: an empty chain of transforms against none",
    contestants=[
        Contestant("fastconnect", lambda turn: ours.send_json(turn, "json_no_transforms.properties"), version=ours.version),
        Contestant(PLAIN, lambda turn: ours.send_json(turn, "json_plain.properties"), version=ours.version),
    ],
    goals=[
        # More than the spread of the same command run twice; a chain that costs anything makes Python objects of all lines.
        Goal("an empty chain: CPU a record in µs against none", "cpu_us_per_record", 1.05, "at most", against=PLAIN),
    ],
    notes="CPU of the whole command, user + system of all its processes (wait4).",
)
