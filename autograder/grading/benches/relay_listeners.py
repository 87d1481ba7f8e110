"""Who listens by way of a relay, and what is published in the simulated Redis behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from autograder.grading import mistake

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.servers.redis import RedisServer

LONG = 100.0
"""Virtual seconds after which what still waits will wait for ever."""
HEARTBEAT = 5.0
MARGIN = 1.0
"""Seconds that a Gap may be longer than it must, beside two heartbeats."""


class Listener:
    """Reads a subscription as fast as it can.

    Attributes:
        got: what came, and when: (seconds, Message or Gap).
        ended: how it ended: None for not yet, "" for its end, else the name of an exception.
    """

    def __init__(self, world: World, channel: str, subscription: Any) -> None:
        self.world = world
        self.channel = channel
        self.subscription = subscription
        self.since = world.time()
        self.got: list[tuple[float, Any]] = []
        self.ended: str | None = None
        self.task = asyncio.create_task(self._read())
        world.at_end(self.stop)

    @classmethod
    async def join(cls, world: World, relay: Any, channel: str) -> Listener:
        """Subscribe, and read. It counts from a second later: by then it is subscribed for sure."""
        subscription = await in_time(relay.subscribe(channel), f"subscribe({channel})")
        listener = cls(world, channel, subscription)
        await asyncio.sleep(1)
        listener.since = world.time()
        return listener

    async def _read(self) -> None:
        try:
            async for one in self.subscription:
                self.got.append((self.world.time(), one))
            self.ended = ""
        except Exception as error:
            self.ended = type(error).__name__

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def data(self) -> list[bytes]:
        """The messages' data."""
        return [one.data for _, one in self.got if not is_gap(one)]

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """From when to when it was told to have been deaf, in seconds."""
        return [(at - one.seconds, at) for at, one in self.got if is_gap(one)]


class Publisher:
    """Publishes inside the server: so it is known when, and no fault is in the way."""

    def __init__(self, world: World, server: RedisServer) -> None:
        self.world = world
        self.server = server
        self.sent: dict[str, list[tuple[float, bytes]]] = {}
        self.down = False

    def publish(self, channel: str, data: bytes | None = None) -> int:
        """Publish now; to how many connections it went. The data are a number by default."""
        sent = self.sent.setdefault(channel, [])
        data = b"%d" % len(sent) if data is None else data
        sent.append((self.world.time(), data))
        reached = self.server.engine.pubsub.publish(channel.encode(), data)
        self.server.settle()
        return reached

    async def talk(self, channels: list[str], seconds: float, every: float = 0.02) -> None:
        """Publish to all channels, again and again."""
        end = self.world.time() + seconds
        while self.world.time() < end:
            if not self.down:
                for channel in channels:
                    self.publish(channel)
            await asyncio.sleep(every)


def is_gap(one: Any) -> bool:
    return type(one).__name__ == "Gap"


async def in_time(awaitable: Any, what: str) -> Any:
    """What it gives; it must do so within LONG seconds."""
    try:
        async with asyncio.timeout(LONG):
            return await awaitable
    except TimeoutError:
        raise AssertionError(f"{what} had not returned after {LONG:g} s") from None


def assert_honest(listener: Listener, publisher: Publisher, dead: float, what: str) -> None:
    """Assert that what was lost is inside a Gap, that Gaps are no longer than they may be, and
    that all the rest has come once, in order, on the right side of the Gap.

    `dead` is when the connection died.
    """
    sent = [one for one in publisher.sent[listener.channel] if one[0] >= listener.since]
    got = listener.data
    arrived = set(got)
    lost = [(at, data) for at, data in sent if data not in arrived]
    gaps = listener.gaps
    assert gaps or not lost, mistake(
        "assumes-delivery",
        f"{what} Of {len(sent)} messages, {len(lost)} did not reach a subscriber that goes on "
        "listening, and it was not told.",
    )
    assert got == [data for _, data in sent if data in arrived], (
        f"{what} Messages came twice, or in another order: {got[:20]}..."
    )
    for at, _ in lost:
        assert any(start <= at + 1e-6 and at <= end for start, end in gaps), mistake(
            "understated-gap",
            f"{what} A message that was published at {at:.3f} s was lost. "
            + " ".join(f"The Gap says: deaf from {a:.3f} s to {b:.3f} s." for a, b in gaps),
        )
    for start, end in gaps:
        most = end - dead + 2 * HEARTBEAT + MARGIN
        assert end - start <= most, (
            f"{what} That was at {dead:.3f} s, and at {end:.3f} s came a Gap of {end - start:.3f} "
            f"s; with a heartbeat of {HEARTBEAT:g} s it may be {most:.3f} s"
        )
    times = {data: at for at, data in sent}
    for index, (at, one) in enumerate(listener.got):
        if is_gap(one):
            before = [times[m.data] for _, m in listener.got[:index] if not is_gap(m)]
            after = [times[m.data] for _, m in listener.got[index + 1 :] if not is_gap(m)]
            lost_by_then = [when for when, _ in lost if when <= at]
            if before and lost_by_then:
                assert max(before) < max(lost_by_then), (
                    f"{what} The Gap came after messages from after it"
                )
            if after and lost_by_then:
                assert min(after) > min(lost_by_then), (
                    f"{what} The Gap came before messages from before it"
                )
