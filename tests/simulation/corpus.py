"""Sixteen classic bugs of asyncio programs, each beside the program it should have been.

In a world a race shows as it does on a real asyncio: because trips take different times, because
a message comes twice, a timer fires late, a caller gives up. Where asyncio's own order makes a bug
impossible the case says so, and the advisory tier finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from autograder.simulation import World

Body = Callable[[World, bool], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Case:
    """One bug.

    Attributes:
        body: the program, called with the world and whether it is the good one.
        mistake: the detector that names the bad one; None if the program's own assertion sees it.
        options: fields of the plan that the case needs.
        possible: False if asyncio's own order makes the bug impossible.
    """

    body: Body
    mistake: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    possible: bool = True

    @property
    def name(self) -> str:
        return self.body.__name__

    def program(self, good: bool) -> Callable[[World], Coroutine[Any, Any, None]]:
        def program(world: World) -> Coroutine[Any, Any, None]:
            return self.body(world, good)

        return program


async def lost_update(world: World, good: bool) -> None:
    """Two requests read a counter, wait, and write what they made of the value they read."""
    count, lock = 0, asyncio.Lock()

    async def add(trips: int) -> None:
        nonlocal count
        for _ in range(trips):
            await world.pause("log in")
        async with lock if good else contextlib.nullcontext():
            seen = count
            await world.pause("store")
            count = seen + 1

    await asyncio.gather(add(1), add(4))
    assert count == 2, f"2 were added, {count} is stored"


async def oversold(world: World, good: bool) -> None:
    """The stock is checked before the card is charged, and taken after it."""
    stock, sold, lock = 1, [], asyncio.Lock()
    charge = world.service(lambda who: f"receipt for {who}", name="charge")

    async def buy(who: str, trips: int) -> None:
        nonlocal stock
        for _ in range(trips):
            await world.pause("browse")
        async with lock if good else contextlib.nullcontext():
            if stock > 0:
                await charge(who)
                stock -= 1
                sold.append(who)

    await asyncio.gather(buy("ada", 1), buy("bob", 5), buy("cyd", 9))
    assert len(sold) <= 1, f"1 was in stock, sold to {sold}"


async def crossed_locks(world: World, good: bool) -> None:
    """Two transfers take the same two locks in opposite orders."""
    accounts = {"ada": asyncio.Lock(), "bob": asyncio.Lock()}

    async def transfer(giver: str, taker: str, trips: int) -> None:
        for _ in range(trips):
            await world.pause("log in")
        first, second = sorted([giver, taker]) if good else [giver, taker]
        async with accounts[first]:
            await world.pause("read")
            async with accounts[second]:
                await world.pause("write")

    await asyncio.gather(transfer("ada", "bob", 1), transfer("bob", "ada", 4))


async def forgotten_await(world: World, good: bool) -> None:
    """The audit log is called like a function, and so never written."""
    written = []

    async def audit(number: int) -> None:
        await world.pause("audit")
        written.append(number)

    async def handle(number: int) -> int:
        if good:
            await audit(number)
        else:
            audit(number)
        return number * 2

    assert await asyncio.gather(handle(1), handle(2)) == [2, 4]


async def lost_failure(world: World, good: bool) -> None:
    """A task is started for its effect, and its failure goes nowhere."""

    async def notify() -> None:
        await world.pause("mail")
        raise ConnectionError("the mail server is down")

    async def handle() -> str:
        notifying = asyncio.create_task(notify())
        await world.pause("database")
        if good:
            await asyncio.wait([notifying])
            return "saved" if notifying.exception() is None else "saved, not notified"
        return "saved"

    assert (await handle()).startswith("saved")
    await asyncio.sleep(1)


async def swallowed_cancellation(world: World, good: bool) -> None:
    """A poller that survives everything survives being cancelled as well."""

    async def poll() -> None:
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                if good:
                    raise

    poller = asyncio.create_task(poll())
    await world.pause("work")
    poller.cancel()
    await asyncio.wait([poller])


async def leaked_connection(world: World, good: bool) -> None:
    """Whoever is cancelled in the middle of a query never gives the connection back."""
    free = 2

    async def query() -> None:
        nonlocal free
        free -= 1
        if good:
            try:
                await world.pause("query")
            finally:
                free += 1
        else:
            await world.pause("query")
            free += 1

    await world.interrupted(query())
    assert free == 2, f"{2 - free} of 2 connections were never given back"


async def running_siblings(world: World, good: bool) -> None:
    """gather() passes the first failure on and leaves the other tasks running."""
    sent = []

    async def fail() -> None:
        await world.pause("check")
        raise ValueError("the address is wrong")

    async def send() -> None:
        await asyncio.sleep(5)
        sent.append("mail")

    if good:
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(send())
    else:
        with contextlib.suppress(ValueError):
            await asyncio.gather(fail(), send())
    assert sent == []


async def missing_timeout(world: World, good: bool) -> None:
    """A dependency that now and then never answers is waited for without a limit."""

    async def answer() -> int:
        if world.chance(0.03, "never answers"):
            await asyncio.get_running_loop().create_future()
        return 1

    ask = world.service(answer)

    async def call() -> int | None:
        if not good:
            return await ask()
        try:
            async with asyncio.timeout(1):
                return await ask()
        except TimeoutError:
            return None

    await asyncio.gather(*(call() for _ in range(3)))


async def unbounded_queue(world: World, good: bool) -> None:
    """A producer is never told to wait for a consumer that has a slow moment."""
    queue: asyncio.Queue[int | None] = asyncio.Queue(maxsize=12 if good else 0)
    most = 0

    async def produce() -> None:
        nonlocal most
        for number in range(30):
            await queue.put(number)
            most = max(most, queue.qsize())
            await world.pause("produce")
        await queue.put(None)

    async def consume() -> None:
        while await queue.get() is not None:
            await world.pause("consume")

    await asyncio.gather(produce(), consume())
    assert most <= 12, f"{most} items in memory, room for 12 was planned"


async def lost_wake_up(world: World, good: bool) -> None:
    """A consumer waits to be told of what has happened already."""
    condition, ready = asyncio.Condition(), False

    async def consume() -> None:
        await world.pause("connect")
        async with condition:
            if good:
                await condition.wait_for(lambda: ready)
            else:
                await condition.wait()

    async def produce() -> None:
        nonlocal ready
        for _ in range(4):
            await world.pause("prepare")
        async with condition:
            ready = True
            condition.notify_all()

    await asyncio.gather(consume(), produce())


async def blocking_sleep(world: World, good: bool) -> None:
    """time.sleep in a coroutine stops everybody."""

    async def render() -> str:
        if good:
            await asyncio.sleep(0.02)
        else:
            time.sleep(0.02)  # noqa: ASYNC251 (the bug)
        return "page"

    assert await asyncio.gather(render(), render()) == ["page", "page"]


async def handled_twice(world: World, good: bool) -> None:
    """A broker delivers at least once; the handler believes in exactly once."""
    payments = world.channel("payments", duplicate=0.03)
    balance, seen = 0, set()

    async def handle() -> None:
        nonlocal balance
        async for number, amount in payments:
            if good and number in seen:
                continue
            seen.add(number)
            balance += amount

    for number in range(3):
        payments.send((number, 10))
    payments.close()
    await handle()
    assert balance == 30, f"3 payments of 10 make {balance}"


async def open_cursor(world: World, good: bool) -> None:
    """A generator that is left early closes its cursor some time later."""
    cursors = 0

    async def rows() -> AsyncIterator[int]:
        nonlocal cursors
        cursors += 1
        try:
            for row in range(5):
                await world.pause("fetch")
                yield row
        finally:
            await world.pause("close cursor")
            cursors -= 1

    async def first() -> int | None:
        generator = rows()
        if good:
            async with contextlib.aclosing(generator):  # type: ignore[type-var]
                async for row in generator:
                    return row
        async for row in generator:
            return row
        return None

    assert await first() == 0
    for _ in range(3):
        await world.pause("next request")
    assert cursors == 0, "a cursor is still open"


async def windows_apart(world: World, good: bool) -> None:
    """Three updates are kept apart by nothing but the times they are planned for."""
    count, lock = 0, asyncio.Lock()

    async def add(start: float) -> None:
        nonlocal count
        await asyncio.sleep(start)
        async with lock if good else contextlib.nullcontext():
            seen = count
            await asyncio.sleep(0.010)
            count = seen + 1

    await asyncio.gather(add(0.0), add(0.015), add(0.030))
    assert count == 3, f"3 were added, {count} is stored"


async def late_configuration(world: World, good: bool) -> None:
    """A server trusts that after fourteen turns the configuration is there.

    On asyncio it is: one turn of the loop is enough for the task that loads it.
    """
    configuration, loaded = None, asyncio.Event()

    async def load() -> None:
        nonlocal configuration
        await asyncio.sleep(0)
        configuration = {"workers": 1}
        loaded.set()

    async def serve() -> None:
        if good:
            await loaded.wait()
        for _ in range(14):
            await asyncio.sleep(0)
        assert configuration is not None, "used before it was loaded"

    await asyncio.gather(load(), serve())


CASES = [
    Case(lost_update),
    Case(oversold),
    Case(crossed_locks, "deadlock"),
    Case(forgotten_await, "never-awaited"),
    Case(lost_failure, "lost-exception"),
    Case(swallowed_cancellation, "swallowed-cancellation"),
    Case(leaked_connection, options={"at_every_await": True}),
    Case(running_siblings, "leaked-task"),
    Case(missing_timeout, "deadlock"),
    Case(unbounded_queue),
    Case(lost_wake_up, "deadlock"),
    Case(blocking_sleep, "blocking-call"),
    Case(handled_twice),
    Case(open_cursor),
    Case(windows_apart, options={"lateness": 1.0}),
    Case(late_configuration, options={"shuffle": True}, possible=False),
]
