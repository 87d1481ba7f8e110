"""A copy of the reference solution is flagged, however it is dressed; nobody else is."""

from __future__ import annotations

import pytest

from autograder.grading.resemblance import resembles

STUB = b'''
def total(orders):
    """Add up."""
    raise NotImplementedError
'''
SOLUTION = b'''
import asyncio


async def _one(fetch, order, slots):
    async with slots:
        try:
            return await fetch(order)
        except OSError as error:
            return error


async def total(fetch, orders, limit=10):
    """Add up."""
    slots = asyncio.Semaphore(limit)
    answers = await asyncio.gather(*(_one(fetch, order, slots) for order in orders))
    failed = [answer for answer in answers if isinstance(answer, OSError)]
    return sum(answer for answer in answers if answer not in failed), failed
'''
COPY = b'''
"""My own work, honestly."""
import asyncio


async def total(get: object, things: list, limit: int = 10) -> tuple:
    """Mine."""
    sem = asyncio.Semaphore(limit)  # a semaphore
    results: list = await asyncio.gather(
        *(_helper(get, thing, sem) for thing in things)
    )
    bad = [r for r in results if isinstance(r, OSError)]
    return sum(r for r in results if r not in bad), bad


async def _helper(get, thing, sem):
    async with sem:
        try:
            return await get(thing)
        except OSError as e:
            return e


def unused():
    return 1
'''
OTHER = SOLUTION.replace(b"except OSError", b"except Exception")


@pytest.mark.parametrize("answer", [SOLUTION, COPY], ids=["itself", "renamed"])
def test_a_copy_is_seen(answer: bytes) -> None:
    assert resembles([answer], [SOLUTION], [STUB])


@pytest.mark.parametrize("answer", [STUB, OTHER, b"not python ("], ids=["stub", "other", "broken"])
def test_nothing_else_is(answer: bytes) -> None:
    assert not resembles([answer], [SOLUTION], [STUB])


def test_what_is_too_short_says_nothing() -> None:
    short = b"def total(orders):\n    return sum(orders)\n"
    assert not resembles([short], [short], [STUB])
