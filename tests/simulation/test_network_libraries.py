"""Real libraries run on the simulated network, unmodified."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
import websockets
from aiohttp import web

from autograder.simulation import Refused, World, explore, run_world

from .networking import in_world


def shop(delay: float = 0.0) -> web.Application:
    """A web shop whose price takes ``delay`` seconds, and that counts what is posted to it."""
    app = web.Application()

    async def price(request: web.Request) -> web.Response:
        await asyncio.sleep(delay)
        return web.Response(text="9.99")

    async def size(request: web.Request) -> web.Response:
        return web.json_response({"size": len(await request.read())})

    async def long(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * 10_000)
        return response

    app.router.add_get("/price", price)
    app.router.add_post("/size", size)
    app.router.add_get("/long", long)
    return app


async def get(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as response:
        response.raise_for_status()
        return await response.text()


# -- aiohttp --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_ten_shops_answer_at_once(seed: int) -> None:
    """Ten aiohttp servers that each take five seconds are asked in a little over five seconds."""

    async def program(world: World) -> float:
        hosts = [f"shop{number}.example" for number in range(10)]
        for host in hosts:
            await world.network.serve_app(shop(delay=5.0), host)
        async with aiohttp.ClientSession() as session:
            before = world.time()
            prices = await asyncio.gather(*(get(session, f"http://{h}/price") for h in hosts))
            assert prices == ["9.99"] * 10
            return world.time() - before

    assert 5.0 < in_world(program, seed) < 5.3


def test_aiohttp_reuses_its_connections() -> None:
    """Requests one after another to one host share a connection."""

    async def program(world: World) -> int:
        await world.network.serve_app(shop(), "shop.example")
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                await get(session, "http://shop.example/price")
            return len(world.network.connections("shop.example"))

    assert in_world(program) == 1


def test_large_bodies_pass_in_both_directions() -> None:
    """Bodies larger than every buffer arrive whole."""

    async def program(world: World) -> None:
        await world.network.serve_app(shop(), "shop.example")
        async with aiohttp.ClientSession() as session:
            body = b"x" * 1_000_000
            async with session.post("http://shop.example/size", data=body) as response:
                assert await response.json() == {"size": 1_000_000}
            assert len(await get(session, "http://shop.example/long")) == 1_000_000

    in_world(program)


def test_aiohttp_tells_what_went_wrong() -> None:
    """Network faults reach the caller as the exceptions aiohttp has for them."""

    async def program(world: World) -> None:
        network = world.network
        for name in ("up", "down", "broken", "hangs", "lost"):
            await network.serve_app(shop(), f"{name}.example")
        network.refuse("down.example")
        network.reset("broken.example", after=50)
        network.silence("hangs.example")
        network.drop("lost.example")
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            with pytest.raises(aiohttp.ClientConnectorDNSError, match="did you mean"):
                await get(session, "http://upp.example/price")
            with pytest.raises(aiohttp.ClientConnectorError, match="refuses connections"):
                await get(session, "http://down.example/price")
            with pytest.raises(aiohttp.ClientConnectorError, match="nobody listens on port 81"):
                await get(session, "http://up.example:81/price")
            with pytest.raises(aiohttp.ClientOSError):
                await get(session, "http://broken.example/price")
            for host in ("hangs.example", "lost.example"):
                before = world.time()
                with pytest.raises(TimeoutError):
                    await get(session, f"http://{host}/price")
                assert world.time() - before == pytest.approx(10, abs=1)
            assert await get(session, "http://up.example/price") == "9.99"

    in_world(program)


def test_https_is_refused_in_one_sentence() -> None:
    """A client that asks for https:// learns that the simulated network has no TLS."""

    async def program(world: World) -> None:
        await world.network.serve_app(shop(), "shop.example", 443)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Refused, match="no TLS"):
                await get(session, "https://shop.example/price")

    in_world(program)


def test_a_cancelled_request_leaves_nothing_behind() -> None:
    """Cancelled at any time, a request neither hangs nor leaks."""

    async def program(world: World) -> None:
        await world.network.serve_app(shop(delay=0.01), "shop.example")
        async with aiohttp.ClientSession() as session:
            request = asyncio.create_task(get(session, "http://shop.example/price"))
            await world.pause("patience", low=0.0, high=0.1)
            request.cancel()
            await asyncio.wait([request])
        # The server learns of it a trip later.
        await asyncio.sleep(1)
        assert world.network.connections() == []

    assert explore(program, seeds=30) is None


def test_a_server_can_be_stopped_before_the_end() -> None:
    """The runner that serve_app() returns stops the server, as aiohttp's always does."""

    async def program(world: World) -> None:
        runner = await world.network.serve_app(shop(), "shop.example")
        async with aiohttp.ClientSession() as session:
            assert await get(session, "http://shop.example/price") == "9.99"
            await runner.cleanup()
            with pytest.raises(aiohttp.ClientConnectorError, match="nobody listens"):
                await get(session, "http://shop.example/price")

    in_world(program)


def test_a_handler_that_hangs_does_not_delay_the_end() -> None:
    """A world ends when its test does, whatever its servers are still busy with."""

    async def program(world: World) -> None:
        await world.network.serve_app(shop(delay=100_000), "shop.example")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(get(session, "http://shop.example/price"), 1)

    outcome = run_world(program)
    assert (outcome.error, outcome.problems) == (None, [])
    assert outcome.time == 1.0


def test_aiohttp_websockets_talk_both_ways() -> None:
    """aiohttp's own WebSocket client and server hold a conversation with heartbeats."""

    async def program(world: World) -> list[str]:
        async def chat(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse(heartbeat=20)
            await ws.prepare(request)
            async for message in ws:
                await ws.send_str(message.data.upper())
            return ws

        app = web.Application()
        app.router.add_get("/chat", chat)
        await world.network.serve_app(app, "chat.example")
        answers = []
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect("ws://chat.example/chat", heartbeat=20) as ws,
        ):
            for text in ("hello", "bye"):
                await ws.send_str(text)
                answers.append(await ws.receive_str())
                await asyncio.sleep(120)
        return answers

    assert in_world(program) == ["HELLO", "BYE"]


# -- websockets -----------------------------------------------------------------------------------


async def shout(connection: websockets.ServerConnection) -> None:
    async for message in connection:
        assert isinstance(message, str)
        await connection.send(message.upper())


@pytest.mark.parametrize("seed", range(3))
def test_websockets_talk_for_minutes(seed: int) -> None:
    """A conversation with long silences lives on, kept alive by pings and pongs."""

    async def program(world: World) -> list[Any]:
        answers = []
        async with (
            websockets.serve(shout, "chat.example", 8000),
            websockets.connect("ws://chat.example:8000") as connection,
        ):
            for text in ("hello", "are you there?", "bye"):
                await connection.send(text)
                answers.append(await connection.recv())
                await asyncio.sleep(150)
            assert connection.latency > 0
            assert connection.remote_address[1] == 8000
        return answers

    assert in_world(program, seed) == ["HELLO", "ARE YOU THERE?", "BYE"]


def test_websockets_notice_a_peer_that_stalls() -> None:
    """When pongs stay out the keepalive ends the connection with code 1011."""

    async def program(world: World) -> float:
        async with websockets.serve(shout, "chat.example", 8000):
            connection = await websockets.connect("ws://chat.example:8000")
            world.network.stall("chat.example")
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                await connection.recv()
            assert caught.value.sent is not None
            assert caught.value.sent.code == 1011
            at = world.time()
            world.network.resume("chat.example")
        return at

    # A ping after 20 seconds, 20 more for its pong, and 10 for the closing handshake.
    assert 40 <= in_world(program) <= 51


def test_websockets_refuses_what_is_not_there() -> None:
    """Connecting to a port without a server fails as it does on a real network."""

    async def program(world: World) -> None:
        world.network.host("chat.example")
        with pytest.raises(ConnectionRefusedError):
            await websockets.connect("ws://chat.example:8000")
        with pytest.raises(socket.gaierror):
            await websockets.connect("ws://nowhere.example:8000")

    in_world(program)


def test_websockets_slow_a_fast_sender_down() -> None:
    """A client that does not read makes the server's send() wait."""

    async def program(world: World) -> tuple[int, int]:
        sent = 0

        async def pour(connection: websockets.ServerConnection) -> None:
            nonlocal sent
            for _ in range(100):
                await connection.send(b"x" * 10_000)
                sent += 1

        async with (
            websockets.serve(pour, "chat.example", 8000, compression=None),
            websockets.connect("ws://chat.example:8000", compression=None) as connection,
        ):
            await asyncio.sleep(5)
            before = sent
            received = [message async for message in connection]
        return before, len(received)

    before, received = in_world(program)
    assert before < 50
    assert received == 100


# -- redis-py -------------------------------------------------------------------------------------


class TinyRedis:
    """Answers a handful of Redis commands in RESP."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            arguments = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                arguments.append((await reader.readexactly(size + 2))[:-2])
            writer.write(await self.answer(arguments[0].upper(), arguments[1:]))
            await writer.drain()
        writer.close()

    async def answer(self, command: bytes, arguments: list[bytes]) -> bytes:
        if command == b"HELLO":
            return b"%1\r\n$5\r\nproto\r\n:3\r\n"
        if command == b"SET":
            self.values[arguments[0]] = arguments[1]
        elif command == b"GET":
            value = self.values.get(arguments[0])
            return b"_\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        elif command == b"BLPOP":
            await asyncio.sleep(float(arguments[-1]))
            return b"_\r\n"
        return b"+OK\r\n"


def test_redis_py_talks_to_a_simulated_server() -> None:
    """redis-py's asyncio client sets, gets and blocks, in virtual time."""
    redis = pytest.importorskip("redis.asyncio")

    async def program(world: World) -> None:
        await asyncio.start_server(TinyRedis().serve, "redis.internal", 6379)
        async with redis.Redis(host="redis.internal", socket_timeout=None) as client:
            await client.set("tea", "2.50")
            assert await client.get("tea") == b"2.50"
            assert await client.get("coffee") is None
            before = world.time()
            assert await client.blpop(["queue"], timeout=60) is None
            assert world.time() - before == pytest.approx(60, abs=0.1)

    in_world(program)


def test_redis_py_reports_a_server_that_is_not_there() -> None:
    """Without a server redis-py raises its ConnectionError."""
    redis = pytest.importorskip("redis.asyncio")

    async def program(world: World) -> None:
        world.network.host("redis.internal")
        async with redis.Redis(host="redis.internal") as client:
            with pytest.raises(redis.ConnectionError):
                await client.get("tea")

    in_world(program)
