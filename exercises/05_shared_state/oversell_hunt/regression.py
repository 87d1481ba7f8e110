"""The test that would have found it, and that will find it if it ever comes back.

Write `it_never_oversells`. It is called in each of twenty simulated worlds, with a shop: yours, the
one of that night, or another one that looks the same from outside. `shop` is a module like
`shop.py`: it has `Shop`, `SoldOut` and `PaymentRefused`. You make the bank and the warehouse
(charge, refund, ship), let customers come, and look at what has been shipped and paid in the end.

Rules
  1. With a shop that oversells, it raises AssertionError in at least one of the twenty worlds:
     whatever the gap is, and wherever in the shop it is. What counts is what has been shipped.
  2. So it does with a shop that does not sell what it has, although there are customers for it. Not
     selling is no cure.
  3. So it does with a shop that keeps the money of somebody who gets nothing.
  4. With a correct shop it raises nothing, in any world, however the shop does it: customers may
     have to wait in line, or be told at once; they may be refused before they pay, or pay and be
     refunded. Who is lucky is nobody's business, nor is how long it takes, nor what the shop keeps
     inside.

In a world, time is virtual: waiting costs nothing. `world.service(function)` makes an async
function of a plain one: the request travels, the function runs, the answer travels back, and each
trip takes as long as this world has drawn for it, 1 to 50 milliseconds. `latency=(0.1, 5.0)` makes
that 0.1 to 5 seconds, which is more like a bank. `await world.pause()` waits as long as one trip.

Out of scope: payments that the bank refuses, and customers who leave.
"""

from __future__ import annotations

from types import ModuleType

from autograder.simulation import World


async def it_never_oversells(world: World, shop: ModuleType) -> None:
    """Raise AssertionError if `shop` does not do, in this world, what a shop has to do."""
    raise NotImplementedError
