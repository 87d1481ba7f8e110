"""Dead letters: where they go, and what is written on them."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from .agreement import Amqp, contract, drained, message, publish, size, until


def deaths(letter: Any) -> list[tuple[str, str, int]]:
    """Of each entry in x-death: the queue, the reason and the count."""
    return [
        (death["queue"], death["reason"], death["count"]) for death in letter.headers["x-death"]
    ]


async def taken_from(queue: Any) -> Any:
    """The next message of a queue, once there is one."""
    return await until(lambda: queue.get(fail=False))


@contract
async def test_a_rejected_message_goes_to_the_exchange(amqp: Amqp) -> None:
    """What is rejected without being requeued goes to the dead-letter exchange, with its key."""
    channel = await amqp.channel()
    exchange = await channel.declare_exchange("dead", "topic")
    dead = await channel.declare_queue("graveyard")
    await dead.bind(exchange, "box")
    queue = await channel.declare_queue("box", arguments={"x-dead-letter-exchange": "dead"})
    source = await channel.declare_exchange("source", "fanout")
    await queue.bind(source)
    await source.publish(message("1", headers={"n": 1}), "box")
    await (await queue.get()).reject(requeue=False)
    letter = await taken_from(dead)
    assert (letter.body, letter.exchange, letter.routing_key) == (b"1", "dead", "box")
    assert not letter.redelivered
    assert letter.headers["n"] == 1
    assert letter.headers["x-first-death-exchange"] == "source"
    assert letter.headers["x-first-death-queue"] == "box"
    assert letter.headers["x-first-death-reason"] == "rejected"
    (death,) = letter.headers["x-death"]
    assert isinstance(death.pop("time"), datetime.datetime)
    assert death == {
        "count": 1,
        "reason": "rejected",
        "queue": "box",
        "exchange": "source",
        "routing-keys": ["box"],
    }


@contract
async def test_nack_dead_letters_several_in_order(amqp: Amqp) -> None:
    """basic.nack with multiple and without requeue dead-letters all of them, in their order."""
    channel = await amqp.channel()
    dead = await channel.declare_queue("graveyard")
    queue = await channel.declare_queue("box", arguments=to("graveyard"))
    await publish(channel, "box", "1", "2", "3")
    for _ in range(2):
        taken = await queue.get()
    await taken.nack(multiple=True, requeue=False)
    assert await drained(dead, 2) == ["1", "2"]
    assert await drained(queue) == ["3"]


@contract
async def test_a_routing_key_can_be_given(amqp: Amqp) -> None:
    """x-dead-letter-routing-key replaces the keys of the message, and CC with them."""
    channel = await amqp.channel()
    dead, copy = await channel.declare_queue("graveyard"), await channel.declare_queue("copy")
    queue = await channel.declare_queue("box", arguments=to("graveyard"))
    await channel.default_exchange.publish(message("1", headers={"CC": ["copy"]}), "box")
    await (await queue.get()).reject(requeue=False)
    letter = await taken_from(dead)
    assert letter.routing_key == "graveyard"
    assert "CC" not in letter.headers
    assert letter.headers["x-death"][0]["routing-keys"] == ["box", "copy"]
    assert await drained(copy) == ["1"]


@contract
async def test_an_expired_message_tells_its_expiration(amqp: Amqp) -> None:
    """The expiration is taken off a message that expired, and told in x-death."""
    channel = await amqp.channel()
    dead = await channel.declare_queue("graveyard")
    await channel.declare_queue("box", arguments=to("graveyard"))
    await publish(channel, "box", "1", expiration=0.05)
    letter = await taken_from(dead)
    assert letter.expiration is None
    assert deaths(letter) == [("box", "expired", 1)]
    assert letter.headers["x-death"][0]["original-expiration"] == "50"


@contract
async def test_a_crowded_out_message_is_dead_lettered(amqp: Amqp) -> None:
    """What a full queue drops from its head goes to the dead-letter exchange, as maxlen."""
    channel = await amqp.channel()
    dead = await channel.declare_queue("graveyard")
    queue = await channel.declare_queue("box", arguments={"x-max-length": 1, **to("graveyard")})
    await publish(channel, "box", "1", "2")
    letter = await taken_from(dead)
    assert letter.body == b"1"
    assert deaths(letter) == [("box", "maxlen", 1)]
    assert await drained(queue) == ["2"]


@contract
async def test_a_refused_publish_can_be_dead_lettered(amqp: Amqp) -> None:
    """With x-overflow reject-publish-dlx, what is refused also goes to the exchange."""
    channel = await amqp.channel()
    dead = await channel.declare_queue("graveyard")
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish-dlx", **to("graveyard")}
    queue = await channel.declare_queue("box", arguments=arguments)
    await asyncio.gather(publish(channel, "box", "1", "2"), return_exceptions=True)
    letter = await taken_from(dead)
    assert letter.body == b"2"
    assert deaths(letter) == [("box", "maxlen", 1)]
    assert await drained(queue) == ["1"]


@contract
async def test_deaths_are_counted(amqp: Amqp) -> None:
    """A message that dies again in the same queue for the same reason is counted; the latest
    death comes first."""
    channel = await amqp.channel()
    work = await channel.declare_queue("work", arguments=to("wait"))
    await channel.declare_queue("wait", arguments={"x-message-ttl": 30, **to("work")})
    await publish(channel, "work", "1")
    for attempt in range(1, 4):
        taken = await taken_from(work)
        if attempt > 1:
            assert deaths(taken) == [
                ("wait", "expired", attempt - 1),
                ("work", "rejected", attempt - 1),
            ]
            assert taken.headers["x-first-death-reason"] == "rejected"
            assert taken.headers["x-first-death-queue"] == "work"
        await taken.reject(requeue=False)


@contract
async def test_what_goes_in_circles_is_dropped(amqp: Amqp) -> None:
    """A message that expires round and round, and that no consumer ever rejects, is dropped."""
    channel = await amqp.channel()
    queue = await channel.declare_queue(
        "circle", arguments={"x-message-ttl": 30, "x-dead-letter-exchange": ""}
    )
    await publish(channel, "circle", "1")

    async def empty() -> bool:
        return await size(channel, "circle") == 0

    await until(empty)
    first = await channel.declare_queue("first", arguments={"x-message-ttl": 30, **to("second")})
    second = await channel.declare_queue("second", arguments={"x-message-ttl": 30, **to("first")})
    await publish(channel, "first", "2")
    await asyncio.sleep(0.3)  # ten times as long as one way
    assert [await drained(one) for one in (queue, first, second)] == [[], [], []]


@contract
async def test_without_an_exchange_it_is_lost(amqp: Amqp) -> None:
    """Without a dead-letter exchange, or with one that does not exist, the message is dropped."""
    channel = await amqp.channel()
    plain = await channel.declare_queue("plain")
    odd = await channel.declare_queue("odd", arguments={"x-dead-letter-exchange": "nowhere"})
    await publish(channel, "plain", "1")
    await publish(channel, "odd", "2")
    for queue in (plain, odd):
        await (await queue.get()).reject(requeue=False)
        assert await drained(queue) == []


@contract
async def test_a_quorum_queue_gives_up_at_its_limit(amqp: Amqp) -> None:
    """With x-delivery-limit 2 a message comes three times, and then goes to the exchange."""
    channel = await amqp.channel()
    dead = await channel.declare_queue("graveyard")
    queue = await channel.declare_queue(
        "box",
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": 2, **to("graveyard")},
    )
    await publish(channel, "box", "poison")
    counts = []
    for _ in range(3):
        taken = await taken_from(queue)
        counts.append((taken.headers["x-delivery-count"], taken.redelivered))
        await taken.nack(requeue=True)
    letter = await taken_from(dead)
    assert counts == [(0, False), (1, True), (2, True)]
    assert deaths(letter) == [("box", "delivery_limit", 1)]
    assert letter.headers["x-first-death-reason"] == "delivery_limit"
    assert "x-delivery-count" not in letter.headers
    assert await drained(queue) == []


@contract
async def test_a_lost_consumer_counts_towards_the_limit(amqp: Amqp) -> None:
    """A consumer that goes without a word has failed to process what it held."""
    channel = await amqp.channel()
    dead = await channel.declare_queue("graveyard")
    await channel.declare_queue(
        "box",
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": 1, **to("graveyard")},
    )
    await publish(channel, "box", "poison")
    for _ in range(2):
        connection = await amqp.connect()
        own = await connection.channel()
        await taken_from(await own.get_queue("box"))
        await connection.close()
    letter = await taken_from(dead)
    assert deaths(letter) == [("box", "delivery_limit", 1)]


def to(queue: str) -> dict[str, Any]:
    """The arguments that send dead letters to a queue."""
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
