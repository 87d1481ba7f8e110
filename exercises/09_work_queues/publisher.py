"""Publish messages to RabbitMQ so that none is lost on the way.

A shop tells the rest of the company what happens: "order.paid", "order.shipped". It publishes to an
exchange, which hands each message to every queue that is bound for its routing key. The network
breaks now and then, the broker is restarted for an upgrade, and once somebody misspelt a routing
key, and nobody noticed for a month.

Write `Publisher`. `Unroutable` and `Refused` are given; leave them as they are.

    async with Publisher(url, "events") as publisher:
        message_id = await publisher.publish("order.paid", b'{"order": 17}')

Rules
  1. `publish` returns when the broker has confirmed the message, and not before. What has been
     confirmed also outlives a crash of the broker. (The queues are durable.)
  2. Each message has an id of its own, a string, as its `message_id`, which no publisher gives to
     another one, in this process or in any other; `publish` returns it.
  3. If no queue is bound for the routing key, `publish` raises Unroutable.
  4. If the broker refuses the message (it answers with basic.nack, as for a queue that is full),
     `publish` raises Refused.
  5. If the connection breaks before the answer is here, nobody knows whether the message arrived.
     Then it is published again, with the same id, as soon as there is a connection, until it is
     confirmed. Whoever gets it twice can tell by the id. A broker that is down is waited for, for
     as long as it takes, at the beginning of the `async with` as well, where a connection may
     break, too. Half a minute after the broker is up again, what waited is published. How long is
     too long is the caller's to say: by cancelling.
  6. What has been confirmed is not published again.
  7. There is one connection at a time, whatever there is to publish. It is there when the block
     begins, and closed when it has ended, however it has ended.
  8. Messages that are published at the same time do not wait for each other's confirms.
  9. A `publish` that is cancelled ends at once, and costs the others nothing.

The exchange is there already: its type is topic, and it is durable. aio-pika may be used in any way
you like; the tests listen at the broker.

Out of scope: the order of messages; TLS; what is being published when the block ends; a beginning
that is cancelled; a connection that says nothing any more without breaking (see the lesson, "A
connection that says nothing").
"""

from __future__ import annotations

from types import TracebackType


class Unroutable(Exception):
    """No queue wants the message: nothing is bound for its routing key."""


class Refused(Exception):
    """The broker did not take the message."""


class Publisher:
    """Publishes to one exchange; see the rules at the top."""

    def __init__(self, url: str, exchange: str) -> None:
        """`url`: of the broker, such as "amqp://guest:guest@127.0.0.1:5672/"."""
        raise NotImplementedError

    async def __aenter__(self) -> Publisher:
        raise NotImplementedError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    async def publish(self, routing_key: str, body: bytes) -> str:
        """Publish one message; its id, once it is safe. Raises Unroutable, Refused."""
        raise NotImplementedError
