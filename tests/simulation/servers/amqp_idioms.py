"""Programs with aio-pika that are right, as people write them. None may be accused, in any world.

Each takes a broker that it may use as it likes; ``rough`` ones are also run on a broker that cuts
connections now and then.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.patterns import RPC, Master
from aio_pika.pool import Pool

from autograder.simulation import World
from autograder.simulation.servers.amqp import AmqpBroker

Program = Callable[[World, AmqpBroker], Awaitable[None]]


def order(number: int) -> Message:
    return Message(b"order %d" % number, delivery_mode=DeliveryMode.PERSISTENT)


async def a_worker_with_an_iterator(world: World, broker: AmqpBroker) -> None:
    connection = await aio_pika.connect_robust(broker.url)
    seen = []
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=5)
        queue = await channel.declare_queue("orders", durable=True)
        for number in range(6):
            await channel.default_exchange.publish(order(number), queue.name)
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    await asyncio.sleep(0.01)
                    seen.append(message.body)
                if len(seen) == 6:
                    break
    assert broker.queue("orders").depth == 0


async def a_worker_with_a_callback(world: World, broker: AmqpBroker) -> None:
    connection = await aio_pika.connect(broker.url)
    done = asyncio.Event()
    left = 6

    async def work(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        nonlocal left
        async with message.process():
            await world.pause("work")
            left -= 1
            if not left:
                done.set()

    channel = await connection.channel()
    await channel.set_qos(prefetch_count=2)
    queue = await channel.declare_queue("orders", durable=True)
    tag = await queue.consume(work)
    for number in range(6):
        await channel.default_exchange.publish(order(number), queue.name)
    await done.wait()
    await queue.cancel(tag)
    await connection.close()
    assert broker.queue("orders").most_unacked_by_one <= 2


async def a_failing_handler_rejects(world: World, broker: AmqpBroker) -> None:
    async with await aio_pika.connect_robust(broker.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("dead")
        queue = await channel.declare_queue(
            "orders",
            arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
        )

        async def work(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            async with message.process(requeue=False):
                raise ValueError(message.body)

        await queue.consume(work)
        for number in range(3):
            await channel.default_exchange.publish(order(number), queue.name)
        await broker.until(lambda: broker.queue("dead").ready == 3)


async def a_publisher_in_a_hurry(world: World, broker: AmqpBroker) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("events", "topic", durable=True)
        queue = await channel.declare_queue("all", durable=True)
        await queue.bind(exchange, "#")
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(exchange.publish(order(number), f"order.{number}"))
    assert broker.queue("all").ready == 20


async def a_publisher_that_tries_again(world: World, broker: AmqpBroker) -> None:
    connection = await aio_pika.connect_robust(broker.url, reconnect_interval=1)
    async with connection:
        await send_surely(connection, 8)
    assert {m.body for m in broker.queue("orders").messages} == {order(n).body for n in range(8)}


async def send_surely(connection: Any, count: int) -> None:
    """Publish orders until each is confirmed, over however many connections that takes."""
    channel = await connection.channel()
    await channel.declare_queue("orders", durable=True)
    for number in range(count):
        while True:
            try:
                async with asyncio.timeout(10):
                    await channel.ready()
                    await channel.default_exchange.publish(order(number), "orders")
                break
            except (
                aio_pika.exceptions.AMQPError,
                aio_pika.exceptions.ChannelInvalidStateError,
                ConnectionError,
                TimeoutError,
            ):
                await asyncio.sleep(0.5)


async def questions_and_answers(world: World, broker: AmqpBroker) -> None:
    async def serve(connection: Any) -> None:
        channel = await connection.channel()
        queue = await channel.declare_queue("rpc")

        async def answer(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            async with message.process():
                await world.pause("thinking")
                reply = Message(message.body.upper(), correlation_id=message.correlation_id)
                await channel.default_exchange.publish(reply, message.reply_to or "")

        await queue.consume(answer)

    async with (
        await aio_pika.connect(broker.url) as server,
        await aio_pika.connect(broker.url) as client,
    ):
        await serve(server)
        channel = await client.channel()
        callback_queue = await channel.declare_queue(exclusive=True)
        waiting: dict[str, asyncio.Future[bytes]] = {}

        async def on_reply(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            future = waiting.pop(message.correlation_id or "", None)
            if future is not None and not future.done():
                future.set_result(message.body)

        await callback_queue.consume(on_reply, no_ack=True)

        async def ask(question: str) -> bytes:
            number = str(uuid.uuid4())
            waiting[number] = asyncio.get_running_loop().create_future()
            body = Message(question.encode(), correlation_id=number, reply_to=callback_queue.name)
            await channel.default_exchange.publish(body, "rpc")
            return await asyncio.wait_for(waiting[number], 5)

        assert await asyncio.gather(ask("a"), ask("b"), ask("c")) == [b"A", b"B", b"C"]


async def the_rpc_pattern(world: World, broker: AmqpBroker) -> None:
    async def double(*, number: int) -> int:
        return 2 * number

    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        rpc = await RPC.create(channel)
        await rpc.register("double", double, auto_delete=True)
        assert await rpc.proxy.double(number=21) == 42
        await rpc.close()


async def the_master_pattern(world: World, broker: AmqpBroker) -> None:
    done: list[int] = []

    async def work(*, number: int) -> None:
        await world.pause("work")
        done.append(number)

    async with await aio_pika.connect_robust(broker.url) as connection:
        channel = await connection.channel()
        master = Master(channel)
        worker = await master.create_worker("jobs", work, auto_delete=True)
        for number in range(4):
            await master.proxy.jobs(number=number)
        await broker.until(lambda: len(done) == 4)
        await worker.close()


async def pools(world: World, broker: AmqpBroker) -> None:
    async def connect() -> Any:
        return await aio_pika.connect_robust(broker.url)

    connections: Pool[Any] = Pool(connect, max_size=2)

    async def open_channel() -> Any:
        async with connections.acquire() as connection:
            return await connection.channel()

    channels: Pool[Any] = Pool(open_channel, max_size=3)

    async def send(number: int) -> None:
        async with channels.acquire() as channel:
            await channel.default_exchange.publish(order(number), "orders", mandatory=False)

    async with connections, channels:
        await asyncio.gather(*(send(number) for number in range(8)))


async def retries_by_way_of_a_waiting_queue(world: World, broker: AmqpBroker) -> None:
    finished: list[int] = []
    async with await aio_pika.connect_robust(broker.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(
            "later",
            arguments={
                "x-message-ttl": 5_000,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": "orders",
            },
        )
        queue = await channel.declare_queue("orders")

        async def work(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            attempt = int(str(message.headers.get("attempt", 1)))
            if attempt < 3:
                again = Message(message.body, headers={"attempt": attempt + 1})
                await channel.default_exchange.publish(again, "later")
            else:
                finished.append(attempt)
            await message.ack()

        await queue.consume(work)
        await channel.default_exchange.publish(order(1), "orders")
        await asyncio.sleep(20)
    assert finished == [3]


async def looking_into_an_empty_queue(world: World, broker: AmqpBroker) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("orders", auto_delete=True)
        assert await queue.get(fail=False) is None
        with suppress(aio_pika.exceptions.QueueEmpty):
            await queue.get(timeout=1)
        async with queue.iterator(timeout=2) as messages:
            with suppress(TimeoutError):
                async for message in messages:
                    await message.ack()


async def a_graceful_stop(world: World, broker: AmqpBroker) -> None:
    connection = await aio_pika.connect_robust(broker.url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=3)
    queue = await channel.declare_queue("orders", durable=True)
    for number in range(6):
        await channel.default_exchange.publish(order(number), queue.name)
    busy: set[asyncio.Task[None]] = set()

    async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with message.process():
            await world.pause("work")

    async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        task = asyncio.create_task(handle(message))
        busy.add(task)
        task.add_done_callback(busy.discard)

    tag = await queue.consume(on_message)
    await asyncio.sleep(0.05)
    await queue.cancel(tag)
    while busy:
        await asyncio.wait(busy)
    await connection.close()
    assert broker.queue("orders").unacked == 0


async def a_worker_that_is_cancelled(world: World, broker: AmqpBroker) -> None:
    async def work() -> None:
        connection = await aio_pika.connect_robust(broker.url)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("orders", durable=True)
            async with queue.iterator() as messages:
                async for message in messages:
                    async with message.process(requeue=True):
                        await asyncio.sleep(0.2)

    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("orders", durable=True)
        for number in range(5):
            await channel.default_exchange.publish(order(number), "orders")
    worker = asyncio.create_task(work())
    await world.pause("patience", 0.1, 0.9)
    worker.cancel()
    await asyncio.wait([worker])
    await asyncio.sleep(1)
    assert broker.queue("orders").unacked == 0


async def nothing_is_closed(world: World, broker: AmqpBroker) -> None:
    connection = await aio_pika.connect_robust(broker.url)
    channel = await connection.channel()
    queue = await channel.declare_queue("orders")

    async def work(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await message.ack()

    await queue.consume(work)
    await channel.default_exchange.publish(order(1), "orders")
    await asyncio.sleep(1)


async def connections_are_forgotten(world: World, broker: AmqpBroker) -> None:
    async def use(connect: Any) -> None:
        connection = await connect(broker.url)
        channel = await connection.channel()
        await channel.declare_queue("orders")

    await use(aio_pika.connect_robust)
    await use(aio_pika.connect)
    await asyncio.sleep(1)


async def several_workers_share_a_queue(world: World, broker: AmqpBroker) -> None:
    done: list[bytes] = []

    async def work(name: str) -> None:
        async with await aio_pika.connect_robust(broker.url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=1)
            queue = await channel.declare_queue("orders", durable=True)
            async with queue.iterator() as messages:
                async for message in messages:
                    async with message.process():
                        await world.pause(name)
                        done.append(message.body)

    workers = [asyncio.create_task(work(f"worker {number}")) for number in range(3)]
    async with await aio_pika.connect_robust(broker.url, reconnect_interval=1) as connection:
        await send_surely(connection, 9)
    await broker.until(lambda: len(set(done)) == 9 and not broker.queue("orders").depth)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


ROUGH: list[Program] = [
    a_publisher_that_tries_again,
    several_workers_share_a_queue,
]
"""These are also right when connections are cut."""

SMOOTH: list[Program] = [
    a_worker_with_an_iterator,
    a_worker_with_a_callback,
    a_failing_handler_rejects,
    a_publisher_in_a_hurry,
    questions_and_answers,
    the_rpc_pattern,
    the_master_pattern,
    pools,
    retries_by_way_of_a_waiting_queue,
    looking_into_an_empty_queue,
    a_graceful_stop,
    a_worker_that_is_cancelled,
    nothing_is_closed,
    connections_are_forgotten,
]
