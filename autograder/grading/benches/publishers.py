"""Publishers at a simulated RabbitMQ, with queues that want what they publish, for graders."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..mistakes import mistake
from .amqp_side import arrange, ended

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.servers.amqp import AmqpBroker
    from autograder.simulation.servers.amqp.views import QueueView

PAID, SHIPPED = "order.paid", "order.shipped"
LONG = 300.0
"""Seconds after which what has not ended will not end."""


async def broker_with(
    world: World, arguments: Mapping[str, Any] | None = None, **options: Any
) -> AmqpBroker:
    """A broker with the exchange "events", and two queues: of what is paid, and of all."""
    from autograder.simulation.servers.amqp import AmqpBroker

    broker = AmqpBroker(world, **options)
    with world.network.at("the operator"):
        await arrange(broker.url, "events", {"paid": [PAID], "all": ["order.*"]}, arguments)
    return broker


def ids(queue: QueueView) -> list[str | None]:
    """The ids of the messages that wait in a queue, from head to tail."""
    return [message.properties.message_id for message in queue.messages]


async def published(publisher: Any, key: str, body: bytes, seconds: float = LONG) -> Any:
    """What ``publish`` returns; AssertionError if it takes longer."""
    return await ended(publisher.publish(key, body), seconds, f"publish({key!r}, ...)")


def publishing(submission: ModuleType, broker: AmqpBroker) -> AbstractAsyncContextManager[Any]:
    """A publisher that is open."""
    return entered(submission.Publisher(broker.url, "events"))


@contextlib.asynccontextmanager
async def entered(publisher: Any) -> AsyncIterator[Any]:
    """The block of a publisher: its connection must be there in time, and its end be an end."""
    opened = await ended(publisher.__aenter__(), LONG, "async with Publisher(...)")
    try:
        yield opened
    except BaseException as error:
        await publisher.__aexit__(type(error), error, error.__traceback__)
        raise
    await ended(publisher.__aexit__(None, None, None), LONG, "the end of async with Publisher(...)")


async def not_given_up(publishing: Awaitable[Any], said: str) -> Any:
    """The id; ``said`` is when the connection broke."""
    from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

    try:
        return await publishing
    except (AMQPError, ChannelInvalidStateError, OSError) as error:
        raise AssertionError(
            mistake(
                "gives-up-unconfirmed",
                f"The connection broke {said}, and publish raised {type(error).__name__}. It may "
                "have arrived or not: nobody knows, and nobody tries again.",
            )
        ) from error
