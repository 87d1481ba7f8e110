"""Copies the first example of aiohttp's documentation into fetch: a new session for each URL.

mistake: session-per-request
fails: test_the_session_is_used_and_left_open
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import aiohttp


@dataclass(frozen=True)
class Price:
    url: str
    amount: Decimal


@dataclass(frozen=True)
class Failure:
    url: str
    error: Exception


async def get_json(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        return await response.json()


async def fetch_prices(session, urls, *, limit=10):
    slots = asyncio.Semaphore(limit)

    async def fetch(url):
        async with slots:
            try:
                return Price(url, Decimal((await get_json(url))["price"]))
            except Exception as error:
                return Failure(url, error)

    return await asyncio.gather(*map(fetch, urls))
