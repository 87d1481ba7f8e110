"""Buys the last lamp, and then tries to buy another one: `test_sold_out`, once more.

mistake: toothless-test
fails: test_regression_fails_with_a_shop_that_oversells,
    test_regression_fails_with_a_shop_that_is_no_better
"""


async def it_never_oversells(world, shop):
    shipped, paid = [], []

    async def charge(customer, cents):
        await world.pause()
        paid.append(customer)
        return customer

    async def refund(payment):
        paid.remove(payment)

    async def ship(number, customer, items):
        shipped.append(customer)

    lamps = shop.Shop(
        stock={"lamp": 1}, prices={"lamp": 1}, charge=charge, refund=refund, ship=ship
    )
    for customer in ("ada", "bob"):
        try:
            await lamps.buy(customer, {"lamp": 1})
        except shop.SoldOut:
            continue
    assert shipped == ["ada"]
    assert paid == ["ada"]
