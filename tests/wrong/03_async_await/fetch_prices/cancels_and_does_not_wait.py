"""Cancels its requests when it is cancelled, and goes away before they have ended.

cancel() only asks: each task ends at its next turn, and by then the caller may have closed the
session, or begun anew with twice as many requests in flight.

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


async def fetch_prices(session, urls, *, limit=10):
    slots = asyncio.Semaphore(limit)

    async def fetch_one(url):
        async with slots:
            try:
                async with session.get(url) as response:
                    response.raise_for_status()
                    data = await response.json()
                    return Price(url, Decimal(data["price"]))
            except Exception as error:
                return Failure(url, error)

    tasks = []
    for url in urls:
        tasks.append(asyncio.create_task(fetch_one(url)))
    results = []
    try:
        for task in tasks:
            results.append(await task)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    return results
