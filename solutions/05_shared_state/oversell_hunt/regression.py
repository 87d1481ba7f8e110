"""The test that would have found INC-412."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType

from autograder.simulation import World

LAMPS = 2
CUSTOMERS = ("ada", "bob", "cem", "dia", "eve")
SLOW = (0.1, 3.0)
"""Seconds that everything takes which a shop awaits: nobody knows at which of them the gap is."""


async def it_never_oversells(world: World, shop: ModuleType) -> None:
    """Raise AssertionError if `shop` does not do, in this world, what a shop has to do."""
    paid: dict[str, str] = {}  # the payment's id -> who has paid, and was not refunded
    shipped: list[str] = []  # to whom

    def charge(customer: str, cents: int) -> str:
        payment = f"payment of {customer}"
        paid[payment] = customer
        return payment

    def refund(payment: str) -> None:
        del paid[payment]

    def ship(number: int, customer: str, items: Mapping[str, int]) -> None:
        shipped.extend([customer] * items["lamp"])

    # A gap is as long as what is awaited in it: all of it is slow, and customers come close behind
    # each other.
    lamps = shop.Shop(
        stock={"lamp": LAMPS},
        prices={"lamp": 8900},
        charge=world.service(charge, latency=SLOW),
        refund=world.service(refund, latency=SLOW),
        ship=world.service(ship, latency=SLOW),
    )

    async def customer(name: str) -> None:
        await world.pause("arrives", 0.0, 1.0)
        with suppress(shop.SoldOut):
            await lamps.buy(name, {"lamp": 1})

    await asyncio.gather(*(customer(name) for name in CUSTOMERS))

    # Only what every shop has to do: not who is lucky, not when, and not by which way.
    assert len(shipped) <= LAMPS, f"{len(shipped)} lamps shipped, {LAMPS} were there"
    assert len(shipped) == LAMPS, f"{len(shipped)} shipped of {LAMPS}: there were customers for all"
    assert sorted(paid.values()) == sorted(shipped), f"{shipped} got a lamp, {paid} have paid"
