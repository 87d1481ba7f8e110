"""A router between the browsers and the chat server, which can do to a line what routers do.

A browser names its line in the address, `ws://127.0.0.1:1234/?line=NAME`. The router passes bytes
on, and lets somebody cut the line, forget it, or keep it shut.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

Deed = Literal["cut", "forget", "shut", "open"]
DEEDS: tuple[Deed, ...] = ("cut", "forget", "shut", "open")

_LINE = re.compile(rb"[?&]line=([\w-]{1,64})[& ]")
_MOST_HEAD = 16 * 1024
_PIECE = 64 * 1024
_PATIENCE = 10.0
"""Seconds within which a client has to send the head of its request."""


class Connection:
    """Two ends, and what is passed between them; forgotten, it swallows everything."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = writers
        self.forgotten = False

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, until it ends or breaks."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                if not self.forgotten:
                    writer.write(data)
                    await writer.drain()

    def break_off(self) -> None:
        """Be gone, at both ends."""
        for writer in self.writers:
            writer.transport.abort()


class Router:
    """Passes connections on to a server on this machine.

    Args:
        port: of the server; the router itself is at ``Router.port``.
    """

    def __init__(self, port: int) -> None:
        self.inner = port
        self.port = 0
        self.shut: set[str] = set()
        self.carried: Counter[str] = Counter()
        self._lines: dict[str, set[Connection]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator["Router"]:
        """Take connections in until the block ends; then break all of them off."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def do(self, deed: Deed, line: str) -> None:
        """Do something to a line.

        "cut" breaks its connections off. "forget" loses what is sent on them from now on, and tells
        nobody. "shut" also turns away new ones, until "open".
        """
        connections = self._lines.get(line, set())
        if deed == "forget":
            for connection in connections:
                connection.forgotten = True
            return
        self.shut.discard(line)
        if deed == "shut":
            self.shut.add(line)
        if deed in ("cut", "shut"):
            for connection in list(connections):
                connection.break_off()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        named = _LINE.search(head.partition(b"\r\n")[0])
        line = named[1].decode() if named else ""
        if line in self.shut:
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.inner)
        connection = Connection(writer, inner_writer)
        self._lines.setdefault(line, set()).add(connection)
        self.carried[line] += 1
        try:
            inner_writer.write(head)
            copies = (connection.copy(reader, inner_writer), connection.copy(inner_reader, writer))
            tasks = [asyncio.create_task(copy) for copy in copies]
            try:
                # Whichever end is the first to be gone, what it has sent is on its way already.
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if connection.forgotten:
                    await asyncio.wait(tasks)  # the other one is not told that this one is gone
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._lines[line].discard(connection)
            inner_writer.close()
            if not writer.is_closing():
                writer.close()
                await writer.wait_closed()
