"""Grades saga.py when processes are killed, when two coordinators are at work, and in storms."""

import asyncio

import pytest

from autograder.grading.benches.saga_coordinators import make_order, scenes
from autograder.simulation import simulate


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Makes scenes: each has agents, a network and a log of its own."""
    return scenes(tmp_path_factory.mktemp("logs"))


@pytest.mark.points(3)
@pytest.mark.hint("A coordinator that starts: how does it learn which orders are under way?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_it_goes_forward(world, submission, scene):
    """If the coordinator is killed, at any await, another one delivers the order; all once."""
    at = scene(world, submission)
    await at.place(make_order(1))
    killed = await at.kill_at_this_await(lambda: "OrderDelivered" in at.agents.of("o-1"))
    if killed:
        at.start()
    await at.until_ended()
    await at.expect(end="delivered")
    await at.stop()


@pytest.mark.points(3)
@pytest.mark.hint("Where in the log does it stand that the order is on its way back, and how far?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_it_goes_back(world, submission, scene):
    """If the coordinator of a refused order is killed, another one undoes it; all of it once."""
    at = scene(world, submission, refuses=lambda command, order_id: command == "ShipOrder")
    await at.place(make_order(1))
    killed = await at.kill_at_this_await(lambda: "StockReleased" in at.agents.of("o-1"))
    if killed:
        at.start()
    await at.until_ended()
    await at.expect(end="cancelled")
    await at.stop()


@pytest.mark.points(3)
@pytest.mark.hint("Killed while a payment was under way: what does the log say, and what is true?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_and_cancelled_nothing_is_left(world, submission, scene):
    """If the customer cancels when the coordinator has been killed, what was under way is undone,
    or goes on, as cancel_order has said."""
    at = scene(
        world,
        submission,
        fate=lambda call: (
            "broken" if (call.command, call.nth) == ("TakePayment", 1) else "answered"
        ),
    )
    await at.place(make_order(1))
    await at.kill_at_this_await(lambda: "OrderShipped" in at.agents.of("o-1"))
    said = await at.cancel("o-1")
    at.start()
    await at.until_ended()
    await at.expect(end="cancelled" if said else "delivered")
    await at.stop()


@pytest.mark.points(3)
@pytest.mark.hint("Who looks at the log, and acts a moment later, has looked too early.")
@simulate(seeds=1, at_every_await=True)
async def test_a_coordinator_that_stood_still_does_no_harm(world, submission, scene):
    """If the coordinator stands still, at any await, while the customer cancels and another one
    brings the order to its end, it does no harm when it goes on."""
    at = scene(world, submission)
    await at.place(make_order(1))
    said = []

    async def meanwhile():
        said.append(await at.cancel("o-1"))
        at.start("the new one")
        await at.until_ended()

    await at.freeze_at_this_await(lambda: "OrderDelivered" in at.agents.of("o-1"), meanwhile)
    await at.until_ended()
    await at.expect(end="cancelled" if said and said[0] else "delivered")
    await at.stop()


@pytest.mark.points(2)
@simulate(seeds=1, at_every_await=True)
async def test_a_coordinator_that_stood_still_keeps_the_promise(world, submission, scene):
    """If the coordinator stands still, at any await, while the customer cancels, what it does
    when it goes on is what cancel_order has promised."""
    at = scene(world, submission)
    await at.place(make_order(1))
    said = []

    async def meanwhile():
        said.append(await at.cancel("o-1"))

    await at.freeze_at_this_await(lambda: "OrderDelivered" in at.agents.of("o-1"), meanwhile)
    at.start()
    await at.until_ended()
    await at.expect(end="cancelled" if said and said[0] else "delivered")
    await at.stop()


@pytest.mark.points(2)
@pytest.mark.hint("Between what cancel_order sees and what it writes, others can write.")
@simulate(seeds=1, at_every_await=True)
async def test_a_web_server_that_stood_still_tells_the_truth(world, submission, scene):
    """If the web server stands still in cancel_order, at any await, while the order goes on, what
    it says in the end is true."""
    at = scene(world, submission)
    await at.place(make_order(1))
    at.start()
    await at.until_sent("o-1", "TakePayment")
    said = await at.cancel_standing_still("o-1")
    await at.until_ended()
    await at.expect(end="cancelled" if said else "delivered")
    await at.stop()


@pytest.mark.points(2)
@simulate(seeds=1, at_every_await=True)
async def test_killed_while_it_is_placed(world, submission, scene):
    """If the web server is killed in place_order, the order is there as a whole or not at all."""
    at = scene(world, submission)
    killed = await at.kill_at_this_await_of_web(at.place(make_order(1)))
    at.start()
    try:
        await at.status("o-1")
    except LookupError:
        assert killed, "place_order has returned, and status raises LookupError"
        await at.place(make_order(1))
    await at.until_ended()
    await at.expect(end="delivered")
    await at.stop()


@pytest.mark.points(1)
@simulate(seeds=1, at_every_await=True)
async def test_killed_while_it_is_cancelled(world, submission, scene):
    """If the web server is killed in cancel_order, the order comes to an end, to one or the other,
    and cancel_order says to which."""
    at = scene(world, submission)
    at.start()
    await at.place(make_order(1))
    await at.until_sent("o-1", "TakePayment")
    await at.kill_at_this_await_of_web(at.cancel("o-1"))
    await at.until_ended()
    await at.expect()
    said = await at.cancel("o-1")
    await at.expect(end="cancelled" if said else "delivered")
    await at.stop()


@pytest.mark.points(3)
@pytest.mark.hint("Two read the same log: what may they do at once, and what decides for both?")
@simulate(seeds=6)
async def test_two_coordinators_on_one_log(world, submission, scene):
    """While two coordinators run at once, each order still has all its effects once."""
    at = scene(
        world,
        submission,
        stormy=40.0,
        refuses=lambda command, order_id: (command, order_id) == ("ShipOrder", "o-2"),
    )
    at.start("the old one")
    if world.seed % 2:
        at.start("the new one")
    await at.place(make_order(1), make_order(2), make_order(3, desk=1))
    await asyncio.sleep(0.05 + 20 * world.draw("deploy"))
    if not world.seed % 2:
        at.start("the new one")
        await asyncio.sleep(60 * world.draw("overlap"))
        at.kill("the old one")
    said = await at.cancel("o-3")
    await at.until_ended()
    await at.calls.until_quiet()
    await at.expect("o-1", end="delivered")
    await at.expect("o-2", end="cancelled")
    await at.expect("o-3", end="cancelled" if said else "delivered")
    await at.stop()


@pytest.mark.points(3)
@simulate(seeds=6)
async def test_every_order_comes_to_an_end(world, submission, scene):
    """In storms, with coordinators that are killed again and again, every order is delivered or
    leaves nothing behind."""
    refused = {("TakePayment", "o-2"), ("ShipOrder", "o-3")}
    at = scene(
        world,
        submission,
        stormy=120.0,
        stock={"lamp": 4},
        refuses=lambda command, order_id: (command, order_id) in refused,
        unavailable=lambda command, order_id, nth: nth <= 2 and world.chance(0.3, "busy"),
    )
    at.start()
    for number in range(1, 6):
        await at.place(make_order(number, lamp=1))
        await asyncio.sleep(10 * world.draw("orders"))
        if world.chance(0.5, "killed"):
            at.kill()
            at.start()
    await asyncio.sleep(60 * world.draw("storm"))
    at.kill()
    said = await at.cancel("o-4")
    at.start()
    await at.until_ended()
    await at.calls.until_quiet()
    await at.expect()
    await at.expect("o-2", "o-3", end="cancelled")
    if not at.agents.was_refused("o-4"):
        await at.expect("o-4", end="cancelled" if said else "delivered")
    await at.stop()
