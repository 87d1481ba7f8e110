"""Grades inventory.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate

LONG = 300.0
"""Virtual seconds after which an order that still waits will wait for ever."""


class Shelves:
    """A warehouse: requests about an item in `slow` take so many seconds more."""

    def __init__(self, world, slow=(), **counts):
        self.counts = counts
        self.slow = dict(slow)
        self.requests = []
        self.count = world.service(self._count, name="count")
        self.set_count = world.service(self._set_count, name="set_count")

    async def _count(self, sku):
        self.requests.append((sku, "count"))
        await asyncio.sleep(self.slow.get(sku, 0))
        return self.counts.get(sku, 0)

    async def _set_count(self, sku, count):
        self.requests.append((sku, count))
        await asyncio.sleep(self.slow.get(sku, 0))
        self.counts[sku] = count

    def set_after_the_last_look(self, sku, count):
        """True if an item's count was set to this number after everybody had asked for it."""
        of_it = [what for item, what in self.requests if item == sku]
        last_look = max((n for n, what in enumerate(of_it) if what == "count"), default=len(of_it))
        return count in of_it[last_look:]


def an_inventory(submission, world, slow=(), **counts):
    shelves = Shelves(world, slow, **counts)
    return submission.Inventory(shelves), shelves


def order(submission, inventory, customer, **items):
    """A task of this name that gives True if the items were reserved, False if sold out."""

    async def reserve():
        try:
            await inventory.reserve(items)
        except submission.SoldOut:
            return False
        return True

    return asyncio.create_task(reserve(), name=customer)


async def waited_for(*tasks, seconds=LONG):
    """True if all tasks end in time; what one of them raises is raised."""
    done, pending = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        if not task.cancelled():
            task.result()
    return not pending


async def assert_that_it_looks(submission, inventory):
    """One order alone is refused what is not there, so anything sold twice is a race's fault."""
    sold = await order(submission, inventory, "early bird", unicorn=1)
    assert not sold, "an order for a unicorn went through, and there is none"


async def assert_that_two_at_once_are_counted(submission, inventory, shelves, sku):
    """Nobody is cancelled yet: a sale that gets lost later is the fault of a cancellation."""
    before = shelves.counts[sku]
    first = order(submission, inventory, "early bird", **{sku: 1})
    await asyncio.sleep(0.5)
    second = order(submission, inventory, "early bird 2", **{sku: 1})
    assert await waited_for(first, second), f"two orders for a {sku} at once, and one never ends"
    sold, left = first.result() + second.result(), shelves.counts[sku]
    assert left == before - sold, (
        f"there were {before} of the {sku}; two customers came at once, {sold} were sold, and the "
        f"warehouse has {left}"
    )


@pytest.mark.points(1)
@pytest.mark.hint("Ask for a count, and set it to that number less the quantity: for each item.")
@simulate(seeds=3)
async def test_it_takes_what_was_ordered(world, submission):
    """An order that can be met takes every item from its count."""
    inventory, shelves = an_inventory(submission, world, lamp=5, kettle=1, radio=7)
    await inventory.reserve({"lamp": 2, "kettle": 1})
    assert shelves.counts == {"lamp": 3, "kettle": 0, "radio": 7}, (
        f"there were 5 lamps, 1 kettle and 7 radios; 2 lamps and 1 kettle were ordered, and the "
        f"counts are {shelves.counts}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Look at all counts before you set the first one.")
@simulate(seeds=5)
async def test_an_order_that_cannot_be_met_takes_nothing(world, submission):
    """If there are too few of any item, SoldOut is raised and every count is as before."""
    counts = {"lamp": 5, "kettle": 1}
    orders = [{"kettle": 2}, {"lamp": 2, "kettle": 2}, {"kettle": 2, "lamp": 2},
              {"lamp": 1, "unicorn": 1}, {"kettle": 1, "lamp": 6}]  # fmt: skip
    inventory, shelves = an_inventory(submission, world, **counts)
    for items in orders:
        task = order(submission, inventory, "ada", **items)
        assert await waited_for(task), f"an order for {items} does not end after the one before"
        assert not task.result(), f"an order for {items} went through; there were {counts}"
        now = {sku: shelves.counts.get(sku, 0) for sku in counts}
        assert now == counts, mistake(
            "half-reserved",
            f"An order for {items} was refused, and the counts are {now}; they were {counts}.",
        )
    assert await order(submission, inventory, "bob", lamp=5, kettle=1), (
        f"an order for all there is was refused after others had been; there were {shelves.counts}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Who may run between your count() and your set_count()?")
@simulate(seeds=50)
async def test_the_last_item_is_sold_once(world, submission):
    """Two customers race for the last lamp: one gets it, the other is told it is sold out."""
    inventory, shelves = an_inventory(submission, world, lamp=1)
    await assert_that_it_looks(submission, inventory)
    ada = order(submission, inventory, "ada", lamp=1)
    await world.pause("bob comes")
    bob = order(submission, inventory, "bob", lamp=1)
    sold = await ada + await bob
    assert sold <= 1, mistake("check-then-act", f"{sold} lamps were sold, and there was 1.")
    assert sold == 1, "nobody got the lamp, although there was 1"
    assert shelves.counts["lamp"] == 0, f"it was sold, and there are {shelves.counts['lamp']} left"


@pytest.mark.points(2)
@simulate(seeds=25)
async def test_every_sale_is_counted_once(world, submission):
    """Eight orders at once: each count falls by exactly what was sold."""
    before = {"lamp": 9, "kettle": 4}
    inventory, shelves = an_inventory(submission, world, **before)
    await assert_that_it_looks(submission, inventory)
    wishes = [{"lamp": 1}, {"kettle": 1, "lamp": 2}, {"kettle": 2, "lamp": 1}, {"kettle": 1}] * 2
    tasks = []
    for number, items in enumerate(wishes):
        tasks.append(order(submission, inventory, f"customer {number}", **items))
        await world.pause("next customer", 0.0, 0.03)
    assert await waited_for(*tasks), "some of eight orders never end"
    for sku, count in before.items():
        sold = sum(
            items.get(sku, 0) for items, task in zip(wishes, tasks, strict=True) if task.result()
        )
        left = shelves.counts[sku]
        assert sold <= count, mistake(
            "check-then-act", f"Of the {sku}, {sold} were sold, and there were {count}."
        )
        assert left == count - sold, (
            f"there were {count} of the {sku}, {sold} were sold, and the warehouse has {left}"
        )
    assert any(task.result() for task in tasks), "of eight orders, none went through"


@pytest.mark.points(2)
@pytest.mark.hint("Which of an order's locks do you take first? Does the customer decide?")
@simulate(seeds=12)
async def test_orders_that_cross_both_end(world, submission):
    """Orders for the same items all end, in whatever order they name them."""
    pairs = [
        [("lamp", "desk"), ("desk", "lamp")],
        [("lamp", "desk"), ("desk", "sofa"), ("sofa", "lamp")],
        [("blue lamp", "bike lamp"), ("bike lamp", "blue lamp")],  # not to be told by an end
    ][world.seed % 3]
    inventory, _ = an_inventory(
        submission, world, **dict.fromkeys((sku for pair in pairs for sku in pair), 9)
    )

    everything = sorted({sku for pair in pairs for sku in pair})
    customers = ("bob", "cem", "dia")[: len(pairs)]

    async def all_end(orders, first, *others):
        """Orders that come while somebody is buying one of each."""
        tasks = [order(submission, inventory, first, **dict.fromkeys(everything, 1))]
        for name, skus in zip(others, orders, strict=True):
            tasks.append(order(submission, inventory, name, **dict.fromkeys(skus, 1)))
            await world.pause("next customer", 0.0, 0.03)
        return await waited_for(*tasks)

    early_birds = ["early bird", *(f"early bird {number}" for number in range(len(pairs)))]
    assert await all_end(map(sorted, pairs), *early_birds), (
        f"{len(pairs) + 1} orders that name their items in the same order do not end"
    )
    ended = await all_end(pairs, "ada", *customers)
    wishes = [
        f"{who}: {one} and {other}" for who, (one, other) in zip(customers, pairs, strict=True)
    ]
    cycle = None if ended else world.locks.standing_cycle()
    rows = world.locks.describe_cycle(cycle).rows if cycle else ()
    assert ended, mistake(
        "lock-order",
        "\n".join([f"{'; '.join(wishes)}. After {LONG:.0f} s they are still waiting.", *rows]),
    )


@pytest.mark.points(2)
@pytest.mark.hint("What is it that two orders can fight over? Each of these needs a lock.")
@simulate(seeds=3)
async def test_strangers_do_not_wait(world, submission):
    """While the warehouse thinks about a kettle for a minute, somebody else can buy a lamp.

    Whether it counts the kettles, sets the count, or sets it back for a customer who has left.
    """
    others = [f"kettle {number}" for number in range(30)]  # so many do not share a few locks
    inventory, _ = an_inventory(
        submission, world, {"kettle": 60}, kettle=9, lamp=9, **dict.fromkeys(others, 9)
    )
    alone = order(submission, inventory, "early bird", lamp=1)
    assert await waited_for(alone, seconds=30), "an order for a lamp, alone, takes more than 30 s"
    kettle = order(submission, inventory, "ada", kettle=1)
    for seconds, what in (
        (1, "ada was buying a kettle"),
        (64, "the count of kettles was being set for ada"),
    ):
        await asyncio.sleep(seconds)
        lamp = order(submission, inventory, "bob", lamp=1)
        quickly = await waited_for(lamp, seconds=30)
        assert quickly, mistake(
            "global-lock",
            f"bob wanted a lamp, and after 30 s he was still waiting, because {what}.",
        )
    kettle.cancel()
    await asyncio.sleep(1)
    tasks = [order(submission, inventory, sku, **{sku: 1}) for sku in others]
    quickly = await waited_for(*tasks, seconds=30)
    late = [task.get_name() for task in tasks if not task.done()]
    assert quickly, mistake(
        "global-lock",
        f"ada was cancelled, and the count of kettles was being set back. {len(late)} of 30 "
        f"customers, who wanted other things ({late[0]} for one), were still waiting after 30 s.",
    )
    assert await waited_for(kettle), "the order for a kettle never ends"
    await asyncio.sleep(LONG)  # to put back later is another mistake


@pytest.mark.points(1)
@pytest.mark.hint("Does anybody who waits for one lock keep another one that all have to pass?")
@simulate(seeds=3)
async def test_a_queue_for_one_item_holds_up_nobody_else(world, submission):
    """While two customers queue for a slow kettle, others buy lamps, and kettles elsewhere."""
    inventory, _ = an_inventory(submission, world, {"kettle": 60}, lamp=9, kettle=9, radio=9)
    alone = order(submission, inventory, "early bird", lamp=1)
    assert await waited_for(alone, seconds=30), "an order for a lamp, alone, takes more than 30 s"
    first = order(submission, inventory, "ada", kettle=1)
    await asyncio.sleep(1)
    second = order(submission, inventory, "bob", kettle=1, radio=1)
    await asyncio.sleep(1)
    lamp = order(submission, inventory, "cem", lamp=1)
    quickly = await waited_for(lamp, seconds=30)
    assert quickly, mistake(
        "global-lock",
        "cem wanted a lamp, and after 30 s he was still waiting: ada was buying a kettle, bob was "
        "waiting for her, and cem for bob.",
    )
    elsewhere, _ = an_inventory(submission, world, {}, kettle=9)
    kettle = order(submission, elsewhere, "dia", kettle=1)
    assert await waited_for(kettle, seconds=30), (
        "dia wanted a kettle of another shop, with an Inventory and a warehouse of its own, and "
        "after 30 s she was still waiting, because ada and bob wanted one here"
    )
    assert await waited_for(first, second, seconds=3 * LONG), "the orders for a kettle never end"


@pytest.mark.points(2)
@pytest.mark.hint("Cancelled after the first of two set_count(): who sets the first one back?")
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_anywhere_it_takes_nothing(world, submission):
    """If reserve is cancelled, at whichever await, every count is as before in the end."""
    before = {"kettle": 4, "lamp": 5}
    inventory, shelves = an_inventory(submission, world, **before)
    outcome = await world.interrupted(inventory.reserve({"lamp": 2, "kettle": 1}))
    assert outcome.error is None or isinstance(outcome.error, asyncio.CancelledError), (
        f"reserve was cancelled, and raised {outcome.error!r}"
    )
    await asyncio.sleep(60)
    if outcome.error is None:
        before = {"kettle": 3, "lamp": 3}
        assert shelves.counts == before, f"reserve returned, and the counts are {shelves.counts}"
    what = (
        f"An order for 2 lamps and a kettle was cancelled, and the counts are {shelves.counts}; "
        f"they were {before}."
    )
    missing = any(shelves.counts[sku] < count for sku, count in before.items())
    assert not missing, mistake("half-reserved", what)
    assert shelves.counts == before, what
    task = order(submission, inventory, "next one", kettle=1, lamp=1)
    assert await waited_for(task), "an order was cancelled, and now the next one waits for ever"
    assert task.result(), f"an order was cancelled, and the next one was refused: {before}"


@pytest.mark.points(2)
@pytest.mark.hint("Do you still hold the locks while you put back what you have taken?")
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_before_somebody_elses_eyes(world, submission):
    """If reserve is cancelled while another order waits for the same item, only that one counts."""
    slow = {"lamp": 1, "kettle": 1}
    inventory, shelves = an_inventory(submission, world, slow, lamp=7, kettle=4)
    await assert_that_two_at_once_are_counted(submission, inventory, shelves, "lamp")
    before = dict(shelves.counts)

    async def comes_later():
        await asyncio.sleep(0.5)
        return await order(submission, inventory, "bob", lamp=1)

    bob = asyncio.create_task(comes_later(), name="bob, on his way")
    outcome = await world.interrupted(inventory.reserve({"lamp": 2, "kettle": 1}))
    assert outcome.error is None or isinstance(outcome.error, asyncio.CancelledError), (
        f"reserve was cancelled, and raised {outcome.error!r}"
    )
    assert await waited_for(bob), "an order was cancelled, and bob's never ends"
    assert bob.result(), f"an order was cancelled, and bob could not have a lamp: {before}"
    await asyncio.sleep(60)
    taken = {"lamp": 1, "kettle": 0} if outcome.error else {"lamp": 3, "kettle": 1}
    right = {sku: count - taken[sku] for sku, count in before.items()}
    what = (
        f"bob bought a lamp, an order for 2 lamps and a kettle "
        f"{'was cancelled' if outcome.error else 'went through'}, and the counts are "
        f"{shelves.counts}; they were {before}"
    )
    too_late = shelves.set_after_the_last_look("lamp", before["lamp"])
    assert shelves.counts == right or not too_late, mistake(
        "late-undo",
        f"An order for 2 of {before['lamp']} lamps was cancelled. The count was set back to "
        f"{before['lamp']} when bob had looked at it already. Then he bought one, and now it is "
        f"{shelves.counts['lamp']}.",
    )
    missing = any(shelves.counts[sku] < count for sku, count in right.items())
    assert not missing, mistake("half-reserved", what)
    assert shelves.counts == right, what


@pytest.mark.points(1)
@pytest.mark.hint("Cancelled while it waits for its second lock: is the first one given back?")
@simulate(seeds=3)
async def test_cancelled_in_the_queue_it_leaves_nothing_behind(world, submission):
    """An order that gives up while it waits for another one is in nobody's way afterwards."""
    stock = {"lamp": 11, "kettle": 9, "radio": 9}
    inventory, shelves = an_inventory(submission, world, {"lamp": 60}, **stock)
    await assert_that_two_at_once_are_counted(submission, inventory, shelves, "lamp")
    first = order(submission, inventory, "ada", lamp=1)
    await asyncio.sleep(1)
    second = order(submission, inventory, "bob", radio=1, lamp=1, kettle=1)
    await asyncio.sleep(5 + world.latency("patience", 0, 20))
    second.cancel()
    assert await waited_for(second), "bob's order was cancelled while it waited, and never ended"
    assert second.cancelled(), "bob's order was cancelled, and he was not told"
    await asyncio.sleep(1)
    third = order(submission, inventory, "cem", kettle=1, radio=1)
    fourth = order(submission, inventory, "dia", lamp=1)
    assert await waited_for(third, seconds=30), (
        "bob gave up, and cem still waits for a kettle and a radio that nobody else wants"
    )
    assert await waited_for(first, seconds=3 * LONG), "ada's order never ends"
    assert await waited_for(fourth, seconds=3 * LONG), (
        "bob gave up, and dia waits for ever for a lamp"
    )
    assert shelves.counts["lamp"] == 7, mistake(
        "over-release",
        "ada was buying one of 9 lamps. bob, who waited for her, gave up; dia came and bought one; "
        f"and the count of lamps is {shelves.counts['lamp']}.",
    )
    assert shelves.counts == {"lamp": 7, "kettle": 8, "radio": 8}, (
        f"two lamps, a kettle and a radio were sold of 9 each, and the counts are {shelves.counts}"
    )
