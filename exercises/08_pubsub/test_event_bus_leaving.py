"""Grades how subscribers of event_bus.py leave, and how the bus is closed."""

import asyncio
import gc

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate

LONG = 100.0
"""Virtual seconds after which what still waits will wait for ever."""


class CannotWork(Exception):
    """What the block of a subscriber raises."""


async def next_of(subscription):
    return await anext(subscription)


def in_memory(kind):
    gc.collect()
    return sum(type(one) is kind for one in gc.get_objects())


async def rest_of(subscription):
    """Everything a closed subscription gives, and whether it ended."""
    got = []
    try:
        async with asyncio.timeout(LONG):
            async for one in subscription:
                got.append(one.count if type(one).__name__ == "Missed" else one.payload)
    except TimeoutError:
        return got, False
    return got, True


async def leave_by_break(subscription, _):
    async with subscription as events:
        async for _event in events:
            break


async def leave_by_an_exception(subscription, _):
    try:
        async with subscription as events:
            async for event in events:
                raise CannotWork(event)
    except CannotWork:
        return
    raise AssertionError("an exception was raised in a subscription's block, and did not leave it")


async def leave_by_a_cancellation(subscription, bus):
    async def work():
        async with subscription as events:
            async for _event in events:
                pass

    working = asyncio.create_task(work())
    await asyncio.sleep(1)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def leave_by_aclose(subscription, _):
    await subscription.aclose()


LEAVES = (leave_by_aclose, leave_by_break, leave_by_an_exception, leave_by_a_cancellation)


@pytest.mark.points(3)
@simulate(seeds=1)
async def test_who_has_left_is_forgotten(world, submission):
    """Whoever leaves, by aclose(), a break, an exception or a cancellation, is unsubscribed."""
    for leave in LEAVES:
        bus = submission.EventBus()
        leaver, stayer = bus.subscribe("order.*"), bus.subscribe("order.*")
        reached = await bus.publish("order.paid", 1)
        assert reached == 2, f"two have subscribed, and publish() returned {reached}"
        await leave(leaver, bus)
        reached = await bus.publish("order.paid", 2)
        how = leave.__name__.removeprefix("leave_").replace("_", " ")
        assert reached != 2, mistake(
            "forgets-to-unsubscribe",
            f"A subscriber left {how}. After that publish() still counts 2 subscribers; 1 is left.",
        )
        assert reached == 1, f"one left {how}, one is left, and publish() returned {reached}"
        await bus.aclose()
        got, ended = await rest_of(stayer)
        assert (got, ended) == ([1, 2], True), f"one left {how}; the other got {got}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_the_bus_keeps_nothing_of_who_has_left(world, submission):
    """Of a subscription that has been closed the bus keeps nothing."""
    bus = submission.EventBus()
    stayer = bus.subscribe("#")
    before = in_memory(submission.Subscription)
    for _ in range(40):
        subscription = bus.subscribe("order.*")
        await bus.publish("order.paid", 1)
        await subscription.aclose()
    del subscription
    kept = in_memory(submission.Subscription) - before
    assert kept < 10, mistake(
        "forgets-to-unsubscribe",
        f"40 subscriptions were closed, and nobody has them any more, but {kept} are still in "
        "memory: the bus holds on to them.",
    )
    await stayer.aclose()


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_closed_subscription_gives_nothing(world, submission):
    """After aclose() what waited is forgotten, and who waits gets the end; twice does no harm."""
    bus = submission.EventBus()
    full, empty = bus.subscribe("#", capacity=1), bus.subscribe("tea")
    for number in range(3):
        async with asyncio.timeout(LONG):
            await bus.publish("order.paid", number)
    waiting = asyncio.create_task(rest_of(empty))
    await asyncio.sleep(1)
    start = world.time()
    for subscription in (full, full, empty, empty):
        await subscription.aclose()
    got, ended = await waiting
    assert (ended, world.time()) == (True, start), (
        "a task waited for the next event while another closed the subscription; it waits still"
    )
    got, ended = await rest_of(full)
    assert (got, ended) == ([], True), (
        f"a subscription was closed, and then gave {got}{'' if ended else ' and did not end'}"
    )
    reached = await bus.publish("tea")
    assert reached == 0, f"both have left, and publish() returned {reached}"


@pytest.mark.points(2)
@pytest.mark.hint("What do you iterate over, and can anybody else run in the middle of it?")
@simulate(seeds=5)
async def test_they_come_and_go_while_it_publishes(world, submission):
    """Others may come and go in the middle of publishing: who stays gets every event, once."""
    bus = submission.EventBus()
    stayers = []
    wrong = []

    async def publish(name):
        for number in range(6):
            try:
                await bus.publish("order.paid", (name, number))
            except RuntimeError as error:
                if "iteration" not in str(error):
                    raise
                wrong.append(error)
            await asyncio.sleep(0)

    async def come_and_go(name):
        for _ in range(3):
            for _ in range(world.choose(5, f"{name} waits")):
                await asyncio.sleep(0)
            async with bus.subscribe("order.*"):
                for _ in range(world.choose(5, f"{name} stays")):
                    await asyncio.sleep(0)

    tasks = []
    for number in range(4):
        tasks.append(come_and_go(f"{number}"))
        guest = bus.subscribe("#")  # goes later, while others come
        stayers.append(bus.subscribe("order.#"))
        tasks.append(guest.aclose())
        tasks.append(publish(f"till {number}"))
    await asyncio.gather(*tasks)
    assert not wrong, mistake(
        "set-changed-during-iteration",
        f"Subscribers came and went while an event was being published: {wrong and wrong[0]}.",
    )
    await bus.aclose()
    for stayer in stayers:
        got, _ = await rest_of(stayer)
        assert len(got) == len(set(got)) == 24, (
            f"24 events were published while others came and went; one who was there all the time "
            f"got {len(got)}, {len(set(got))} of them different"
        )
        for till in range(4):
            numbers = [number for name, number in got if name == f"till {till}"]
            assert numbers == sorted(numbers), f"till {till}'s events came in the order {numbers}"


@pytest.mark.points(2)
@pytest.mark.hint("Between taking an event and returning it: is there an await?")
@simulate(seeds=2)
async def test_a_cancelled_wait_loses_nothing(world, submission):
    """A task may be cancelled while it waits for the next event: whoever asks next gets it."""
    bus = submission.EventBus()
    one, other = bus.subscribe("#"), bus.subscribe("#")
    got = []
    for number in range(6):
        waiting = asyncio.create_task(next_of(one))
        # Cancelled before it waits, while it waits, as it is woken, and a little later.
        if number % 3:
            await asyncio.sleep(1)
        if number % 2 == world.seed % 2:
            waiting.cancel()
            await bus.publish("t", number)
        else:
            await bus.publish("t", number)
            waiting.cancel()
        await asyncio.wait([waiting])
        if waiting.cancelled():  # whoever asks next gets it
            waiting = asyncio.create_task(next_of(one))
            await asyncio.wait([waiting], timeout=1)
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait([waiting])
                continue
        if waiting.exception() is None:
            got.append(waiting.result().payload)
    await bus.aclose()
    control, _ = await rest_of(other)
    assert control == [0, 1, 2, 3, 4, 5], f"six events, and one who was never cancelled: {control}"
    got += (await rest_of(one))[0]
    lost = [number for number in control if number not in got]
    assert not lost, mistake(
        "lost-on-cancel",
        "A task was cancelled six times as it waited for the next event, and asked again. It got "
        f"{len(got)} of 6 events; one who was never cancelled got all.",
    )
    assert got == control, f"expected {control}, got {got}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_reader_that_times_out_reads_on(world, submission):
    """Whoever waits for an event with a timeout, in vain, can go on reading afterwards."""
    bus = submission.EventBus()
    subscription = bus.subscribe("#")
    for number in range(3):
        got = None
        try:
            try:
                async with asyncio.timeout(1):
                    got = await anext(subscription)
            except TimeoutError:
                pass
            assert got is None, f"nothing was published, and {got} came"
            await bus.publish("t", number)
            async with asyncio.timeout(1):
                got = await anext(subscription)
        except StopAsyncIteration:
            raise AssertionError(
                mistake(
                    "lost-on-cancel",
                    "A reader waited in vain for a second, and asked again: its subscription has "
                    "ended, and nobody has closed it.",
                )
            ) from None
        assert got.payload == number, f"expected event {number}, got {got}"


@pytest.mark.points(2)
@pytest.mark.hint("Is there a place for a mark in a queue that is full?")
@simulate(seeds=1)
async def test_closing_the_bus_ends_all_subscriptions(world, submission):
    """A closed bus waits for nobody; subscriptions give what waits for them, and then end."""
    bus = submission.EventBus()
    full = bus.subscribe("#", capacity=2)
    half = bus.subscribe("#", capacity=10)
    empty = bus.subscribe("tea")
    waiting = asyncio.create_task(rest_of(empty))
    for number in range(5):
        async with asyncio.timeout(LONG):
            await bus.publish("order.paid", number)
    await asyncio.sleep(1)
    start = world.time()
    try:
        async with asyncio.timeout(LONG):
            await bus.aclose()
            await bus.aclose()
            closed = True
    except TimeoutError:
        closed = False
    took = world.time() - start
    assert took == 0, (
        "EventBus.aclose() "
        + (f"took {took:g} s" if closed else "did not return")
        + ": it waits for a subscriber with a full queue"
    )
    for name, subscription, expected in (("full", full, [3, 3, 4]), ("half full", half, None)):
        got, ended = await rest_of(subscription)
        assert ended, f"the bus is closed, and a subscription whose queue was {name} has no end"
        expected = expected or [0, 1, 2, 3, 4]
        assert got == expected, f"its queue was {name}: after the bus was closed it gave {got}"
        got, ended = await rest_of(subscription)
        assert (got, ended) == ([], True), (
            f"the bus is closed, and a subscription had ended. Who asked once more got {got}"
            + ("" if ended else ", and waits for ever")
        )
    got, ended = await waiting
    assert (got, ended) == ([], True), "the bus is closed, and who waited for an event waits still"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_closed_bus_takes_nothing(world, submission):
    """From then on publish() and subscribe() raise BusClosed; subscriptions may still be closed."""
    bus = submission.EventBus()
    subscription = bus.subscribe("#")
    await bus.publish("t", 1)
    await bus.aclose()
    with pytest.raises(submission.BusClosed):
        await bus.publish("t", 2)
    with pytest.raises(submission.BusClosed):
        bus.subscribe("#")
    await subscription.aclose()
    got, ended = await rest_of(subscription)
    assert (got, ended) == ([], True), f"closed after the bus, a subscription gave {got}"
