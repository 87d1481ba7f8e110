"""Expects that nobody is charged who gets nothing, not even for a moment.

mistake: overfitted-test
fails: test_regression_passes_with_a_correct_shop
"""

import asyncio


async def it_never_oversells(world, shop):
    charged, shipped = [], []

    def charge(customer, cents):
        charged.append(customer)
        return customer

    def refund(payment):
        raise AssertionError(f"{payment} had to be refunded")

    def ship(number, customer, items):
        shipped.append(customer)

    lamps = shop.Shop(
        stock={"lamp": 2},
        prices={"lamp": 8900},
        charge=world.service(charge, latency=(0.1, 3)),
        refund=world.service(refund),
        ship=world.service(ship),
    )

    async def buy(name):
        try:
            await lamps.buy(name, {"lamp": 1})
        except shop.SoldOut:
            return

    await asyncio.gather(*(buy(name) for name in ("ada", "bob", "cem", "dia")))
    assert len(shipped) == 2
    assert sorted(charged) == sorted(shipped)
