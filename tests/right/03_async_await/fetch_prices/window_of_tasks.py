"""A window of `limit` tasks, kept full with asyncio.wait; no semaphore anywhere.

Each task knows its position. Cancelled, it cancels the window and waits for it with gather.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

CLEAN_UP_SECONDS = 0.2


@dataclass(frozen=True)
class Price:
    url: str
    amount: Decimal


@dataclass(frozen=True)
class Failure:
    url: str
    error: Exception


async def price_of(session, url):
    try:
        async with asyncio.timeout(120), session.get(url, raise_for_status=True) as response:
            return Decimal((await response.json())["price"])
    except asyncio.CancelledError:
        await asyncio.sleep(CLEAN_UP_SECONDS)  # say goodbye properly
        raise


async def fetch_prices(session, urls, *, limit=10):
    results = {}
    waiting = list(reversed(list(enumerate(urls))))
    running = {}
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                position, url = waiting.pop()
                running[asyncio.ensure_future(price_of(session, url))] = position
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                position = running.pop(task)
                url = urls[position]
                error = task.exception()
                results[position] = Failure(url, error) if error else Price(url, task.result())
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return [results[position] for position in range(len(urls))]
