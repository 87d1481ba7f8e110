"""Gives the place back after a price, and not after a failure.

With ten places and nine failures nobody notices. After the tenth, all the others wait for ever.

mistake: deadlock
fails: test_a_failure_is_kept_beside_the_rest, test_an_odd_answer_is_a_failure
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
    slots = asyncio.Semaphore(limit)

    async def fetch(url: str) -> Price | Failure:
        await slots.acquire()
        try:
            price = Price(url, await _price_at(session, url))
        except Exception as error:
            return Failure(url, error)
        slots.release()
        return price

    # fetch() returns its failures, so gather never sees one, and its results are in input order.
    # When we are cancelled, gather cancels every fetch, and none is slow on its way out.
    return await asyncio.gather(*(fetch(url) for url in urls))


async def _price_at(session: aiohttp.ClientSession, url: str) -> Decimal:
    async with session.get(url) as response:
        response.raise_for_status()
        return Decimal((await response.json())["price"])
