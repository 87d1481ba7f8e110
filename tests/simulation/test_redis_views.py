"""What a grader can look at on a simulated Redis."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio as redis

from autograder.simulation import World
from autograder.simulation.servers.redis import Executed, RedisError, RedisServer

from .networking import in_world


def connect(server: RedisServer, **options: Any) -> Any:
    return redis.from_url(server.url, decode_responses=True, **options)


def test_values_are_plain_python() -> None:
    """Whatever a key holds can be compared with ==."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            await client.set("string", "text", ex=100)
            await client.hset("hash", mapping={"a": 1, "b": 2})
            await client.rpush("list", "a", "b")
            await client.sadd("set", "a", "b")
            await client.zadd("scores", {"b": 2, "a": 1.5})
            await client.xadd("stream", {"n": 1}, id="1-0")
            assert server.value("string") == "text"
            assert server.value("hash") == {"a": "1", "b": "2"}
            assert server.value("list") == ["a", "b"]
            assert server.value("set") == {"a", "b"}
            assert server.value("scores") == {"a": 1.5, "b": 2.0}
            assert list(server.value("scores")) == ["a", "b"]
            assert server.value("stream") == [("1-0", {"n": "1"})]
            assert server.value("nothing") is None
            assert len(server.keys()) == 6
            assert 99 < (server.ttl("string") or 0) <= 100
            assert server.ttl("hash") is None
            await asyncio.sleep(200)
            assert server.value("string") is None
            assert len(server.keys()) == 5

    in_world(program)


def test_a_stream_and_its_groups() -> None:
    """Length, entries, who owes what for how long, and what nobody has read."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            for n in range(1, 5):
                await client.xadd("orders", {"n": n}, id=f"{n}-0")
            await client.xgroup_create("orders", "shipping", id="0")
            await client.xreadgroup("shipping", "ada", {"orders": ">"}, count=2)
            await client.xreadgroup("shipping", "bob", {"orders": ">"}, count=1)
            await client.xack("orders", "shipping", "1-0")
            await client.xdel("orders", "1-0")
            await asyncio.sleep(60)
            stream = server.stream("orders")
            assert (stream.length, stream.added, stream.last_id) == (3, 4, "4-0")
            assert stream.ids == ["2-0", "3-0", "4-0"]
            assert stream.entries[0] == ("2-0", {"n": "2"})
            assert stream.entry("3-0") == {"n": "3"}
            assert stream.entry("1-0") is None
            assert stream.groups == ["shipping"]
            assert [(p.id, p.consumer) for p in stream.pending("shipping")] == [
                ("2-0", "ada"),
                ("3-0", "bob"),
            ]
            (entry,) = stream.pending("shipping", "bob")
            assert entry.deliveries == 1
            assert entry.idle == pytest.approx(60, abs=0.2)
            assert [(c.name, c.pending) for c in stream.consumers("shipping")] == [
                ("ada", 1),
                ("bob", 1),
            ]
            assert stream.last_delivered("shipping") == "3-0"
            assert stream.unread("shipping") == 1

    in_world(program)


def test_what_is_not_there_is_empty() -> None:
    """A stream or group that nobody made answers with nothing, not with an error."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        stream = server.stream("nothing")
        assert (stream.exists, stream.length, stream.entries) == (False, 0, [])
        assert (stream.pending("g"), stream.consumers("g"), stream.unread("g")) == ([], [], 0)
        assert stream.last_delivered("g") is None
        assert repr(stream) == "<stream 'nothing': does not exist>"
        assert server.subscribers("nothing") == 0

    in_world(program)


def test_clients_and_what_they_do() -> None:
    """Who is connected, what they listen to, whether they wait."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        with world.network.at("worker.example"):
            waiter = connect(server, socket_timeout=None)
            waiting = asyncio.create_task(waiter.blpop(["q"], timeout=0))
        listener = connect(server, client_name="listener")
        pubsub = listener.pubsub()
        await pubsub.subscribe("news")
        await pubsub.psubscribe("order.*")
        await server.until(lambda: server.patterns and any(c.waits for c in server.clients))
        assert server.connections == server.connections_made == 2
        by_name = {client.name or client.host: client for client in server.clients}
        assert sorted(by_name) == ["listener", "worker.example"]
        assert by_name["worker.example"].waits
        assert by_name["listener"].channels == ("news",)
        assert by_name["listener"].patterns == ("order.*",)
        assert by_name["listener"].buffered == 0
        assert server.subscribers("news") == 1
        waiting.cancel()
        await asyncio.wait([waiting])
        await waiter.aclose()
        await pubsub.aclose()
        await listener.aclose()
        await server.until(lambda: server.connections == 0)

    in_world(program)


def test_what_was_asked_and_answered() -> None:
    """The log has every command that took effect, with its time, its client and its reply."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        heard: list[Executed] = []
        server.on_command(heard.append)
        async with connect(server, client_name="ada") as client:
            await client.set("a", 1)
            with pytest.raises(redis.ResponseError):
                await client.lpush("a", 1)
            assert await client.blpop(["q"], timeout=2) is None
        assert [str(one) for one in server.commands("set")] == ["SET a 1"]
        (pop,) = server.commands("BLPOP", client="ada")
        assert pop.time > 2
        assert pop.words == ("BLPOP", "q", "2")
        assert isinstance(server.commands("LPUSH")[0].reply, RedisError)
        assert server.commands(client="nobody") == []
        assert heard == server.log

    in_world(program)


def test_waiting_for_what_the_server_knows() -> None:
    """until() ends when its condition holds, and gives what that gave."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:

            async def push() -> None:
                for n in range(5):
                    await client.rpush("q", n)

            task = asyncio.create_task(push())
            assert await server.until(lambda: len(server.value("q") or []) == 3 and "three")
            assert server.value("q") == ["0", "1", "2"]
            assert await server.until(lambda: True) is True
            with pytest.raises(ZeroDivisionError):
                await server.until(lambda: 1 / (4 - len(server.value("q"))) > 1)
            await task

    in_world(program)


def test_a_stream_without_entries_is_a_stream() -> None:
    """A group on a stream that has no entries yet is seen."""

    async def program(world: World) -> None:
        server = RedisServer(world)
        async with connect(server) as client:
            await client.xgroup_create("orders", "packers", id="5-1", mkstream=True)
            stream = server.stream("orders")
            assert (stream.exists, stream.length, stream.groups) == (True, 0, ["packers"])
            assert stream.last_delivered("packers") == "5-1"

    in_world(program)
