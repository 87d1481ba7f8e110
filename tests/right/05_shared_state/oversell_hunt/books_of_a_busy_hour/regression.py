"""Keeps books of every cent and parcel, refuses a card, and lets two items be sold at once."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Books:
    balance: Counter = field(default_factory=Counter)
    parcels: list = field(default_factory=list)
    refused: frozenset = frozenset({"mallory"})
    payments: dict = field(default_factory=dict)


async def it_never_oversells(world, shop):
    books = Books()
    stock = {"lamp": 3, "mug": 5}
    prices = {"lamp": 8900, "mug": 900}

    async def charge(customer, cents):
        await asyncio.sleep(world.latency("bank", 0.1, 4))
        if customer in books.refused:
            raise shop.PaymentRefused("no")
        key = object()
        books.payments[id(key)] = (key, customer, cents)
        books.balance[customer] += cents
        return f"{id(key)}"

    async def refund(payment):
        await asyncio.sleep(world.latency("refund", 0.1, 4))
        _, customer, cents = books.payments.pop(int(payment))
        books.balance[customer] -= cents

    async def ship(number, customer, items):
        await asyncio.sleep(world.latency("ship", 0.1, 2))
        books.parcels.append((number, customer, dict(items)))

    s = shop.Shop(
        stock=dict(stock),
        prices=prices,
        charge=charge,
        refund=refund,
        ship=ship,
        log=lambda event, **fields: None,
    )
    outcomes = {}

    async def visit(name, items):
        await asyncio.sleep(world.latency("arrives", 0, 2))
        try:
            outcomes[name] = await s.buy(name, items)
        except (shop.SoldOut, shop.PaymentRefused) as error:
            outcomes[name] = error

    async with asyncio.TaskGroup() as group:
        for name in ("ada", "bob", "cem", "dia", "eve", "fay"):
            group.create_task(visit(name, {"lamp": 1}))
        group.create_task(visit("mallory", {"mug": 1}))
        group.create_task(visit("gus", {"mug": 2}))
    got = Counter()
    for _, _customer, items in books.parcels:
        got.update(items)
    for sku, n in stock.items():
        assert got[sku] <= n, f"{got[sku]} x {sku}, {n} there"
    assert got["lamp"] == 3, got
    assert got["mug"] == 2
    for name in outcomes:
        mine = [items for _, customer, items in books.parcels if customer == name]
        due = sum(prices[sku] * n for items in mine for sku, n in items.items())
        assert books.balance[name] == due, (name, books.balance[name], due)
