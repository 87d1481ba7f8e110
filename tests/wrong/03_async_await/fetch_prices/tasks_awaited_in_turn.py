"""Makes a task in the loop, and awaits it in the same round: a task each, and still one by one.

mistake: sequential-awaits
fails: test_requests_run_at_the_same_time, test_a_free_place_is_taken_at_once
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


async def fetch(session, url, slots):
    async with slots, session.get(url) as response:
        response.raise_for_status()
        return Price(url, Decimal((await response.json())["price"]))


async def fetch_prices(session, urls, *, limit=10):
    slots = asyncio.Semaphore(limit)
    results = []
    for url in urls:
        task = asyncio.create_task(fetch(session, url, slots))
        try:
            results.append(await task)
        except Exception as error:
            results.append(Failure(url, error))
    return results
