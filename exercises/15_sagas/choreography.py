"""An order through inventory, payment and shipping by events alone: nobody is in charge.

There is no coordinator. Each of four agents hears some events, does its part, and publishes what
has happened; others hear that, and do theirs. You write what each does when an event arrives:

    who        hears                what it does             and publishes
    inventory  OrderPlaced          takes the items          StockReserved, or StockRefused(sku)
               PaymentDeclined,
               ShipmentRefused      puts them back           StockReleased
    payment    OrderPlaced,
               StockReserved        takes the total          PaymentTaken(amount),
                                                             or PaymentDeclined(reason)
               ShipmentRefused      gives it back            PaymentRefunded(amount)
    shipping   OrderPlaced,
               PaymentTaken         sends a parcel           OrderShipped(parcel),
                                                             or ShipmentRefused(reason)
               CancelRequested      sends none               ShipmentRefused(reason)
    orders     StockRefused, StockReleased, PaymentDeclined,
               PaymentRefunded      closes it when undone    OrderCancelled(reason)
               OrderShipped         closes it

Each agent has a database, which only it can see, with these tables, and yours from `TABLES`:

    all        outbox(position INTEGER PRIMARY KEY AUTOINCREMENT, type, order_id, data)
               handled(event_id TEXT PRIMARY KEY)
    inventory  stock(sku, available)
    payment    accounts(customer, balance)
    shipping   addresses(customer), parcels(parcel INTEGER PRIMARY KEY, order_id)
    orders     orders(order_id, status): a row for each order, "placed" from the beginning

To publish an event, insert it into `outbox`, its `data` as JSON; leave the row there. When it is
committed, it will reach whoever hears it, once or more often. A `reason` is any text, for people.
`handled` is for you, if you want it.

Rules
  1. Inventory takes all items off `available`, or refuses, and names one `sku` of which there is
     too little. Payment takes `total` off `balance`, or declines if there is less. (What has no row
     in `stock` or `accounts`, of that there is none.) Shipping adds a row to `parcels`, or refuses
     if the customer has no address. Payment takes nothing before the stock is reserved, and
     shipping sends nothing before the payment is taken.
  2. An agent may be killed at any await of yours, and is started again; then the event comes again.
     If your function raises, it comes again as well, up to a minute later. What is not committed
     when your function ends is rolled back.
  3. Any event may come more than once. And several may ask for the same: a payment is declined, and
     the shipment refused. Whatever is done for an order is done once, and undone at most once; no
     agent publishes an event of the same type twice for an order.
  4. Events come in any order, also before those that caused them. The undo may come before the do:
     then there is nothing to undo, nothing is published, and the do is not done any more. When it
     is asked for, inventory publishes StockRefused (its sku is None) and payment PaymentDeclined.
  5. CancelRequested, from the customer, may come at any time, even twice. If no parcel has been
     sent, none will be, and shipping publishes ShipmentRefused at once. Otherwise it is too late.
  6. An order ends in one of two ways. Shipped: its status is "shipped". Or everything that was done
     for it has been undone: then, and no sooner, orders publishes OrderCancelled, and its status is
     "cancelled". Whoever reads that has their money back.

Each agent is one process, and is handed one event after another. OrderPlaced carries `customer`,
`items` (SKU -> quantity, 1 or more) and `total`, in cents; the `data` of all events is a dict.

Out of scope: how events leave the outbox; the delivery of the parcel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiosqlite


@dataclass(frozen=True)
class Event:
    """Something that has happened to an order. A copy of it has the same `id`."""

    id: str
    type: str
    order_id: str
    data: dict[str, Any]


TABLES = {"inventory": "", "payment": "", "shipping": "", "orders": ""}
"""For each agent's database: the SQL that makes the tables you want in it beside those above. It
is run once, when the database is made."""


async def inventory(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that has the stock."""
    raise NotImplementedError


async def payment(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that has the customers' accounts."""
    raise NotImplementedError


async def shipping(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that sends parcels."""
    raise NotImplementedError


async def orders(db: aiosqlite.Connection, event: Event) -> None:
    """An event has come to the agent that knows how the orders stand."""
    raise NotImplementedError
