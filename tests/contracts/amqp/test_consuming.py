"""Consuming: who gets which message, and how many at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from aiormq import exceptions
from pamqp import commands as spec

from .agreement import Amqp, contract, drained, error_of, publish, size, until


class Taker:
    """Consumes, and remembers; acknowledges only when told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []

    def named(self, name: str) -> Any:
        async def take(message: Any) -> None:
            self.taken.append((name, message))

        return take

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.taken]

    @property
    def bodies(self) -> list[str]:
        return [message.body.decode() for _, message in self.taken]

    async def has(self, count: int) -> None:
        """Wait until so many messages have come, and no more come after them."""

        async def enough() -> bool:
            return len(self.taken) >= count

        await until(enough)
        channel = self.taken[0][1].channel
        await channel.basic_cancel("nobody")  # answered after whatever is on its way
        assert len(self.taken) == count


@contract
async def test_a_consumer_gets_what_is_there_and_what_comes(amqp: Amqp) -> None:
    """A consumer gets the messages that wait, then each as it comes, in order."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2")
    await queue.consume(taker.named("a"), no_ack=True)
    await publish(channel, "box", "3")
    await taker.has(3)
    assert taker.bodies == ["1", "2", "3"]
    assert await size(channel, "box") == 0


@contract
async def test_a_delivery_says_where_it_comes_from(amqp: Amqp) -> None:
    """A delivery carries its consumer's tag, its number on the channel, exchange and key."""
    channel, taker = await amqp.channel(), Taker()
    exchange = await channel.declare_exchange("events", "topic")
    queue = await channel.declare_queue("box")
    await queue.bind(exchange, "order.#")
    tag = await queue.consume(taker.named("a"))
    await publish(channel, "order.paid", "1", "2", exchange=exchange)
    await taker.has(2)
    first, second = (message for _, message in taker.taken)
    assert (first.consumer_tag, first.exchange, first.routing_key) == (tag, "events", "order.paid")
    assert (first.delivery_tag, second.delivery_tag) == (1, 2)


@contract
async def test_consumers_take_turns(amqp: Amqp) -> None:
    """The messages of a queue go to its consumers in turn."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    for name in "abc":
        await queue.consume(taker.named(name), no_ack=True)
    await publish(channel, "box", *"1234567")
    await taker.has(7)
    assert taker.names == ["a", "b", "c", "a", "b", "c", "a"]
    assert taker.bodies == list("1234567")


@contract
async def test_prefetch_limits_what_a_consumer_holds(amqp: Amqp) -> None:
    """A consumer holds no more than its prefetch; each acknowledgement makes room for one."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", *"123456")
    await channel.set_qos(prefetch_count=2)
    await queue.consume(taker.named("a"))
    await taker.has(2)
    await taker.taken[0][1].ack()
    await taker.has(3)
    await taker.taken[2][1].ack(multiple=True)
    await taker.has(5)
    assert taker.bodies == list("12345")


@contract
async def test_each_consumer_has_its_own_prefetch(amqp: Amqp) -> None:
    """The prefetch counts for each consumer that is made after it was set."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", *"123456789")
    await channel.set_qos(prefetch_count=1)
    await queue.consume(taker.named("a"))
    await channel.set_qos(prefetch_count=3)
    await queue.consume(taker.named("b"))
    await taker.has(4)
    assert taker.names == ["a", "b", "b", "b"]


@contract
async def test_a_global_prefetch_is_shared(amqp: Amqp) -> None:
    """With global_ the prefetch counts for all consumers of the channel together, those that are
    there already too."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", *"123456789")
    await channel.set_qos(prefetch_count=3, global_=True)
    await queue.consume(taker.named("a"))
    await queue.consume(taker.named("b"))
    await taker.has(3)
    await taker.taken[0][1].ack()
    await taker.has(4)
    await channel.set_qos(prefetch_count=5, global_=True)
    await taker.has(6)


@contract
async def test_a_prefetch_for_each_lifts_the_shared_one(amqp: Amqp) -> None:
    """To set the prefetch of each consumer takes away that of all of them together."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", *"123456")
    await channel.set_qos(prefetch_count=2, global_=True)
    await queue.consume(taker.named("a"))
    await taker.has(2)
    await channel.set_qos(prefetch_count=1)
    await taker.has(6)


@contract
async def test_without_acknowledgements_there_is_no_prefetch(amqp: Amqp) -> None:
    """A consumer with no_ack gets everything at once, whatever the prefetch."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", *"123456")
    await channel.set_qos(prefetch_count=1)
    await queue.consume(taker.named("a"), no_ack=True)
    await taker.has(6)


@contract
async def test_get_is_not_limited_by_prefetch(amqp: Amqp) -> None:
    """basic.get gives one message, whatever the channel holds already."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2")
    await channel.set_qos(prefetch_count=1)
    assert (await queue.get()).body == b"1"
    second = await queue.get()
    assert second.body == b"2"
    assert second.message_count == 0
    assert await queue.get(fail=False) is None


@contract
async def test_get_says_how_many_are_left(amqp: Amqp) -> None:
    """basic.get tells how many messages still wait."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2", "3")
    assert [(await queue.get(no_ack=True)).message_count for _ in range(3)] == [2, 1, 0]


@contract
async def test_an_exclusive_consumer_is_alone(amqp: Amqp) -> None:
    """Beside an exclusive consumer there is no other, neither before nor after: code 403."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await queue.consume(print, exclusive=True)
    other = await amqp.channel()
    error = await error_of((await other.get_queue("box")).consume(print))
    assert isinstance(error, exceptions.ChannelAccessRefused)
    said = f"ACCESS_REFUSED - queue 'box' in vhost '{amqp.vhost}' in exclusive use"
    assert str(error) == said
    queue = await channel.declare_queue("second")
    await queue.consume(print)
    other = await amqp.channel()
    error = await error_of((await other.get_queue("second")).consume(print, exclusive=True))
    assert str(error) == said.replace("box", "second")


@contract
async def test_a_cancelled_consumer_gets_no_more(amqp: Amqp) -> None:
    """After basic.cancel nothing more comes; what the consumer holds it may still acknowledge."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", "1", "2", "3")
    await channel.set_qos(prefetch_count=2)
    tag = await queue.consume(taker.named("a"))
    await taker.has(2)
    await queue.cancel(tag)
    await taker.taken[0][1].ack()
    await taker.taken[1][1].nack()
    await publish(channel, "box", "4")
    assert await drained(queue) == ["2", "3", "4"]
    assert len(taker.taken) == 2


@contract
async def test_cancelling_nobody_does_no_harm(amqp: Amqp) -> None:
    """basic.cancel with a tag that there is not is answered all the same."""
    raw = await amqp.raw()
    assert (await raw.basic_cancel("nobody")).consumer_tag == "nobody"


@contract
async def test_consumers_hear_that_their_queue_is_gone(amqp: Amqp) -> None:
    """When a queue is deleted its consumers are sent basic.cancel."""
    raw, heard = await amqp.raw(), []
    await raw.queue_declare("box")
    await raw.basic_consume("box", print, consumer_tag="me")
    raw.on_consumer_cancel_callbacks.add(lambda frame: heard.append(frame.consumer_tag))
    await (await amqp.channel()).queue_delete("box")

    async def told() -> bool:
        return heard == ["me"]

    await until(told)


@contract
async def test_consuming_needs_a_queue(amqp: Amqp) -> None:
    """Consuming from a queue that is not there closes the channel, with code 404."""
    raw = await amqp.raw()
    error = await error_of(raw.basic_consume("nowhere", print))
    assert isinstance(error, exceptions.ChannelNotFoundEntity)
    assert str(error) == f"NOT_FOUND - no queue 'nowhere' in vhost '{amqp.vhost}'"


@contract
async def test_the_server_names_consumers(amqp: Amqp) -> None:
    """A consumer without a tag gets one from the server."""
    raw = await amqp.raw()
    await raw.queue_declare("box")
    answer = await raw.rpc(spec.Basic.Consume(queue="box", consumer_tag=""))
    assert answer.consumer_tag.startswith("amq.ctag-")


@contract
async def test_a_single_active_consumer_gets_everything(amqp: Amqp) -> None:
    """With x-single-active-consumer the first gets everything; the next only when it is gone."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box", arguments={"x-single-active-consumer": True})
    tags = [await queue.consume(taker.named(name), no_ack=True) for name in "abc"]
    await publish(channel, "box", "1", "2")
    await taker.has(2)
    await queue.cancel(tags[0])
    await publish(channel, "box", "3", "4")
    await taker.has(4)
    assert taker.names == ["a", "a", "b", "b"]


@contract
async def test_consumers_with_a_priority_come_first(amqp: Amqp) -> None:
    """As long as a consumer of higher x-priority has room, it gets the messages."""
    channel, taker = await amqp.channel(), Taker()
    queue = await channel.declare_queue("box")
    await channel.set_qos(prefetch_count=2)
    await queue.consume(taker.named("low"))
    await queue.consume(taker.named("high"), arguments={"x-priority": 10})
    await publish(channel, "box", "1", "2", "3")
    await taker.has(3)
    assert taker.names == ["high", "high", "low"]


@contract
async def test_what_a_dead_consumer_held_goes_to_the_living(amqp: Amqp) -> None:
    """When a consumer's connection ends, what it held is delivered to others, as redelivered."""
    channel, dying, living = await amqp.channel(), Taker(), Taker()
    queue = await channel.declare_queue("box")
    other = await amqp.connect()
    their = await other.channel()
    await their.set_qos(prefetch_count=2)
    await (await their.get_queue("box")).consume(dying.named("dying"))
    await publish(channel, "box", "1", "2")
    await dying.has(2)
    await queue.consume(living.named("living"))
    await other.close()
    await living.has(2)
    assert living.bodies == ["1", "2"]
    assert all(message.redelivered for _, message in living.taken)


@contract
async def test_an_iterator_takes_and_leaves(amqp: Amqp) -> None:
    """A queue iterator that is left early gives back what it had fetched ahead."""
    channel = await amqp.channel()
    queue = await channel.declare_queue("box")
    await publish(channel, "box", *"12345")
    seen = []
    async with queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            seen.append(message.body.decode())
            if len(seen) == 2:
                break
    assert seen == ["1", "2"]
    assert await drained(queue, 3) == ["3", "4", "5"]


@contract
async def test_two_consumers_share_the_work(amqp: Amqp) -> None:
    """Two consumers on two connections, each with a prefetch of one, take every message once."""
    channel = await amqp.channel()
    await channel.declare_queue("box")
    done: list[str] = []

    async def worker() -> None:
        connection = await amqp.connect()
        own = await connection.channel()
        await own.set_qos(prefetch_count=1)

        async def work(message: Any) -> None:
            async with message.process():
                await asyncio.sleep(0.01)
                done.append(message.body.decode())

        await (await own.get_queue("box")).consume(work)

    await worker()
    await worker()
    await publish(channel, "box", *map(str, range(10)))

    async def all_done() -> bool:
        return len(done) == 10 and await size(channel, "box") == 0

    await until(all_done)
    assert sorted(done, key=int) == [str(number) for number in range(10)]
