"""Servers that answer requests over a simulated RabbitMQ, and clients that ask, for graders."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..mistakes import mistake
from .amqp_side import ended

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.servers.amqp import AmqpBroker

QUEUE, OTHER_QUEUE = QUEUES = "prices", "colours"
LONG = 300.0
"""Seconds after which what has not ended will not end."""


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
        """The queues of the requests."""
        import aio_pika

        with self.world.network.at("the operator"):
            async with await aio_pika.connect(self.broker.url) as connection:
                channel = await connection.channel()
                for queue in QUEUES:
                    await channel.declare_queue(queue, durable=True)

    def queues_of_clients(self) -> list[str]:
        """The queues that were not there at first."""
        return [queue.name for queue in self.broker.queues() if queue.name not in QUEUES]

    async def start(self, answer: Answer, host: str = "server", queue: str = QUEUE) -> None:
        """A server on a host of its own, which calls ``answer`` for each request."""
        import aio_pika

        with self.world.network.at(host):
            connection = await aio_pika.connect_robust(self.broker.url, reconnect_interval=1)
            channel = await connection.channel()
            requests = await channel.declare_queue(queue, durable=True)

            async def on_request(message: Any) -> None:
                self.requests.append(message.body)
                await answer(Request(message, channel.default_exchange))

            await requests.consume(on_request)


async def price(request: Request) -> None:
    """The usual answer: what was asked for, and what it costs."""
    await request.reply(request.body + b": 89.00")
    await request.done()


async def servers_at(world: World, answer: Answer | None = price, **options: Any) -> Servers:
    """A broker with ``options``, and a server that calls ``answer``; None: no server yet."""
    from autograder.simulation.servers.amqp import AmqpBroker

    servers = Servers(world, AmqpBroker(world, **options))
    await servers.declare()
    if answer is not None:
        await servers.start(answer)
    return servers


@contextlib.asynccontextmanager
async def calling(submission: ModuleType, servers: Servers) -> AsyncIterator[Any]:
    """A client that is open, on a host called "client"."""
    client = submission.RpcClient(servers.broker.url)
    with servers.world.network.at("client"):
        entered = await ended(client.__aenter__(), LONG, "async with RpcClient(...)")
        try:
            yield entered
        except BaseException as error:
            await client.__aexit__(type(error), error, error.__traceback__)
            raise
        end = client.__aexit__(None, None, None)
        await ended(end, LONG, "the end of async with RpcClient(...)")


def connections_of_clients(servers: Servers) -> int:
    """How many connections there are from that host."""
    peers = servers.broker.protocols
    return sum(1 for peer in peers if peer.host == "client" and peer.client.state == "running")


async def outcome_of(client: Any, body: bytes, within: float = 10.0, queue: str = QUEUE) -> Any:
    """What a call gives, or the exception that it ends with."""
    call = client.call(queue, body, within=within)
    try:
        return await ended(call, within + LONG, f"call({queue!r}, {body!r}, within={within:g})")
    except AssertionError:
        raise
    except Exception as error:
        return error


def answers(body: bytes, outcome: Any) -> bool:
    """True if it is a reply to this request."""
    return isinstance(outcome, bytes) and outcome.startswith(body)


def assert_own_reply(body: bytes, outcome: Any, said: str) -> None:
    """It is the reply to this request; ``said`` is what was going on."""
    assert not isinstance(outcome, bytes) or not outcome or answers(body, outcome), mistake(
        "reply-mixed-up",
        f"{said}. The request was {body!r}, and the call returned {outcome!r}: the reply to "
        "another one.",
    )
    assert answers(body, outcome), f"{said}. The call for {body!r} ended with {outcome!r}"


def assert_nothing_left(servers: Servers, said: str) -> None:
    """Neither connections of clients nor their queues; ``said`` is what was going on."""
    connections, queues = connections_of_clients(servers), servers.queues_of_clients()
    assert not connections, f"{said}, and a connection of the client is open"
    assert not queues, f"{said}, and the queue for replies is still there: {queues}"
