"""The night of the sale, played again: what the shop of that night logs, as JSON lines.

Run as a program it writes the log that the exercise comes with.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from autograder.simulation import World, run_world

from . import friday

OPENS = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
STOCK = {"aurora": 40, "fjord": 25, "mast": 60}
PRICES = {"aurora": 8900, "fjord": 24900, "mast": 3900}
WISHES = (
    {"aurora": 1},
    {"aurora": 1},
    {"aurora": 1, "mast": 1},
    {"fjord": 1},
    {"aurora": 1},
    {"mast": 2},
    {"aurora": 1},
)
CUSTOMERS = 71
SEED = 22

_request: contextvars.ContextVar[str] = contextvars.ContextVar("request")


class Night:
    """The bank, the warehouse, the customers, and the log."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: list[str] = []
        self.payments = 0
        self.parcels: list[Mapping[str, int]] = []

    def log(self, event: str, **fields: Any) -> None:
        moment = OPENS + timedelta(seconds=self.world.time())
        warning = event in ("payment.refused", "order.refused")
        line = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": "warning" if warning else "info",
            "event": event,
            "request": _request.get(),
            **fields,
        }
        self.lines.append(json.dumps(line))

    def charge(self, customer: str, cents: int) -> str:
        if self.world.chance(0.04, "card refused"):
            raise friday.PaymentRefused("insufficient funds")
        self.payments += 1
        return f"pay_{5200 + self.payments}"

    def refund(self, payment: str) -> None:
        """Nobody was refunded that night."""

    def ship(self, number: int, customer: str, items: Mapping[str, int]) -> None:
        self.parcels.append(dict(items))

    async def customer(self, number: int, shop: friday.Shop) -> None:
        _request.set(f"r{number:04d}")
        items = WISHES[number * 5 % len(WISHES)]
        with suppress(friday.SoldOut, friday.PaymentRefused):
            await shop.buy(f"c{30_000 + number * 7919 % 9973}", items)

    async def run(self) -> list[str]:
        world = self.world
        shop = friday.Shop(
            stock=STOCK,
            prices=PRICES,
            charge=world.service(self.charge, latency=(0.15, 2.5)),
            refund=world.service(self.refund),
            ship=world.service(self.ship, latency=(0.02, 0.2)),
            log=self.log,
        )
        customers = []
        for number in range(CUSTOMERS):
            await asyncio.sleep(world.latency("next customer", 0.2, 12.0))
            customers.append(asyncio.create_task(self.customer(number, shop)))
        await asyncio.gather(*customers)
        return self.lines


def log_of_that_night(seed: int = SEED) -> list[str]:
    """The lines of the log, the same on every machine."""

    async def program(world: World) -> list[str]:
        return await Night(world).run()

    outcome = run_world(program, seed)
    if outcome.error is not None:
        raise outcome.error
    lines: list[str] = outcome.result
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(log_of_that_night()) + "\n")
