"""Grades choreography.py when agents are killed, and when everything happens at once."""

import pytest

from autograder.grading import mistake
from autograder.grading.benches.choreographed_judge import KILLED, faults, id_without_effect
from autograder.grading.benches.choreographed_parts import AGENTS, Order
from autograder.grading.benches.choreographed_shop import Shop
from autograder.grading.benches.order_faults import blame
from autograder.simulation import simulate


def calm(world, submission, **given):
    """A shop in which every event takes half a second, and no two agents are at work at once."""

    def delay(type_, agent, copy):
        return 0.5 + 0.2 * AGENTS.index(agent)

    return Shop(world, submission, delay, again=0.05, **given)


async def goes_well(world, submission, **given):
    """Whether there are no faults if nobody is killed."""
    world.recorder.stop()
    submission.renew()
    async with calm(world, submission, shown=False, **given) as shop:
        shop.place(Order())
        shop.start()
        await shop.until_quiet()
        return not faults(shop)


@pytest.mark.points(3)
@pytest.mark.hint("Which three things have to be in one transaction?")
@simulate(seeds=2, at_every_await=True)
async def test_killed_anywhere_an_order_ends_well(world, submission):
    """If the agents are killed, at whichever await, nothing is done twice, and nothing is lost."""
    given = {"addresses": () if world.seed % 2 == 0 else ("ada",)}
    # Of an order that ends well only the end is new.
    victims = AGENTS if world.seed % 2 == 0 else ("shipping", "orders")
    async with calm(world, submission, **given) as shop:
        shop.place(Order())
        for agent in [one for one in AGENTS if one not in victims]:
            shop.start(agent)
        outcome = await world.killed(shop.machine(*victims), "the machine", outside=shop.outside)
        if outcome.fired:
            shop.buried(*victims)
            shop.start(*victims)
            await shop.until_quiet()
        found = faults(shop)
        if found and outcome.fired and await goes_well(world, submission, **given):
            if await goes_well(world, submission, forgetful=True, **given):
                id_without_effect(shop, found)
                blame(found, KILLED)
            forgotten(found)
        blame(found)


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_a_restart_forgets_nothing(world, submission):
    """If the agents are started again after every event, nothing of an order is forgotten."""
    given = [{"addresses": ()}, {"accounts": {}}, {"addresses": ("ada",)}][world.seed % 3]
    async with calm(world, submission, forgetful=True, **given) as shop:
        shop.place(Order())
        shop.start()
        await shop.until_quiet()
        found = faults(shop)
        if found and await goes_well(world, submission, **given):
            forgotten(found)
        blame(found)


def forgotten(found):
    """Fail; all is well as long as agents are not started again while they have nothing to do."""
    said = f"After every event the agents were started again. {found[0].said}"
    raise AssertionError(mistake("state-in-memory", said))


@pytest.mark.points(3)
@simulate(seeds=7)
async def test_anything_at_any_time(world, submission):
    """Late and doubled events, killed agents, customers who cancel: each order ends well."""

    def delay(type_, agent, copy):
        return world.latency(f"{type_} {agent} {min(copy, 1)}", 0.1, 600.0)

    def copies(type_, agent):
        return 1 + world.choose(2, f"copies of {type_} {agent}")

    stock, accounts = {"lamp": 5, "desk": 9}, {"ada": 300_00, "bob": 90_00}
    async with Shop(world, submission, delay, copies, stock=stock, accounts=accounts) as shop:
        for number in range(1, 6):
            customer = ("ada", "bob", "cy")[world.choose(3, "customer")]
            cancels = (world.latency("cancels", 0.1, 900.0),) * world.choose(3, "how often")
            items = {"lamp": 1 + world.choose(3, "lamps"), "desk": 1}
            shop.place(Order(f"o-{number}", customer, items, 50_00 * number, cancels))
        shop.start()
        for _ in range(4):
            await world.pause("next accident", 0.5, 300.0)
            victim = AGENTS[world.choose(len(AGENTS), "victim")]
            shop.kill(victim)
            await world.pause("next start", 0.5, 300.0)
            shop.start(victim)
        await shop.until_quiet()
        blame(faults(shop))
