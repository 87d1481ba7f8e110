"""Expects the customer who came first to get the last lamp.

mistake: overfitted-test
fails: test_regression_passes_with_a_correct_shop
"""

import asyncio


async def it_never_oversells(world, shop):
    paid, shipped = {}, []

    def charge(customer, cents):
        paid[customer] = cents
        return customer

    lamps = shop.Shop(
        stock={"lamp": 1},
        prices={"lamp": 8900},
        charge=world.service(charge, latency=(0.1, 3)),
        refund=world.service(paid.pop, name="refund"),
        ship=world.service(lambda n, customer, items: shipped.append(customer), name="ship"),
    )

    async def buy(name):
        try:
            await lamps.buy(name, {"lamp": 1})
        except shop.SoldOut:
            return

    tasks = []
    for name in ("ada", "bob", "cem"):
        tasks.append(asyncio.create_task(buy(name)))
        await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)
    assert len(shipped) == 1
    assert list(paid) == shipped
    assert shipped == ["ada"], "ada was first"
