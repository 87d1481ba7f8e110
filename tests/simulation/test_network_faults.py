"""What can be made to go wrong, and that the calm world knows none of it."""

from __future__ import annotations

import asyncio
import errno

import pytest

from autograder.simulation import World, run_world

from .networking import Recording, echo, in_world, pair


async def ask(host: str, port: int = 7, question: bytes = b"hello\n") -> bytes:
    """Send a line to an echo server and return what comes back."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(question)
        return await reader.readline()
    finally:
        writer.close()


def test_a_host_can_refuse_connections() -> None:
    """refuse() makes connections fail until heal(), though a server listens."""

    async def program(world: World) -> bytes:
        await asyncio.start_server(echo, "shop.example", 7)
        world.network.refuse("shop.example", 7)
        with pytest.raises(ConnectionRefusedError, match=r"shop\.example:7 refuses connections"):
            await ask("shop.example")
        world.network.heal("shop.example")
        return await ask("shop.example")

    assert in_world(program) == b"hello\n"


def test_a_lost_attempt_to_connect_is_repeated() -> None:
    """drop() makes connecting hang; once healed, the attempt after 1 + 2 seconds succeeds."""

    async def program(world: World) -> float:
        await asyncio.start_server(echo, "shop.example", 7)
        world.network.drop("shop.example")
        asyncio.get_running_loop().call_later(2, world.network.heal, "shop.example")
        await ask("shop.example")
        return world.time()

    assert in_world(program) == pytest.approx(3.0, abs=0.01)


def test_connecting_gives_up_in_the_end() -> None:
    """Without an answer connecting fails after two minutes, or by the caller's own timeout."""

    async def program(world: World) -> float:
        world.network.drop("shop.example")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await ask("shop.example")
        assert world.time() == pytest.approx(5.0)
        with pytest.raises(TimeoutError) as caught:
            await ask("shop.example")
        assert caught.value.errno == errno.ETIMEDOUT
        return world.time()

    assert in_world(program) == pytest.approx(132.0)


def test_a_silent_server_accepts_and_never_answers() -> None:
    """silence() lets a client connect and write, and keeps everything else from it."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, "shop.example", 7)
        world.network.silence("shop.example")
        reader, writer = await asyncio.open_connection("shop.example", 7)
        writer.write(b"hello\n")
        await writer.drain()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 3600)
        writer.write(b"x" * 1_000_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 3600)
        writer.transport.abort()

    in_world(program)


def test_a_connection_breaks_after_so_many_bytes() -> None:
    """reset(after=n) lets n bytes of the answer through and then breaks the connection."""

    async def program(world: World) -> None:
        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"x" * 1_000_000)
            with pytest.raises(ConnectionResetError):
                await writer.drain()

        await asyncio.start_server(pour, "shop.example", 7)
        world.network.reset("shop.example", after=100_000)
        client = Recording()
        await asyncio.get_running_loop().create_connection(lambda: client, "shop.example", 7)
        await client.lost
        assert len(client.bytes) == 100_000
        assert client.log[-1] == ("lost", "ConnectionResetError")

    in_world(program)


def test_open_connections_can_be_broken_at_once() -> None:
    """reset() without a number breaks what is open now, at both ends, and nothing later."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, _ = await pair(client, server, "shop.example")
        world.network.reset("shop.example")
        await client.lost
        await server.lost
        assert client.log == server.log == ["made", ("lost", "ConnectionResetError")]
        listening.close()
        await asyncio.start_server(echo, "shop.example", 7)
        assert await ask("shop.example") == b"hello\n"

    in_world(program)


def test_a_stalled_host_holds_what_is_on_its_way() -> None:
    """stall() delays bytes in both directions until resume(); none are lost or reordered."""

    async def program(world: World) -> tuple[bytes, float]:
        await asyncio.start_server(echo, "shop.example", 7)
        reader, writer = await asyncio.open_connection("shop.example", 7)
        writer.write(b"one\n")
        world.network.stall("shop.example")
        writer.write(b"two\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 100)
        world.network.resume("shop.example")
        answer = await reader.readexactly(8)
        writer.close()
        return answer, world.time()

    answer, time = in_world(program)
    assert answer == b"one\ntwo\n"
    assert time == pytest.approx(100.0, abs=0.01)


def test_a_stalled_reader_fills_the_writer() -> None:
    """While a host stalls no window opens, so drain() waits until it goes on."""

    async def program(world: World) -> float:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, "shop.example")
        world.network.stall("shop.example")
        transport.write(b"x" * 1_000_000)
        await asyncio.sleep(1000)
        assert client.log == ["made", "pause"]
        world.network.resume("shop.example")
        transport.close()
        await server.lost
        listening.close()
        assert len(server.bytes) == 1_000_000
        return world.time()

    assert in_world(program) == pytest.approx(1000.0, abs=0.1)


def test_a_cut_parts_two_hosts_only() -> None:
    """cut() holds what is between two hosts; others still reach both; mend() joins them again."""

    async def program(world: World) -> None:
        network = world.network
        await asyncio.start_server(echo, "shop.example", 7)
        network.cut("client", "shop.example")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask("shop.example"), 10)
        with network.at("worker-1"):
            assert await ask("shop.example") == b"hello\n"
        network.mend("client", "shop.example")
        assert await ask("shop.example") == b"hello\n"

    in_world(program)


def test_faults_by_chance_strike_some_worlds_and_never_the_calm_one() -> None:
    """A fault with a chance depends on the world's seed alone, and spares the calm world."""

    async def program(world: World) -> list[bool]:
        await asyncio.start_server(echo, "shop.example", 7)
        world.network.refuse("shop.example", chance=0.5)
        outcomes = []
        for _ in range(6):
            try:
                await ask("shop.example")
                outcomes.append(True)
            except ConnectionRefusedError:
                outcomes.append(False)
        return outcomes

    assert in_world(program, 0) == [True] * 6
    worlds = [in_world(program, seed) for seed in range(1, 11)]
    assert worlds == [in_world(program, seed) for seed in range(1, 11)]
    assert 15 < sum(map(sum, worlds)) < 45


def test_the_same_seed_is_the_same_network() -> None:
    """Two runs of a world carry the same bytes at the same times; another seed, other times."""

    async def program(world: World) -> list[tuple[float, bytes]]:
        seen: list[tuple[float, bytes]] = []

        async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1000):
                seen.append((world.time(), data))
            writer.close()

        await asyncio.start_server(collect, "sink.example", 7)

        async def send(number: int) -> None:
            _, writer = await asyncio.open_connection("sink.example", 7)
            for part in range(5):
                writer.write(b"%d.%d " % (number, part))
                await writer.drain()
                await world.pause()
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*map(send, range(10)))
        await asyncio.sleep(1)
        return seen

    assert in_world(program, 7) == in_world(program, 7)
    assert in_world(program, 7) != in_world(program, 8)


def test_a_traced_world_shows_what_travels() -> None:
    """The timeline says in a few words what is sent, what arrives and what goes wrong."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, "shop.example", 7)
        await ask("shop.example", question=b"GET /price HTTP/1.1\r\n")
        world.network.refuse("shop.example")
        with pytest.raises(ConnectionRefusedError):
            await ask("shop.example")

    outcome = run_world(program, trace=True)
    shown = [(e.kind, e.text) for e in outcome.events if e.kind in ("send", "deliver", "fault")]
    assert shown == [
        ("send", "connect to shop.example:7"),
        ("send", "GET /price (21 bytes) to shop.example:7"),
        ("deliver", "GET /price (21 bytes) from client"),
        ("send", "GET /price (21 bytes) to client"),
        ("deliver", "GET /price (21 bytes) from shop.example:7"),
        ("fault", "shop.example: refuse"),
        ("send", "connect to shop.example:7"),
        ("fault", "shop.example:7 refuses the connection"),
    ]
    keys = [event.key for event in outcome.events if event.kind in ("send", "deliver")]
    assert keys[1] == keys[2] != keys[3] == keys[4]
