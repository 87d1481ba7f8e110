"""Grades saga.py; what happens when somebody is killed, or two are at work, is in
test_saga_faults.py."""

import asyncio
import itertools

import pytest

from autograder.grading import mistake
from autograder.grading.benches.saga_coordinators import TEN_MINUTES, make_order, scenes
from autograder.grading.benches.shop_agents import UNDONE_BY
from autograder.simulation import simulate

LONG = 75.0
"""Seconds in which whoever means to give up after a few attempts has done so."""
AN_OUTAGE = 1100.0
"""Seconds after which whoever doubles the pause from 1 s on, without end, has just begun one of 17
minutes."""
STEPS = ("ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery")

# Payment commits, and then the call times out: that one first.
SILENCES = [
    ("answer lost", "TakePayment"),
    ("request lost", "TakePayment"),
    ("request late", "TakePayment"),
    ("broken", "ReserveStock"),
    ("answer lost", "ShipOrder"),
    ("request late", "ReserveStock"),
    ("broken", "ConfirmDelivery"),
    ("request lost", "ShipOrder"),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Makes scenes: each has agents, a network and a log of its own."""
    return scenes(tmp_path_factory.mktemp("logs"))


@pytest.mark.points(2)
@simulate(seeds=2)
async def test_an_order_is_delivered(world, submission, scene):
    """When all goes well, the four steps are done one after another, and status tells how far."""
    at = scene(world, submission)
    at.start()
    await asyncio.sleep(3 * world.seed)
    await at.place(make_order(1, lamp=2, desk=1))
    said = await at.status("o-1")
    assert said == "running", f"the order was placed just now, and status says {said!r}"
    await at.until_ended()
    await at.expect(end="delivered")
    await at.place(make_order(2))
    await at.until_ended("o-2")
    await at.expect(end="delivered")
    await at.stop()


@pytest.mark.points(3)
@pytest.mark.hint("Which steps have been done? Undo those, and no others, from the last one on.")
@simulate(seeds=4)
async def test_a_refusal_turns_the_order_back(world, submission, scene):
    """If an agent refuses, what was done is undone, last first, and nothing else is."""
    refused = ("ShipOrder", "TakePayment", "ReserveStock", "ShipOrder")[world.seed % 4]
    at = scene(world, submission, refuses=lambda command, order_id: (
        command == (refused if order_id == "o-1" else "TakePayment")
    ))  # fmt: skip
    at.start()
    await at.place(make_order(1, lamp=2))
    await at.until_ended()
    await at.expect(end="cancelled")
    stock = at.agents.stock["lamp"]
    assert stock == 100, f"the order was cancelled, and of 100 lamps {stock} are there"
    said = await at.cancel("o-1")
    what = f"o-1 had ended as cancelled, since {refused} was refused, and cancel_order said {said}."
    if not said and refused == "ShipOrder":
        await at.place(make_order(2))
        await at.until_ended("o-2")
        assert not await at.cancel("o-2"), mistake(
            "too-late-for-ever", f"{what} Of o-2, whose payment was declined, it said True."
        )
    assert said, what
    await at.stop()


@pytest.mark.points(3)
@pytest.mark.hint("No answer is neither yes nor no. Which question, asked again, does no harm?")
@simulate(seeds=len(SILENCES))
async def test_silence_is_no_answer(world, submission, scene):
    """A step that nobody answers for is asked again: it has happened once, whatever was lost."""
    fate, silent = SILENCES[world.seed % len(SILENCES)]
    at = scene(
        world,
        submission,
        fate=lambda call: fate if call.command == silent and call.time < LONG else "answered",
    )
    at.start()
    await at.place(make_order(1))
    await at.until_ended(within=LONG + TEN_MINUTES)
    check_pace(at.calls.of("o-1", silent), f"{silent} was not answered for {LONG:.0f} s")
    await at.calls.until_quiet()
    await at.expect(end="delivered")
    await at.stop()


@pytest.mark.points(2)
@pytest.mark.hint("Three kinds of answer: done, refused, and one that is neither.")
@simulate(seeds=4)
async def test_not_now_is_not_no(world, submission, scene):
    """An agent that is unavailable is asked again later: when it has been back for ten minutes, the
    order is delivered."""
    slow = STEPS[world.seed % 4]
    back = AN_OUTAGE if slow == "TakePayment" else LONG
    at = scene(world, submission, unavailable=lambda command, order_id, nth: (
        command == slow and world.time() < back
    ))  # fmt: skip
    at.start()
    await at.place(make_order(1))
    await at.until_ended(within=back + TEN_MINUTES)
    await at.expect(end="delivered")
    await at.stop()


@pytest.mark.points(3)
@pytest.mark.hint("A refund has a key, too. When may you send the command that comes after it?")
@simulate(seeds=8)
async def test_a_failed_compensation_is_tried_again(world, submission, scene):
    """A compensation that fails, or that nobody answers for, is asked for until it is done."""
    fate = ("answered", "answer lost", "request lost", "broken")[world.seed % 4]
    undo = ("RefundPayment", "ReleaseStock")[world.seed // 4 % 2]
    at = scene(
        world,
        submission,
        refuses=lambda command, order_id: command == "ShipOrder",
        unavailable=lambda command, order_id, nth: command == undo and nth <= 2,
        fate=lambda call: fate if call.command == undo and call.nth in (3, 4) else "answered",
    )
    at.start()
    await at.place(make_order(1))
    await at.until_ended()
    await at.calls.until_quiet()
    await at.expect(end="cancelled")
    await at.stop()


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_an_agent_is_given_time(world, submission, scene):
    """Between two requests for the same thing there is a second or more."""
    until, back = 120.0, world.seed % 2
    command = "RefundPayment" if back else "TakePayment"  # on the way back it is the same

    def unavailable(asked_for, order_id, nth):
        return asked_for == command and world.time() < until

    at = scene(
        world,
        submission,
        unavailable=unavailable,
        refuses=lambda asked_for, order_id: back and asked_for == "ShipOrder",
    )
    at.start()
    await at.place(make_order(1))
    for wait in (5, until - 5):  # whoever is in a hurry is told so soon
        await asyncio.sleep(wait)
        at.check()
        check_pace(at.calls.of("o-1", command), "Payment was unavailable for two minutes")
    await at.until_ended()
    await at.expect(end="cancelled" if back else "delivered")
    await at.stop()


def check_pace(calls, why):
    for before, after in itertools.pairwise(calls):
        said = (
            f"{after.command} was asked for once more after {after.time - before.time:.3f} s; "
            f"a second is the least. {why}."
        )
        at_once = before.answer == "Unavailable" and 0 <= after.time - before.ended < 0.1
        assert not at_once, mistake("asks-without-pause", said)
        assert after.time - before.time > 0.99, said


@pytest.mark.points(2)
@pytest.mark.hint("Each order in a task of its own.")
@simulate(seeds=2)
async def test_orders_do_not_wait_for_one_another(world, submission, scene):
    """While an order is held up for hours, others are placed and come to their ends."""
    held = ("TakePayment", "RefundPayment")[world.seed % 2]
    many = [f"o-{number}" for number in (1, *range(11, 21))][: 1 + 10 * (world.seed % 2)]
    down = True

    def unavailable(command, order_id, nth):
        return down and order_id in many and command == held

    at = scene(
        world,
        submission,
        unavailable=unavailable,
        refuses=lambda command, order_id: command == "ShipOrder" and order_id in many,
    )
    at.start()
    await asyncio.sleep(5)
    await at.place(make_order(4))
    await at.until_ended()
    await at.place(*(make_order(int(order_id[2:])) for order_id in many))
    await asyncio.sleep(60)
    if world.seed % 2:  # the next coordinator has more to do than what it finds
        at.kill()
        at.start()
        await asyncio.sleep(5)
    await at.place(make_order(2), make_order(3))
    await at.until_sent("o-2", "ReserveStock")
    at.check()
    started = [o for o in ("o-2", "o-3") if at.calls.of(o)]
    assert started, mistake(
        "one-saga-at-a-time",
        f"{held} {'of eleven orders' if many[1:] else 'o-1'} has been answered by Unavailable for "
        "more than ten minutes. Ten minutes ago o-2 and o-3 were placed, and nothing was asked for "
        "them so far.",
    )
    await at.until_ended("o-2", "o-3")
    await at.expect("o-2", "o-3", end="delivered")
    down = False
    await at.until_ended()
    await at.expect(*many, end="cancelled")
    await at.stop()


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_an_order_is_placed_once(world, submission, scene):
    """Placing an order that is there already changes nothing, also when it has ended."""
    at = scene(world, submission)
    if world.seed % 2:
        at.start()
    order = make_order(1)
    await asyncio.gather(at.place(order), at.place(order))
    await at.place(make_order(2))
    turned_back = await at.cancel("o-2")
    await at.place(make_order(2))
    if not world.seed % 2:
        at.start()
    await at.until_ended()
    assert await at.status("o-1") == "delivered", "nobody has refused or cancelled o-1"
    await at.place(order)
    said = await at.status("o-1")
    assert said == "delivered", mistake(
        "begins-again",
        f"o-1 was delivered. Then it was placed once more, and now its status is {said!r}.",
    )
    await asyncio.sleep(60)
    await at.expect("o-1", end="delivered")
    await at.expect("o-2", end="cancelled" if turned_back else "delivered")
    await at.stop()


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_unknown_orders(world, submission, scene):
    """status and cancel_order raise LookupError for an order that was never placed."""
    at = scene(world, submission)
    await raises_lookup_error("status", submission.status(at.database, "o-7"))
    await at.place(make_order(1))
    await raises_lookup_error("status", submission.status(at.database, "o-7"))
    await raises_lookup_error("cancel_order", submission.cancel_order(at.database, "o-7"))


async def raises_lookup_error(name, coroutine):
    try:
        said = await coroutine
    except LookupError:
        return
    raise AssertionError(f"there is no order o-7, and {name} returned {said!r}")


@pytest.mark.points(3)
@pytest.mark.hint("cancel_order and the coordinator must not both believe that they came first.")
@simulate(seeds=8)
async def test_a_promise_to_cancel_is_kept(world, submission, scene):
    """Whenever an order is cancelled, cancel_order says how it will end, and it ends so."""
    at = scene(world, submission, stormy=30.0 * (world.seed % 2))
    at.start()
    await at.place(make_order(1))
    step = ("ShipOrder", "TakePayment", "ConfirmDelivery", "ReserveStock")[world.seed // 2 % 4]
    await at.until_sent("o-1", step)
    said = await at.cancel("o-1")
    await at.until_ended()
    await at.calls.until_quiet()
    await at.expect(end="cancelled" if said else "delivered")
    again = await at.cancel("o-1")
    assert again == said, f"cancel_order said {said}, and when all was over it said {again}"
    await at.stop()


@pytest.mark.points(2)
@pytest.mark.hint("A deploy cancels the coordinator. What has that to do with the orders?")
@simulate(seeds=3)
async def test_it_ends_when_it_is_cancelled(world, submission, scene):
    """When coordinate is cancelled, it ends and asks for nothing more; the next one goes on."""
    busy = True
    at = scene(world, submission, unavailable=lambda command, order_id, nth: (
        busy and order_id == "o-1" and command in ("TakePayment", "ConfirmDelivery")
    ))  # fmt: skip
    at.start()
    await at.place(make_order(1), make_order(2))
    await asyncio.sleep(20 * (world.seed % 2) + 3 * world.draw("when"))
    cancelled = world.time()
    await at.stop()
    asked = len(at.calls.made)
    await asyncio.sleep(60)
    more = len(at.calls.made) - asked
    assert not more, f"coordinate was cancelled and had ended, and agents were asked {more} times"
    undone = [c for c in at.calls.made if c.command in UNDONE_BY.values() and c.time >= cancelled]
    assert not undone, mistake(
        "shutdown-means-failed",
        f"coordinate was cancelled, as a deploy does it, and on its way out it asked for "
        f"{undone[0].command} {undone[0].order_id}. Nobody had refused or cancelled that order.",
    )
    busy = False
    at.start("the next coordinator")
    await at.until_ended()
    await at.expect(end="delivered")
    await at.stop()
