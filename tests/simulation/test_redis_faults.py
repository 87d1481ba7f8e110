"""What can go wrong with a simulated Redis, and that redis-py sees it as it would in production."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ResponseError, TimeoutError

from autograder.simulation import World, explore, run_world
from autograder.simulation.servers.redis import RedisServer

from .networking import in_world


def connect(server: RedisServer, **options: Any) -> Any:
    """A client that decodes, and tries nothing twice unless it is told to."""
    return redis.from_url(server.url, decode_responses=True, **options)


# -- cuts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("when", "value"), [("before", None), ("after", "1")])
def test_a_cut_hides_whether_the_command_took_effect(
    seed: int, when: str, value: str | None
) -> None:
    """Cut before or after, the client gets the same error; only the data tells the difference."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            await client.ping()
            cut = server.cut(**{when: "SET"})
            with pytest.raises(ConnectionError, match="closed by server"):
                await client.set("a", 1)
            assert (cut.happened, server.value("a")) == (1, value)
            await client.set("b", 1)
            assert server.value("b") == "1"

    in_world(program, seed)


def test_the_nth_of_one_client_is_cut() -> None:
    """``nth``, ``client`` and ``where`` choose which command of whom is struck."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server, client_name="ada") as ada, connect(server) as bob:
            server.cut(after="incr", nth=2, client="ada")
            server.cut(before="SET", where=lambda words: words[1] == "b")
            assert [await bob.incr("n") for _ in range(3)] == [1, 2, 3]
            assert await ada.incrby("n") == 4
            await ada.execute_command("INCR", "n")
            with pytest.raises(ConnectionError):
                await ada.execute_command("INCR", "n")
            assert server.value("n") == "6"
            await bob.set("a", 1)
            with pytest.raises(ConnectionError):
                await bob.set("b", 1)

    in_world(program)


def test_a_retry_does_twice_what_was_cut_after() -> None:
    """A client that tries again after a lost reply counts twice: retries need idempotence."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        retry = Retry(ExponentialBackoff(cap=1, base=0.1), 3)
        async with connect(server, retry=retry) as client:
            server.cut(after="INCRBY")
            assert await client.incr("n") == 2

    in_world(program)


def test_a_transaction_is_cut_whole() -> None:
    """Cut before EXEC nothing has happened, after EXEC all of it."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            for when, expected in (("before", None), ("after", "1")):
                server.cut(**{when: "EXEC"})
                pipe = client.pipeline()
                pipe.set("a", 1)
                pipe.set("b", 1)
                with pytest.raises(ConnectionError):
                    await pipe.execute()
                assert server.value("a") == server.value("b") == expected

    in_world(program)


def test_a_cut_after_a_wait_loses_what_was_waited_for() -> None:
    """An element that BLPOP took is gone with its reply; a stream's entry is pending instead."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client, connect(server) as other:
            server.cut(after="BLPOP")
            popped = asyncio.create_task(client.blpop(["q"], timeout=3))
            await server.until(lambda: any(one.waits for one in server.clients))
            await other.rpush("q", "x")
            with pytest.raises(ConnectionError):
                await popped
            assert server.value("q") is None

            await client.xgroup_create("s", "g", mkstream=True)
            server.cut(after="XREADGROUP")
            read = asyncio.create_task(client.xreadgroup("g", "ada", {"s": ">"}, block=3000))
            await server.until(lambda: any(one.waits for one in server.clients))
            await other.xadd("s", {"n": 1}, id="1-0")
            with pytest.raises(ConnectionError):
                await read
            assert [entry.id for entry in server.stream("s").pending("g")] == ["1-0"]

    in_world(program)


def test_cuts_by_chance_strike_some_worlds() -> None:
    """``chance`` is drawn at each command, and strikes nobody in the calm world."""

    async def program(world: World) -> int:
        server = RedisServer(world)
        cut = server.cut(before="SET", chance=0.3)
        async with connect(server) as client:
            for n in range(5):
                with contextlib.suppress(ConnectionError):
                    await client.set("n", n)
        return cut.happened

    counts = [in_world(program, seed) for seed in range(12)]
    assert counts[0] == 0
    assert len(set(counts)) > 2


def test_a_silent_cut_leaves_the_client_waiting() -> None:
    """A half-open connection answers nothing: only the client's own timeout ends the wait."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            await client.ping()
            server.cut(after="SET", silently=True)
            before = world.time()
            with pytest.raises(TimeoutError):
                await client.set("a", 1)
            assert world.time() - before == pytest.approx(5, abs=0.1)
            assert server.value("a") == "1"
            assert await client.get("a") == "1"

    in_world(program)


def test_a_cut_is_either_before_or_after() -> None:
    """Asking for both or neither is a mistake of the test."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        for options in ({}, {"before": "SET", "after": "SET"}):
            with pytest.raises(TypeError, match="one of before"):
                server.cut(**options)  # type: ignore[arg-type]

    in_world(program)


# -- the connection -------------------------------------------------------------------------------


def test_all_or_one_are_disconnected_now() -> None:
    """disconnect() says how many it struck; they come back when they ask again."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server, client_name="ada") as ada, connect(server) as bob:
            await ada.ping()
            await bob.ping()
            assert server.disconnect("ada") == 1
            assert server.connections == 1
            assert await bob.ping() is True
            with pytest.raises(ConnectionError):
                await ada.ping()
            assert await ada.ping() is True
            assert server.disconnect() == 2

    in_world(program)


def test_a_server_that_refuses_for_a_while() -> None:
    """Connections that are there live on; new ones are refused, and a retry outlasts it."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        retry = Retry(ExponentialBackoff(cap=1, base=0.2), 10)
        async with (
            connect(server) as old,
            connect(server) as new,
            connect(server, retry=retry) as patient,
        ):
            await old.ping()
            refusing = asyncio.create_task(server.refuse(3.0))
            await asyncio.sleep(0)
            assert await old.ping() is True
            with pytest.raises(ConnectionError, match="nobody listens on port 6379"):
                await new.ping()
            assert await patient.ping() is True
            await refusing
            assert await new.ping() is True

    in_world(program)


def test_socket_timeout_ends_a_longer_wait() -> None:
    """redis-py's own five seconds end a blocking read that would be longer, as in production."""

    async def program(world: World) -> float:
        server = RedisServer(world)
        async with connect(server) as client, connect(server, socket_timeout=None) as patient:
            before = world.time()
            with pytest.raises(TimeoutError):
                await client.blpop(["q"], timeout=60)
            took = world.time() - before
            assert await patient.blpop(["q"], timeout=60) is None
        return took

    assert in_world(program) == pytest.approx(5.0, abs=0.3)


def test_a_dead_clients_wait_is_served_to_nobody() -> None:
    """A client whose host vanished still waits in the server's eyes, and takes an entry with it."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        with world.network.at("worker"):
            doomed = connect(server, socket_timeout=None)
            read = asyncio.create_task(doomed.blpop(["q"], timeout=0))
        await server.until(lambda: any(client.waits for client in server.clients))
        world.network.vanish("worker")
        read.cancel()
        await asyncio.wait([read])
        async with connect(server) as client:
            await client.rpush("q", "x")
            assert await client.lpop("q") is None

    in_world(program)


# -- time -----------------------------------------------------------------------------------------


def test_a_slow_server_takes_its_time() -> None:
    """slow() makes commands take longer, all of them or those of one name."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server, socket_timeout=None) as client:
            await client.ping()
            server.slow(2.0, command="GET")
            before = world.time()
            await client.set("a", 1)
            assert world.time() - before < 0.1
            await client.get("a")
            assert 2.0 <= world.time() - before < 2.2
            server.slow(1.0)
            before = world.time()
            await client.set("a", 2)
            assert 1.0 <= world.time() - before < 1.2
            server.slow(0.0)
            await client.set("a", 3)
            assert world.time() - before < 1.4

    in_world(program)


def test_a_slow_command_is_lost_when_the_connection_is() -> None:
    """A command that had not taken effect when its client left never does."""

    async def program(world: World) -> None:
        server = RedisServer(world, latency=(10.0, 10.0))
        client = connect(server)
        with pytest.raises(TimeoutError):
            await client.set("a", 1)
        await client.aclose()
        await asyncio.sleep(30)
        assert server.value("a") is None

    in_world(program)


def test_a_frozen_server_answers_later() -> None:
    """A server that stands still keeps connections, does nothing, and then all of it."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with (
            connect(server, socket_timeout=None) as client,
            connect(server, socket_timeout=None) as other,
        ):
            popped = asyncio.create_task(other.blpop(["q"], timeout=1))
            await server.until(lambda: any(one.waits for one in server.clients))
            server.freeze()
            asked = asyncio.create_task(client.set("a", 1))
            await asyncio.sleep(30)
            assert not asked.done()
            assert server.value("a") is None
            server.thaw()
            assert await asked is True
            assert await popped is None

    in_world(program)


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
                except (ConnectionError, BusyLoadingError):
                    after = "0"
        assert len(done) == 8

    assert explore(program, seeds=60) is None
