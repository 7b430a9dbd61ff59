"""A source that is one async function: several feeds at once, which go on while records are being sent.

fastconnect run examples/ticker_source.py --topic ticks --set count=10 --until-done
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastconnect import source


@source
async def ticker(
    count: int = 100,
    feeds: list[str] = ["fast", "slow"],  # noqa: B006
    offset: dict[str, int] | None = None,
) -> AsyncIterator[tuple[Any, dict[str, int]]]:
    """Ticks of several feeds; the offset says how far each of them is."""
    done = {feed: (offset or {}).get(feed, 0) for feed in feeds}
    ticks: asyncio.Queue[str] = asyncio.Queue(maxsize=100)

    async def tick(feed: str, every_s: float) -> None:
        for _ in range(done[feed], count):
            await asyncio.sleep(every_s)
            await ticks.put(feed)

    async with asyncio.TaskGroup() as group:
        for number, feed in enumerate(feeds, start=1):
            group.create_task(tick(feed, number / 1000))
        for _ in range(sum(count - each for each in done.values())):
            feed = await ticks.get()
            done[feed] += 1
            yield {"feed": feed, "tick": done[feed]}, dict(done)
