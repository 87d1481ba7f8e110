"""Grades bulkhead.py: places, queues, and who is next."""

import asyncio
from dataclasses import replace

import pytest

from autograder.grading import mistake
from autograder.grading.benches.ship import HAIR, Ship
from autograder.grading.benches.ship_rules import Visit, by_the_rules
from autograder.simulation import simulate


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_calls_get_what_comes_of_them(world, submission):
    """A call returns what its operation returns, and raises what it raises; unknown names, too."""
    ship = Ship(submission, world, total=4, payment=(2, 5, 50.0))
    ship.call("ada", "payment")
    ship.call("bob", "payment", leaks=True)
    ship.call("cem", "nobody")
    await asyncio.sleep(HAIR)
    assert ship.outcome.get("cem") == "KeyError", (
        f"there is no limit for 'nobody', and a call to it: {ship.outcome.get('cem', 'waits')}"
    )
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert ship.answered("ada"), f"an operation returned, and its call: {ship.outcome['ada']}"
    assert ship.outcome["bob"] == "raised", f"an operation raised; its call: {ship.outcome['bob']}"
    assert "cem" not in ship.began, "there is no limit for 'nobody', and the operation was called"


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_each_dependency_has_its_limit(world, submission):
    """Of each name no more than `at_once` are under way, and these begin at once."""
    ship = Ship(submission, world, total=8, payment=(3, 40, 300.0), inventory=(4, 40, 300.0))
    for number in range(20):
        ship.call(f"payment {number}", "payment", takes=world.latency("takes", 1.0, 9.0))
    await asyncio.sleep(HAIR)
    assert ship.under_way["payment"] != 8, mistake(
        "one-slow-starves-all",
        "total=8, and all 8 places were taken by calls to payment, which may have 3.",
    )
    assert ship.under_way["payment"] == 3, (
        f"payment has at_once=3, and {ship.under_way['payment']} of its calls are under way"
    )
    for number in range(4):
        ship.call(f"inventory {number}", "inventory")
    await asyncio.sleep(HAIR)
    assert ship.under_way["inventory"] == 4, (
        f"total=8, 3 calls to payment are under way, inventory has at_once=4 and got "
        f"{ship.under_way['inventory']} places"
    )
    stuck = await ship.settle()
    assert not stuck, (
        f"there was a place for all, one after another; {', '.join(stuck)} never ended"
    )
    assert ship.peak["payment"] == 3, (
        f"payment has at_once=3, and {ship.peak['payment']} of its calls were under way at once"
    )
    left = [who for who in ship.tasks if not ship.answered(who)]
    assert not left, f"all could wait, and {', '.join(left)} got no answer"


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_all_together_have_a_limit(world, submission):
    """Of all names together no more than `total` are under way, and no fewer if they wait."""
    ship = Ship(
        submission,
        world,
        total=4,
        payment=(3, 30, 300.0),
        inventory=(3, 30, 300.0),
        shipping=(3, 30, 300.0),
    )
    for number in range(8):
        for name in ship.limits:
            ship.call(f"{name} {number}", name, takes=world.latency("takes", 1.0, 5.0))
    await asyncio.sleep(HAIR)
    assert ship.under_way.total() == 4, (
        f"total=4, and {ship.under_way.total()} of 24 calls are under way"
    )
    stuck = await ship.settle()
    assert not stuck, (
        f"there was a place for all, one after another; {', '.join(stuck)} never ended"
    )
    assert ship.peak_of_all <= 4, f"total=4, and {ship.peak_of_all} calls were under way at once"
    left = [who for who in ship.tasks if not ship.answered(who)]
    assert not left, f"all could wait, and {', '.join(left)} got no answer"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_who_finds_the_queue_full_is_refused_at_once(world, submission):
    """If `waiting` calls of a name wait, the next one is refused at once; another name is not."""
    ship = Ship(submission, world, total=2, payment=(1, 3, 100.0), inventory=(2, 2, 100.0),
                shipping=(1, 0, 100.0))  # fmt: skip
    for number in range(30):
        ship.call(f"payment {number}", "payment", takes=5.0)
    await asyncio.sleep(HAIR)
    refused = [who for who, outcome in ship.outcome.items() if outcome == "refused"]
    if not refused:
        await asyncio.sleep(3.0)
        late = "refused" in ship.outcome.values()
        assert not late, "waiting=3, 30 calls came in one moment, and none was refused at once"
    assert refused, mistake(
        "unbounded-queue",
        "payment has at_once=1 and waiting=3. 30 calls came in one moment, and none was refused: "
        f"{len(ship.waiting())} wait.",
    )
    expected = [f"payment {number}" for number in range(4, 30)]
    assert refused == expected, (
        f"payment has at_once=1 and waiting=3, 30 calls came: {len(refused)} were refused at once; "
        "expected 26, the last ones"
    )
    ship.call("inventory 0", "inventory", takes=5.0)
    ship.call("shipping 0", "shipping")
    for number in (1, 2, 3):
        ship.call(f"inventory {number}", "inventory")
    await asyncio.sleep(HAIR)
    assert ship.outcome.get("shipping 0") == "refused", (
        "total=2, and two calls are under way; shipping has waiting=0, and a call to it: "
        f"{ship.outcome.get('shipping 0', 'waits')}"
    )
    got = [ship.outcome.get(f"inventory {number}", "waits") for number in (1, 2, 3)]
    assert got == ["waits", "waits", "refused"], (
        f"two calls are under way, total=2, 3 wait for payment. inventory has waiting=2, and three "
        f"calls came to it: {', '.join(got)}"
    )
    assert not set(refused) & set(ship.began), "a call was refused, and its operation was called"
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"


@pytest.mark.points(2)
@pytest.mark.hint("Who looks at the clock while all places are taken?")
@simulate(seeds=2)
async def test_nobody_waits_longer_than_their_patience(world, submission):
    """A call that has waited for `patience` seconds is refused then; being under way is no wait."""
    ship = Ship(submission, world, total=4, payment=(1, 5, 3.0), inventory=(1, 5, 9.0))
    for name in ("payment", "inventory"):
        for number in range(3):
            ship.call(f"{name} {number}", name, takes=60.0)
    await asyncio.sleep(20.0)
    waiting = ship.waiting()
    assert not waiting, mistake(
        "deadline-not-enforced",
        f"payment has patience=3.0, inventory 9.0, and after 20 s {', '.join(waiting)} still wait.",
    )
    for name, patience in (("payment", 3.0), ("inventory", 9.0)):
        for number in (1, 2):
            who = f"{name} {number}"
            assert ship.outcome[who] == "refused", f"{who} waited in vain, and: {ship.outcome[who]}"
            assert abs(ship.ended[who] - patience) <= HAIR, (
                f"{name} has patience={patience}, and {who} was refused after "
                f"{ship.ended[who]:.3f} s"
            )
            assert who not in ship.began, f"{who} was refused, and its operation was called"
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    for who in ("payment 0", "inventory 0"):
        assert ship.answered(who), (
            f"{who} was under way for 60 s, which its patience is not about; it ended with "
            f"{ship.outcome[who]!r}"
        )
    ship.call("payment 4", "payment")
    await ship.settle()
    assert ship.answered("payment 4"), "calls had been refused; after that a call got no answer"


# -- who is next -------------------------------------------------------------------------------


@pytest.mark.points(3)
@pytest.mark.hint("What does a call have in its hands while it waits?")
@simulate(seeds=2)
async def test_who_waits_holds_up_no_other_name(world, submission):
    """While calls wait for one dependency, calls to another one begin at once."""
    ship = Ship(submission, world, total=8, payment=(3, 30, 300.0), inventory=(3, 30, 300.0))
    for number in range(3):
        ship.call(f"payment {number}", "payment", takes=60.0)
    ship.call("inventory 0", "inventory", takes=60.0)
    await asyncio.sleep(1.0)
    assert ship.under_way.total() == 4, (
        f"total=8, three calls to payment and one to inventory came, and {ship.under_way.total()} "
        "are under way"
    )
    ship.call("payment 3", "payment", takes=60.0)
    await asyncio.sleep(1.0)
    ship.call("inventory 1", "inventory", takes=60.0)
    await asyncio.sleep(HAIR)
    assert ship.under_way["payment"] == 3, (
        f"payment has at_once=3, and {ship.under_way['payment']} of its calls are under way"
    )
    assert "inventory 1" in ship.began, mistake(
        "head-of-line-blocking",
        "total=8. 3 calls to payment are under way, its at_once, and one waits; one to inventory "
        "is under way. Another one to inventory came, there are 4 places, and it did not begin: it "
        "stands behind the one that waits.",
    )
    for number in range(4, 20):
        ship.call(f"payment {number}", "payment", takes=60.0)
    await asyncio.sleep(1.0)
    ship.call("inventory 2", "inventory")
    await asyncio.sleep(HAIR)
    assert "inventory 2" in ship.began, mistake(
        "waits-with-a-place",
        "total=8. 3 calls to payment are under way and 17 wait; 2 to inventory are under way. "
        "Another one to inventory came and did not begin, though only 5 of 8 places are in use: "
        "those who wait for payment sit on the others.",
    )
    for task in ship.tasks.values():
        task.cancel()
    await ship.settle()


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_one_who_cannot_begin_is_passed_by(world, submission):
    """If the one who has waited longest cannot begin yet, the next one who can does."""
    ship = Ship(submission, world, total=4, payment=(3, 30, 300.0), inventory=(2, 30, 300.0))
    for number in range(3):
        ship.call(f"payment {number}", "payment", takes=60.0)
    ship.call("inventory 0", "inventory", takes=5.0)
    for who, name in (("payment 3", "payment"), ("inventory 1", "inventory")):
        await asyncio.sleep(1.0)
        ship.call(who, name, takes=5.0)
    await asyncio.sleep(4.0)
    assert "inventory 0" in ship.outcome, "a call of 5 s had not ended after 6 s"
    assert "payment 3" not in ship.began, "payment has at_once=3, and a fourth call began"
    assert "inventory 1" not in ship.outcome or "inventory 1" in ship.began, (
        f"patience=300.0, and a call that waited for 4 s: {ship.outcome['inventory 1']}"
    )
    assert "inventory 1" in ship.began, mistake(
        "head-of-line-blocking",
        "total=4. A call to inventory ended, and two wait: one for payment, which has 3 under way "
        "and may not have more, and behind it one for inventory, which has none. Nobody began.",
    )
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_who_has_waited_longest_is_next(world, submission):
    """Of those who can begin, the one that has waited longest does, whatever its name."""
    ship = Ship(submission, world, total=3, payment=(2, 30, 300.0), inventory=(3, 30, 300.0))
    for number in range(3):
        ship.call(f"inventory {number}", "inventory", takes=10.0 + number)
    order = ["payment a", "payment b", "inventory a", "payment c", "inventory b", "inventory c"]
    for who in order:
        await asyncio.sleep(1.0)
        ship.call(who, who.split()[0], takes=10.0)
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    left = [who for who in order if who not in ship.began]
    assert not left, f"patience=300.0, and in a minute {', '.join(left)} did not begin"
    assert ship.peak_of_all <= 3, f"total=3, and {ship.peak_of_all} calls were under way at once"
    began = [who for who in ship.began if who in order]
    assert began == order, mistake(
        "jumps-the-queue",
        f"They came in this order: {', '.join(order)}; each of them could begin when its turn was "
        f"there. They began in this order: {', '.join(began)}.",
    )


@pytest.mark.points(2)
@pytest.mark.hint(
    "Whose is the place between the moment it is free and the one in which the next runs?"
)
@simulate(seeds=4)
async def test_who_comes_back_at_once_stands_behind(world, submission):
    """A caller that ends and comes again in the same moment does not get in before who waits."""
    turns = world.seed % 4  # of the loop, in between
    ship = Ship(submission, world, total=5, payment=(1, 5, 300.0))
    ship.call("ada", "payment", takes=5.0, again=turns)
    await asyncio.sleep(1.0)
    ship.call("bob", "payment", takes=5.0)
    await asyncio.sleep(15.0)
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert ship.peak["payment"] == 1, (
        f"payment has at_once=1, and {ship.peak['payment']} of its calls were under way at once"
    )
    assert len(ship.began) == 3, (
        f"patience=300.0, three calls of 5 s came; {', '.join(ship.began)} began, and no other"
    )
    assert list(ship.began) == ["ada", "bob", "ada again"], mistake(
        "jumps-the-queue",
        "payment has at_once=1. ada's call ended while bob's waited, and ada called again in the "
        f"same moment. They began in this order: {', '.join(ship.began)}.",
    )


@pytest.mark.points(2)
@simulate(seeds=6)
async def test_a_busy_day_goes_by_the_rules(world, submission):
    """Of many calls to three dependencies each begins, or is refused, when the rules say so."""
    ship = Ship(submission, world, total=4, payment=(2, 3, 2.0), inventory=(3, 2, 3.0),
                shipping=(1, 4, 4.0))  # fmt: skip
    visits, now = [], 0.0
    for number in range(80):
        now += 0.037 + 0.6 * world.draw("gap")
        name = list(ship.limits)[int(3 * world.draw("name"))]
        takes = 0.313 + 0.0017 * number + 2.5 * world.draw("takes")
        visits.append(Visit(f"{name} {number}", name, now, takes))
    by_the_rules(visits, ship.limits, ship.total)
    began = world.time()
    for visit in visits:
        await asyncio.sleep(began + visit.comes - world.time())
        ship.call(visit.who, visit.name, visit.takes)
    stuck = await ship.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    seen = []
    for visit in visits:
        at = ship.began.get(visit.who)
        refused = None if at is not None else ship.ended[visit.who] - began
        begins = None if at is None else at - began
        seen.append(replace(visit, begins=begins, refused=refused))
    wrong = [
        (expected, got)
        for expected, got in zip(visits, seen, strict=True)
        if (expected.begins is None) != (got.begins is None) or abs(due(got) - due(expected)) > HAIR
    ]
    if wrong:
        expected, got = min(wrong, key=lambda pair: min(map(due, pair)))
        limits = "; ".join(f"{name}: {limit}" for name, limit in ship.limits.items())
        raise AssertionError(
            f"total={ship.total}; {limits}. {expected.who} came at {expected.comes:.2f} s. By the "
            f"rules it is {expected.fate}; it was {got.fate}. Until then all was as it should be."
        )


def due(visit):
    return visit.refused if visit.begins is None else visit.begins
