"""A sink that is one function: keeps the totals by city in a file.

fastconnect run examples/totals_sink.py --topic orders --set path=totals.json --until-done
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fastconnect import SinkRecords, sink


@sink
def totals(records: SinkRecords, path: Path) -> None:
    """Adds up what was ordered. The file has the offsets too, so that a record that comes again does not count twice."""
    state: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"totals": {}, "offsets": {}}
    for record in records:
        partition = str(record.topic_partition)
        if record.offset >= state["offsets"].get(partition, 0):
            city = record.value["city"]
            state["totals"][city] = round(state["totals"].get(city, 0) + record.value["amount"], 2)
            state["offsets"][partition] = record.offset + 1
    new = path.with_suffix(".new")
    new.write_text(json.dumps(state, indent=2))
    os.replace(new, path)
