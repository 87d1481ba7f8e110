"""Ways between hosts that are broken for a while, and what TCP makes of that."""

from __future__ import annotations

import asyncio

import pytest

from autograder.simulation import World

from .networking import Recording, echo, in_world, pair

SERVER = "chat.example"


@pytest.mark.parametrize("seconds", [0.05, 1, 30, 600])
def test_a_connection_outlives_a_cut(seconds: float) -> None:
    """What was sent arrives once, in order, within about as long again as the cut has lasted."""

    async def program(world: World) -> float:
        await asyncio.start_server(echo, SERVER, 7)
        reader, writer = await asyncio.open_connection(SERVER, 7)
        world.network.cut("client", SERVER)
        for number in range(3):
            writer.write(b"%d\n" % number)
        await asyncio.sleep(seconds)
        world.network.mend("client", SERVER)
        writer.write(b"3\n")
        before = world.time()
        assert await reader.readexactly(8) == b"0\n1\n2\n3\n"
        took = world.time() - before
        writer.close()
        return took

    assert in_world(program) <= min(seconds, 120) + 0.5


def test_a_cut_that_lasts_too_long_ends_the_connection() -> None:
    """The side that has sent is timed out; the other gets a reset when it sends after that."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, SERVER)
        world.network.cut("client", SERVER)
        transport.write(b"hello")
        await asyncio.sleep(1000)
        assert client.log == ["made", ("lost", "TimeoutError")]
        world.network.mend("client", SERVER)
        await asyncio.sleep(1000)
        assert server.log == ["made"]
        server.transport.write(b"hello?")
        await server.lost
        assert server.log == ["made", ("lost", "ConnectionResetError")]
        listening.close()

    in_world(program)


def test_both_sides_time_out_if_both_have_sent() -> None:
    """Each end counts for itself: whoever waits for an acknowledgement gives up."""

    async def program(world: World) -> None:
        client, server = Recording(), Recording()
        listening, transport = await pair(client, server, SERVER)
        world.network.cut("client", SERVER)
        transport.write(b"hello")
        server.transport.write(b"hello")
        await client.lost
        await server.lost
        assert client.log == server.log == ["made", ("lost", "TimeoutError")]
        assert world.network.connections() == []
        listening.close()

    in_world(program)


def test_a_partition_parts_groups() -> None:
    """partition() parts the sides from each other; within a side, and from outside, all is well."""

    async def program(world: World) -> list[str]:
        network = world.network
        hosts = ["one", "two", "three"]
        for host in hosts:
            await asyncio.start_server(echo, host, 7)

        async def reached(source: str) -> str:
            with network.at(source):
                found = []
                for target in hosts:
                    try:
                        async with asyncio.timeout(0.9):
                            _, writer = await asyncio.open_connection(target, 7)
                    except TimeoutError:
                        continue
                    writer.close()
                    found.append(target)
            return f"{source}: {' '.join(found)}"

        network.partition(["one", "two"], "three")
        parted = [await reached(source) for source in (*hosts, "client")]
        network.mend()
        return [*parted, await reached("one")]

    assert in_world(program) == [
        "one: one two",
        "two: one two",
        "three: three",
        "client: one two three",
        "one: one two three",
    ]
