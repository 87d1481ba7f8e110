"""Servers that answer requests over a simulated RabbitMQ, for graders of clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.servers.amqp import AmqpBroker

QUEUE = "prices"


class Request:
    """A request that a server has taken."""

    def __init__(self, message: Any, exchange: Any) -> None:
        self.body: bytes = message.body
        self._message = message
        self._exchange = exchange

    async def reply(self, body: bytes, **properties: Any) -> None:
        """Send a reply; ``properties`` are other than the usual ones."""
        import aio_pika

        properties = {"correlation_id": self._message.correlation_id, **properties}
        await self._exchange.publish(
            aio_pika.Message(body, **properties), self._message.reply_to or "", mandatory=False
        )

    async def done(self) -> None:
        """Acknowledge it."""
        await self._message.ack()


Answer = Callable[[Request], Awaitable[None]]


class Servers:
    """Whoever answers requests; ``requests`` are all that were taken, by whichever server."""

    def __init__(self, world: World, broker: AmqpBroker) -> None:
        self.world = world
        self.broker = broker
        self.requests: list[bytes] = []

    async def declare(self) -> None:
        """The queue of the requests."""
        import aio_pika

        with self.world.network.at("the operator"):
            async with await aio_pika.connect(self.broker.url) as connection:
                channel = await connection.channel()
                await channel.declare_queue(QUEUE, durable=True)

    async def start(self, answer: Answer, host: str = "server") -> None:
        """A server on a host of its own, which calls ``answer`` for each request."""
        import aio_pika

        with self.world.network.at(host):
            connection = await aio_pika.connect_robust(self.broker.url, reconnect_interval=1)
            channel = await connection.channel()
            queue = await channel.declare_queue(QUEUE, durable=True)

            async def on_request(message: Any) -> None:
                self.requests.append(message.body)
                await answer(Request(message, channel.default_exchange))

            await queue.consume(on_request)


async def price(request: Request) -> None:
    """The usual answer: what was asked for, and what it costs."""
    await request.reply(request.body + b": 89.00")
    await request.done()
