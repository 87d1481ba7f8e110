"""Four agents that talk by events, each with a database of its own, for graders.

The bench is what the learner does not write: the databases, the relay that takes committed rows
from an outbox, the bus that brings each event to whoever hears it, and the processes of the agents,
which it kills and starts again.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiosqlite

from .choreographed_parts import (
    AGENTS,
    ALL_TABLES,
    EFFECTS,
    HEARS,
    OWN_TABLES,
    Delivery,
    Effect,
    Heard,
    Order,
    Said,
    told,
)
from .database_files import commits

if TYPE_CHECKING:
    from autograder.grading.submission import Submission
    from autograder.simulation import World

LONG = 6 * 3600.0
"""Seconds after which what has not happened will not happen."""
_AGAIN = 5.0
"""Seconds until an event comes again whose function has raised; they double, up to a minute."""
_PATIENCE = 80
"""So often an event comes again since its function raises; then it is given up."""
_numbers = itertools.count()


Delay = Callable[[str, str, int], float]
"""An event's type, the agent it goes to, the number of the copy (0, 1...) -> seconds."""


@dataclass
class Shop:
    """The world of one test.

    Args:
        delay: how long a copy of an event is under way.
        copies: how many copies of an event (type, agent) arrive; 1 is none too many.
        again: seconds until an event comes again whose agent was killed.
        shown: False leaves everything out of the sequence diagram.
        forgetful: every agent is started again after every event.
    """

    world: World
    submission: Submission
    delay: Delay
    copies: Callable[[str, str], int] = lambda type_, agent: 1
    stock: Mapping[str, int] = field(default_factory=lambda: {"lamp": 5, "desk": 5})
    accounts: Mapping[str, int] = field(default_factory=lambda: {"ada": 500_00, "bob": 500_00})
    addresses: tuple[str, ...] = ("ada", "bob")
    folder: Path | None = None
    again: float = 5.0
    shown: bool = True
    forgetful: bool = False

    def __post_init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.said: list[Said] = []
        self.effects: list[Effect] = []
        self.heard: list[Heard] = []
        self.ids_alone: list[str] = []
        self.left_open: list[str] = []
        self.given_up: list[tuple[str, str, Exception]] = []
        self.odd_data: list[tuple[str, str]] = []
        self.closed_after: dict[str, int] = {}
        self.kills = 0
        self.paths: dict[str, str] = {}
        self._eyes: dict[str, sqlite3.Connection] = {}
        self._inboxes: dict[str, asyncio.Queue[Delivery]] = {}
        self._in_hand: dict[str, Delivery] = {}
        self._seen: dict[str, dict[str, int]] = {}
        self._commits: dict[str, object] = {}
        self._relayed = dict.fromkeys(AGENTS, 0)
        self._open = 0
        self._outside = contextvars.copy_context()
        self._moved = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    # -- opening and closing ----------------------------------------------------------------------

    async def __aenter__(self) -> Shop:
        further = self.submission.TABLES
        for agent in AGENTS:
            self.paths[agent] = self._path(agent)
            eyes = sqlite3.connect(self.paths[agent], timeout=0, uri=True, isolation_level=None)
            self._eyes[agent] = eyes
            eyes.executescript(ALL_TABLES + OWN_TABLES[agent])
            try:
                eyes.executescript(further.get(agent, ""))
            except sqlite3.Error as error:
                raise AssertionError(f"TABLES[{agent!r}] is no good: SQLite says {error}") from None
        self._eyes["inventory"].executemany("INSERT INTO stock VALUES (?, ?)", self.stock.items())
        self._eyes["payment"].executemany(
            "INSERT INTO accounts VALUES (?, ?)", self.accounts.items()
        )
        self._eyes["shipping"].executemany(
            "INSERT INTO addresses VALUES (?)", [(customer,) for customer in self.addresses]
        )
        for agent in AGENTS:
            self._inboxes[agent] = asyncio.Queue()
            self._seen[agent] = dict(self._eyes[agent].execute(EFFECTS[agent]))
        return self

    def _path(self, agent: str) -> str:
        """A database in memory that several connections share, where SQLite has that."""
        name = f"shop-{next(_numbers)}-{agent}"
        if sqlite3.sqlite_version_info >= (3, 36) or self.folder is None:
            return f"file:/{name}?vfs=memdb"
        return (self.folder / name).as_uri()

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for eyes in self._eyes.values():
            eyes.close()

    def rows(self, agent: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What is committed in an agent's database."""
        return self._eyes[agent].execute(sql, values).fetchall()

    def status(self, order_id: str) -> str | None:
        """What the table `orders` says of an order."""
        rows = self.rows("orders", "SELECT status FROM orders WHERE order_id = ?", order_id)
        return str(rows[0][0]) if rows else None

    def took_back(self, agent: str) -> bool:
        """True if an agent has deleted a row of its outbox."""
        made = self.rows(agent, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        left = self.rows(agent, "SELECT COUNT(*) FROM outbox")[0][0]
        return bool(made) and bool(made[0][0] > left)

    # -- the customers ----------------------------------------------------------------------------

    def place(self, order: Order) -> None:
        """A customer orders, and changes their mind later if the order says so."""
        self.orders[order.order_id] = order
        self._eyes["orders"].execute("INSERT INTO orders VALUES (?, 'placed')", (order.order_id,))
        data = {"customer": order.customer, "items": dict(order.items), "total": order.total}
        self._publish("the shop", f"{order.order_id} placed", "OrderPlaced", order.order_id, data)
        for number, seconds in enumerate(order.cancels, start=1):
            self._open += 1
            self._later(seconds, self._cancel, order.order_id, number)

    def sent_before(self, parcels: int) -> None:
        """Shipping has sent so many parcels before, of other orders."""
        rows = [(f"o-old-{number}",) for number in range(parcels)]
        self._eyes["shipping"].executemany("INSERT INTO parcels (order_id) VALUES (?)", rows)
        self._seen["shipping"] = dict(self.rows("shipping", EFFECTS["shipping"]))

    def _cancel(self, order_id: str, number: int) -> None:
        self._publish(
            "the customer", f"{order_id} cancel {number}", "CancelRequested", order_id, {}
        )
        self._one_less()

    # -- the bus ----------------------------------------------------------------------------------

    def _publish(self, sender: str, id_: str, type_: str, order_id: str, data: Any) -> None:
        text, about = json.dumps(data), f"{type_} {order_id}"
        for agent in AGENTS:
            if type_ not in HEARS[agent]:
                continue
            letter = self.world.letter(sender, agent, about) if self.shown else None
            for copy in range(self.copies(type_, agent)):
                delivery = Delivery(agent, id_, type_, order_id, text, letter)
                self._open += 1
                self._later(self.delay(type_, agent, copy), self._arrive, delivery)

    def _later(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        """The bus is not part of any agent: what it does goes on when an agent is killed."""
        self.world.loop.call_later(seconds, call, *args, context=self._outside.copy())

    def _arrive(self, delivery: Delivery) -> None:
        if delivery.agent in self._inboxes:
            if delivery.letter is not None and not delivery.tries:
                delivery.letter.arrived()
            self._inboxes[delivery.agent].put_nowait(delivery)

    def _relay(self, agent: str) -> None:
        """What an agent has committed to its outbox is published."""
        rows = self.rows(
            agent,
            "SELECT position, type, order_id, data FROM outbox WHERE position > ? ORDER BY 1",
            self._relayed[agent],
        )
        for position, type_, order_id, text in rows:
            self._relayed[agent] = position
            try:
                data = json.loads(text)
            except (TypeError, ValueError):
                data = None
            known = data if isinstance(data, dict) else {}
            said = Said(self.world.time(), agent, type_, order_id, known, len(self.effects))
            self.said.append(said)
            if data is not known:
                self.odd_data.append((agent, f"{type_} of {order_id} with the data {text!r}"))
            self._publish(agent, f"{agent} {position}", type_, order_id, known)

    def _observe(self, agent: str, order_id: str) -> None:
        """Write down what has changed since the last time somebody looked."""
        now: dict[str, int] = dict(self.rows(agent, EFFECTS[agent]))
        before, self._seen[agent] = self._seen[agent], now
        for what in {**before, **now}:
            by = now.get(what, 0) - before.get(what, 0)
            if by:
                effect = Effect(self.world.time(), agent, order_id, what, by)
                self.effects.append(effect)
                self._happens(agent, told(effect))
        if agent == "orders" and self.status(order_id) == "cancelled":
            self.closed_after.setdefault(order_id, len(self.effects))

    def _happens(self, agent: str, what: str) -> None:
        if self.shown:
            self.world.happens(agent, what)

    # -- the agents -------------------------------------------------------------------------------

    def start(self, *agents: str) -> None:
        """Start each of these agents as a process of its own."""
        for agent in agents or AGENTS:
            with self.world.network.at(agent):
                self._tasks[agent] = asyncio.create_task(self.run(agent), name=agent)

    async def run(self, agent: str) -> None:
        """An agent's process: one event after another."""
        while True:
            async with aiosqlite.connect(self.paths[agent], uri=True) as db:
                with suppress(_StartsAgain):
                    while True:
                        delivery = self._in_hand[agent] = await self._inboxes[agent].get()
                        await self._handle(agent, db, delivery)

    async def _handle(self, agent: str, db: aiosqlite.Connection, delivery: Delivery) -> None:
        heard = Heard(self.world.time(), agent, delivery.type, delivery.order_id)
        self.heard.append(heard)
        event = self.submission.Event(
            delivery.id, delivery.type, delivery.order_id, json.loads(delivery.data)
        )
        try:
            await getattr(self.submission, agent)(db, event)
        except Exception as error:
            await db.rollback()
            self._has_raised(agent, delivery, error)
            raise _StartsAgain from error
        if db.in_transaction:
            await db.rollback()
            self.left_open.append(f"{agent} returned from {delivery.type}")
        heard.handled = self.world.time()
        self._after(agent, delivery)
        self._one_less()
        if self.forgetful:
            self.submission.restart()
            raise _StartsAgain

    def _has_raised(self, agent: str, delivery: Delivery, error: Exception) -> None:
        delivery.tries += 1
        if delivery.tries == 1:
            self._happens(agent, f"raises {type(error).__name__}")
        self._after(agent, delivery)
        if delivery.tries < _PATIENCE:
            self._later(min(60.0, _AGAIN * 2**delivery.tries), self._arrive, delivery)
        else:
            self.given_up.append((agent, delivery.type, error))
            self._one_less()

    def _after(self, agent: str, delivery: Delivery) -> None:
        del self._in_hand[agent]
        self._observe(agent, delivery.order_id)
        self._relay(agent)

    def _one_less(self) -> None:
        self._open -= 1
        if not self._open:
            self._moved.set()

    # -- killing ----------------------------------------------------------------------------------

    async def machine(self, *those: str) -> None:
        """These agents, or all, in one process, which ends when nothing is left to do."""
        agents = [asyncio.create_task(self.run(agent), name=agent) for agent in those or AGENTS]
        await self.until_quiet()
        for agent in agents:
            agent.cancel()
        await asyncio.gather(*agents, return_exceptions=True)

    def kill(self, *agents: str) -> None:
        """Agents are killed, and what they had in hand comes again."""
        for agent in agents:
            self.world.kill(agent)
            self._tasks.pop(agent, None)
        self.buried(*agents)

    def buried(self, *agents: str) -> None:
        """What is left of agents that were killed: what they had committed, and had in hand."""
        self.kills += 1
        for agent in agents or AGENTS:
            self._happens(agent, "killed")
            delivery = self._in_hand.get(agent)
            if delivery is not None:
                before = len(self.effects), len(self.said)
                self._after(agent, delivery)
                ids = self.rows(agent, "SELECT 1 FROM handled WHERE event_id = ?", delivery.id)
                if ids and before == (len(self.effects), len(self.said)):
                    self.ids_alone.append(f"{delivery.type} in the database of {agent}")
                self._later(self.again, self._arrive, delivery)
            waiting, self._inboxes[agent] = self._inboxes[agent], asyncio.Queue()
            while not waiting.empty():
                self._inboxes[agent].put_nowait(waiting.get_nowait())
        self.submission.restart()  # a new process remembers nothing

    def outside(self) -> object:
        """What is there when agents are dead (see `World.killed`)."""
        for agent in AGENTS:
            with suppress(sqlite3.OperationalError):  # somebody writes, and has not committed
                self._commits[agent] = commits(self._eyes[agent])
        events = {agent: delivery.id for agent, delivery in self._in_hand.items()}
        return dict(self._commits), events, self._open, len(self.said), len(self.effects)

    async def until_quiet(self) -> None:
        """Wait until every event has been handled; or so long that it never will be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONG):
                while self._open:
                    self._moved.clear()
                    await self._moved.wait()


class _StartsAgain(Exception):
    """An agent's process ends, and another one begins."""
