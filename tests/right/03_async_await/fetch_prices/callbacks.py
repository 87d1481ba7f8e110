"""Tasks that start the next one by a callback; a future is set when the last has ended."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Price:
    url: str
    amount: Decimal


@dataclass(frozen=True)
class Failure:
    url: str
    error: Exception


async def fetch(session, url):
    async with session.get(url) as response:
        response.raise_for_status()
        return Price(url, Decimal((await response.json())["price"]))


async def fetch_prices(session, urls, *, limit=10):
    results = [None] * len(urls)
    if not urls:
        return results
    finished = asyncio.get_running_loop().create_future()
    upcoming = iter(enumerate(urls))
    running = set()

    def begin():
        position, url = next(upcoming, (None, None))
        if position is None:
            if not running and not finished.done():
                finished.set_result(None)
            return
        task = asyncio.create_task(fetch(session, url))
        running.add(task)
        task.add_done_callback(lambda task: end(task, position, url))

    def end(task, position, url):
        running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        results[position] = task.result() if error is None else Failure(url, error)
        begin()

    for _ in range(limit):
        begin()
    try:
        await finished
    finally:
        ending = list(running)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
    return results
