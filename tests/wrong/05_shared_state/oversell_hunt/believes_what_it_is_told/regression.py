"""Counts the orders that were confirmed, and no parcels. The warehouse counts parcels.

mistake: toothless-test
fails: test_regression_fails_with_a_shop_that_oversells
"""

import asyncio
from collections import Counter

PRICES = {"lamp": 8900, "radio": 12900, "mug": 900, "kettle": 4900}


async def it_never_oversells(world, shop):
    stock = {"lamp": 2, "radio": 1, "mug": 3, "kettle": 3}
    payments, shipped = {}, []

    def charge(customer, cents):
        payments[f"payment {len(payments) + 1}"] = [customer, cents]
        return f"payment {len(payments)}"

    def refund(payment):
        payments[payment][1] = 0

    def ship(number, customer, items):
        shipped.append((customer, dict(items)))

    a_shop = shop.Shop(
        stock=stock,
        prices=PRICES,
        charge=world.service(charge, latency=(0.1, 3)),
        refund=world.service(refund, latency=(0.1, 3)),
        ship=world.service(ship, latency=(0.1, 3)),
    )

    async def buys(name, items):
        await world.pause("comes", 0, 1)
        try:
            await a_shop.buy(name, items)
        except shop.SoldOut:
            return False
        return True

    orders = [{"lamp": 1}] * 5 + [{"kettle": 1, "radio": 1}, {"mug": 1, "radio": 1}]
    names = [f"customer {n}" for n in range(len(orders))]
    told = await asyncio.gather(*map(buys, names, orders))
    gone = sum((Counter(items) for items, yes in zip(orders, told, strict=True) if yes), Counter())
    assert (gone["lamp"], gone["radio"]) == (2, 1), f"sold: {dict(gone)}, there were {stock}"
    paying = sorted(customer for customer, cents in payments.values() if cents)
    assert paying == sorted(name for name, yes in zip(names, told, strict=True) if yes)
