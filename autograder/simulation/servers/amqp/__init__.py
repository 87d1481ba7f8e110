"""A simulated AMQP 0-9-1 broker: aio-pika runs on it unchanged, in virtual time, with faults.

The core (`core`, `vhosts`, `queues`, `channels`, ...) is a state machine without input or output;
`serving` puts it on the network of a world, and `broker` is what graders use::

    from autograder.simulation.servers.amqp import AmqpBroker

    broker = AmqpBroker(world)
    connection = await aio_pika.connect_robust(broker.url)
    ...
    assert broker.queue("orders").depth == 0

It behaves as RabbitMQ 3.10 does; one contract suite (tests/contracts/amqp) runs over both. Not
simulated: transactions (540), TLS, streams, plugins, policies, clusters.
"""

from __future__ import annotations

# The client library comes with it, so that it is there before the first world begins: what is
# replaced in libraries while worlds run (see `ordering` and `clock`) is looked for at that moment.
import aio_pika  # noqa: F401

from .broker import AmqpBroker
from .deadletters import DeadLetter
from .faults import Cut
from .message import Message
from .views import Happening, QueueView

__all__ = ["AmqpBroker", "Cut", "DeadLetter", "Happening", "Message", "QueueView"]
