"""Asserts that there are not too many. A shop that sells nothing at all passes.

mistake: toothless-test
fails: test_regression_fails_with_a_shop_that_is_no_better
"""

import asyncio


async def it_never_oversells(world, shop):
    shipped = []
    lamps = shop.Shop(
        stock={"lamp": 3},
        prices={"lamp": 8900},
        charge=world.service(lambda customer, cents: customer, name="charge"),
        refund=world.service(lambda payment: None, name="refund"),
        ship=world.service(lambda *parcel: shipped.append(parcel), name="ship"),
    )

    async def buy(name):
        try:
            await lamps.buy(name, {"lamp": 1})
        except shop.SoldOut:
            return

    await asyncio.gather(*map(buy, "abcdefgh"))
    assert len(shipped) <= 3, f"{len(shipped)} of 3 shipped"
