"""Compares the number of payments with the number of parcels, and not whose they are.

mistake: toothless-test
fails: test_regression_fails_with_a_shop_that_is_no_better
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
    gone = sum((Counter(items) for _, items in shipped), Counter())
    assert (gone["lamp"], gone["radio"]) == (2, 1), f"shipped: {dict(gone)}, there were {stock}"
    assert sum(cents > 0 for _, cents in payments.values()) == len(shipped), told
