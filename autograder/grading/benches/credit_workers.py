"""Workers on a simulated RabbitMQ, with somebody who watches what they acknowledge, for graders."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..mistakes import mistake
from .credits import Shop

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.servers.amqp import AmqpBroker, Happening, Message

QUEUE = "points"
DEAD = f"{QUEUE}.dead"
LONG = 300.0
"""Seconds after which what has not happened will not happen."""


@dataclass
class Running:
    """A worker that was started."""

    task: asyncio.Task[Any]
    stop: asyncio.Event


class Scene:
    """A broker, a database and workers; and a witness of what is acknowledged too early."""

    def __init__(
        self,
        world: World,
        submission: ModuleType,
        shop: Shop,
        broker: AmqpBroker,
        **options: Any,
    ) -> None:
        self.world = world
        self.shop = shop
        self.broker = broker
        self.published: dict[str, str] = {}
        self._early: list[tuple[str, str]] = []  # the mistake, and what happened
        self._copies: list[Message] = []
        self._submission = submission
        self._options = options
        self._publishing = 0
        self._rows: object = None
        broker.on("publish", self._published)
        broker.on("ack", self._acknowledged)
        broker.on("deliver", self._delivered)

    # -- workers ----------------------------------------------------------------------------------

    def work(self, stop: asyncio.Event) -> Any:
        """The coroutine of a worker, which shares no more with others than processes do."""
        return self._submission.restart().work(
            self.broker.url,
            self.shop.database,
            self.shop.handle,
            stop,
            queue=QUEUE,
            **self._options,
        )

    def start(self, host: str = "worker") -> Running:
        """A worker on a host of its own."""
        stop = asyncio.Event()
        with self.world.network.at(host):
            return Running(asyncio.create_task(self.work(stop), name=host), stop)

    async def stop(self, *workers: Running, seconds: float = LONG) -> None:
        """Tell workers to stop, and wait until they have."""
        for worker in workers:
            worker.stop.set()
        for worker in workers:
            await asyncio.wait([worker.task], timeout=seconds)
            if not worker.task.done():
                busy = self.shop.at_work
                worker.task.cancel()
                await asyncio.wait([worker.task], timeout=30)
                assert not busy, f"stop was set, and {seconds:.0f} s later a handler is at work"
                raise AssertionError(
                    mistake(
                        "never-stops",
                        f"stop was set, no handler was at work, and {seconds:.0f} s later the "
                        "worker has not returned.",
                    )
                )
            self.check(worker)

    def check(self, *workers: Running) -> None:
        """Raises what a worker raised, and AssertionError if one has returned untold."""
        for worker in workers:
            if worker.task.done():
                worker.task.result()
                assert worker.stop.is_set(), "the worker returned, and nobody had told it to stop"

    # -- messages ---------------------------------------------------------------------------------

    async def publish(self, *customers: str | tuple[str, str]) -> None:
        """Publish a message for each customer, once the queue is there; (id, customer) for one
        with another id than the customer's name."""
        import aio_pika

        self._publishing += 1
        pairs = [c if isinstance(c, tuple) else (f"id of {c}", c) for c in customers]
        await self.broker.until(self.is_ready, LONG)
        with self.world.network.at("the shop"):
            connection = await aio_pika.connect(self.broker.url)
            async with connection:
                channel = await connection.channel()
                for message_id, customer in pairs:
                    message = aio_pika.Message(
                        customer.encode(), message_id=message_id, delivery_mode=2
                    )
                    self.published[message_id] = customer
                    await channel.default_exchange.publish(message, QUEUE)
        self._publishing -= 1

    def is_ready(self) -> bool:
        """True once one can publish."""
        return self.broker.queue(QUEUE).exists

    async def until_quiet(self, seconds: float = LONG) -> None:
        """Wait until nobody works and no message waits, except dead ones; or so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self.broker.until(self._is_quiet, seconds)
                    await asyncio.sleep(2)  # what was acknowledged may still be worked on
                    if self._is_quiet():
                        return
        except TimeoutError:
            return

    def _is_quiet(self) -> bool:
        return not self._publishing and not self.shop.at_work and not self.waiting()

    def waiting(self) -> dict[str, int]:
        """How many messages are in which queue, apart from the dead ones."""
        queues = self.broker.queues()
        return {q.name: q.depth for q in queues if q.name.startswith(QUEUE) and q.name != DEAD
                and q.depth}  # fmt: skip

    def outside(self) -> object:
        """What is there when a worker is dead (see `World.killed`)."""
        with suppress(sqlite3.OperationalError):  # somebody writes, and has not committed
            self._rows = self.shop.rows(), self.shop.remembered()
        queues = [(q.name, q.ready, q.unacked) for q in self.broker.queues()]
        began, ended = len(self.shop.calls), self.shop.finished
        return self._rows, queues, len(self._copies), began, ended

    # -- watching ---------------------------------------------------------------------------------

    def _published(self, event: Happening) -> None:
        if event.message is not None:
            self._copies.append(event.message)

    def _acknowledged(self, event: Happening) -> None:
        self._must_be_safe(event.message, event.queue, "was acknowledged")

    def _delivered(self, event: Happening) -> None:
        if not self.broker.queue(event.queue).unacked:
            said = "was taken with no_ack, which acknowledges it,"
            self._must_be_safe(event.message, event.queue, said)

    def _must_be_safe(self, message: Message | None, queue: str, said: str) -> None:
        """A copy of a message is no more: another one is left, or its row is there."""
        if message is None or queue == DEAD:
            return
        message_id, customer = message.properties.message_id, message.body.decode()
        copies = [copy for copy in self._copies if _is_about(copy, message_id, message.body)]
        if copies:
            self._copies.remove(copies[0])
        if len(copies) > 1 or self.shop.credits()[customer]:
            return
        if message_id in self.shop.remembered():
            told = f"The message for {customer} {said} since its id was in `processed`; no row was."
            self._early.append(("id-without-effect", told))
        else:
            told = f"The message for {customer} {said} before its row was committed."
            self._early.append(("ack-before-work", told))

    # -- judging ----------------------------------------------------------------------------------

    def assert_nothing_early(self, then: str) -> None:
        """Nothing was acknowledged before it was safe. ``then`` says what that means, or meant."""
        for name, told in self._early:
            raise AssertionError(
                mistake(
                    "id-without-effect" if name == "id-without-effect" else "ack-before-work",
                    f"{told} {then}",
                )
            )

    def assert_once(self, customers: Sequence[str], said: str) -> None:
        """Each has one row. ``said`` is what had happened."""
        rows, remembered = self.shop.credits(), self.shop.remembered()
        ids = {customer: message_id for message_id, customer in self.published.items()}
        for customer in customers:
            assert rows[customer] <= 1, mistake(
                "not-idempotent",
                f"{said}, and {customer} was credited {rows[customer]} times for one message"
                + (", although its id is in `processed`." if ids[customer] in remembered else "."),
            )
            assert rows[customer] or ids[customer] not in remembered, mistake(
                "id-without-effect",
                f"{said}, and {customer} was never credited: the message's id was in `processed` "
                "before, and so it was taken for done.",
            )
            assert rows[customer], (
                f"{said}, and {customer} was never credited. Messages in queues: "
                f"{self.waiting() or 'none'}; dead ones: {self.broker.queue(DEAD).depth}"
            )
        wrong = [row for row in self.shop.rows() if row not in {(c, len(c)) for c in customers}]
        assert not wrong, f"credits has rows that nobody has earned: {wrong}"


def _is_about(copy: Message, message_id: str | None, body: bytes) -> bool:
    """True for a message that may stand for another one: a worker may publish it anew."""
    return copy.properties.message_id == message_id or body in copy.body


def scenes(template: Path, folder: Path) -> Callable[..., Scene]:
    """What makes scenes, each with a database of its own, copied from the template."""
    made: list[Path] = []

    def make(
        world: World,
        submission: ModuleType,
        *,
        fails: Callable[[str, int], bool] = lambda body, nth: False,
        seconds: float | None = 0.1,
        patience: int = 200,
        **options: Any,
    ) -> Scene:
        from autograder.simulation.servers.amqp import AmqpBroker

        made.append(folder / f"{len(made)}.db")
        shutil.copyfile(template, made[-1])
        shop = Shop(made[-1], seconds=seconds, patience=patience, fails=fails, now=world.time)
        return Scene(world, submission, shop, AmqpBroker(world), **options)

    return make
