"""Correct programs, and the libraries people use, survive outages that TCP survives."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import websockets
from aiohttp import web

from autograder.simulation import World, explore

from .networking import echo, in_world

SERVER = "chat.example"
URL = "ws://chat.example:8000"


async def sabotage(world: World) -> None:
    """Break the way to the server, again and again, for up to ten seconds each time."""
    while True:
        await asyncio.sleep(10 * world.draw("until the cut"))
        world.network.cut("client", SERVER)
        await asyncio.sleep(10 * world.draw("until the end of it"))
        world.network.mend()
        await asyncio.sleep(1)


async def shout(connection: websockets.ServerConnection) -> None:
    async for message in connection:
        assert isinstance(message, str)
        await connection.send(message.upper())


def test_a_conversation_survives_every_cut() -> None:
    """However often the way is broken, every line is echoed once, in its order."""

    async def program(world: World) -> None:
        await asyncio.start_server(echo, SERVER, 7)
        reader, writer = await asyncio.open_connection(SERVER, 7)
        trouble = asyncio.create_task(sabotage(world))
        for number in range(100):
            writer.write(b"%d\n" % number)
            await writer.drain()
            await world.pause("between lines", 0.0, 5.0)
        lines = [await reader.readline() for _ in range(100)]
        assert lines == [b"%d\n" % number for number in range(100)]
        writer.close()
        trouble.cancel()

    assert explore(program, seeds=60) is None


def test_a_websocket_survives_a_short_cut() -> None:
    """A cut shorter than the heartbeat's patience delays messages and loses none."""

    async def program(world: World) -> None:
        async with (
            websockets.serve(shout, SERVER, 8000, ping_interval=20, ping_timeout=20),
            websockets.connect(URL) as connection,
        ):
            for number in range(5):
                asyncio.get_running_loop().call_later(5, world.network.mend)
                world.network.cut("client", SERVER)
                await connection.send(f"hello {number}")
                assert await connection.recv() == f"HELLO {number}"
                await asyncio.sleep(60)

    assert explore(program, seeds=10) is None


@pytest.mark.parametrize("ending", ["half-open", "vanished", "parted"])
def test_a_heartbeat_notices_at_both_ends(ending: str) -> None:
    """Without pongs both ends give up in less than a minute, not in a quarter of an hour."""

    async def program(world: World) -> tuple[float, float]:
        served: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def listen(connection: websockets.ServerConnection) -> None:
            await connection.wait_closed()
            served.set_result(world.time())

        async with websockets.serve(listen, SERVER, 8000, ping_interval=20, ping_timeout=20):
            connection = await websockets.connect(URL, ping_interval=20, ping_timeout=20)
            if ending == "half-open":
                world.network.half_open(SERVER)
            elif ending == "vanished":
                world.network.vanish("client")
            else:
                world.network.partition("client", SERVER)
            with pytest.raises(websockets.ConnectionClosedError):
                await connection.recv()
            noticed = world.time()
            return noticed, await served

    # 20 s until the ping, 20 s for its pong, and up to 10 s for the closing handshake.
    for noticed in in_world(program):
        assert 40 <= noticed <= 51


def test_a_handshake_into_the_void_times_out() -> None:
    """A server drops a peer that was accepted and died; a client one whose answer never comes."""

    async def program(world: World) -> tuple[float, int]:
        async with websockets.serve(shout, SERVER, 8000, open_timeout=10):
            world.network.half_open(SERVER, after=0)
            with pytest.raises(TimeoutError):
                await websockets.connect(URL, open_timeout=10)
            took = world.time()
            await asyncio.sleep(2000)
            return took, len(world.network.connections())

    took, left = in_world(program)
    assert took == pytest.approx(10, abs=0.2)
    assert left == 0


def test_aiohttp_times_out_and_tries_again() -> None:
    """A request on a connection that died without a word times out; the next one gets through."""

    async def program(world: World) -> None:
        async def price(request: web.Request) -> web.Response:
            return web.Response(text="9.99")

        app = web.Application()
        app.router.add_get("/price", price)
        await world.network.serve_app(app, "shop.example")
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:

            async def ask() -> str:
                async with session.get("http://shop.example/price") as response:
                    return await response.text()

            assert await ask() == "9.99"
            world.network.half_open("shop.example")
            with pytest.raises(TimeoutError):
                await ask()
            assert await ask() == "9.99"

    in_world(program)
