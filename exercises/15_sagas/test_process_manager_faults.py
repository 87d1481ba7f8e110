"""Grades process_manager.py when the manager is killed, and when everything happens at once."""

import asyncio
import itertools

import pytest

from autograder.grading import mistake
from autograder.grading.benches.managed_judge import settle
from autograder.grading.benches.managed_shop import ManagedShop
from autograder.grading.benches.order_faults import blame
from autograder.simulation import simulate

MOST_STEPS = 300_000
"""Of a world: enough for who looks every second whether there is something to do."""
QUICK = {"deadline": 20.0, "retry": 30.0}
"""Times for the tests in which the manager is killed everywhere: so there are fewer awaits."""


@pytest.fixture
def shops(tmp_path):
    """Makes shops, one after another, each with an empty database."""

    numbers = itertools.count()

    def make(world, submission, **options):
        path = tmp_path / f"{next(numbers)}.db"
        return ManagedShop(world, submission, path, **options)

    return make


async def goes_well(shops, world, submission, end=None, **given):
    """Whether there are no faults, and is this end if one is given, if nobody is killed."""
    world.recorder.stop()
    submission.renew()
    async with shops(world, submission, shown=False, **given) as shop:
        shop.start()
        shop.place()
        return not await settle(shop) and end in (None, shop.end_of("o-1"))


def told_once(seconds):
    """The bank takes the money, and after so many seconds says so: once, whoever asks again."""

    def route(sent, reply):
        if sent.mail.type == "TakePayment" and reply:
            return (seconds,) if sent.nth == 1 else ()
        return (0.5,)

    return route


@pytest.mark.points(3)
@pytest.mark.hint("What has to be committed before a message may be acknowledged, or sent?")
@simulate(seeds=2, steps=MOST_STEPS, at_every_await=True)
async def test_killed_anywhere_an_order_ends_well(world, submission, shops):
    """If the manager is killed, at whichever await, another one brings the order to its end."""
    late = world.seed % 2 == 0
    expected = "OrderCancelled" if late else "OrderDelivered"
    given = {**QUICK, "route": told_once(25.0 if late else 0.5)}
    async with shops(world, submission, **given) as shop:
        shop.place()
        if not late:
            # Of an order that ends well only the end is new: it has lost a manager before.
            shop.start()
            await shop.until(lambda: bool(shop.sends("o-1", "TakePayment")))
            shop.kill()
        outcome = await world.killed(shop.run_until_ended(), "manager", outside=shop.outside)
        if outcome.fired:
            shop.buried()
            await asyncio.sleep(10 * late)
            shop.start()
        found = await settle(shop)
        anew = late and outcome.fired and began_anew(shop)
        unheard = not late and shop.end_of("o-1") == "OrderCancelled"
        if not outcome.fired or not (found or anew or unheard):
            blame(found)
        elif await goes_well(shops, world, submission, expected, **given):
            lost = "OrderPlaced o-1" in shop.nothing_written and not shop.sent
            assert not lost, mistake(
                "ack-before-work",
                "OrderPlaced was acknowledged before anything of it had been committed. Then the "
                f"manager was killed. {found[0].said}",
            )
            await forgotten(shops, world, submission, found)
            blame(found, {"done twice": "acts-before-it-writes"})
            assert not (unheard and "PaymentTaken o-1" in shop.nothing_written), mistake(
                "ack-before-work",
                "PaymentTaken was acknowledged before anything of it had been committed. Then the "
                "manager was killed, and the next one waited for it in vain: o-1 was cancelled.",
            )
            assert not anew, mistake(
                "timer-in-memory",
                "The bank replied 25 s after TakePayment had first been sent, 5 s too late. The "
                f"manager had been killed, and started again 10 s later; {shop.end_of('o-1')} was "
                f"sent, expected {expected}.",
            )
        blame(found)
        assert not unheard, (
            "PaymentTaken came at once. A manager was killed, the next one was started at once; "
            f"{shop.end_of('o-1')} was sent, expected {expected}"
        )


def began_anew(shop):
    """Whether the late reply counted, although the next manager ran when the deadline was over."""
    asked = [sent.time for sent in shop.sends("o-1", "TakePayment")]
    early = asked and shop.kills[0] < asked[0] + 8
    return bool(early) and shop.end_of("o-1") == "OrderDelivered"


@pytest.mark.points(2)
@pytest.mark.hint("Where is the deadline written down, and who looks there after a restart?")
@simulate(seeds=4, steps=MOST_STEPS)
async def test_the_deadline_survives_a_restart(world, submission, shops):
    """The manager is killed while it waits for the bank: the deadline stays what it was."""
    # Killed after so many seconds, for how long; and when PaymentTaken comes.
    at, down, taken = [
        (300.0, 1.0, None),
        (540.0, 1.0, 800.0),
        (300.0, 900.0, None),
        (200.0, 1.0, 800.0),
    ][world.seed % 4]

    def bank():
        began = world.time()

        def route(sent, reply):
            if sent.mail.type != "TakePayment" or not reply or sent.time > began + 1000:
                return (0.5,)
            return (taken,) if taken and sent.nth == 1 else ()

        return {"route": route}

    async with shops(world, submission, **bank()) as shop:
        shop.start()
        shop.place()
        await asyncio.sleep(at)
        shop.kill()
        await asyncio.sleep(down)
        shop.start()
        found = await settle(shop)
        end = shop.end_of("o-1")
        expected = "OrderCancelled"
        if end == expected or not await goes_well(shops, world, submission, expected, **bank()):
            blame(found)
            assert end == expected, f"no reply came within 600 s; {end} was sent to the shop"
            took = shop.told[0].time - at - down
            assert took < 20 or down < 10, (
                f"the deadline was over while no manager ran; {took:.0f} s after the next one was "
                "started the order ended. Everybody replied at once"
            )
            return
        if found and found[0].kind != "no end":
            blame(found)
        await forgotten(shops, world, submission, found)
        what = f"{end} was sent" if end else "the order has no end"
        assert end == expected, mistake(
            "timer-in-memory",
            f"The bank was to reply within 600 s. The manager was killed after {at:.0f} s, and "
            f"started again {down:.0f} s later; {what}, expected OrderCancelled.",
        )


@pytest.mark.points(1)
@simulate(seeds=2, steps=MOST_STEPS)
async def test_what_was_due_is_done_at_once(world, submission, shops):
    """What was due while no manager ran is done at once by the next one."""
    which = ("ReserveStock", "ConfirmDelivery")[world.seed % 2]

    def route(sent, reply):
        return () if sent.mail.type == which and reply and sent.time < 100 else (0.5,)

    async with shops(world, submission, route=route) as shop:
        shop.start()
        shop.place()
        await asyncio.sleep(20)
        shop.kill()
        await asyncio.sleep(180)
        began = world.time()
        shop.start()
        found = await settle(shop)
        sends = [sent.time for sent in shop.sends("o-1", which)]
        if found and await goes_well(shops, world, submission, route=route):
            await forgotten(shops, world, submission, found)
        blame(found)
        waited = next(time for time in sends if time >= began) - began
        assert waited < 10, (
            f"{which} had no reply and was due 30 s after it had been sent, when no manager ran; "
            f"the next one was started, and sent it {waited:.0f} s later"
        )


async def forgotten(shops, world, submission, found):
    """Fail if an order has no end since a manager does nothing for what its predecessor has left;
    to be asked if all is well as long as nobody is killed."""
    assert not found or found[0].kind != "no end" or await carries_on(shops, world, submission), (
        mistake(
            "forgets-running-sagas",
            "The manager was killed, and the next one did nothing any more for an order that "
            f"waited for a reply. {found[0].said}",
        )
    )


async def carries_on(shops, world, submission):
    """Whether a manager that is started again asks again for what its predecessor waited for."""

    began = world.time()

    def route(sent, reply):
        return () if sent.mail.type == "TakePayment" and sent.time < began + 100 else (0.5,)

    submission.renew()
    async with shops(world, submission, shown=False, route=route) as shop:
        shop.start()
        shop.place()
        await asyncio.sleep(100)
        shop.kill()
        shop.start()
        return not await settle(shop)


@pytest.mark.points(3)
@simulate(seeds=5, steps=MOST_STEPS)
async def test_anything_at_any_time(world, submission, shops):
    """Lost, late and doubled messages, a manager that is killed: every order ends well."""

    def route(sent, reply):
        name = f"{reply or sent.mail.type} {sent.mail.order_id}"
        if sent.time < 500 and world.chance(0.3, f"{name} lost"):
            return ()
        copies = 1 + world.choose(2, f"{name} copies")
        return [world.latency(f"{name} under way", 0.1, 300.0) for _ in range(copies)]

    def refused(command, order_id):
        return world.chance(0.15, f"{command} {order_id} refused")

    async with shops(world, submission, route=route, refuses=refused, deadline=200.0) as shop:
        shop.start()
        for number in range(1, 6):
            shop.place(number, copies=1 + number % 2)
        for _ in range(4):
            await world.pause("next accident", 1.0, 200.0)
            shop.kill()
            await world.pause("next start", 1.0, 200.0)
            shop.start()
        blame(await settle(shop))
