"""Fetch many prices at once, a few at a time.

A price service answers one question: GET a product's URL, and it replies with JSON such as
`{"price": "24.90"}`. There are hundreds of products, an answer takes a second, and one after
another that is too slow. All at once is not welcome either: the service allows only so many
requests at a time. Some of them fail, as requests do.

Write `fetch_prices`. `Price` and `Failure` are given; leave them as they are.

Rules
  1. At most `limit` requests are in flight at any moment; a request is in flight from when it is
     sent until its whole body has arrived. As soon as one is done, the next one starts.
  2. There is one result for each URL, in the order of `urls`, whichever answers first. A URL
     that is given twice has two results. No URLs: an empty list.
  3. `Price.amount` is the "price" of the answer as a Decimal; the service sends it as a string.
  4. A URL that fails is a `Failure` in its place, with the exception that says why, and the others
     carry on. It fails if the status is 400 or more, if no answer comes, if the answer is no JSON
     or has no price in it: whatever goes wrong with it.
  5. `session` is the caller's: use it for every request, and leave it open.
  6. The event loop is never blocked: the caller has other things running.
  7. If `fetch_prices` is cancelled, so are its requests in flight: when it ends, nothing of it is
     still running, no further request is sent, and the cancellation goes on to the caller.

Out of scope: retries, and timeouts (the session has one).
"""

from __future__ import annotations

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
    raise NotImplementedError
