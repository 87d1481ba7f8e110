"""Counts lamps, and nobody's money.

mistake: toothless-test
fails: test_regression_fails_with_a_shop_that_is_no_better
"""

import asyncio
from collections import Counter


async def it_never_oversells(world, shop):
    shipped = Counter()

    async def charge(customer, cents):
        await asyncio.sleep(world.latency("bank", 0.1, 2))
        return f"of {customer}"

    async def refund(payment):
        await asyncio.sleep(world.latency("bank", 0.1, 2))

    async def ship(number, customer, items):
        await asyncio.sleep(world.latency("warehouse", 0.1, 2))
        shipped.update(items)

    s = shop.Shop(stock={"x": 4}, prices={"x": 1}, charge=charge, refund=refund, ship=ship)
    tasks = [asyncio.create_task(s.buy(str(n), {"x": 1})) for n in range(9)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [result for result in results if isinstance(result, shop.SoldOut)]
    assert shipped["x"] == 4
    assert len(refused) == 5
