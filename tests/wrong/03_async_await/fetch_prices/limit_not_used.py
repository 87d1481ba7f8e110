"""Takes `limit` as an argument and does nothing with it.

mistake: unbounded-concurrency
fails: test_no_more_than_the_limit_are_in_flight,
    test_a_request_is_in_flight_until_its_body_is_there, test_requests_run_at_the_same_time
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
    return await asyncio.gather(*(fetch(session, url) for url in urls))
