"""One contract for two networks: asyncio's own, on real sockets, and the simulated one.

Every scenario returns what its protocols saw. No scenario waits for time to pass: each step follows
from the one before, so that a real network shows the same in every run.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from autograder.simulation import World

from .networking import Recording, in_world, pair

Scenario = Callable[[], Awaitable[Any]]


def merged(log: list[Any]) -> list[Any]:
    """A log with bytes that came one after another put together: where they part is chance."""
    result: list[Any] = []
    for entry in log:
        if isinstance(entry, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += entry
        else:
            result.append(entry)
    return result


async def close_sends_everything() -> Any:
    client, server = Recording(), Recording()
    listening, transport = await pair(client, server)
    transport.write(b"one")
    transport.writelines([b"two", bytearray(b"three")])
    transport.close()
    transport.write(b"too late")
    states = [transport.is_closing(), transport.is_reading(), transport.get_write_buffer_size()]
    await server.lost
    listening.close()
    return merged(client.log), merged(server.log), states


async def half_close_is_answered() -> Any:
    client, server = Recording(), Recording(keep_open=True)
    listening, transport = await pair(client, server)
    transport.write(b"question")
    transport.write_eof()
    try:
        transport.write(b"more")
    except RuntimeError as error:
        refused = str(error)
    await server.ended
    server.transport.write(b"answer")
    server.transport.close()
    await client.lost
    listening.close()
    return merged(client.log), merged(server.log), refused


async def abort_is_an_end_of_file() -> Any:
    client, server = Recording(), Recording()
    listening, transport = await pair(client, server)
    transport.write(b"last words")
    transport.abort()
    await server.lost
    await client.lost
    listening.close()
    return merged(client.log), merged(server.log)


async def no_linger_is_a_reset() -> Any:
    client, server = Recording(), Recording()
    listening, transport = await pair(client, server)
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.close()
    await server.lost
    await client.lost
    listening.close()
    return client.log, server.log


async def slow_reader_pauses_the_writer() -> Any:
    client, server = Recording(), Recording()
    listening, transport = await pair(client, server)
    server.transport.pause_reading()
    transport.write(b"x" * 20_000_000)
    before = list(client.log)
    server.transport.resume_reading()
    transport.close()
    await server.lost
    await client.lost
    listening.close()
    return before, client.log, len(server.bytes), transport.get_write_buffer_limits()


async def buffered_protocol() -> Any:
    class Small(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(4)
            self.log: list[Any] = []
            self.lost = asyncio.get_running_loop().create_future()

        def get_buffer(self, sizehint: int) -> bytearray:
            self.log.append(("get", sizehint))
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.log.append(bytes(self.buffer[:nbytes]))

        def eof_received(self) -> None:
            self.log.append("eof")

        def connection_lost(self, error: Exception | None) -> None:
            self.log.append(("lost", error))
            self.lost.set_result(None)

    client, server = Recording(), Small()
    listening, transport = await pair(client, server)
    transport.write(b"hello world")
    transport.close()
    await server.lost
    listening.close()
    return server.log


async def failing_protocol() -> Any:
    class Failing(Recording):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    reports: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: reports.append(context["message"]))
    client, server = Recording(), Failing()
    listening, transport = await pair(client, server)
    transport.write(b"x")
    await client.lost
    listening.close()
    return client.log, server.log, reports


async def protocol_is_replaced() -> Any:
    client, server, second = Recording(), Recording(), Recording()
    listening, transport = await pair(client, server)
    server.transport.set_protocol(second)
    transport.write(b"for the second")
    transport.close()
    await second.lost
    listening.close()
    return server.log, merged(second.log)


async def server_closes_before_its_client() -> Any:
    client, server = Recording(), Recording()
    listening, transport = await pair(client, server)
    states = [listening.is_serving()]
    listening.close()
    states.append(listening.is_serving())
    waiting = asyncio.ensure_future(listening.wait_closed())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    states.append(waiting.done())
    transport.close()
    await server.lost
    await waiting
    return states, listening.sockets, server.log


async def errors_of_connecting_and_binding() -> Any:
    loop = asyncio.get_running_loop()
    seen: list[Any] = []
    bound = await loop.create_server(Recording, "127.0.0.1", 0)
    address = bound.sockets[0].getsockname()
    try:
        await loop.create_server(Recording, *address)
    except OSError as error:
        seen.append((type(error), error.errno == errno.EADDRINUSE))
    bound.close()
    await bound.wait_closed()
    try:
        await loop.create_connection(Recording, *address)
    except OSError as error:
        seen.append((type(error), error.errno == errno.ECONNREFUSED))
    for arguments in ({}, {"sock": 1, "host": "x"}, {"host": "x", "server_hostname": "x"}):
        try:
            await loop.create_connection(Recording, **arguments)  # type: ignore[call-overload]
        except (ValueError, AttributeError) as error:
            seen.append(str(error) if isinstance(error, ValueError) else "no socket")
    return seen


async def serve_forever_is_cancelled() -> Any:
    server = await asyncio.get_running_loop().create_server(
        Recording, "127.0.0.1", 0, start_serving=False
    )
    states = [server.is_serving()]
    async with server:
        serving = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        states.append(server.is_serving())
        serving.cancel()
        await asyncio.wait([serving])
        states += [serving.cancelled(), server.is_serving()]
    return states


SCENARIOS: list[Scenario] = [
    close_sends_everything,
    half_close_is_answered,
    abort_is_an_end_of_file,
    no_linger_is_a_reset,
    slow_reader_pauses_the_writer,
    buffered_protocol,
    failing_protocol,
    protocol_is_replaced,
    server_closes_before_its_client,
    errors_of_connecting_and_binding,
    serve_forever_is_cancelled,
]


@pytest.mark.skipif(sys.platform != "linux", reason="the simulated network behaves as Linux does")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_both_networks_show_the_same(scenario: Scenario) -> None:
    """Protocols on the simulated network see what they see on asyncio's own loop."""

    async def program(world: World) -> Any:
        return await scenario()

    assert in_world(program) == asyncio.run(scenario())
