"""gather(return_exceptions=True), and failures made from what it gives."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import aiohttp


@dataclass(frozen=True)
class Price:
    url: str
    amount: Decimal


@dataclass(frozen=True)
class Failure:
    url: str
    error: Exception


class ServiceSaysNo(Exception):
    """The service answered, with a status that is no success."""


def amount_in(text: str) -> Decimal:
    return Decimal(json.loads(text)["price"])


async def fetch(session: aiohttp.ClientSession, slots: asyncio.Semaphore, url: str) -> Price:
    await slots.acquire()
    try:
        async with session.get(url) as response:
            if not response.ok:
                raise ServiceSaysNo(f"{response.status} {response.reason}")
            text = await response.text()
    finally:
        slots.release()
    return Price(url, amount_in(text))


async def fetch_prices(
    session: aiohttp.ClientSession, urls: Sequence[str], *, limit: int = 10
) -> list[Price | Failure]:
    one = partial(fetch, session, asyncio.BoundedSemaphore(limit))
    outcomes = await asyncio.gather(*map(one, urls), return_exceptions=True)
    return [
        Failure(url, outcome) if isinstance(outcome, Exception) else outcome
        for url, outcome in zip(urls, outcomes, strict=True)
    ]
