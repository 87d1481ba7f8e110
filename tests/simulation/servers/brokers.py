"""What the tests of the simulated AMQP broker share."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika

from autograder.simulation.servers.amqp import AmqpBroker

from ..networking import in_world

__all__ = ["drained", "in_world", "publish", "queue_of"]


async def publish(broker: AmqpBroker, name: str, *bodies: str, durable: bool = True) -> None:
    """Declare a queue and put persistent messages into it, on a connection of its own."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(name, durable=durable)
        for body in bodies:
            message = aio_pika.Message(body.encode(), delivery_mode=2)
            await channel.default_exchange.publish(message, name)


async def queue_of(connection: Any, name: str) -> Any:
    """A queue that is there, on a new channel."""
    channel = await connection.channel()
    return await channel.declare_queue(name, durable=True)


async def drained(broker: AmqpBroker, name: str, settle: float = 0.0) -> list[Any]:
    """Take and acknowledge all that is in a queue, and wait for ``settle`` seconds each time."""
    taken = []
    async with await aio_pika.connect(broker.url) as connection:
        queue = await queue_of(connection, name)
        while (message := await queue.get(fail=False)) is not None:
            await message.ack()
            taken.append(message)
            await asyncio.sleep(settle)
    return taken
