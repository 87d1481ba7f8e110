"""Makes the semaphore inside fetch: every request has one of its own, and none ever waits.

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


class Service:
    def __init__(self, session, limit):
        self.session = session
        self.limit = limit

    async def price(self, url):
        async with asyncio.Semaphore(self.limit):
            try:
                async with self.session.get(url, raise_for_status=True) as response:
                    return Price(url, Decimal((await response.json())["price"]))
            except Exception as error:
                return Failure(url, error)


async def fetch_prices(session, urls, *, limit=10):
    service = Service(session, limit)
    tasks = [asyncio.create_task(service.price(url)) for url in urls]
    return await asyncio.gather(*tasks)
