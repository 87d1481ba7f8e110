"""Grades event_bus.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate

LONG = 100.0
"""Virtual seconds after which what still waits will wait for ever."""


async def next_of(subscription):
    return await anext(subscription)


async def in_time(awaitable):
    """Whether it ended, soon; and what it gave."""
    try:
        async with asyncio.timeout(LONG):
            return True, await awaitable
    except TimeoutError:
        return False, None


async def read(subscription, count):
    """What a subscription gives: at most so many, fewer if no more comes or it ends."""
    got = []
    while len(got) < count:
        try:
            came, event = await in_time(next_of(subscription))
        except StopAsyncIteration:
            break
        if not came:
            break
        got.append(event)
    return got


async def publish_all(bus, topic, payloads):
    for payload in payloads:
        came, _ = await in_time(bus.publish(topic, payload))
        assert came, f"publish() of event {payload} never returned"


def payloads(got):
    """What was given, short: the payloads of events, and "missed 3"."""
    return [f"missed {one.count}" if type(one).__name__ == "Missed" else one.payload for one in got]


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_events_come_to_who_has_subscribed(world, submission):
    """Subscribers get the events of their topic in order, and publish says how many they were."""
    bus = submission.EventBus()
    before = await bus.publish("order.paid", 0)
    assert before == 0, f"nobody had subscribed, and publish() returned {before}"
    ada, bob = bus.subscribe("order.paid"), bus.subscribe("order.paid")
    bus.subscribe("stock.low")
    elsewhere = await submission.EventBus().publish("order.paid", 0)
    assert elsewhere == 0, (
        f"nobody had subscribed to another bus, and its publish() returned {elsewhere}: the two "
        "share something that belongs to one of them"
    )
    reached = [await bus.publish("order.paid", number) for number in (1, 2, 3)]
    assert reached == [2, 2, 2], f"two wanted each of three events; publish() returned {reached}"
    expected = [submission.Event("order.paid", number) for number in (1, 2, 3)]
    for name, subscription in (("ada", ada), ("bob", bob)):
        got = await read(subscription, 4)
        assert got == expected, f"{name} got {got}; expected {expected}"
    for _ in range(2):
        await bus.publish("order.paid", "the same")
    got = payloads(await read(ada, 3))
    assert got == ["the same"] * 2, f"two events that are equal are two; ada got {got}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_who_waits_is_woken(world, submission):
    """A subscriber that waits gets each event as it is published, whoever publishes."""
    bus = submission.EventBus()
    got = []

    async def listen():
        async for event in bus.subscribe("#"):
            got.append((round(world.time()), event.payload))

    listening = asyncio.create_task(listen())
    await asyncio.sleep(1)
    for second in (1, 2, 3):
        await asyncio.gather(bus.publish("a", second), bus.publish("b.c", second))
        await asyncio.sleep(1)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert got == [(n, n) for n in (1, 1, 2, 2, 3, 3)], f"two events a second, and it got {got}"


FITS = {
    "order.paid": ["order.paid"],
    "order.*": ["order.paid", "order.x"],
    "*": ["order", "x"],
    "*.paid": ["order.paid", "refund.paid"],
    "order.*.paid": ["order.eu.paid"],
    "*.*": ["order.paid", "order.order"],
    "#": ["order", "order.paid", "order.eu.de.paid"],
    "order.#": ["order", "order.paid", "order.eu.de.paid"],
    "#.paid": ["paid", "order.paid", "order.eu.de.paid", "paid.paid"],
    "order.#.paid": ["order.paid", "order.eu.paid", "order.eu.de.paid", "order.paid.paid"],
    "#.eu.#": ["eu", "order.eu", "eu.order", "a.b.eu.c.d", "eu.eu"],
    "*.#": ["order", "order.paid", "a.b.c"],
    "#.*": ["order", "order.paid", "a.b.c"],
    "order.*.#.paid": ["order.eu.paid", "order.eu.de.paid"],
    "#.a.*.b.#": ["a.x.b", "z.a.x.b.z", "a.a.x.b"],
}
TOO_MUCH = {
    "order.paid": ["order", "order.paid.late", "orderxpaid", "my.order.paid", "ORDER.paid"],
    "order.*": ["order", "order.eu.paid", "orders.paid", "my.order.paid"],
    "*": ["order.paid"],
    "*.paid": ["paid", "order.eu.paid", "order.unpaid", "order.paid.late"],
    "order.*.paid": ["order.paid", "order.eu.de.paid", "order.eu.unpaid"],
    "*.*": ["order", "a.b.c"],
    "order.#": ["orders", "orders.paid", "my.order"],
    "#.paid": ["unpaid", "order.unpaid", "order.paid.late"],
    "order.#.paid": ["order", "paid", "order.unpaid", "orderpaid", "order.paid.late"],
    "#.eu.#": ["europe", "order.europe.x", "order"],
    "order.*.#.paid": ["order.paid", "order.eu", "order.eu.unpaid"],
    "#.a.*.b.#": ["a.b", "a.x.y.b", "a.x"],
    "stock.[ab]?": ["stock.a1"],
}


@pytest.mark.points(2)
@pytest.mark.hint("Split both at the dots. What may the first part of the pattern stand for?")
@simulate(seeds=1)
async def test_wildcards(world, submission):
    """`*` stands for exactly one part of a topic, `#` for any number of parts, also for none."""
    for pattern, topics in TOO_MUCH.items():
        for topic in topics:
            bus = submission.EventBus()
            subscription = bus.subscribe(pattern)
            reached = await bus.publish(topic)
            got = await read(subscription, 2)
            assert not got, mistake(
                "pattern-too-wide",
                f'Who had subscribed to "{pattern}" was given an event of "{topic}".',
            )
            assert reached == 0, f'"{pattern}" is not "{topic}"; publish() said {reached}'
    for pattern, topics in FITS.items():
        for topic in topics:
            bus = submission.EventBus()
            subscription = bus.subscribe(pattern)
            reached = await bus.publish(topic)
            got = await read(subscription, 2)
            assert len(got) == reached == 1, (
                f'"{pattern}" matches "{topic}"; publish() said {reached}, and {len(got)} came'
            )


@pytest.mark.points(2)
@pytest.mark.hint("When does the body of an async generator begin to run?")
@simulate(seeds=1)
async def test_subscribed_means_subscribed(world, submission):
    """Every event that is published after subscribe() returned comes, whenever it is asked for."""
    bus = submission.EventBus()
    await bus.publish("order.paid", "before")
    subscription = bus.subscribe("order.*")
    got = []

    async def collect():
        async for event in subscription:
            got.append(event.payload)

    await bus.publish("order.paid", "first")
    await asyncio.sleep(1)
    await bus.publish("order.paid", "second")
    collecting = asyncio.create_task(collect())
    await asyncio.sleep(1)
    await bus.publish("order.paid", "third")
    await asyncio.sleep(1)
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)
    assert "before" not in got, f"what was published before subscribe() came, too: {got}"
    assert got != ["third"], mistake(
        "subscribes-after-publish",
        "Two events were published after subscribe() had returned, and before anybody asked for "
        "the first: they were lost. One that was published later came.",
    )
    assert got == ["first", "second", "third"], f"got {got}; expected first, second, third"


@pytest.mark.points(3)
@simulate(seeds=1)
async def test_the_publisher_waits_for_nobody(world, submission):
    """A subscriber that never reads holds up neither the publisher nor the other subscribers."""
    bus = submission.EventBus()
    stuck = bus.subscribe("#", capacity=3)
    quick = bus.subscribe("#", capacity=3)
    other_topic = bus.subscribe("tea")
    got = []
    for number in range(20):
        start = world.time()
        came, reached = await in_time(bus.publish("order.paid", number))
        took = world.time() - start
        assert took == 0, mistake(
            "publisher-waits-for-slowest",
            f"One of two subscribers does not read. publish() of event {number + 1} "
            + (f"took {took:g} s." if came else "never returned."),
        )
        assert reached == 2, f"two subscribers want it, and publish() returned {reached}"
        got += await read(quick, 1)
    assert payloads(got) == list(range(20)), f"the one that reads got {payloads(got)}"
    await stuck.aclose()
    await other_topic.aclose()


@pytest.mark.points(3)
@simulate(seeds=5)
async def test_at_most_capacity_events_wait(world, submission):
    """If there is no place for another event, the oldest is dropped: the newest ones are left."""
    bus = submission.EventBus()
    capacity = (1, 2, 5, 10, 100)[world.seed % 5]
    # By default it is 100.
    subscription = bus.subscribe("#", **({} if capacity == 100 else {"capacity": capacity}))
    more = 1 + world.choose(2 * capacity, "more")
    await publish_all(bus, "t", range(capacity + more))
    got = await read(subscription, capacity + more + 1)
    events = [one for one in got if isinstance(one, submission.Event)]
    assert len(events) <= capacity, mistake(
        "unbounded-queue",
        f"A subscriber did not read while {capacity + more} events came, and then got "
        f"{len(events)} of them; its capacity is {capacity}.",
    )
    newest = list(range(more, capacity + more))
    assert payloads(events) == newest, (
        f"capacity {capacity}, and the events 0 to {capacity + more - 1}: got {payloads(events)}; "
        f"expected {newest}"
    )


@pytest.mark.points(3)
@pytest.mark.hint("Where do you count? A number beside the queue needs no place in it.")
@simulate(seeds=5)
async def test_who_missed_something_is_told(world, submission):
    """What was dropped is counted, and Missed(count) comes before the events that are left."""
    bus = submission.EventBus()
    subscription = bus.subscribe("#", capacity=4)
    expected = []
    got = []
    number = 0
    for round_ in range(4):
        count = (3, 6, 4, 11)[round_] if world.seed == 0 else world.choose(10, f"{round_}")
        sent = list(range(number, number + count))
        number += count
        await publish_all(bus, "t", sent)
        if count > 4:
            expected.append(f"missed {count - 4}")
        expected += sent[-4:]
        while len(got) < len(expected):
            new = payloads(await read(subscription, 1))
            if not new:
                break
            got += new
    got += payloads(await read(subscription, number))
    told = [one for one in got if isinstance(one, str)]
    received = [one for one in got if not isinstance(one, str)]
    between = range(min(received, default=0), max(received, default=0))
    lost = len(set(between) - set(received))
    assert told or not lost, mistake(
        "drops-silently",
        f"{number} events were published; a subscriber with a capacity of 4 got {received}, and "
        f"was never told that {lost} between them are missing.",
    )
    assert got == expected, f"capacity 4: got {got}; expected {expected}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_missed_counts_on_while_it_is_read(world, submission):
    """Events dropped after a Missed was given are told by another one, before the next event."""
    bus = submission.EventBus()
    subscription = bus.subscribe("#", capacity=2)
    await publish_all(bus, "t", range(5))
    got = await read(subscription, 1)
    await publish_all(bus, "t", range(5, 7))
    got += await read(subscription, 2)
    await publish_all(bus, "t", range(7, 9))
    got += await read(subscription, 4)
    expected = ["missed 3", "missed 2", 5, "missed 1", 7, 8]
    assert payloads(got) == expected, (
        f"capacity 2; 5 events, 1 read, 2 events, 2 read, 2 events, all read: got {payloads(got)}; "
        f"expected {expected}"
    )
