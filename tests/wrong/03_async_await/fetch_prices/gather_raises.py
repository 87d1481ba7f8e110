"""Plain gather: the first URL that fails takes all the others with it.

mistake: one-failure-loses-all
fails: test_a_failure_is_kept_beside_the_rest, test_an_odd_answer_is_a_failure,
    test_all_may_fail
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
    semaphore = asyncio.Semaphore(limit)

    async def fetch(url):
        async with semaphore, session.get(url) as response:
            response.raise_for_status()
            data = await response.json()
            return Price(url, Decimal(data["price"]))

    return list(await asyncio.gather(*(fetch(url) for url in urls)))
