"""A shop's stock in a database, for graders: SQLite or PostgreSQL, through the same methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

SCHEMA = (
    "CREATE TABLE stock (sku TEXT PRIMARY KEY, available INTEGER NOT NULL, "
    "version INTEGER NOT NULL)",
    "CREATE TABLE reservations (order_id TEXT PRIMARY KEY, price INTEGER NOT NULL)",
)
BUY = "UPDATE stock SET available = available - 1, version = version + 1 WHERE sku = '{}'"
RETURN = BUY.replace("- 1", "+ 1")


class StockTables:
    """The two tables, which exist already; ``counts`` says how many of each item are put in.

    ``connect`` makes a connection with the methods of aiosqlite's; all are closed at the end.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], **counts: int) -> None:
        self._connect = connect
        self._counts = counts
        self._open: list[Any] = []
        self._own: Any = None

    async def __aenter__(self) -> StockTables:
        self._own = await self.connection()
        for sku, count in self._counts.items():
            await self._own.execute("INSERT INTO stock VALUES (?, ?, 1)", (sku, count))
        await self._own.commit()
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._open:
            await connection.close()

    async def connection(self) -> Any:
        """One more connection."""
        self._open.append(await self._connect())
        return self._open[-1]

    async def stock(self) -> dict[str, tuple[int, int]]:
        """By item: how many are available, and the version."""
        cursor = await self._own.execute("SELECT sku, available, version FROM stock ORDER BY sku")
        return {sku: (available, version) for sku, available, version in await cursor.fetchall()}

    async def prices(self) -> dict[str, int]:
        """The prices of all reservations, by order."""
        cursor = await self._own.execute("SELECT order_id, price FROM reservations")
        return dict(await cursor.fetchall())

    async def rival_buys(self, sku: str) -> None:
        """Somebody else buys one, at once."""
        await self._own.execute(BUY.format(sku))
        await self._own.commit()

    async def rival_returns(self, sku: str) -> None:
        """Somebody else brings one back, at once."""
        await self._own.execute(RETURN.format(sku))
        await self._own.commit()
