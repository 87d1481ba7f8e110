"""What can go wrong with a simulated Redis, and that redis-py sees it as it would in production."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, TimeoutError

from autograder.simulation import World
from autograder.simulation.servers.redis import RedisServer

from .networking import in_world

LOST = (ConnectionError, TimeoutError, OSError)
"""What a retry takes for the loss of a connection; redis-py 7 needs to be told of OSError."""


def connect(server: RedisServer, **options: Any) -> Any:
    """A client that decodes, and tries nothing twice unless it is told to.

    Five seconds of patience are redis-py's default since version 8.
    """
    return redis.from_url(server.url, **{"decode_responses": True, "socket_timeout": 5, **options})


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
            with contextlib.suppress(ConnectionError):  # redis-py 7 looks before it asks
                await ada.ping()
            assert await ada.ping() is True
            assert server.disconnect() == 2

    in_world(program)


def test_a_server_that_refuses_for_a_while() -> None:
    """Connections that are there live on; new ones are refused, and a retry outlasts it."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        retry = Retry(ExponentialBackoff(cap=1, base=0.2), 10, supported_errors=LOST)
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
