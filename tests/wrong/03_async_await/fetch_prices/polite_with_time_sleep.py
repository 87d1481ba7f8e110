"""Pauses before each request, to be polite, and stops the whole process with it.

mistake: blocking-call
fails: test_the_loop_is_never_blocked, test_results_are_in_the_order_of_the_urls,
    test_requests_run_at_the_same_time, test_no_more_than_the_limit_are_in_flight,
    test_a_request_is_in_flight_until_its_body_is_there, test_a_free_place_is_taken_at_once,
    test_a_failure_is_kept_beside_the_rest, test_an_odd_answer_is_a_failure,
    test_the_session_is_used_and_left_open, test_cancelling_it_cancels_what_is_in_flight,
    test_all_may_fail
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from time import sleep

PAUSE = 0.5


@dataclass(frozen=True)
class Price:
    url: str
    amount: Decimal


@dataclass(frozen=True)
class Failure:
    url: str
    error: Exception


async def fetch(session, url, semaphore):
    async with semaphore:
        sleep(PAUSE)
        try:
            async with session.get(url) as response:
                response.raise_for_status()
                return Price(url, Decimal((await response.json())["price"]))
        except Exception as error:
            return Failure(url, error)


async def fetch_prices(session, urls, *, limit=10):
    semaphore = asyncio.Semaphore(limit)
    return await asyncio.gather(*(fetch(session, url, semaphore) for url in urls))
