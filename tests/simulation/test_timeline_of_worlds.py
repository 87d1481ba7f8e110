"""Timelines of worlds that were really run: the rows a learner gets to see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from autograder.simulation import Timeline, World, explore


class Stock:
    """An inventory that checks, waits, and acts."""

    def __init__(self) -> None:
        self.left = 1

    async def take(self, who: str, charge: Callable[[str], Awaitable[None]]) -> None:
        if self.left > 0:
            await charge(who)
            self.left -= 1


async def oversell(world: World) -> None:
    """Two buyers race for one item."""
    stock = Stock()
    charge = world.service(lambda who: None, name="charge")
    await asyncio.gather(stock.take("ada", charge), stock.take("bob", charge))
    assert stock.left == 0, f"{stock.left} left"


async def opposed(world: World) -> None:
    """Two tasks take two locks in opposite order."""
    one, two = asyncio.Lock(), asyncio.Lock()

    async def both(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(0.01)
            async with second:
                pass

    await asyncio.gather(both(one, two), both(two, one))


def test_a_recorded_race_reads_at_a_glance() -> None:
    """Of a real world only the check, the await and the act of the two buyers are shown."""
    finding = explore(oversell, seeds=50)
    assert finding is not None
    rows = [" ".join(row.split()) for row in Timeline(finding.events).text().splitlines()]
    told = [row.strip(" ·") for row in rows if "self.left" in row]
    assert [row.partition("self.")[2] for row in told] == ["left > 0:"] * 2 + ["left -= 1"] * 2
    assert len(rows) <= 10


def test_a_recorded_deadlock_ends_with_who_waits_for_what() -> None:
    """The last rows of a real deadlock name the two locks."""
    finding = explore(opposed, seeds=2)
    assert finding is not None
    rows = [" ".join(row.split()) for row in Timeline(finding.events).text().splitlines()]
    assert len([row for row in rows if "still waits for lock second" in row]) == 2
