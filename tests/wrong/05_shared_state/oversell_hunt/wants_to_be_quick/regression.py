"""Gives everybody ten seconds. Whoever stands in line has to wait for those in front.

mistake: overfitted-test
fails: test_regression_passes_with_a_correct_shop
"""

import asyncio


async def it_never_oversells(world, shop):
    money, shipped = {}, []

    def charge(customer, cents):
        money[customer] = cents
        return customer

    def refund(payment):
        money.pop(payment)

    lamps = shop.Shop(
        stock={"lamp": 4},
        prices={"lamp": 8900},
        charge=world.service(charge, latency=(3, 5)),
        refund=world.service(refund, latency=(3, 5)),
        ship=world.service(lambda n, customer, items: shipped.append(customer), name="ship"),
    )

    async def buy(name):
        await world.pause()
        try:
            async with asyncio.timeout(20):
                await lamps.buy(name, {"lamp": 1})
        except shop.SoldOut:
            pass
        except TimeoutError:
            raise AssertionError(f"{name} waits for more than 20 seconds") from None

    await asyncio.gather(*(buy(f"customer {n}") for n in range(6)))
    assert len(shipped) == 4
    assert sorted(money) == sorted(shipped)
