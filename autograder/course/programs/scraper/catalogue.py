"""What the ten shops sell, and how each writes a price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

LAMP = "Nordlys desk lamp"
KETTLE = "Trail kettle"
CHAIR = "Walnut chair"
BLANKET = "Wool blanket"
RADIO = "Field radio"
PAN = "Copper pan"

EUROS = {LAMP: "89.00", KETTLE: "34.90", CHAIR: "1299.00", BLANKET: "74.50", RADIO: "149.00",
         PAN: "210.00"}  # fmt: skip
"""The list price of each product, in EUR; every shop is a little above or below it."""


@dataclass(frozen=True)
class Item:
    """One product as a shop sells it."""

    name: str
    amount: Decimal
    currency: str


def items(currency: str, rate: str, *names: str) -> tuple[Item, ...]:
    """The named products at `rate` units of `currency` to one EUR of list price."""
    return tuple(
        Item(name, (Decimal(EUROS[name]) * Decimal(rate)).quantize(Decimal("0.01")), currency)
        for name in names
    )


Writer = Callable[[Decimal], str]


def american(amount: Decimal) -> str:
    """`$1,299.00`"""
    return f"${amount:,.2f}"


def british(amount: Decimal) -> str:
    """`£1,299.00`"""
    return f"£{amount:,.2f}"


def german(amount: Decimal) -> str:
    """`1.299,00 €`"""
    return f"{amount:,.2f} €".translate(str.maketrans(",.", ".,"))


def french(amount: Decimal) -> str:
    """`1 299,00 €`, with the narrow no-break spaces French typography asks for"""
    return f"{amount:,.2f}\u00a0€".translate(str.maketrans(",.", "\u202f,"))


def swiss(amount: Decimal) -> str:
    """`CHF 1'299.-`, or `CHF 34.90` when there are cents"""
    grouped = f"CHF {amount:,.2f}".replace(",", "'")
    return grouped.removesuffix("00") + "-" if grouped.endswith(".00") else grouped
