"""Grades worker.py on a simulated RabbitMQ; what happens when something breaks is in
test_worker_faults.py."""

import asyncio
import itertools

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


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_each_message_is_credited(world, submission, scene):
    """Each message adds one row to credits, and is then gone from the queue."""
    at = scene(world, submission)
    worker = at.start()
    await at.publish("ada", "bob", "cem", "dia")
    await at.until_quiet()
    await at.publish("eva", ("another id of ada", "ada"))
    await at.until_quiet()
    at.check(worker)
    await at.stop(worker)
    customers = ["ada", "ada", "bob", "cem", "dia", "eva"]
    assert at.shop.rows() == [(name, len(name)) for name in customers], (
        f"{customers} had earned some, ada twice, in two messages with ids of their own; the rows "
        f"of credits are {at.shop.rows()}"
    )
    assert not at.waiting(), f"all is credited, and messages are left in queues: {at.waiting()}"
    assert not at.broker.queue(DEAD).depth, (
        "a message that was credited is in the queue of the dead"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Where in your code does the broker hear that the message is done with?")
@simulate(seeds=4)
async def test_it_acknowledges_after_the_work(world, submission, scene):
    """A message is acknowledged when its row has been committed, and not before."""
    at = scene(world, submission, seconds=5.0)
    worker = at.start()
    await at.publish("ada", "bob", "cem")
    await at.until_quiet()
    at.check(worker)
    await at.stop(worker)
    at.assert_nothing_early("Had the worker been killed then, nobody would ever credit it.")
    at.assert_once(["ada", "bob", "cem"], "Nothing had gone wrong")


@pytest.mark.points(2)
@pytest.mark.hint("channel.set_qos(prefetch_count=...), before you consume.")
@simulate(seeds=2)
async def test_it_holds_no_more_than_prefetch(world, submission, scene):
    """Of forty messages, the worker never has more than `prefetch` unacknowledged."""
    at = scene(world, submission, prefetch=5, seconds=5.0)
    worker = at.start()
    await at.publish(*(f"customer {number}" for number in range(40)))
    await at.until_quiet()
    at.check(worker)
    held = at.broker.queue(QUEUE).most_unacked
    assert held < 20, mistake(
        "no-prefetch",
        f"The worker was handed {held} messages at once, and prefetch was 5: all that there was. "
        "Another worker would have had nothing to do.",
    )
    assert held <= 5, f"the worker had {held} messages unacknowledged at once; prefetch was 5"
    await at.stop(worker)


@pytest.mark.points(2)
@pytest.mark.hint("Two deliveries of one id: which statement of yours notices the second one?")
@simulate(seeds=12)
async def test_a_message_that_comes_twice_has_one_effect(world, submission, scene):
    """The same message_id twice, at two workers or at one, at the same moment or not: one row."""
    at = scene(world, submission, prefetch=1 + 3 * (world.seed % 2))
    workers = [at.start("worker 1")]
    if world.seed // 2 % 2:
        workers.append(at.start("worker 2"))
        await at.broker.until(lambda: at.is_ready() and at.broker.connections == 2, LONG)
        await asyncio.sleep(2)
    again = ("id of ada", "ada")
    await at.publish("ada", again, "bob")
    await at.until_quiet()
    await at.publish(again)
    await at.until_quiet()
    at.check(*workers)
    await at.stop(*workers)
    at.assert_once(["ada", "bob"], "A message was published three times under one id")
    assert not at.waiting(), f"messages are left in queues: {at.waiting()}"


@pytest.mark.points(2)
@pytest.mark.hint("Rejected, and where to? A queue with a TTL dead-letters what has waited enough.")
@simulate(seeds=4)
async def test_a_failed_message_is_tried_again_later(world, submission, scene):
    """If handle raises, there is another attempt `retry_delay` seconds later; then all is well."""
    delay = (30.0, 12.5)[world.seed % 2]
    at = scene(
        world, submission, fails=lambda body, nth: body == "ada" and nth < 3, retry_delay=delay
    )
    worker = at.start()
    await at.publish("ada", "bob")
    await at.until_quiet()
    at.check(worker)
    await at.stop(worker)
    times = at.shop.times("ada")
    assert len(times) == 3, (
        f"handle raised twice for ada, and was called {len(times)} times; 3 expected"
    )
    for before, after in itertools.pairwise(times):
        waited = after - before - at.shop.seconds
        assert delay - 0.01 <= waited <= delay + 2, (
            f"handle raised, and was called again {waited:.1f} s later; retry_delay is {delay:g} s"
        )
    at.assert_once(["ada", "bob"], "handle raised twice, and then it went well")
    assert not at.broker.queue(DEAD).depth, "credited in the end, and in the queue of the dead, too"


@pytest.mark.points(2)
@pytest.mark.hint("What does requeue=True do to a message that will never succeed?")
@simulate(seeds=3)
async def test_a_message_that_never_succeeds_is_put_aside(world, submission, scene):
    """After `attempts` failures the message is in the dead-letter queue, and nothing is written."""
    at = scene(
        world,
        submission,
        fails=lambda body, nth: body == "poison",
        attempts=2 + world.seed % 2,
        retry_delay=10.0,
        patience=60,
    )
    attempts = 2 + world.seed % 2
    worker = at.start()
    await at.publish("ada", "poison", "bob")
    if world.seed == 1:  # the count is in the message, and not in a worker
        await at.broker.until(lambda: at.shop.called("poison") == 1 and not at.shop.at_work, LONG)
        await asyncio.sleep(5)
        at.check(worker)
        world.kill("worker")
        worker = at.start("the next worker")
    await at.until_quiet(200)
    await asyncio.sleep(60)
    at.check(worker)
    calls = at.shop.called("poison")
    assert calls < 20, mistake(
        "poison-loop",
        f"handle raises whenever it sees this message, attempts is {attempts}, and within minutes "
        f"it was called {calls} times or more. Nothing ever ends that.",
    )
    assert calls == attempts, f"attempts is {attempts}, and handle was called {calls} times"
    dead = [(m.properties.message_id, m.body) for m in at.broker.queue(DEAD).messages]
    assert dead == [("id of poison", b"poison")], (
        f"one message failed {attempts} times; {DEAD} holds, as (message_id, body): {dead}"
    )
    await at.stop(worker)
    assert not at.waiting(), f"it is dead, and yet messages are left in queues: {at.waiting()}"
    at.assert_once(["ada", "bob"], "Another message had failed for good")


@pytest.mark.points(2)
@pytest.mark.hint("A message that you sleep on is unacknowledged, and takes one of `prefetch`.")
@simulate(seeds=2)
async def test_others_carry_on_while_a_message_waits(world, submission, scene):
    """While failed messages wait for their next attempt, others are worked on."""
    at = scene(
        world,
        submission,
        fails=lambda body, nth: body.startswith("bad") and nth == 1,
        prefetch=2,
        retry_delay=600.0,
    )
    worker = at.start()
    await at.publish("bad 1", "bad 2")
    await at.broker.until(lambda: len(at.shop.calls) == 2 and not at.shop.at_work, LONG)
    await at.publish("ada")
    await asyncio.sleep(60)
    done, held = at.shop.called("ada"), at.broker.queue(QUEUE).unacked
    at.check(worker)
    assert done or held < 2, mistake(
        "holds-while-waiting",
        f"Two messages had failed and were waiting for their next attempt, in 600 s. The worker "
        f"held {held} messages unacknowledged, prefetch was 2, and a minute later it had not "
        "looked at the next one.",
    )
    assert done, "two messages were waiting for their next attempt, and the next one was not tried"
    await at.stop(worker)


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_what_has_begun_is_finished(world, submission, scene):
    """When stop is set, what has begun is finished, nothing else begins, the rest goes back."""
    at = scene(world, submission, prefetch=3, seconds=20.0)
    worker = at.start()
    await at.publish(*(f"customer {number}" for number in range(10)))
    await at.broker.until(lambda: at.shop.at_work, LONG)
    await asyncio.sleep(2)
    if world.seed % 2:  # acknowledgements are on their way, and the next messages will be
        at.broker.latency = (0.5, 0.5)
        ends = at.shop.calls[0][0] + at.shop.seconds
        await asyncio.sleep(ends - world.time() + 0.2)
    begun = [name for _, name in at.shop.calls]
    worker.stop.set()
    await asyncio.wait([worker.task], timeout=120)
    after = [name for _, name in at.shop.calls][len(begun) :]
    assert not after, f"stop was set, and after that handle was called for {after}"
    await at.stop(worker, seconds=1)
    await asyncio.sleep(60)
    assert at.shop.finished == len(begun), mistake(
        "drops-in-flight",
        f"{len(begun)} handlers had been called when stop was set, and {at.shop.finished} of them "
        "came to their end.",
    )
    at.assert_once(begun, "stop was set while handlers were at work")
    left, expected = at.broker.queue(QUEUE).ready, 10 - len(begun)
    assert left == expected, (
        f"{len(begun)} of 10 messages were credited, and {left} are in the queue; "
        f"expected {expected}"
    )


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_it_stops_when_there_is_nothing_to_do(world, submission, scene):
    """When stop is set, a worker that waits for messages returns, and its connection is closed."""
    at = scene(world, submission, fails=lambda body, nth: True, retry_delay=900.0)
    worker = at.start()
    if world.seed % 2:
        await at.publish("ada")  # and that one waits for its next attempt
    await at.broker.until(at.is_ready, LONG)
    await asyncio.sleep(30)
    at.check(worker)
    calls = len(at.shop.calls)
    assert calls <= 1, f"retry_delay is 900 s, and in 30 s handle was called {calls} times"
    await at.stop(worker, seconds=60)
    await asyncio.sleep(1)
    assert not at.broker.connections, (
        f"the worker has returned, and {at.broker.connections} connections are open"
    )
