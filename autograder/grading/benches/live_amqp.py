"""A real RabbitMQ, for graders: what is in its queues, and a line to it that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PATIENCE = 60.0
"""Seconds of real time after which what has not happened will not happen."""


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Ask again and again until the answer is true, and give it. ``what`` is waited for."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await condition()
                if answer:
                    return answer
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{PATIENCE:.0f} s went by without {what}") from None


async def within_patience(work: Awaitable[Any], what: str) -> Any:
    """What ``work`` gives; AssertionError if it takes too long."""
    try:
        return await asyncio.wait_for(work, PATIENCE)
    except TimeoutError:
        raise AssertionError(f"{what} has not ended after {PATIENCE:.0f} s") from None


class Desk:
    """An operator's own connection to the broker."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._channel: Any = None

    async def channel(self) -> Any:
        """An open channel: asking for a queue that does not exist closes it."""
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._connection.channel(on_return_raises=True)
        return self._channel

    async def size(self, queue: str) -> int | None:
        """How many messages wait in a queue; None if it does not exist."""
        from aio_pika.exceptions import ChannelClosed

        try:
            found = await (await self.channel()).declare_queue(queue, passive=True)
        except ChannelClosed:
            return None
        return int(found.declaration_result.message_count)

    async def take_all(self, queue: str) -> list[Any]:
        """Take what is in a queue."""
        there = await (await self.channel()).get_queue(queue)
        messages = []
        while (message := await there.get(fail=False)) is not None:
            await message.ack()
            messages.append(message)
        return messages


@contextlib.asynccontextmanager
async def desk_at(url: str) -> AsyncIterator[Desk]:
    """An operator's connection."""
    import aio_pika

    async with await aio_pika.connect(url) as connection:
        yield Desk(connection)


class Line:
    """A line to the broker, by way of a port of its own.

    Attributes:
        url: of the broker, by this line.
        muted: while it is, nothing comes back from the broker.
        mute_on: as soon as a client has said this, the line is muted.
    """

    def __init__(self, url: str) -> None:
        self._broker = urlsplit(url)
        self._url = url
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.muted = False
        self.mute_on: bytes | None = None
        self.url = ""

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user = self._broker.netloc.rpartition("@")[0]
        self.url = urlunsplit(self._broker._replace(netloc=f"{user}@127.0.0.1:{port}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections; new ones are possible, and hear of everything."""
        self.muted = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._broker.hostname, self._broker.port)
        self._writers |= {writer, there[1]}
        for source, sink, back in ((reader, there[1], False), (there[0], writer, True)):
            pump = asyncio.create_task(self._pump(source, sink, back))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if not back and self.mute_on is not None and self.mute_on in data:
                    self.muted, self.mute_on = True, None
                if not (back and self.muted):
                    sink.write(data)
        sink.transport.abort() if sink.transport.is_closing() else sink.close()
