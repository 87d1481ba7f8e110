"""One contract, two servers: every test here runs on the simulated broker, in virtual time, and
with --live on a real RabbitMQ. Where they differ, the simulated one is wrong."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import unquote, urlsplit

import aio_pika
import aiormq
import pytest

from autograder.simulation import World, WorldFailed, explore
from autograder.simulation.servers.amqp import AmqpBroker

SEEDS = 4
"""Simulated worlds a test runs in."""
PATIENCE = 10.0
"""Seconds after which something that is waited for counts as not happening."""

Body = Callable[["Amqp"], Coroutine[Any, Any, None]]


class Amqp:
    """A server, and the connections that a test makes to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.vhost = unquote(urlsplit(url).path[1:]) or "/"
        self._open: list[Any] = []
        self._first: Any = None

    async def connect(self, robust: bool = False, **options: Any) -> Any:
        """A new aio-pika connection."""
        connect = aio_pika.connect_robust if robust else aio_pika.connect
        connection: Any = await connect(self.url, **options)
        self._open.append(connection)
        return connection

    async def channel(self, **options: Any) -> Any:
        """A new aio-pika channel on the test's own connection."""
        if self._first is None or self._first.is_closed:
            self._first = await self.connect()
        return await self._first.channel(**options)

    async def connect_raw(self, url: str | None = None) -> Any:
        """A new connection of aiormq, the layer below aio-pika."""
        connection = await aiormq.connect(url or self.url)
        self._open.append(connection)
        return connection

    async def raw(self, confirms: bool = False) -> Any:
        """A channel of aiormq, on a connection of its own."""
        connection = await self.connect_raw()
        return await connection.channel(publisher_confirms=confirms)

    async def close(self) -> None:
        for connection in reversed(self._open):
            await connection.close()


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until the condition holds; what it gives."""
    async with asyncio.timeout(PATIENCE):
        while True:
            value = await condition()
            if value:
                return value
            await asyncio.sleep(0.02)


async def error_of(attempt: Awaitable[Any]) -> Exception:
    """The error that an attempt fails with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 (which one, is the test's to say)
        await attempt
    return caught.value


def message(body: str, **properties: Any) -> aio_pika.Message:
    return aio_pika.Message(body.encode(), **properties)


async def publish(
    channel: Any, key: str, *bodies: str, exchange: Any = None, **options: Any
) -> None:
    """Publish messages one after another, each confirmed before the next."""
    for body in bodies:
        await (exchange or channel.default_exchange).publish(message(body, **options), key)


async def drained(queue: Any, count: int | None = None) -> list[str]:
    """Take what is in a queue, from its head on, until it is empty or ``count`` are there."""
    bodies: list[str] = []
    if count is not None:
        while len(bodies) < count:
            taken = await until(lambda: queue.get(fail=False))
            await taken.ack()
            bodies.append(taken.body.decode())
    while (taken := await queue.get(fail=False)) is not None:
        await taken.ack()
        bodies.append(taken.body.decode())
    return bodies


async def size(channel: Any, name: str) -> int:
    """How many messages wait in a queue."""
    queue = await channel.declare_queue(name, passive=True)
    return int(queue.declaration_result.message_count)


def contract(test: Body) -> Callable[..., None]:
    """Make a test of what must hold on both servers."""

    @pytest.mark.parametrize(
        "server", ["simulated", pytest.param("rabbitmq", marks=pytest.mark.live)]
    )
    def run(server: str, request: pytest.FixtureRequest) -> None:
        if server == "simulated":
            finding = explore(program, seeds=SEEDS)
            if finding is not None:
                raise WorldFailed(finding) from finding.error
        else:
            asyncio.run(on(request.getfixturevalue("amqp_url")))

    async def program(world: World) -> None:
        await on(AmqpBroker(world).url)

    async def on(url: str) -> None:
        amqp = Amqp(url)
        try:
            await test(amqp)
        finally:
            await amqp.close()

    functools.update_wrapper(run, test, assigned=("__name__", "__doc__", "__module__"))
    del run.__wrapped__
    return run
