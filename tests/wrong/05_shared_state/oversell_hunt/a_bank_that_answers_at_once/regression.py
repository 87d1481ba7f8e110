"""Lets five customers in at once, with a bank that answers at once.

There is an `await` in the shop, and nothing behind it waits: each customer is served from beginning
to end before the next one runs. The gap is there, and has no length.

mistake: toothless-test
fails: test_regression_fails_with_a_shop_that_oversells,
    test_regression_fails_with_a_shop_that_is_no_better
"""

import asyncio


async def it_never_oversells(world, shop):
    shipped, paid = [], []

    async def charge(customer, cents):
        paid.append(customer)
        return customer

    async def refund(payment):
        paid.remove(payment)

    async def ship(number, customer, items):
        shipped.append(customer)

    lamps = shop.Shop(
        stock={"lamp": 2}, prices={"lamp": 1}, charge=charge, refund=refund, ship=ship
    )
    await asyncio.gather(
        *(lamps.buy(name, {"lamp": 1}) for name in "abcde"), return_exceptions=True
    )
    assert len(shipped) == 2
    assert sorted(paid) == sorted(shipped)
