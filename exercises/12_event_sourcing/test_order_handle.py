"""Grades `handle` of order.py, in simulated worlds."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.order_desk import STEPS, TOTAL, Desk, said
from autograder.grading.benches.order_store import Mail, Store
from autograder.simulation import simulate

HALF = TOTAL // 2


class Shop:
    """A desk, a store with a history, and the mail; and somebody else, who is faster."""

    def __init__(self, world, submission, kinds):
        self.desk = Desk(submission)
        self.submission = submission
        self.before = self.desk.history(kinds)
        self.others = []
        self.store = Store(world, submission.Conflict, self.before)
        self.mail = Mail(world, self.store)

    def restart(self):
        """From now on another process works here, which has read everything anew."""
        self.submission.restart()
        self.before, self.others = map(self.desk.as_known_now, (self.before, self.others))
        self.store.restart(self.submission.Conflict, self.desk.as_known_now)

    @property
    def ours(self):
        """What was recorded, apart from what was there before and what others recorded."""
        return [event for event in self.store.events if event not in [*self.before, *self.others]]

    def rival(self, kind, **details):
        """Somebody else carries out a command, at the moment at which this is called."""

        def act():
            new = self.desk.expected(self.store.events, self.desk.command(kind, **details))
            self.others += new
            return new

        return act

    def rivals_at(self, moment):
        """Where a rival goes who comes at one of the two moments at which one may come."""
        return (self.store.before_append, self.store.after_load)[moment % 2]

    async def handle(self, command, **options):
        """The new events, or the name of what was raised."""
        try:
            new = await self.submission.handle(self.store, command, self.mail, **options)
        except (self.submission.Refused, self.submission.Conflict) as error:
            return type(error).__name__
        assert new is not None, "handle returned None; expected the new events"
        return list(new)

    def assert_told_what_was_recorded(self):
        """The mail has been told of our own events, each once, in order, and of nothing else."""
        early = self.mail.too_early
        assert not early, mistake(
            "tells-before-recorded",
            f"The customer was told of {said(early)}, which was not recorded at that moment"
            f"{'' if all(event in self.store.events for event in early) else ', and never was'}.",
        )
        old = [event for event in self.mail.told if event in [*self.before, *self.others]]
        assert not old, mistake(
            "side-effect-on-replay",
            f"The customer was told of {said(old)}: handle has read that, and not recorded it.",
        )
        assert self.mail.told == self.ours, (
            f"the customer was told of {said(self.mail.told)}; recorded was {said(self.ours)}"
        )


@pytest.mark.points(2)
@simulate(seeds=4)
async def test_a_command_is_recorded_and_told(world, submission):
    """The new events are appended, told in order, and returned; the world is told nothing else."""
    for kinds, kind in ((), "PlaceOrder"), (STEPS["paid"], "CancelOrder"):
        shop = Shop(world, submission, kinds)
        command = shop.desk.command(kind)
        expected = shop.desk.expected(shop.before, command)
        got = await shop.handle(command)
        assert not shop.mail.under_way, "handle returned while the world was still being told"
        assert shop.ours == expected, f"recorded was {said(shop.ours)}; expected {said(expected)}"
        shop.assert_told_what_was_recorded()
        assert shop.mail.at_once <= 1, (
            f"{shop.mail.at_once} events were being told at once: a later one may arrive first"
        )
        assert got == expected, f"handle gave {got if isinstance(got, str) else said(got)}"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_what_decides_no_events_appends_nothing(world, submission):
    """A command that comes again, or is refused, is neither recorded nor told."""
    shop = Shop(world, submission, STEPS["shipped"])
    again = shop.desk.command("ReserveStock", id=shop.before[1].cause)
    for command, expected in ((again, []), (shop.desk.command("CancelOrder"), "Refused")):
        before = shop.store.calls.count("load")
        got = await shop.handle(command)
        assert got == expected, f"handle gave {got}; expected {expected}"
        shop.assert_told_what_was_recorded()
        assert "append" not in shop.store.calls, "append was called with nothing new"
    loads = shop.store.calls.count("load") - before
    assert loads == 1, f"Refused goes through at once; handle called load {loads} times"


@pytest.mark.points(3)
@pytest.mark.hint("On which events was this decided, and after which events is it recorded?")
@simulate(seeds=6)
async def test_a_decision_is_recorded_on_what_it_was_decided_on(world, submission):
    """If the order is cancelled while a parcel is decided on, the parcel is refused."""
    shop = Shop(world, submission, STEPS["paid"])
    shop.rivals_at(world.seed).append(shop.rival("CancelOrder"))
    ship = shop.desk.command("ShipOrder")
    got = await shop.handle(ship)
    really = shop.desk.decided(shop.desk.state([*shop.before, *shop.others]), ship)
    assert really is None, f"of an order that is cancelled, decide gave {said(really)}"
    assert not shop.ours, mistake(
        "stale-decision",
        f"{said(shop.ours)} was decided when the order was paid, and recorded when it was "
        "cancelled: the customer has her money back, and the lamp as well.",
    )
    shop.assert_told_what_was_recorded()
    assert got == "Refused", f"handle gave {got if isinstance(got, str) else said(got)}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_what_others_have_recorded_counts(world, submission):
    """Each command is decided on what is recorded by then, by this process or by others."""
    shop = Shop(world, submission, ())
    early = shop.desk.command("ConfirmDelivery")
    got = await shop.handle(early)
    assert got == "Refused", f"there is no order yet, and ConfirmDelivery gave {got}"
    for kind, who in (
        ("PlaceOrder", "us"), ("ReserveStock", "others"), ("TakePayment", "us"),
        ("ShipOrder", "others"), ("ConfirmDelivery", "us"),
    ):  # fmt: skip
        if who == "others":
            shop.store.events += shop.rival(kind)()
            continue
        command = early if kind == "ConfirmDelivery" else shop.desk.command(kind)
        expected = shop.desk.expected(shop.store.events, command)
        got = await shop.handle(command)
        again = ", which had been refused before that," if command is early else ""
        assert got == expected, (
            f"somebody else had recorded {said(shop.others)}; {kind}{again} gave "
            f"{got if isinstance(got, str) else said(got)}, expected {said(expected)}"
        )


@pytest.mark.points(2)
@simulate(seeds=6)
async def test_a_conflict_begins_again(world, submission):
    """If somebody else pays a part meanwhile, the rest can be paid; told is only what is ours."""
    shop = Shop(world, submission, STEPS["reserved"])
    shop.rivals_at(world.seed).append(shop.rival("TakePayment", amount=HALF))
    got = await shop.handle(shop.desk.command("TakePayment", amount=TOTAL - HALF))
    assert isinstance(got, list), f"somebody else paid a part, and handle raised {got}"
    amounts = [event.amount for event in shop.ours]
    assert amounts == [TOTAL - HALF], f"our payment was {TOTAL - HALF:,}; recorded: {amounts}"
    shop.assert_told_what_was_recorded()
    assert got == shop.ours, f"handle gave {said(got)}; recorded was {said(shop.ours)}"


@pytest.mark.points(1)
@simulate(seeds=4)
async def test_it_gives_up_in_the_end(world, submission):
    """If somebody else is faster at every attempt, Conflict is raised after `attempts` of them."""
    attempts, options = ((5, {}), (3, {"attempts": 3}))[world.seed % 2]
    shop = Shop(world, submission, STEPS["reserved"])
    shop.store.before_append += [shop.rival("TakePayment", amount=1)] * 20
    got = await shop.handle(shop.desk.command("TakePayment", amount=1), **options)
    tried = shop.store.calls.count("append")
    assert tried < 3 * attempts, mistake(
        "retries-forever",
        f"Somebody else was faster each time. handle tried {tried} times; attempts is {attempts}.",
    )
    assert tried == attempts, f"handle tried {tried} times; attempts is {attempts}"
    assert got == "Conflict", f"after {tried} conflicts handle gave {got}; expected Conflict"
    shop.assert_told_what_was_recorded()


@pytest.mark.points(1)
@simulate(seeds=8)
async def test_two_deliveries_of_a_command_are_one(world, submission):
    """If one command is delivered twice at the same time, it is recorded once, and told once."""
    shop = Shop(world, submission, STEPS["reserved"])
    command = shop.desk.command("TakePayment", amount=HALF)

    async def deliver():
        await world.pause()
        return await shop.handle(command)

    both = await asyncio.gather(deliver(), deliver())
    assert len(shop.ours) == 1, f"one payment, delivered twice: recorded was {said(shop.ours)}"
    shop.assert_told_what_was_recorded()
    assert sorted(both, key=len) == [[], shop.ours], f"the two calls gave {both}"


@pytest.mark.points(1)
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_and_sent_again(world, submission):
    """If the process is killed, at whichever await, and the command comes again, it counts once."""
    shop = Shop(world, submission, STEPS["reserved"])
    command = shop.desk.command("TakePayment", amount=HALF)
    await world.killed(shop.handle(command), "the shop")
    recorded = bool(shop.ours)
    shop.restart()
    [command] = shop.desk.as_known_now([command])
    got = await shop.handle(command)
    assert len(shop.ours) == 1, f"one payment, sent twice: recorded was {said(shop.ours)}"
    assert not (recorded and got), f"it was recorded already, and handle gave {said(got)}"
