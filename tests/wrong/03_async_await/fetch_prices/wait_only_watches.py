"""Waits for its tasks with asyncio.wait, which does not cancel them when it is cancelled.

Whoever gives up on fetch_prices has it ended at once; the requests go on behind their back.

mistake: leaked-task
fails: test_cancelling_it_cancels_what_is_in_flight
"""

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


async def fetch(session, semaphore, url):
    async with semaphore:
        try:
            async with session.get(url) as response:
                response.raise_for_status()
                return Price(url, Decimal((await response.json())["price"]))
        except Exception as error:
            return Failure(url, error)


async def fetch_prices(session, urls, *, limit=10):
    semaphore = asyncio.Semaphore(limit)
    tasks = [asyncio.create_task(fetch(session, semaphore, url)) for url in urls]
    if tasks:
        await asyncio.wait(tasks)
    return [task.result() for task in tasks]
