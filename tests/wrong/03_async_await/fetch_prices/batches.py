"""Cuts the URLs into batches of `limit` and gathers one batch after another.

Never too many in flight, and often too few: one slow answer holds up a whole batch.

mistake: batch-waits-for-slowest
fails: test_a_free_place_is_taken_at_once
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


async def fetch(session, url):
    try:
        async with session.get(url) as response:
            response.raise_for_status()
            return Price(url, Decimal((await response.json())["price"]))
    except Exception as error:
        return Failure(url, error)


async def fetch_prices(session, urls, *, limit=10):
    results = []
    for i in range(0, len(urls), limit):
        results.extend(await asyncio.gather(*[fetch(session, u) for u in urls[i : i + limit]]))
    return results
