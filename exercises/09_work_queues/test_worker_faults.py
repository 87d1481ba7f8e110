"""Grades worker.py when something breaks: the worker, its connection, the broker."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.credit_workers import DEAD, LONG, QUEUE, scenes
from autograder.grading.benches.credits import make_database
from autograder.simulation import simulate


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A database with empty tables; making one takes longer than copying it."""
    return make_database(tmp_path_factory.mktemp("credits") / "points.db")


@pytest.fixture
def scene(template, tmp_path):
    """Makes scenes: each has a broker and a database of its own."""
    return scenes(template, tmp_path)


async def kill_and_go_on(at, *customers):
    """A worker that is killed at this world's await, and another one that does the rest."""
    stop = asyncio.Event()
    publishing = asyncio.create_task(at.publish(*customers))

    async def stop_when_quiet():
        await at.broker.until(lambda: at.published, LONG)
        await at.until_quiet()
        stop.set()

    stopping = asyncio.create_task(stop_when_quiet())
    outcome = await at.world.killed(at.work(stop), "the first worker", outside=at.outside)
    stopping.cancel()
    if outcome.fired:
        worker = at.start("the second worker")
        await publishing
        await at.until_quiet()
        at.check(worker)
        await at.stop(worker)
    await publishing
    return "The worker was killed, and another one went on" if outcome.fired else "All went well"


@pytest.mark.points(3)
@pytest.mark.hint("Which two things must be in one transaction, and which one comes after it?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_each_effect_happens_once(world, submission, scene):
    """If the worker is killed, at whichever await, each message has its effect once."""
    at = scene(world, submission, prefetch=2, seconds=None)
    said = await kill_and_go_on(at, "ada", "bob")
    at.assert_nothing_early(f"{said}, and nobody will ever credit it.")
    at.assert_once(["ada", "bob"], said)
    assert not at.waiting(), f"{said}, and messages are left in queues: {at.waiting()}"
    assert not at.broker.queue(DEAD).depth, f"{said}, and a message is in {DEAD}"


@pytest.mark.points(2)
@pytest.mark.hint("Is there a moment at which a failed message is in none of your queues?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_a_failed_message_is_not_lost(world, submission, scene):
    """If the worker is killed while a message fails, at any await, the message is not lost."""
    at = scene(
        world,
        submission,
        fails=lambda body, nth: body == "poison" or nth == 1,
        attempts=2,
        retry_delay=5.0,
    )
    said = await kill_and_go_on(at, "ada", "poison")
    dead = [message.body for message in at.broker.queue(DEAD).messages]
    at.assert_nothing_early(f"{said}, and nobody will ever credit it.")
    assert b"poison" in dead, (
        f"{said}. A message failed for good, and is not in {DEAD}; there are {dead}"
    )
    if not at.shop.credits()["ada"]:
        # Killed between an attempt and its end, it may count as a failed one.
        assert b"ada" in dead, f"{said}. A message failed once, and is lost: {DEAD} holds {dead}"
    else:
        at.assert_once(["ada"], said)
    assert not at.shop.credits()["poison"], "handle raised each time, and a row was written"
    assert not at.waiting(), f"{said}, and messages are left in queues: {at.waiting()}"


@pytest.mark.points(2)
@pytest.mark.hint("connect_robust() comes back by itself. Does what you do with a message, too?")
@simulate(seeds=9)
async def test_it_carries_on_when_the_connection_breaks(world, submission, scene):
    """If the connection breaks around an ack, the worker carries on; each effect is there once."""
    at = scene(world, submission, prefetch=1 + world.seed % 3)
    worker = at.start()
    when, what = (("before", "basic.ack"), ("after", "basic.ack"), ("after", "basic.deliver"))[
        world.seed // 3 % 3
    ]
    at.broker.cut(**{when: what}, queue=QUEUE)
    await at.publish("ada", "bob", "cem")
    await at.until_quiet()
    await at.publish("dia")
    await at.until_quiet()
    at.check(worker)
    await at.stop(worker)
    said = f"The connection broke {when} {what}"
    at.assert_once(["ada", "bob", "cem", "dia"], said)
    assert not at.waiting(), f"{said}, and messages are left in queues: {at.waiting()}"


@pytest.mark.points(2)
@pytest.mark.hint("A message that you publish yourself: which delivery_mode has it?")
@simulate(seeds=4)
async def test_a_restart_of_the_broker_loses_nothing(world, submission, scene):
    """If the broker crashes while a message waits for its next attempt, nothing is lost."""
    at = scene(
        world,
        submission,
        fails=lambda body, nth: body == "poison" or (body == "ada" and nth == 1),
        attempts=2,
        retry_delay=60.0,
    )
    worker = at.start()
    await at.publish("ada", "poison")
    await at.broker.until(lambda: len(at.shop.calls) == 2 and not at.shop.at_work, LONG)
    await asyncio.sleep(20)
    transient = find_transient(at)
    await at.broker.restart(down_for=5 + 20 * world.choose(2, "down"), crash=world.seed % 2 == 1)
    await at.until_quiet()
    await at.publish("bob")
    await at.until_quiet()
    await asyncio.sleep(20)
    transient = transient or find_transient(at)
    at.broker.stop(crash=True)
    gone = [name for name in (QUEUE, DEAD) if not at.broker.queue(name).exists]
    at.broker.start()
    await asyncio.sleep(20)
    at.check(worker)
    await at.stop(worker)
    assert transient is None, mistake(
        "not-persistent",
        f"{transient} When the broker went down, it was gone.",
    )
    assert not gone, f"the broker went down, and {' and '.join(gone)} was gone: it was not durable"
    at.assert_once(["ada", "bob"], "The broker went down and came up again")
    dead = [message.body for message in at.broker.queue(DEAD).messages]
    assert dead == [b"poison"], f"one message failed for good, and after a restart {DEAD} is {dead}"


def find_transient(at):
    """A message of ours that only lies in the broker's memory, in words."""
    for queue in at.broker.queues():
        for message in queue.messages:
            if queue.name.startswith(QUEUE) and not message.persistent:
                return (
                    f"The message in {queue.name} was published without delivery_mode=PERSISTENT."
                )
    return None


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_it_waits_for_a_broker_that_is_down(world, submission, scene):
    """If the broker is down when the worker is started, the worker begins when it is up."""
    at = scene(world, submission)
    at.broker.stop()
    worker = at.start()
    await asyncio.sleep(60)
    if worker.task.done() and worker.task.exception():
        error = worker.task.exception()
        raise AssertionError(f"the broker was down when work began, and it raised {error!r}")
    at.broker.start()
    await at.publish("ada")
    await at.until_quiet()
    at.check(worker)
    await at.stop(worker)
    at.assert_once(["ada"], "The broker was down for the first minute")
