"""Workers that note every exception as a failure, and go on with the next URL.

Their own cancellation, too: a cancelled worker writes down that this URL failed, and sends the next
request.

mistake: swallowed-cancellation
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
    error: BaseException


async def fetch_prices(session, urls, *, limit=10):
    results = [None] * len(urls)
    todo = iter(enumerate(urls))

    async def worker():
        for i, url in todo:
            try:
                async with session.get(url) as response:
                    response.raise_for_status()
                    data = await response.json()
                    results[i] = Price(url, Decimal(data["price"]))
            except BaseException as problem:
                results[i] = Failure(url, problem)

    await asyncio.gather(*[worker() for _ in range(limit)])
    return results
