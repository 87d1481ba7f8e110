"""A shop with an outbox on a simulated RabbitMQ, its database and its listeners, for graders."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import aiosqlite  # noqa: F401  before the first world begins, which stands in for its thread

from ..mistakes import mistake
from .amqp_side import arrange, ended
from .database_files import commits, is_locked, new_database

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.servers.amqp import AmqpBroker, Happening, Message

T = TypeVar("T")
SCHEMA = (
    "CREATE TABLE orders (order_id TEXT PRIMARY KEY, customer TEXT NOT NULL, "
    "total INTEGER NOT NULL, status TEXT NOT NULL)",
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, "
    "order_id TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL, "
    "sent INTEGER NOT NULL DEFAULT 0)",
)
EXCHANGE, QUEUE = "orders", "warehouse"
KEYS = ("OrderPlaced", "OrderCancelled")
SOON = 5.0
"""Seconds within which the relay does what it has to do."""
_GLANCE = 0.001


def make_shop_database(path: Path) -> Path:
    """An empty database of a shop."""
    return new_database(path, SCHEMA)


@dataclass(frozen=True)
class Row:
    """One row of the outbox."""

    id: int
    message_id: str
    order_id: str
    type: str
    data: str
    sent: int

    def __str__(self) -> str:
        return f"{self.type} of {self.order_id}"


class Tables:
    """The shop's database, looked at from outside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._eyes = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._eyes.execute("PRAGMA synchronous = OFF")  # nobody pulls the plug
        self._version: int | None = None

    def close(self) -> None:
        """No more looking."""
        self._eyes.close()

    def commits(self) -> int:
        """A number that changes when anybody commits."""
        return commits(self._eyes)

    def orders(self) -> dict[str, tuple[str, int, str]]:
        """By order: customer, total, status."""
        return {order: tuple(row) for order, *row in self._eyes.execute("SELECT * FROM orders")}

    def outbox(self) -> list[Row]:
        """All rows, by id."""
        rows = self._eyes.execute(
            "SELECT id, message_id, order_id, type, data, sent FROM outbox ORDER BY id"
        )
        return [Row(*row) for row in rows]

    def has(self, order: str, kind: str) -> bool:
        """Whether a message of this type is committed for an order, and the order is there."""
        sql = "SELECT 1 FROM outbox JOIN orders USING (order_id) WHERE order_id = ? AND type = ?"
        return self._eyes.execute(sql, (order, kind)).fetchone() is not None

    def put(
        self, order: str, customer: str, total: int, *, kind: str = "OrderPlaced", more: int = 0
    ) -> None:
        """An order, placed by a process that died before it was told to anybody; ``more``: how
        many messages of it come after the first."""
        data = json.dumps({"order_id": order, "customer": customer, "total": total})
        self._eyes.execute("BEGIN IMMEDIATE")
        self._eyes.execute(
            "INSERT INTO orders VALUES (?, ?, ?, 'placed')", (order, customer, total)
        )
        self._eyes.execute(
            "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)",
            (f"left-{order}", order, kind, data),
        )
        self._eyes.executemany(
            "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)",
            [(f"left-{order}-{n}", order, "OrderCancelled", data) for n in range(more)],
        )
        self._eyes.execute("COMMIT")

    def is_locked(self) -> bool:
        """True if nobody else could write at this moment."""
        return is_locked(self._eyes)

    def changed(self) -> bool:
        """True if somebody has committed something since this was asked last."""
        (version,) = self._eyes.execute("PRAGMA data_version").fetchone()
        before, self._version = self._version, version
        return bool(version != before)

    def assert_together(self, said: str) -> None:
        """Each change has its message, and each message its change. ``said`` is what happened."""
        orders, rows = self.orders(), self.outbox()
        sql = "SELECT max(seq) FROM sqlite_sequence WHERE name = 'outbox'"
        last = self._eyes.execute(sql).fetchone()[0] or 0
        assert last <= len(rows), (
            f"{said}. {last} rows have been written into outbox, where they stay; {len(rows)} are "
            "there"
        )
        told = {(row.order_id, row.type) for row in rows}
        for order, (_, _, status) in orders.items():
            assert status in ("placed", "cancelled"), (
                f"{said}. {order} has the status {status!r}; expected 'placed' or 'cancelled'"
            )
            needed = ["OrderPlaced", *(["OrderCancelled"] if status == "cancelled" else [])]
            for kind in needed:
                assert (order, kind) in told, mistake(
                    "dual-write",
                    f"{said}. In the database {order} is {status}, and no row of outbox has its "
                    f"{kind}: whoever has not heard of it by now never will.",
                )
        for order, kind in sorted(told):
            true = order in orders and (kind != "OrderCancelled" or orders[order][2] == "cancelled")
            assert true, mistake(
                "dual-write",
                f"{said}. The outbox has {kind} of {order}; in the database the order is "
                f"{orders[order][2] if order in orders else 'not there'}.",
            )


class Scene:
    """A broker with the exchange and one queue that gets everything, a database, and shops."""

    def __init__(
        self, world: World, submission: ModuleType, broker: AmqpBroker, path: Path
    ) -> None:
        self.world = world
        self.broker = broker
        self.tables = Tables(path)
        self.untrue: str | None = None
        self.transient: str | None = None
        self._told = 0
        self._submission = submission
        broker.on("publish", lambda event: self._heard(event.message))
        world.at_end(self._close)

    async def _close(self) -> None:
        self.tables.close()

    def shop(self) -> Any:
        """A shop that has not begun."""
        return self._submission.Shop(self.tables.path, self.broker.url)

    @asynccontextmanager
    async def watched(self, said: str) -> AsyncIterator[None]:
        """While the block runs somebody reads, again and again: at no moment is there a change
        without its message. ``said`` is what happens meanwhile."""

        async def look_on() -> None:
            while True:
                if self.tables.changed():
                    self.tables.assert_together(said)
                await asyncio.sleep(_GLANCE)

        reader = asyncio.create_task(look_on(), name="a reader")
        try:
            yield
        finally:
            reader.cancel()
            await asyncio.wait([reader])
        if not reader.cancelled():
            reader.result()

    @asynccontextmanager
    async def open(self, name: str = "the shop") -> AsyncIterator[Any]:
        """A shop, as a process of its own."""
        with self.world.network.at(name):
            shop = self.shop()
            shop = await self.at_once(shop.__aenter__(), "the beginning of the block")
        try:
            yield shop
        except BaseException as error:
            with self.world.network.at(name):
                await ended(shop.__aexit__(type(error), error, error.__traceback__), 60, "the end")
            raise
        with self.world.network.at(name):
            await ended(shop.__aexit__(None, None, None), SOON, "the end of the block")
        await asyncio.sleep(1)

    def open_anew(self, name: str) -> AbstractAsyncContextManager[Any]:
        """As `open`, in a process that shares nothing with those before it."""
        self._submission.restart()
        return self.open(name)

    async def at_once(self, coro: Coroutine[Any, Any, T], what: str) -> T:
        """What a coroutine gives that must not wait for the broker."""
        from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

        up = self.broker_is_up
        try:
            return await ended(coro, SOON, what)
        except (OSError, AMQPError, ChannelInvalidStateError, AssertionError) as error:
            said = str(error) if isinstance(error, AssertionError) else f"{what} raised {error!r}"
            assert up, mistake("needs-the-broker", f"The broker was down, and {said}.")
            raise AssertionError(said) from error

    def outside(self) -> object:
        """What is there when a shop is dead (see `World.killed`)."""
        return self.tables.commits(), self._told

    @property
    def broker_is_up(self) -> bool:
        """Whether clients can connect."""
        return self.broker._listening is not None

    async def place(self, shop: Any, order: str, customer: str = "ada", total: int = 4900) -> None:
        """A command, which does not take long."""
        await self.at_once(shop.place_order(order, customer, total), f"place_order({order!r})")

    async def cancel(self, shop: Any, order: str, reason: str = "found it cheaper") -> None:
        """Another one."""
        await self.at_once(shop.cancel_order(order, reason), f"cancel_order({order!r})")

    # -- the broker's side ------------------------------------------------------------------------

    async def bind(self, *keys: str, undo: bool = False) -> None:
        """An operator binds the queue for these keys, or unbinds it."""
        import aio_pika

        async with await aio_pika.connect(self.broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(QUEUE)
            for key in keys:
                await (queue.unbind if undo else queue.bind)(EXCHANGE, key)

    def _heard(self, message: Message | None) -> None:
        """The broker is told something: it must be true by now, and meant to last."""
        if message is None:
            return
        self._told += 1
        if not message.persistent:
            self.transient = message.body.decode("utf-8", "replace")
        try:
            order = json.loads(message.body)["order_id"]
        except (ValueError, KeyError, TypeError):
            return
        if self.untrue is None and not self.tables.has(order, message.routing_key):
            self.untrue = (
                f"The broker was told {message.routing_key} of {order}, and at that moment the "
                "order and its row of outbox were not committed, or not yet, or not both"
            )

    def times_of(self, kind: str) -> list[float]:
        """When messages of this type are published: a list that grows."""
        times: list[float] = []

        def heard(event: Happening) -> None:
            if event.message is not None and event.message.routing_key == kind:
                times.append(self.world.time())

        self.broker.on("publish", heard)
        return times

    @property
    def messages(self) -> list[Message]:
        """What is in the queue."""
        return self.broker.queue(QUEUE).messages

    async def is_locked_for_long(self) -> bool:
        """True if nobody else could write, neither now nor a moment later."""
        now = self.tables.is_locked()
        await asyncio.sleep(0.5)
        return now and self.tables.is_locked()

    def arrived(self) -> list[str]:
        """The ids of what is in the queue: the first copy of each, in their order."""
        return list(dict.fromkeys(str(m.properties.message_id) for m in self.messages))

    async def until_arrived(self, count: int, seconds: float = SOON) -> bool:
        """Wait until so many different messages are in the queue."""
        try:
            await self.broker.until(lambda: len(self.arrived()) >= count, seconds)
        except TimeoutError:
            return False
        return True

    async def assert_sent(self) -> None:
        """Nothing has gone wrong, and so it is not long until all is sent."""
        sent = await self.until_sent()
        unsent = [str(row) for row in self.tables.outbox() if row.sent != 1]
        assert sent, (
            f"nothing has gone wrong, and {SOON:g} s after it was committed {', '.join(unsent)} is "
            "not marked as sent"
        )

    async def until_sent(self, seconds: float = SOON) -> bool:
        """Wait until nothing is left to be sent."""
        for _ in range(round(seconds / 0.05)):
            if all(row.sent for row in self.tables.outbox()):
                return True
            await asyncio.sleep(0.05)
        return False

    # -- judging ----------------------------------------------------------------------------------

    def assert_well_told(self, said: str) -> None:
        """Nobody was told what had not happened, nor in a way that does not last, nor under
        another id. ``said`` is what happened."""
        assert self.untrue is None, mistake("dual-write", f"{self.untrue}.")
        assert self.transient is None, mistake(
            "not-persistent",
            f"A message was published without delivery_mode=PERSISTENT: {self.transient}. It is "
            "only in the broker's memory, and a restart loses it, sent or not.",
        )
        told = [(message.properties.message_id, message.body) for message in self.messages]
        self.assert_own_ids(told, said)

    def assert_own_ids(self, told: Sequence[tuple[str | None, bytes]], said: str) -> None:
        """Each message (id, body) has the id of its row."""
        rows = self.tables.outbox()
        known, bodies = {row.message_id for row in rows}, {row.data for row in rows}
        for message_id, body in told:
            ours = message_id in known or body.decode("utf-8", "replace") not in bodies
            assert ours, mistake(
                "new-id-on-retry",
                f"{said}. A message was published under the id {message_id!r}, and no row of "
                f"outbox has that id: who is handed it twice takes it for two. {body.decode()}",
            )
            assert message_id in known, (
                f"{said}. A message has the id {message_id!r}, which no row of outbox has: {body!r}"
            )

    def assert_all_arrived(self, said: str) -> None:
        """Each row's message is in the queue, under its id, and in order within an order."""
        self.assert_well_told(said)
        rows, arrived = self.tables.outbox(), self.arrived()
        for row in rows:
            assert row.message_id in arrived or not row.sent, mistake(
                "marked-before-confirm",
                f"{said}. {row} is marked as sent, and is not in the queue: nobody will send it.",
            )
            assert row.message_id in arrived, f"{said}, and {row} is not in the queue"
        self.assert_in_order(said)

    def assert_in_order(self, said: str) -> None:
        """The first copies of an order's messages are in the queue in the order of their ids."""
        arrived = self.arrived()
        rows = {row.message_id: row for row in self.tables.outbox()}
        for order in {row.order_id for row in rows.values()}:
            mine = [row for row in rows.values() if row.order_id == order]
            came = [rows[i] for i in arrived if i in rows and rows[i].order_id == order]
            assert came == mine[: len(came)], mistake(
                "out-of-order",
                f"{said}. Of {order} the outbox has {' and then '.join(row.type for row in mine)}; "
                f"in the queue there is {' and then '.join(row.type for row in came)}.",
            )


def outbox_scenes(template: Path, folder: Path) -> Callable[..., Coroutine[Any, Any, Scene]]:
    """What makes scenes, each with a database of its own, copied from the template."""
    made: list[Path] = []

    async def make(
        world: World,
        submission: ModuleType,
        *,
        keys: tuple[str, ...] = KEYS,
        limits: dict[str, Any] | None = None,
        **options: Any,
    ) -> Scene:
        from autograder.simulation.servers.amqp import AmqpBroker

        made.append(folder / f"{len(made)}.db")
        shutil.copyfile(template, made[-1])
        broker = AmqpBroker(world, **options)
        await arrange(broker.url, EXCHANGE, {QUEUE: keys}, limits)
        return Scene(world, submission, broker, made[-1])

    return make
