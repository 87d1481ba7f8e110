"""Awaits each request in a for loop: correct results, one at a time.

mistake: sequential-awaits
fails: test_requests_run_at_the_same_time, test_a_free_place_is_taken_at_once
"""

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
    results = []
    for url in urls:
        try:
            async with session.get(url) as response:
                response.raise_for_status()
                data = await response.json()
            results.append(Price(url, Decimal(data["price"])))
        except Exception as error:
            results.append(Failure(url, error))
    return results
