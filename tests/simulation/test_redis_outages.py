"""A simulated Redis that goes down, cuts who does not read, and says what it cannot do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError, ResponseError

from autograder.simulation import World, explore, run_world
from autograder.simulation.servers.redis import RedisServer

from .networking import in_world


def connect(server: RedisServer, **options: Any) -> Any:
    """A client that decodes, and tries nothing twice unless it is told to."""
    return redis.from_url(server.url, decode_responses=True, **options)


# -- restarts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_keeps_the_data(seed: int) -> None:
    """Keys, expiries, groups and what is pending survive; subscriptions and scripts do not."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        retry = Retry(ExponentialBackoff(cap=1, base=0.1), 10)
        async with connect(server, retry=retry) as client:
            await client.set("a", 1, ex=100)
            await client.xadd("s", {"n": 1}, id="1-0")
            await client.xgroup_create("s", "g", id="0")
            await client.xreadgroup("g", "ada", {"s": ">"})
            pubsub = client.pubsub()
            await pubsub.subscribe("news")
            await server.until(lambda: server.subscribers("news") == 1)
            await server.restart(down_for=3.0)
            assert server.subscribers("news") == 0
            assert await client.get("a") == "1"
            assert 90 < (server.ttl("a") or 0) < 100
            (pending,) = server.stream("s").pending("g")
            assert (pending.id, pending.consumer, pending.deliveries) == ("1-0", "ada", 1)
            assert pending.idle >= 3.0
            await pubsub.aclose()

    in_world(program, seed)


def test_a_restart_may_lose_the_data() -> None:
    """A server without persistence comes back with nothing on it."""

    async def program(world: World) -> None:
        server, kept = RedisServer(world, persistent=False), RedisServer(world, host="kept")
        async with connect(server) as client, connect(kept) as other:
            await client.set("a", 1)
            await other.set("a", 1)
            await server.restart()
            await kept.restart(lose_data=True)
            assert server.keys() == kept.keys() == []
            await server.restart(lose_data=False)

    in_world(program)


def test_what_waits_when_the_server_goes_down_is_told() -> None:
    """A blocking read ends with an error when its server goes down."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            popped = asyncio.create_task(client.blpop(["q"], timeout=4))
            await server.until(lambda: any(one.waits for one in server.clients))
            server.stop()
            with pytest.raises(ConnectionError):
                await popped
            with pytest.raises(ConnectionError):
                await client.ping()
            server.start()
            assert await client.ping() is True

    in_world(program)


# -- subscribers that do not read -----------------------------------------------------------------


def test_a_subscriber_that_never_reads_is_disconnected() -> None:
    """Its output buffer grows up to a limit; then the server cuts it, as Redis does."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        server.pubsub_limit = (500_000, 0, 0.0)
        async with connect(server) as client, connect(server, client_name="sleeper") as sleeper:
            pubsub = sleeper.pubsub()
            await pubsub.subscribe("news")
            await server.until(lambda: server.subscribers("news") == 1)
            sizes = []
            while server.subscribers("news"):
                await client.publish("news", "x" * 50_000)
                sizes.append(max(one.buffered for one in server.clients))
            assert 300_000 < max(sizes) <= 500_000
            assert server.overflows == ["sleeper"]
            assert await client.publish("news", "x") == 0
            await pubsub.aclose()

    in_world(program)


def test_a_subscriber_that_is_slow_for_long_is_disconnected() -> None:
    """Above the soft limit a subscriber has some seconds to catch up."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client, connect(server) as sleeper:
            await client.config_set("client-output-buffer-limit", "pubsub 32mb 100kb 10")
            pubsub = sleeper.pubsub()
            await pubsub.subscribe("news")
            await server.until(lambda: server.subscribers("news") == 1)
            for _ in range(10):
                await client.publish("news", "x" * 50_000)
            assert server.subscribers("news") == 1
            await asyncio.sleep(11)
            assert server.subscribers("news") == 0
            await pubsub.aclose()

    in_world(program)


def test_a_subscriber_that_reads_stays() -> None:
    """Megabytes pass to who reads them."""

    async def program(world: World) -> int:
        server = RedisServer(world)
        server.pubsub_limit = (200_000, 0, 0.0)
        got = 0
        async with connect(server) as client, connect(server) as reader:
            pubsub = reader.pubsub(ignore_subscribe_messages=True)
            await pubsub.subscribe("news")
            await server.until(lambda: server.subscribers("news") == 1)
            for _ in range(100):
                await client.publish("news", "x" * 20_000)
                while await pubsub.get_message(timeout=0.2):
                    got += 1
                    if got % 10:
                        break
            while await pubsub.get_message(timeout=1.0):
                got += 1
            await pubsub.aclose()
        return got

    assert in_world(program) == 100


# -- what the server says -------------------------------------------------------------------------


def test_a_password_is_asked_for() -> None:
    """A server with a password refuses who does not know it; the address contains it."""

    async def program(world: World) -> None:
        server = RedisServer(world, password="secret")
        async with connect(server) as client:
            assert await client.ping() is True
        for url in ("redis://redis:6379", "redis://:wrong@redis:6379"):
            async with redis.from_url(url) as client:
                with pytest.raises((ConnectionError, ResponseError)):
                    await client.ping()

    in_world(program)


def test_what_is_not_simulated_is_said_to_be_so() -> None:
    """A command of Redis that this server lacks is not called unknown."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            with pytest.raises(ResponseError, match="simulated server does not have GEOADD"):
                await client.geoadd("k", [1.0, 2.0, "x"])
            with pytest.raises(ResponseError, match="unknown command 'SPICE'"):
                await client.execute_command("SPICE")
            with pytest.raises(ResponseError, match="does not do what notify-keyspace-events"):
                await client.config_set("notify-keyspace-events", "KEA")

    in_world(program)


def test_a_fault_reads_well_in_a_timeline() -> None:
    """The timeline says what was asked, what was cut, and of whom."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        server.cut(after="XADD")
        async with connect(server, client_name="ada") as client:
            await client.xadd("orders", {"n": 1})

    outcome = run_world(program, trace=True)
    assert isinstance(outcome.error, ConnectionError)
    told = [event.text for event in outcome.events if event.kind in ("send", "fault")]
    assert "XADD orders * n 1 (47 bytes) to redis:6379" in told
    assert "redis cuts the connection of ada after XADD took effect, before its reply" in told


def test_a_worker_survives_whatever_happens() -> None:
    """A worker that reconnects loses nothing, in worlds full of cuts and restarts."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        server.cut(before="XREADGROUP", chance=0.1)
        server.cut(after="XREADGROUP", chance=0.1)
        server.cut(after="XACK", chance=0.1)
        retry = Retry(NoBackoff(), 0)
        async with connect(server, retry=retry) as client:
            await client.xgroup_create("s", "g", id="0", mkstream=True)
            for n in range(1, 9):
                await client.xadd("s", {"n": n}, id=f"{n}-0")
            done: set[str] = set()
            after = "0"
            while len(done) < 8 or server.stream("s").pending("g"):
                try:
                    got = await client.xreadgroup("g", "ada", {"s": after}, count=2, block=500)
                    rows = dict(got)["s"] if isinstance(got, list) else got.get("s", [[]])[0]
                    after = "0" if rows else ">" if after == "0" else "0"
                    for entry_id, _ in rows:
                        done.add(entry_id)
                        await client.xack("s", "g", entry_id)
                except ConnectionError:
                    after = "0"
        assert len(done) == 8

    assert explore(program, seeds=60) is None
