"""Connections that die without a word, and ways that are broken for a while."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from autograder.simulation import World, run_world
from autograder.simulation.network.retransmission import GIVE_UP, next_attempt

from .networking import Recording, echo, in_world, pair

SERVER = "chat.example"
Fault = Callable[[World], None]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

OUTAGES: dict[str, Fault] = {
    "half-open": lambda world: world.network.half_open(SERVER),
    "vanished": lambda world: world.network.vanish(SERVER),
    "parted": lambda world: world.network.cut("client", SERVER),
}
each_outage = pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)


async def dial() -> Streams:
    return await asyncio.open_connection(SERVER, 7)


async def say(streams: Streams, line: bytes = b"hello\n") -> bytes:
    """Send a line and return the answer."""
    streams[1].write(line)
    return await streams[0].readline()


async def stays_silent(awaitable: Awaitable[Any], seconds: float) -> None:
    with pytest.raises(TimeoutError) as caught:
        await asyncio.wait_for(awaitable, seconds)
    assert not caught.value.errno, f"it ended by itself: {caught.value!r}"


def test_tcp_tries_again_less_and_less_often() -> None:
    """The next attempt comes within twice the time that has passed; after a quarter of an hour none
    does."""
    assert next_attempt(0.0, 0.0) == 0.2
    assert next_attempt(0.0, 0.3) == pytest.approx(0.6)
    assert next_attempt(0.0, 10.0) == pytest.approx(12.6)
    assert next_attempt(0.0, 60.0) == pytest.approx(102.2)
    assert next_attempt(100.0, 901.0) == pytest.approx(904.6)
    assert next_attempt(0.0, 805.0) is None
    assert pytest.approx(924.6) == GIVE_UP


# -- what all outages have in common --------------------------------------------------------------


@each_outage
def test_an_outage_is_silent(fault: Fault) -> None:
    """Whoever only listens never learns that nobody is there: not in an hour, not in a day."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, _ = await pair(client, server, SERVER)
        fault(world)
        await asyncio.sleep(80_000)
        assert client.log == server.log == ["made"]
        listening.close()

    in_world(program)


@each_outage
def test_a_sender_gives_up_after_a_quarter_of_an_hour(fault: Fault) -> None:
    """What is sent is swallowed; after 924.6 s without an acknowledgement the sender is told."""

    async def program(world: World) -> float:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, SERVER)
        await asyncio.sleep(10)
        fault(world)
        before = world.time()
        transport.write(b"is anybody there?")
        await client.lost
        assert client.log == ["made", ("lost", "TimeoutError")]
        assert server.log == ["made"]
        listening.close()
        return world.time() - before

    assert in_world(program) == pytest.approx(GIVE_UP)


@each_outage
def test_a_stream_raises_what_the_system_says(fault: Fault) -> None:
    """Reader and writer raise TimeoutError with ETIMEDOUT, as on a real socket."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, SERVER, 7)
        reader, writer = await dial()
        fault(world)
        writer.write(b"hello\n")
        with pytest.raises(TimeoutError) as caught:
            await reader.readline()
        assert caught.value.errno == errno.ETIMEDOUT
        writer.write(b"more\n")
        with pytest.raises(TimeoutError):
            await writer.drain()

    in_world(program)


@each_outage
def test_a_window_is_all_that_an_outage_swallows(fault: Fault) -> None:
    """Once the window is full drain() waits, since nothing is acknowledged."""

    async def program(world: World) -> int:
        await asyncio.start_server(echo, SERVER, 7)
        _, writer = await dial()
        fault(world)
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(600):
                while True:
                    writer.write(b"x" * 1024)
                    await writer.drain()
                    sent += 1024
        writer.transport.abort()
        return sent

    # The window, and what the transport keeps before it says stop.
    assert 128 * 1024 <= in_world(program) <= 130 * 1024


def test_a_peer_that_is_not_read_is_given_up_too() -> None:
    """A writer that waits for a full window probes it, and gives up when no answer comes."""

    async def program(world: World) -> float:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, SERVER)
        server.transport.pause_reading()
        transport.write(b"x" * 1_000_000)
        await asyncio.sleep(5000)
        assert client.log == ["made", "pause"]
        world.network.vanish(SERVER)
        before = world.time()
        await client.lost
        listening.close()
        return world.time() - before

    assert in_world(program) == pytest.approx(GIVE_UP)


# -- half-open connections ------------------------------------------------------------------------


def test_new_connections_are_not_half_open() -> None:
    """half_open() strikes what is open now; whoever connects again is served."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, SERVER, 7)
        old = await dial()
        assert await say(old) == b"hello\n"
        world.network.half_open(SERVER)
        await stays_silent(say(old), 100)
        new = await dial()
        assert await say(new) == b"hello\n"
        old[1].transport.abort()
        new[1].close()

    in_world(program)


def test_a_connection_is_half_open_after_so_many_bytes() -> None:
    """half_open(after=n) lets n bytes of the answer through, and not a word after that."""

    async def program(world: World) -> bytes:
        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"x" * 100)
            with pytest.raises(TimeoutError):
                await reader.read()

        await asyncio.start_server(pour, SERVER, 7)
        world.network.half_open(SERVER, after=30)
        client = Recording()
        await asyncio.get_running_loop().create_connection(lambda: client, SERVER, 7)
        await asyncio.sleep(2000)
        client.transport.abort()
        return client.bytes

    assert in_world(program) == b"x" * 30


def test_a_server_accepts_a_peer_that_is_dead_already() -> None:
    """half_open(after=0): the server gets a connection, and never a byte on it."""

    async def program(world: World) -> None:
        server = Recording()
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: server, SERVER, 7)
        world.network.half_open(SERVER, after=0)
        transport, _ = await loop.create_connection(Recording, SERVER, 7)
        transport.write(b"hello")
        await asyncio.sleep(3600)
        assert server.log == ["made"]

    in_world(program)


def test_half_open_by_chance_spares_the_calm_world() -> None:
    """With a chance some connections die, the same in every run of a world, none when calm."""

    async def program(world: World) -> list[bool]:
        await asyncio.start_server(echo, SERVER, 7)
        connections = [await dial() for _ in range(6)]
        world.network.half_open(SERVER, chance=0.5)
        alive = []
        for streams in connections:
            try:
                alive.append(await asyncio.wait_for(say(streams), 10) == b"hello\n")
            except TimeoutError:
                alive.append(False)
            streams[1].transport.abort()
        return alive

    assert in_world(program, 0) == [True] * 6
    worlds = [in_world(program, seed) for seed in range(1, 11)]
    assert worlds == [in_world(program, seed) for seed in range(1, 11)]
    assert 15 < sum(map(sum, worlds)) < 45


# -- hosts that vanish ----------------------------------------------------------------------------


def test_connecting_to_a_vanished_host_hangs() -> None:
    """Nobody answers, so connecting fails after two minutes, and others are reached meanwhile."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, SERVER, 7)
        await asyncio.start_server(echo, "other.example", 7)
        world.network.vanish(SERVER)
        with world.network.at(SERVER):
            at_home = await dial()
            assert await say(at_home) == b"hello\n"
            at_home[1].close()
        elsewhere = await asyncio.open_connection("other.example", 7)
        assert await say(elsewhere) == b"hello\n"
        elsewhere[1].close()
        before = world.time()
        with pytest.raises(TimeoutError):
            await dial()
        assert world.time() - before == pytest.approx(127)

    in_world(program)


def test_a_host_that_is_back_knows_no_connection() -> None:
    """After heal() its own end is aborted, and its peer gets a reset for what it sends."""

    async def program(world: World) -> float:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, SERVER)
        world.network.vanish(SERVER)
        await asyncio.sleep(3600)
        world.network.heal(SERVER)
        await server.lost
        assert server.log == ["made", ("lost", "ConnectionAbortedError")]
        await asyncio.sleep(3600)
        assert client.log == ["made"]
        before = world.time()
        transport.write(b"still there?")
        await client.lost
        assert client.log == ["made", ("lost", "ConnectionResetError")]
        listening.close()
        return world.time() - before

    assert in_world(program) < 0.2


def test_what_was_sent_to_a_vanished_host_never_arrives() -> None:
    """The peer's next attempt after heal() is answered with a reset; new connections are served."""

    async def program(world: World) -> float:
        await asyncio.start_server(echo, SERVER, 7)
        streams = await dial()
        world.network.vanish(SERVER)
        streams[1].write(b"lost\n")
        await asyncio.sleep(60)
        world.network.heal(SERVER)
        before = world.time()
        with pytest.raises(ConnectionResetError):
            await streams[0].readline()
        took = world.time() - before
        new = await dial()
        assert await say(new) == b"hello\n"
        new[1].close()
        return took

    # Attempts are made after 51.0 s and after 102.2 s.
    assert in_world(program) == pytest.approx(42.2, abs=0.1)


# -- again, and in words --------------------------------------------------------------------------


def test_a_token_replays_an_outage() -> None:
    """Two runs of one world show the same at the same times, also what is sent again."""

    async def program(world: World) -> list[Any]:
        await asyncio.start_server(echo, SERVER, 7)
        seen = []
        streams = await dial()
        for number in range(5):
            world.network.cut("client", SERVER)
            streams[1].write(b"%d\n" % number)
            await world.pause("cut", 0.1, 5.0)
            world.network.mend()
            seen.append((await streams[0].readline(), world.time()))
        streams[1].close()
        return seen

    assert in_world(program, 7) == in_world(program, 7)
    assert in_world(program, 7) != in_world(program, 8)


def test_the_timeline_tells_of_outages() -> None:
    """Faults are there in words: who vanishes, who is parted, and who gives up on whom."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, SERVER, 7)
        streams = await dial()
        world.network.partition(["client", "other"], SERVER)
        world.network.mend("client", SERVER)
        world.network.vanish(SERVER)
        with pytest.raises(TimeoutError):
            await say(streams)
        world.network.half_open(SERVER, after=3)

    outcome = run_world(program, trace=True)
    assert outcome.error is None
    assert [event.text for event in outcome.events if event.kind == "fault"] == [
        "client, other and chat.example are parted",
        "client and chat.example are joined",
        "chat.example vanishes",
        "client gives up on chat.example:7: nothing was acknowledged for 924.6 s",
        "chat.example: half-open",
    ]
