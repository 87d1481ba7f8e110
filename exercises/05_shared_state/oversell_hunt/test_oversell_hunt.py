"""Grades oversell_hunt: the mended shop, and the regression test."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from autograder.course.programs.oversell import friday, variants
from autograder.grading import mistake
from autograder.grading.complaints import BadSubmission
from autograder.simulation import Settings, WorldFailed, current_settings, explore, simulate

LONG = 300.0
"""Virtual seconds after which what has not ended will not end."""
PRICES = {"lamp": 8900, "kettle": 4900, "radio": 12900, "mug": 900}
WORLDS = 20
THAT_NIGHT = variants.module_of(friday.Shop)


class Outside:
    """The bank and the warehouse: what was paid by whom, and what was shipped to whom."""

    def __init__(self, world, bank=(0.05, 3.0)):
        self.world = world
        self.paid = {}
        self.shipped = []
        self.numbers = []
        self.refuse = set()
        self.slow = {}
        self.slow_refunds = 0
        self.charge = world.service(self._charge, name="charge", latency=bank)
        self.refund = world.service(self._refund, name="refund", latency=bank)
        self.ship = world.service(self._ship, name="ship")

    async def _charge(self, customer, cents):
        await asyncio.sleep(self.slow.get(customer, 0))
        if customer in self.refuse:
            raise self.refused("insufficient funds")
        self.paid[f"payment {len(self.paid) + 1} of {customer}"] = (customer, cents)
        return list(self.paid)[-1]

    async def _refund(self, payment):
        await asyncio.sleep(self.slow_refunds)
        self.paid[payment] = (self.paid[payment][0], 0)

    def _ship(self, number, customer, items):
        self.shipped.append((customer, dict(items)))
        self.numbers.append(number)

    def open(self, module, more_prices=None, **stock):
        """A shop of this module with this stock."""
        self.module, self.refused = module, module.PaymentRefused
        prices = PRICES | (more_prices or {})
        return module.Shop(
            stock=stock, prices=prices, charge=self.charge, refund=self.refund, ship=self.ship
        )

    def customer(self, shop, name, **items):
        """A task of this name: True if the order went through, False if it was refused."""

        async def buy():
            try:
                await shop.buy(name, items)
            except (self.module.SoldOut, self.module.PaymentRefused):
                return False
            return True

        return asyncio.create_task(buy(), name=name)

    def parcels_with(self, sku):
        return sum(items.get(sku, 0) for _, items in self.shipped)


def is_as_it_was(shop):
    """True if nothing in the learner's shop.py has been changed."""
    now, given = (Path(module.__file__).read_text("utf-8").split() for module in (shop, friday))
    return now == given


@contextlib.asynccontextmanager
async def visited(world, submission):
    """A world with the learner's shop. While nothing has been written, nothing is graded either."""
    if is_as_it_was(submission.shop):
        with contextlib.suppress(AssertionError):
            await submission.regression.it_never_oversells(world, THAT_NIGHT)
    yield Outside(world)


async def ended(*tasks, seconds=LONG):
    """True if all tasks end in time; what one of them raises is raised."""
    done, pending = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        task.result()
    return not pending


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_a_customer_gets_what_is_there(world, submission):
    """One customer at a time: who can have it pays, gets a parcel and an order; who cannot, not."""
    async with visited(world, submission) as outside:
        shop = outside.open(submission.shop, lamp=2, kettle=1)
        order = await shop.buy("ada", {"lamp": 1, "kettle": 1})
        said = (order.customer, dict(order.items), order.total)
        assert said == ("ada", {"lamp": 1, "kettle": 1}, 13800), (
            f"ada bought a lamp for 89.00 and a kettle for 49.00, and her order is {order}"
        )
        assert outside.numbers == [order.number], (
            f"ada's order has the number {order.number}, and her parcel {outside.numbers}"
        )
        for items in ({"kettle": 1}, {"lamp": 1, "kettle": 1}, {"radio": 1}, {"lamp": 2}):
            with pytest.raises(submission.shop.SoldOut):
                await shop.buy("bob", items)
        assert outside.shipped == [("ada", {"lamp": 1, "kettle": 1})], (
            f"only ada's order could be met, and shipped was {outside.shipped}"
        )
        assert sum(cents for _, cents in outside.paid.values()) == 13800, (
            f"only ada had to pay, 13800 cents, and paid is {outside.paid}"
        )
        assert await outside.customer(shop, "cem", lamp=1), (
            "a lamp was left, and cem did not get it"
        )
        shop = outside.open(submission.shop, mug=3)
        assert await outside.customer(shop, "dia", mug=2), "dia did not get 2 of 3 mugs"
        paid = sum(cents for who, cents in outside.paid.values() if who == "dia")
        assert paid == 1800, f"dia bought 2 mugs at 9.00 each, and has paid {paid} cents"
        assert not await outside.customer(shop, "eve", mug=2), "eve got 2 of the one mug left"


@pytest.mark.points(3)
@pytest.mark.hint("Four lines of the log say that 1 was available. What do they have in common?")
@simulate(seeds=20)
async def test_no_more_are_shipped_than_there_are(world, submission):
    """Five customers want three lamps: three are shipped, and paid for by those who get them."""
    async with visited(world, submission) as outside:
        shop = outside.open(submission.shop, lamp=3)
        assert not await outside.customer(shop, "early bird", kettle=1), (
            "a kettle was sold, and there is none"
        )
        tasks = []
        for name in ("ada", "bob", "cem", "dia", "eve"):
            tasks.append(outside.customer(shop, name, lamp=1))
            await world.pause("next customer", 0.0, 0.5)
        assert await ended(*tasks), "five customers, and some of their orders never end"
        shipped = outside.parcels_with("lamp")
        assert shipped <= 3, mistake(
            "check-then-act", f"{shipped} lamps were shipped, and there were 3."
        )
        assert shipped == 3, f"five customers wanted 3 lamps, and {shipped} were shipped"
        lucky = sorted(name for name, _ in outside.shipped)
        paying = sorted(name for name, cents in outside.paid.values() if cents)
        assert paying == lucky, f"lamps were shipped to {lucky}; {paying} have paid for one"
        said = sorted(task.get_name() for task in tasks if task.result())
        assert said == lucky, f"lamps were shipped to {lucky}; {said} were told so"
        assert len(set(outside.numbers)) == 3, (
            f"INC-371 is back: three parcels have the numbers {outside.numbers}"
        )


@pytest.mark.points(1)
@pytest.mark.hint("Two orders can have their second item in common, and nothing else.")
@simulate(seeds=6)
async def test_what_two_orders_share_is_sold_once(world, submission):
    """Two orders that have only one item in common: the last of it is shipped once."""
    async with visited(world, submission) as outside:
        shop = outside.open(submission.shop, radio=1, lamp=4, kettle=4)
        early = outside.customer(shop, "early bird", lamp=3, kettle=3)
        assert await ended(early), "an order for lamps and kettles never ends"
        pairs = [("kettle", "radio"), ("lamp", "radio")]
        if world.seed % 2:
            pairs = [("radio", "lamp"), ("kettle", "radio")]
        tasks = []
        for name, pair in zip(("ada", "bob"), pairs, strict=True):
            tasks.append(outside.customer(shop, name, **dict.fromkeys(pair, 1)))
            await world.pause("next customer", 0.0, 0.02)
        assert await ended(*tasks), "two orders for the same radio, and one never ends"
        shipped = outside.parcels_with("radio")
        assert shipped <= 1, mistake(
            "check-then-act",
            f"{shipped} radios were shipped, and there was 1: one with a kettle, one with a lamp.",
        )
        assert shipped == 1, "two customers wanted the radio, and nobody got it"


@pytest.mark.points(1)
@pytest.mark.hint("The bank says no: who puts the lamp back?")
@simulate(seeds=3)
async def test_a_refused_payment_holds_nothing(world, submission):
    """If the bank refuses a payment, the next customer can have what it was for."""
    async with visited(world, submission) as outside:
        outside.refuse = {"ada"}
        shop = outside.open(submission.shop, lamp=1, kettle=2)
        with pytest.raises(submission.shop.PaymentRefused):
            await shop.buy("ada", {"kettle": 2, "lamp": 1})
        task = outside.customer(shop, "bob", lamp=1, kettle=2)
        assert await ended(task), "a payment was refused, and the next order never ends"
        assert task.result(), mistake(
            "half-reserved", "ada's payment was refused, and now bob is told that it is sold out."
        )
        assert not await outside.customer(shop, "cem", lamp=1), (
            "ada's payment was refused, bob bought the only lamp, and cem bought it once more"
        )
        shop = outside.open(submission.shop, lamp=1)
        assert not await outside.customer(shop, "ada", lamp=1), "ada got what she did not pay"
        sold = [await outside.customer(shop, name, lamp=1) for name in ("bob", "cem")]
        assert sold == [True, False], (
            "ada's payment for the only lamp was refused; then bob and cem wanted it, and "
            f"{sum(sold)} of them got one"
        )


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_an_order_is_all_or_nothing(world, submission):
    """If one item of an order is not there, the others stay where they are."""
    async with visited(world, submission) as outside:
        shop = outside.open(submission.shop, lamp=1, kettle=1)
        assert not await outside.customer(shop, "ada", lamp=1, kettle=2), (
            "2 kettles were sold, and there was 1"
        )
        assert await outside.customer(shop, "bob", lamp=1, kettle=1), mistake(
            "half-reserved", "ada was refused, and now bob cannot have what she did not get."
        )


@pytest.mark.points(1)
@simulate(seeds=10)
async def test_orders_that_cross_both_end(world, submission):
    """Orders for the same items all end, in whatever order they name them."""
    async with visited(world, submission) as outside:
        shop = outside.open(submission.shop, lamp=9, kettle=9)

        async def all_end(names, *orders):
            tasks = []
            for name, (one, other) in zip(names, orders, strict=True):
                tasks.append(outside.customer(shop, name, **{one: 1, other: 1}))
                await world.pause("next customer", 0.0, 0.02)
            return await ended(*tasks)

        same, crossed = ("kettle", "lamp"), ("lamp", "kettle")
        early_birds = ("early bird", "early bird 2", "early bird 3")
        assert await all_end(early_birds, same, same, same), "three equal orders do not end"
        assert await all_end(("ada", "bob", "cem"), same, crossed, same), mistake(
            "lock-order",
            "ada and cem want a kettle and a lamp, bob wants a lamp and a kettle: "
            f"{LONG:.0f} s later some of them are still waiting.",
        )


@pytest.mark.points(1)
@pytest.mark.hint("Who waits for whom while the bank is thinking?")
@simulate(seeds=3)
async def test_strangers_do_not_wait(world, submission):
    """While the bank thinks for a minute about one customer, another one buys something else."""
    async with visited(world, submission) as outside:
        outside.slow = {"ada": 60}
        others = [f"kettle {number}" for number in range(20)]  # so many do not share a few locks
        prices = dict.fromkeys(others, 100)
        stock = dict.fromkeys(others, 1)
        shop = outside.open(submission.shop, prices, lamp=9, kettle=9, radio=1, **stock)
        alone = outside.customer(shop, "early bird", lamp=1)
        assert await ended(alone, seconds=30), "an order for a lamp, alone, takes more than 30 s"
        kettle = outside.customer(shop, "ada", kettle=1)
        await asyncio.sleep(1)
        lamp = outside.customer(shop, "bob", lamp=1)
        assert await ended(lamp, seconds=30), mistake(
            "global-lock",
            "bob wanted a lamp, and after 30 s he was still waiting, because ada was paying for a "
            "kettle.",
        )
        tasks = [outside.customer(shop, sku, **{sku: 1}) for sku in others]
        quickly = await ended(*tasks, seconds=30)
        late = [task.get_name() for task in tasks if not task.done()]
        assert quickly, mistake(
            "global-lock",
            f"{len(late)} of 20 customers, who wanted other things than a kettle ({late[0]} for "
            "one), were still waiting after 30 s, because ada was paying for a kettle.",
        )
        assert await ended(kettle), "ada's order never ends"
        outside.slow, outside.slow_refunds = {}, 60
        rivals = [outside.customer(shop, name, radio=1) for name in ("cem", "dia")]
        await asyncio.sleep(15)  # both have paid; or one of them has been told, or waits
        lamp = outside.customer(shop, "eve", lamp=1)
        assert await ended(lamp, seconds=30), mistake(
            "global-lock",
            "eve wanted a lamp, and after 30 s she was still waiting: two wanted the last radio, "
            "and one of them was being refunded.",
        )
        assert await ended(*rivals), "two wanted the last radio, and one order never ends"


def what_it_says(submission, kind):
    """A finding if the regression test fails with a shop of this kind, else None."""
    shop = variants.module_of(kind) if isinstance(kind, type) else kind

    def program(world):
        return submission.renew().regression.it_never_oversells(world, shop)

    mine = current_settings()
    settings = Settings(None, mine.replay, mine.learner, mine.debug, budget=0.1)
    finding = explore(program, seeds=WORLDS, settings=settings)
    if finding is None:
        return None
    said_no = isinstance(finding.error, AssertionError) or looks_inside(finding.error, shop)
    said_no = said_no and not isinstance(finding.error, BadSubmission)
    if finding.problems or (finding.error is not None and not said_no):
        raise WorldFailed(finding)  # it fails for a reason of its own
    return finding


def looks_inside(error, shop):
    """True if the test asks a shop for something that only its own has."""
    return isinstance(error, AttributeError) and isinstance(error.obj, shop.Shop)


def has_a_careless_bank(submission, kind):
    """True if the learner's bank gives two payments the same id: whose is refunded then?"""
    doubled = []

    class Careful(kind):
        def __init__(self, **options):
            charge, given = options["charge"], set()

            async def remembered(customer, cents):
                payment = await charge(customer, cents)
                if payment in given:
                    doubled.append(payment)
                given.add(payment)
                return payment

            super().__init__(**options | {"charge": remembered})

    what_it_says(submission, Careful)
    return bool(doubled)


def story(kind):
    return kind.__doc__.splitlines()[0] if kind is not friday.Shop else "The shop of that night."


@pytest.mark.points(1)
@pytest.mark.hint("How many customers are in the shop at the same time, and how long is the bank?")
@pytest.mark.parametrize("kind", variants.OVERSELLING, ids=lambda kind: kind.__name__)
def test_regression_fails_with_a_shop_that_oversells(submission, kind):
    """The regression test fails with a shop that oversells."""
    finding = what_it_says(submission, kind)
    assert finding is not None, mistake(
        "toothless-test",
        f"regression.py passes in {WORLDS} worlds with a shop that oversells:\n{story(kind)}",
    )


@pytest.mark.points(1)
@pytest.mark.hint("What has each customer paid in the end, and what did each of them get?")
@pytest.mark.parametrize("kind", variants.OTHERWISE_BROKEN, ids=lambda kind: kind.__name__)
def test_regression_fails_with_a_shop_that_is_no_better(submission, kind):
    """The regression test fails with a shop that does not sell what it has, or keeps money."""
    finding = what_it_says(submission, kind)
    assert finding is not None, mistake(
        "toothless-test",
        f"regression.py passes in {WORLDS} worlds with a shop that is no better:\n{story(kind)}",
    )


@pytest.mark.points(1)
@pytest.mark.hint("What does your test assert that no rule of the shop says?")
@pytest.mark.parametrize("kind", variants.CORRECT, ids=lambda kind: kind.__name__)
def test_regression_passes_with_a_correct_shop(submission, kind):
    """The regression test passes with a correct shop, however it is made."""
    finding = what_it_says(submission, kind)
    if finding is not None:
        said = str(finding.error).splitlines() or ["(an assertion without a message)"]
        assert not has_a_careless_bank(submission, kind), (
            f"regression.py fails with a correct shop:\n{story(kind)}\nIt says: {said[0]}\n"
            "But your bank gives two payments the same id. Which of them is refunded?"
        )
        finding.error = AssertionError(
            mistake(
                "overfitted-test",
                f"regression.py fails with a correct shop:\n{story(kind)}\nIt says: {said[0]}",
            )
        )
        raise WorldFailed(finding)


@pytest.mark.points(1)
def test_regression_passes_with_your_shop(submission):
    """The regression test passes with the shop as you have mended it."""
    what_it_says(submission, THAT_NIGHT)
    finding = what_it_says(submission, submission.shop)
    if finding is not None:
        raise WorldFailed(finding)
