"""Asks the shop whether its own count is still right. The shop says 0, and is proud of it.

mistake: toothless-test
also: overfitted-test
fails: test_regression_fails_with_a_shop_that_oversells,
    test_regression_fails_with_a_shop_that_is_no_better, test_regression_passes_with_a_correct_shop
"""

import asyncio


async def it_never_oversells(world, shop):
    lamps = shop.Shop(
        stock={"lamp": 2},
        prices={"lamp": 1},
        charge=world.service(lambda customer, cents: customer),
        refund=world.service(lambda payment: None),
        ship=world.service(lambda number, customer, items: None),
    )
    await asyncio.gather(
        *(lamps.buy(name, {"lamp": 1}) for name in "abcde"), return_exceptions=True
    )
    assert lamps.stock.counts["lamp"] >= 0
