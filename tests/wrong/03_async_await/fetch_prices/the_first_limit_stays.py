"""Makes its semaphore at the first call and keeps it: the limit of that call is everybody's.

mistake: none
fails: test_requests_run_at_the_same_time
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import aiohttp


@dataclass(frozen=True)
class Price:
    """What a URL answered."""

    url: str
    amount: Decimal


@dataclass(frozen=True)
class Failure:
    """Why a URL gave no price."""

    url: str
    error: Exception


async def fetch_prices(
    session: aiohttp.ClientSession, urls: Sequence[str], *, limit: int = 10
) -> list[Price | Failure]:
    """Ask every URL for its price, at most `limit` at a time; results in the order of `urls`."""
    global SLOTS
    if SLOTS is None:
        SLOTS = asyncio.Semaphore(limit)
    slots = SLOTS

    async def fetch(url: str) -> Price | Failure:
        # Everything that can wait for this URL happens inside the slot: while the body is still
        # on its way, the request is in flight.
        async with slots:
            try:
                return Price(url, await _price_at(session, url))
            except Exception as error:  # not CancelledError: that one is no Exception, and goes on
                return Failure(url, error)

    # fetch() returns its failures, so gather never sees one, and its results are in input order.
    # When we are cancelled, gather cancels every fetch, and none is slow on its way out.
    return await asyncio.gather(*(fetch(url) for url in urls))


SLOTS = None


async def _price_at(session: aiohttp.ClientSession, url: str) -> Decimal:
    async with session.get(url) as response:
        response.raise_for_status()
        return Decimal((await response.json())["price"])
