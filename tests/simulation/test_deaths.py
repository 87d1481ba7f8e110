"""Processes that are killed: nothing of them runs any more, and nobody else is harmed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import aio_pika
import aiosqlite
import pytest

from autograder.simulation import Token, World, explore, read_token, run_world
from autograder.simulation.servers.amqp import AmqpBroker

from .networking import echo, in_world


def started(world: World, host: str, *coros: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Tasks of a process on a host."""
    with world.network.at(host):
        return [asyncio.create_task(coro) for coro in coros]


def test_the_dead_do_not_clean_up() -> None:
    """What is killed runs no except and no finally, and none of its tasks and timers goes on."""

    async def program(world: World) -> list[str]:
        log = []

        async def tick() -> None:
            while True:
                await asyncio.sleep(1)
                log.append("tick")

        async def work() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(tick())
                asyncio.get_running_loop().call_later(10, log.append, "timer")
                try:
                    await asyncio.sleep(100)
                except BaseException:
                    log.append("except")
                finally:
                    log.append("finally")

        started(world, "worker", work())
        await asyncio.sleep(2.5)
        world.kill("worker")
        await asyncio.sleep(1000)
        return list(log)

    assert in_world(program) == ["tick", "tick"]


def test_a_killed_process_is_no_leak_and_no_deadlock() -> None:
    """Tasks of the dead are never done, and no detector minds."""

    async def program(world: World) -> None:
        lock = asyncio.Lock()

        async def hold() -> None:
            async with lock:
                await asyncio.Event().wait()

        started(world, "worker", hold(), hold())
        await asyncio.sleep(1)
        world.kill("worker")

    outcome = run_world(program)
    assert (outcome.error, outcome.problems) == (None, [])


def test_its_peers_see_its_connections_end() -> None:
    """The operating system closes the sockets of the dead, in both roles."""

    async def program(world: World) -> tuple[bytes, bytes]:
        await asyncio.start_server(echo, "echo.example", 7)
        ended = asyncio.get_running_loop().create_future()

        async def talk() -> None:
            _, writer = await asyncio.open_connection("home.example", 9)
            writer.write(b"half a line")
            await asyncio.sleep(100)

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ended.set_result(await reader.read())
            writer.close()

        async def serve() -> None:
            server = await asyncio.start_server(echo, "worker", 80)
            await server.serve_forever()

        await asyncio.start_server(listen, "home.example", 9)
        started(world, "worker", talk(), serve())
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("worker", 80)
        world.kill("worker")
        rest = await reader.read()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("worker", 80)
        assert world.network.connections("worker") == []
        return await ended, rest

    for seed in range(5):
        assert in_world(program, seed) == (b"half a line", b"")


def test_another_process_takes_its_place() -> None:
    """After a death the host is free for another process, down to the port."""

    async def program(world: World) -> bytes:
        async def serve() -> None:
            server = await asyncio.start_server(echo, "worker", 80)
            await server.serve_forever()

        for _ in range(2):
            with world.network.at("worker"):
                serving = asyncio.create_task(serve())
            await asyncio.sleep(1)
            reader, writer = await asyncio.open_connection("worker", 80)
            writer.write(b"hello\n")
            answer = await reader.readline()
            writer.close()
            world.kill("worker")
        assert not serving.done()
        return answer

    assert in_world(program) == b"hello\n"


async def three_steps(log: list[int]) -> str:
    for step in range(3):
        await asyncio.sleep(1)
        log.append(step)
    return "done"


def test_it_is_killed_at_every_await() -> None:
    """With at_every_await there is one world for each time that the process waits."""
    found: list[tuple[bool, Any, list[int]]] = []

    async def program(world: World) -> None:
        log: list[int] = []
        outcome = await world.killed(three_steps(log), "worker")
        await asyncio.sleep(10)
        found.append((outcome.fired, outcome.result, log))

    assert explore(program, seeds=1, at_every_await=True) is None
    assert found == [
        (True, None, []),
        (True, None, [0]),
        (True, None, [0, 1]),
        (False, "done", [0, 1, 2]),
    ]


def test_it_stands_still_at_every_await() -> None:
    """A frozen process does nothing while others go on, and then goes on itself, late."""
    found: list[tuple[bool, list[int], list[int], float]] = []

    async def program(world: World) -> None:
        log: list[int] = []
        seen: list[int] = []

        async def meanwhile() -> None:
            await asyncio.sleep(30)
            seen.extend(log)

        outcome = await world.frozen(three_steps(log), "worker", meanwhile)
        assert outcome.result == "done"
        found.append((outcome.fired, seen, log, world.time()))

    assert explore(program, seeds=1, at_every_await=True) is None
    assert found == [
        (True, [], [0, 1, 2], 32.0),
        (True, [0], [0, 1, 2], 32.0),
        (True, [0, 1], [0, 1, 2], 32.0),
        (False, [], [0, 1, 2], 3.0),
    ]


def test_nobody_is_frozen_in_a_transaction(tmp_path: Path) -> None:
    """One that holds a lock of a database does not stand still: all others would have to."""
    path = tmp_path / "shop.db"
    asked: list[str] = []

    async def program(world: World) -> None:
        async def writer() -> None:
            db = sqlite3.connect(path, isolation_level=None)
            await asyncio.sleep(1)
            db.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(1)
            db.execute("COMMIT")
            db.close()

        async def meanwhile() -> None:
            asked.append(f"at {world.time():.0f} s")

        await world.frozen(writer(), "writer", meanwhile)

    assert explore(program, seeds=1, at_every_await=True) is None
    assert asked == ["at 0 s"]


def test_what_was_frozen_can_be_cancelled() -> None:
    """A test that is cancelled while a process stands still leaves nothing running."""

    async def program(world: World) -> list[int]:
        log: list[int] = []
        running = asyncio.create_task(
            world.frozen(three_steps(log), "worker", lambda: asyncio.sleep(100))
        )
        await asyncio.sleep(5)
        running.cancel()
        await asyncio.wait([running])
        await asyncio.sleep(5)
        return log

    outcome = run_world(program, interruption=2)
    assert (outcome.result, outcome.error, outcome.problems) == ([0], None, [])


def test_without_at_every_await_nobody_is_killed() -> None:
    """killed() runs the process to its end where the test does not ask for more."""

    async def program(world: World) -> tuple[bool, str]:
        outcome = await world.killed(three_steps([]), "worker")
        return outcome.fired, outcome.result

    assert in_world(program) == (False, "done")


def test_what_it_raises_goes_through() -> None:
    """A process that fails by itself was not killed."""

    async def program(world: World) -> None:
        async def fail() -> None:
            await asyncio.sleep(1)
            raise LookupError("no such thing")

        with pytest.raises(LookupError):
            await world.killed(fail(), "worker")

    in_world(program)


def test_a_killing_can_be_replayed() -> None:
    """The token of a world tells at which await the process was killed."""

    async def program(world: World) -> None:
        log: list[int] = []
        await world.killed(three_steps(log), "worker")
        await asyncio.sleep(10)
        assert len(log) != 2

    finding = explore(program, seeds=1, at_every_await=True)
    assert finding is not None
    assert read_token(finding.token) == Token(0, None, 3)
    assert "worker is killed" in [event.text for event in finding.events]


def test_open_transactions_are_rolled_back(tmp_path: Path) -> None:
    """A process that dies in a transaction leaves nothing of it, and no lock."""
    for number, connect in enumerate((plainly, asynchronously, half_read)):
        path = tmp_path / f"{number}.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE effects (body TEXT)")
        db.close()

        async def program(world: World, path: Path = path, connect: Any = connect) -> int:
            started(world, "worker", connect(path))
            await asyncio.sleep(1)
            world.kill("worker")
            async with aiosqlite.connect(path) as db:
                await db.execute("INSERT INTO effects VALUES ('mine')")
                await db.commit()
                rows = await db.execute_fetchall("SELECT * FROM effects")
            return [row[0] for row in rows]  # type: ignore[return-value]

        assert in_world(program) == ["mine"]


async def plainly(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO effects VALUES ('theirs')")
    await asyncio.sleep(100)
    db.commit()


async def half_read(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executemany("INSERT INTO effects VALUES (?)", [("a",), ("b",)])
    db.commit()
    db.execute("DELETE FROM effects")
    db.commit()
    db.executemany("INSERT INTO effects VALUES (?)", [("theirs",), ("too",)])
    cursor = db.execute("SELECT * FROM effects")
    cursor.fetchone()
    await asyncio.sleep(100)
    cursor.fetchone()


async def asynchronously(path: Path) -> None:
    async with aiosqlite.connect(path) as db:
        await db.execute("INSERT INTO effects VALUES ('theirs')")
        await asyncio.sleep(100)
        await db.commit()


def test_threads_of_the_dead_do_not_run() -> None:
    """What a killed process has given to a thread that did not begin yet is not done."""

    async def program(world: World) -> list[str]:
        log: list[str] = []

        def record() -> None:
            log.append("began")
            time.sleep(5)
            log.append("ended")

        async def work() -> None:
            await asyncio.to_thread(record)

        started(world, "late", work())
        await asyncio.sleep(0)
        world.kill("late")
        await asyncio.sleep(1)
        started(world, "early", work())
        await asyncio.sleep(1)
        world.kill("early")
        await asyncio.sleep(10)
        return list(log)

    assert in_world(program) == ["began"]


def test_the_living_are_not_touched() -> None:
    """A death harms nobody else, in asyncio's order or in any other."""

    async def program(world: World) -> None:
        logs: dict[str, list[int]] = {"one": [], "two": []}
        tasks = {}
        for name, log in logs.items():
            with world.network.at(name):
                tasks[name] = asyncio.create_task(three_steps(log))
        await asyncio.sleep(1.5)
        world.kill("one")
        assert await tasks["two"] == "done"
        assert logs == {"one": [0], "two": [0, 1, 2]}

    assert explore(program, seeds=5) is None
    assert explore(program, seeds=5, shuffle=True) is None


@pytest.mark.parametrize("style", ["callback", "iterator"])
def test_a_worker_is_killed_wherever_its_code_waits(style: str) -> None:
    """With aio-pika, callbacks that the library runs count too; what was not acknowledged comes
    again, and the next worker does all that is left."""
    killed = repeated = 0

    async def program(world: World) -> None:
        nonlocal killed, repeated
        broker = AmqpBroker(world)
        effects: list[bytes] = []
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue("orders", durable=True)
            for number in range(3):
                body = aio_pika.Message(b"%d" % number, delivery_mode=2)
                await channel.default_exchange.publish(body, "orders")

        async def handle(message: Any) -> None:
            await asyncio.sleep(0.1)
            effects.append(message.body)
            await message.ack()

        async def work() -> None:
            async with await aio_pika.connect_robust(broker.url) as connection:
                channel = await connection.channel()
                await channel.set_qos(prefetch_count=1)
                queue = await channel.declare_queue("orders", durable=True)
                if style == "callback":
                    await queue.consume(handle)
                    await asyncio.sleep(5)
                else:
                    with suppress(TimeoutError):
                        async with queue.iterator(timeout=5) as messages:
                            async for message in messages:
                                await handle(message)

        outcome = await world.killed(work(), "worker")
        killed += outcome.fired
        if outcome.fired:
            await work()
        assert broker.queue("orders").depth == 0
        assert set(effects) == {b"0", b"1", b"2"}
        repeated += len(effects) > 3

    assert explore(program, seeds=1, at_every_await=True) is None
    assert killed > 10
    assert repeated > 0
