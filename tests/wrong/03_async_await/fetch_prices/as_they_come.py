"""Appends each result as it comes: the list is in the order of finishing.

On a quick network with equal answers it is even in the right order, most of the time.

mistake: completion-order
fails: test_results_are_in_the_order_of_the_urls, test_a_failure_is_kept_beside_the_rest,
    test_an_odd_answer_is_a_failure, test_all_may_fail
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

    async def fetch(url):
        async with slots:
            try:
                async with session.get(url) as response:
                    response.raise_for_status()
                    return Price(url, Decimal((await response.json())["price"]))
            except Exception as error:
                return Failure(url, error)

    tasks = [asyncio.create_task(fetch(url)) for url in urls]
    results = []
    try:
        for finished in asyncio.as_completed(tasks):
            results.append(await finished)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return results
