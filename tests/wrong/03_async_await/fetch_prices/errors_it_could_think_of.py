"""Catches a list of exceptions, made from the documentation of aiohttp.

It has everything but decimal.InvalidOperation, which is an ArithmeticError. The day a product has
the price "soon", the whole table is empty. (A TaskGroup loses as much as gather.)

mistake: one-failure-loses-all
fails: test_an_odd_answer_is_a_failure
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


EXPECTED = (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError)


async def fetch(session, url, semaphore):
    async with semaphore:
        try:
            async with session.get(url) as response:
                response.raise_for_status()
                return Price(url, Decimal((await response.json())["price"]))
        except EXPECTED as error:
            return Failure(url, error)


async def fetch_prices(session, urls, *, limit=10):
    semaphore = asyncio.Semaphore(limit)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(session, url, semaphore)) for url in urls]
    return [task.result() for task in tasks]
