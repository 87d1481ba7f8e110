"""What a relay must do on a real Redis. Waits for conditions, and never for time alone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from autograder.grading import mistake

PATIENCE = 20.0
"""Real seconds after which something counts as not happening; it takes thousandths."""


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await condition():  # noqa: ASYNC110 - a server says nothing when it changes
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"after {PATIENCE:g} s, {what}") from None


async def next_of(subscription: Any) -> Any:
    try:
        async with asyncio.timeout(PATIENCE):
            return await anext(subscription)
    except TimeoutError:
        raise AssertionError(f"nothing came in {PATIENCE:g} s") from None


def a_name() -> str:
    """Channels belong to a whole server, so each test has its own."""
    return f"course.{uuid.uuid4().hex}"


async def it_hands_on_messages(submission: Any, url: str) -> None:
    """Many share one connection; who is subscribed gets everything; the last one unsubscribes."""
    import redis.asyncio

    channel = a_name()
    async with (
        redis.asyncio.from_url(url) as client,
        submission.RedisRelay(url, heartbeat=PATIENCE) as relay,
    ):

        async def reached(data: str) -> int:
            return int(await client.publish(channel, data))

        listeners = await asyncio.gather(*(relay.subscribe(channel) for _ in range(20)))
        count = await reached("first")
        assert count, mistake(
            "subscribes-after-publish",
            "subscribe() had returned, and a message that was published then reached nobody.",
        )
        assert count < 20, mistake(
            "connection-per-subscriber", f"20 subscribers listen over {count} connections."
        )
        assert count == 1, f"20 subscribers: Redis sends each message to {count} connections"
        for number in range(50):
            await reached(str(number))
        expected = [b"first", *(b"%d" % number for number in range(50))]
        for listener in listeners:
            got = [(await next_of(listener)).data for _ in expected]
            assert got == expected, f"51 messages were published; a subscriber got {got}"
            await listener.aclose()

        async def nobody() -> bool:
            return not await reached("late")

        await until(nobody, "all have left, and Redis is still subscribed to the channel")


async def it_tells_a_lost_connection(submission: Any, url: str) -> None:
    """A killed connection is replaced, and who was there is told by a Gap."""
    import redis.asyncio

    channel = a_name()
    async with (
        redis.asyncio.from_url(url) as client,
        submission.RedisRelay(url, heartbeat=1.0) as relay,
    ):
        one, other = await relay.subscribe(channel), await relay.subscribe(channel)
        await client.publish(channel, "before")
        for listener in (one, other):
            got = await next_of(listener)
            assert got == submission.Message(channel, b"before"), f"published: before; got {got}"
        await client.client_kill_filter(_type="pubsub")
        for listener in (one, other):
            got = await next_of(listener)
            assert isinstance(got, submission.Gap), mistake(
                "assumes-delivery",
                f"The connection was killed, and a subscriber was not told; it got {got}.",
            )
            assert got.seconds > 0, f"it took no time to come back: {got}"
        await client.publish(channel, "after")
        for listener in (one, other):
            got = await next_of(listener)
            assert got == submission.Message(channel, b"after"), f"published: after; got {got}"


SCENARIOS = (it_hands_on_messages, it_tells_a_lost_connection)
