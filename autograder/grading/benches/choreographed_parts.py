"""A choreographed shop in data: who hears what, tables, orders, events, effects; for graders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.simulation.letters import Letter

AGENTS = ("inventory", "payment", "shipping", "orders")
HEARS = {
    "inventory": {"OrderPlaced", "PaymentDeclined", "ShipmentRefused"},
    "payment": {"OrderPlaced", "StockReserved", "ShipmentRefused"},
    "shipping": {"OrderPlaced", "PaymentTaken", "CancelRequested"},
    "orders": {
        "StockRefused",
        "StockReleased",
        "PaymentDeclined",
        "PaymentRefunded",
        "OrderShipped",
    },
}
SAYS = {
    "inventory": {"StockReserved", "StockRefused", "StockReleased"},
    "payment": {"PaymentTaken", "PaymentDeclined", "PaymentRefunded"},
    "shipping": {"OrderShipped", "ShipmentRefused"},
    "orders": {"OrderCancelled"},
}
OWN_TABLES = {
    "inventory": "CREATE TABLE stock (sku TEXT PRIMARY KEY, available INTEGER NOT NULL);",
    "payment": "CREATE TABLE accounts (customer TEXT PRIMARY KEY, balance INTEGER NOT NULL);",
    "shipping": "CREATE TABLE addresses (customer TEXT PRIMARY KEY);"
    "CREATE TABLE parcels (parcel INTEGER PRIMARY KEY, order_id TEXT NOT NULL);",
    "orders": "CREATE TABLE orders (order_id TEXT PRIMARY KEY, status TEXT NOT NULL);",
}
ALL_TABLES = (
    "CREATE TABLE outbox (position INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, "
    "order_id TEXT NOT NULL, data TEXT NOT NULL);"
    "CREATE TABLE handled (event_id TEXT PRIMARY KEY);"
)
EFFECTS = {
    "inventory": "SELECT sku, available FROM stock",
    "payment": "SELECT customer, balance FROM accounts",
    "shipping": "SELECT 'parcels', COUNT(*) FROM parcels",
    "orders": "SELECT 'no effects', 0",
}


@dataclass(frozen=True)
class Order:
    """What a customer orders; ``total`` in cents. ``cancels``: seconds after which they change
    their mind, once for each number."""

    order_id: str = "o-1"
    customer: str = "ada"
    items: Mapping[str, int] = field(default_factory=lambda: {"lamp": 2, "desk": 1})
    total: int = 120_00
    cancels: tuple[float, ...] = ()


@dataclass(frozen=True)
class Said:
    """An event that was published: when, by which agent, and after how many effects."""

    time: float
    agent: str
    type: str
    order_id: str
    data: dict[str, Any]
    effects: int


@dataclass(frozen=True)
class Effect:
    """What handling an event of an order has changed: ``what`` is a SKU, a customer, "parcels"."""

    time: float
    agent: str
    order_id: str
    what: str
    by: int


@dataclass
class Heard:
    """An event was handed to an agent, and was ``handled`` later, or never was."""

    time: float
    agent: str
    type: str
    order_id: str
    handled: float = math.inf


@dataclass
class Delivery:
    """One copy of an event, on its way to one agent."""

    agent: str
    id: str
    type: str
    order_id: str
    data: str
    letter: Letter | None
    tries: int = 0


def told(effect: Effect) -> str:
    """An effect in few words."""
    if effect.agent == "payment":
        did = "takes" if effect.by < 0 else "gives back"
        return f"{did} {abs(effect.by) / 100:,.2f}"
    if effect.agent == "shipping":
        return "sends a parcel" if effect.by > 0 else "takes a parcel back"
    return f"{'takes' if effect.by < 0 else 'puts back'} {abs(effect.by)} {effect.what}"
