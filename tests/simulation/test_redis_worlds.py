"""Programs on a simulated Redis: right ones pass in every world, and every world repeats."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, ResponseError, WatchError

from autograder.simulation import World, explore, run_world
from autograder.simulation.servers.redis import RedisServer

Program = Callable[[World], Coroutine[Any, Any, Any]]


async def consumer_group(world: World) -> None:
    """Two workers share a stream; each entry is done once and acknowledged."""
    server = RedisServer(world)
    client = redis.from_url(server.url, decode_responses=True, protocol=2)
    await client.xgroup_create("jobs", "team", id="0", mkstream=True)
    done: list[str] = []

    async def work(name: str) -> None:
        while True:
            got = await client.xreadgroup("team", name, {"jobs": ">"}, count=2, block=2000)
            for _, entries in got:
                for entry_id, fields in entries:
                    await world.pause("work")
                    done.append(fields["n"])
                    await client.xack("jobs", "team", entry_id)

    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work(name)) for name in ("ada", "bob")]
        for n in range(6):
            await client.xadd("jobs", {"n": n})
        await server.until(lambda: len(done) == 6 and not server.stream("jobs").pending("team"))
        for worker in workers:
            worker.cancel()
    assert sorted(done) == list("012345")
    await client.aclose()


async def recovery(world: World) -> None:
    """A worker dies with an entry; another claims it when it has been idle for a minute."""
    server = RedisServer(world)
    async with redis.from_url(server.url, decode_responses=True, protocol=2) as client:
        await client.xgroup_create("jobs", "team", id="0", mkstream=True)
        await client.xadd("jobs", {"n": 1}, id="1-0")
        await client.xreadgroup("team", "dead", {"jobs": ">"})
        claimed: list[Any] = []
        while not claimed:
            _, claimed, _ = await client.xautoclaim("jobs", "team", "ada", 60_000, "0-0")
            if not claimed:
                await asyncio.sleep(10)
        assert world.time() >= 60
        (entry,) = server.stream("jobs").pending("team")
        assert (entry.consumer, entry.deliveries) == ("ada", 2)


async def listening(world: World) -> None:
    """A listener in a task, that is cancelled in the end."""
    server = RedisServer(world)
    heard: list[str] = []
    enough = asyncio.Event()

    async def listen(client: Any) -> None:
        async with client.pubsub() as pubsub:
            await pubsub.subscribe("news")
            async for message in pubsub.listen():
                if message["type"] == "message":
                    heard.append(message["data"])
                if len(heard) == 3:
                    enough.set()

    async with redis.from_url(server.url, decode_responses=True) as client:
        listener = asyncio.create_task(listen(client))
        await server.until(lambda: server.subscribers("news") == 1)
        for n in range(3):
            await client.publish("news", n)
        await enough.wait()
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener
    assert heard == ["0", "1", "2"]


async def listening_by_handler(world: World) -> None:
    """redis-py's own loop, with a handler for a pattern."""
    server = RedisServer(world)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    async with redis.from_url(server.url, decode_responses=True) as client:
        pubsub = client.pubsub()
        await pubsub.psubscribe(**{"order.*": heard.put_nowait})
        task = asyncio.create_task(pubsub.run(poll_timeout=0.5))
        await server.until(lambda: server.patterns)
        await client.publish("order.paid", 1)
        assert (await heard.get())["channel"] == "order.paid"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await pubsub.aclose()


async def polling(world: World) -> None:
    """get_message with a timeout, in a loop with other work."""
    server = RedisServer(world)
    async with redis.from_url(server.url, decode_responses=True) as client:
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        await pubsub.subscribe("news")
        await server.until(lambda: server.subscribers("news") == 1)
        await client.publish("news", "hello")
        message = None
        while message is None:
            message = await pubsub.get_message(timeout=0.1)
        assert message["data"] == "hello"
        await pubsub.aclose()


async def optimistic_locking(world: World) -> None:
    """WATCH, read, MULTI, write, and again if somebody came in between."""
    server = RedisServer(world)
    async with redis.from_url(server.url) as client:

        async def add() -> None:
            async with client.pipeline(transaction=True) as pipe:
                while True:
                    try:
                        await pipe.watch("n")
                        n = int(await pipe.get("n") or 0)
                        pipe.multi()
                        pipe.set("n", n + 1)
                        await pipe.execute()
                        return
                    except WatchError:
                        continue

        await asyncio.gather(*(add() for _ in range(4)))
    assert server.value("n") == "4"


async def one_at_a_time(world: World) -> None:
    """redis-py's lock around something that takes time."""
    server = RedisServer(world)
    inside = most = 0

    async def enter(client: Any) -> None:
        nonlocal inside, most
        async with client.lock("door", timeout=30, sleep=0.05):
            inside += 1
            most = max(most, inside)
            await world.pause("inside")
            inside -= 1

    async with redis.from_url(server.url) as client:
        await asyncio.gather(*(enter(client) for _ in range(3)))
    assert most == 1
    assert server.keys() == []


async def patience(world: World) -> None:
    """A client with retries outlives a restart of its server."""
    server = RedisServer(world)
    lost = (ConnectionError, OSError)
    retry = Retry(ExponentialBackoff(cap=1, base=0.05), 20, supported_errors=lost)
    async with redis.from_url(server.url, retry=retry) as client:
        await client.set("a", 1)
        restart = asyncio.create_task(server.restart(down_for=2.0))
        await asyncio.sleep(0.1)
        assert await client.get("a") == b"1"
        await restart


async def patience_by_default(world: World) -> None:
    """A client made without from_url tries again by itself, with jitter."""
    server = RedisServer(world)
    async with redis.Redis(host=server.host) as client:
        await client.set("a", 1)
        server.disconnect()
        assert await client.get("a") == b"1"
        server.cut(after="GET", nth=2)
        for _ in range(5):
            assert await client.get("a") == b"1"


async def bounded_pool(world: World) -> None:
    """A pool of two connections serves ten callers in turn."""
    server = RedisServer(world)
    pool = redis.BlockingConnectionPool.from_url(server.url, max_connections=2, timeout=20)
    client = redis.Redis.from_pool(pool)
    results = await asyncio.gather(*(client.incr("n") for _ in range(10)))
    assert sorted(results) == list(range(1, 11))
    assert server.connections_made == 2
    await client.aclose()


async def never_closed(world: World) -> None:
    """A client that nobody closes: untidy, and no mistake of concurrency."""
    server = RedisServer(world)
    client = redis.from_url(server.url)
    await client.set("a", 1)
    pubsub = client.pubsub()
    await pubsub.subscribe("news")


async def health_checks(world: World) -> None:
    """A client that pings before it asks after a long silence."""
    server = RedisServer(world)
    async with redis.from_url(server.url, health_check_interval=30) as client:
        await client.set("a", 1)
        await asyncio.sleep(3600)
        assert await client.get("a") == b"1"
    assert server.commands("PING")[-1].time >= 3600


async def time_limits(world: World) -> None:
    """A caller that gives up in the middle leaves a connection that still works."""
    server = RedisServer(world)
    async with redis.from_url(server.url) as client:
        for _ in range(5):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(world.latency("patience", 0.0, 0.1)):
                    await client.incr("n")
        assert await client.get("n") in (None, *(b"%d" % n for n in range(1, 6)))
        assert await client.echo("hello") == b"hello"


async def producer_and_stream(world: World) -> None:
    """An async generator over a stream, read from the last id on."""
    server = RedisServer(world)

    async def follow(client: Any, last: str = "0") -> AsyncIterator[str]:
        while True:
            for _, entries in await client.xread({"log": last}, block=1000):
                for entry_id, fields in entries:
                    yield fields["n"]
                    last = entry_id

    async with redis.from_url(server.url, decode_responses=True, protocol=2) as client:

        async def produce() -> None:
            for n in range(5):
                await client.xadd("log", {"n": n})
                await world.pause("produce")

        task = asyncio.create_task(produce())
        seen = []
        async with contextlib.aclosing(follow(client)) as numbers:
            async for n in numbers:
                seen.append(n)
                if len(seen) == 5:
                    break
        await task
    assert seen == list("01234")


IDIOMS: list[Program] = [
    consumer_group, recovery, listening, listening_by_handler, polling, optimistic_locking,
    one_at_a_time, patience, patience_by_default, bounded_pool, never_closed, health_checks,
    time_limits, producer_and_stream,
]  # fmt: skip


@pytest.mark.parametrize("program", IDIOMS, ids=lambda program: program.__name__)
def test_right_programs_pass_in_every_world(program: Program) -> None:
    """What is right with redis-py is accused of nothing, whatever the latencies."""
    assert explore(program, seeds=40) is None


@pytest.mark.slow
@pytest.mark.parametrize("program", IDIOMS, ids=lambda program: program.__name__)
def test_right_programs_pass_in_hundreds_of_worlds(program: Program) -> None:
    """And in hundreds of them."""
    assert explore(program, seeds=150, base=1000) is None


@pytest.mark.parametrize("program", IDIOMS, ids=lambda program: program.__name__)
def test_a_world_is_always_the_same(program: Program) -> None:
    """The same seed: the same steps, times, commands and timeline."""
    for seed in (1, 7):
        runs = [run_world(program, seed, trace=True) for _ in range(2)]
        one, other = ([(e.time, e.lane, e.kind, e.text) for e in run.events] for run in runs)
        assert one == other
        assert runs[0].steps == runs[1].steps


def test_a_worker_is_crashed_at_every_await() -> None:
    """An entry that a crashed worker had is pending, or done: it is never lost."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        client = redis.from_url(server.url, decode_responses=True, protocol=2)
        await client.xgroup_create("jobs", "team", id="0", mkstream=True)
        for n in (1, 2):
            await client.xadd("jobs", {"n": n}, id=f"{n}-0")
        done: set[str] = set()

        async def work(name: str, after: str) -> None:
            async with redis.from_url(server.url, decode_responses=True, protocol=2) as mine:
                while len(done) < 2 or server.stream("jobs").pending("team"):
                    got = await mine.xreadgroup("team", name, {"jobs": after}, count=1, block=100)
                    entries = got[0][1] if got else []
                    after = after if entries else ">"
                    for entry_id, _ in entries:
                        done.add(entry_id)
                        await mine.xack("jobs", "team", entry_id)

        await world.interrupted(work("ada", ">"))
        await work("ada", "0")
        assert done == {"1-0", "2-0"}
        await client.aclose()

    assert explore(program, seeds=2, at_every_await=True) is None


def test_worlds_with_a_server_are_garbage_when_they_are_over() -> None:
    """Neither the server nor a script keeps a world alive."""
    seen: list[weakref.ref[RedisServer]] = []

    async def program(world: World) -> None:
        server = RedisServer(world)
        seen.append(weakref.ref(server))
        async with redis.from_url(server.url) as client:
            await client.eval("return redis.call('SET', 'a', 1)", 0)
            await client.blpop(["q"], timeout=0.1)

    for seed in range(3):
        assert run_world(program, seed).error is None
    gc.collect()
    assert [ref() for ref in seen] == [None, None, None]


def test_a_deadlock_on_an_empty_list_is_named() -> None:
    """A read that waits for ever for what nobody sends is a deadlock, not a hang."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with redis.from_url(server.url, socket_timeout=None) as client:
            await client.blpop(["q"], timeout=0)

    assert [problem.name for problem in run_world(program).problems] == ["deadlock"]


def test_scripts_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without lupa a script is answered with how to get it; everything else goes on."""
    from autograder.simulation.servers.redis import lua

    monkeypatch.setattr(lua, "_interpreters", [])
    monkeypatch.setitem(sys.modules, "lupa.lua51", None)

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with redis.from_url(server.url) as client:
            with pytest.raises(ResponseError, match="pip install lupa"):
                await client.eval("return 1", 0)
            assert await client.ping() is True

    outcome = run_world(program)
    assert outcome.error is None, outcome.error


def test_an_endless_script_is_stopped() -> None:
    """A script without an end gets an error instead of the world."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with redis.from_url(server.url) as client:
            with pytest.raises(ResponseError, match="without end"):
                await client.eval("while true do end", 0)
            assert await client.ping() is True

    outcome = run_world(program)
    assert outcome.error is None, outcome.error


def test_the_loss_of_a_connection_reaches_only_its_client() -> None:
    """A client that is cut in mid-request takes nobody along."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        server.cut(before="GET")
        async with redis.from_url(server.url) as one, redis.from_url(server.url) as other:
            results = await asyncio.gather(
                one.get("a"), other.set("a", 1), other.incr("n"), return_exceptions=True
            )
        assert isinstance(results[0], ConnectionError)
        assert results[1:] == [True, 1]

    assert explore(program, seeds=30) is None
