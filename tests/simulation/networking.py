"""What the tests of the network share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from autograder.simulation import World, run_world

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def in_world(program: Callable[[World], Any], seed: int = 0) -> Any:
    """Run a program in one world and return its result; nothing may be wrong with it."""
    outcome = run_world(program, seed)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.problems == []
    return outcome.result


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server's handler: sends back every line, and ends when the client does."""
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


class Recording(asyncio.Protocol):
    """A protocol that remembers what it was told; ``keep_open`` is its answer to an end of file."""

    def __init__(self, keep_open: bool = False) -> None:
        self.log: list[Any] = []
        self.keep_open = keep_open
        self.transport: Any = None
        self.lost = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.log.append("made")

    def data_received(self, data: bytes) -> None:
        self.log.append(data)

    def eof_received(self) -> bool:
        self.log.append("eof")
        if not self.ended.done():
            self.ended.set_result(None)
        return self.keep_open

    def pause_writing(self) -> None:
        self.log.append("pause")

    def resume_writing(self) -> None:
        self.log.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.log.append(("lost", type(error).__name__ if error else None))
        self.lost.set_result(None)

    @property
    def bytes(self) -> bytes:
        """Everything that was received."""
        return b"".join(entry for entry in self.log if isinstance(entry, bytes))


async def pair(
    client: asyncio.BaseProtocol, server: asyncio.BaseProtocol, host: str = "127.0.0.1"
) -> tuple[asyncio.AbstractServer, Any]:
    """A server and a client connected to it, when both ends have been made."""
    made = asyncio.get_running_loop().create_future()
    original = server.connection_made

    def connection_made(transport: asyncio.BaseTransport) -> None:
        original(transport)
        made.set_result(None)

    server.connection_made = connection_made  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: server, host, 0)
    port = listening.sockets[0].getsockname()[1]
    transport, _ = await loop.create_connection(lambda: client, host, port)
    await made
    return listening, transport
