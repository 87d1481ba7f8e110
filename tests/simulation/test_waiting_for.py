"""A time limit does not swallow a cancellation, on whichever Python."""

from __future__ import annotations

import asyncio

import pytest

from autograder.simulation import World
from autograder.simulation.waiting_for import wait_for

from .networking import in_world


async def soon() -> str:
    return "done"


def test_in_a_library_that_sends_with_a_time_limit() -> None:
    """As redis-py does: each command is such a wait, and a loop of them can be cancelled."""

    async def program(world: World) -> bool:
        async def commands() -> None:
            while True:
                await asyncio.wait_for(soon(), 5)
                await asyncio.sleep(0)

        for turns in range(8):
            task = asyncio.create_task(commands())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=1)
            assert task.cancelled(), f"cancelled after {turns} turns of the loop"
        return True

    assert in_world(program)


def test_the_time_is_limited() -> None:
    """It raises TimeoutError then, and what it waited for is cancelled; 0 is a look."""

    async def run() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with pytest.raises(TimeoutError):
            await wait_for(future, 0.001)
        assert future.cancelled()
        with pytest.raises(TimeoutError):
            await wait_for(asyncio.Event().wait(), 0)
        assert await wait_for(soon(), 5) == await wait_for(soon(), None) == "done"

    asyncio.run(run())
