"""Grades order_total.py."""

from itertools import product

import pytest

from autograder.grading import mistake
from autograder.grading.benches.callback_loop import CallbackLoop

LOOK_UPS = ("find_order", "find_customer", "find_prices")
WHEN = {0: "at once", 1: "later", 3: "much later"}


class ShopDown(Exception):
    """What a look-up fails with."""


class CallerFailed(Exception):
    """What on_done or on_error raises."""


class Shop:
    """A shop whose look-ups say what a test wants, after as many turns of the loop as it wants.

    `words[look_up, key]` is a list of (turns, word, what), where a word is "done", "fail", "raise".
    """

    def __init__(self, loop, *, careful=False):
        self.loop = loop
        self.careful = careful
        self.words = {}
        self.asked = []

    def find_order(self, number, done, fail):
        self._answer("find_order", number, done, fail)

    def find_customer(self, name, done, fail):
        self._answer("find_customer", name, done, fail)

    def find_prices(self, price_list, done, fail):
        self._answer("find_prices", price_list, done, fail)

    def _answer(self, look_up, key, done, fail):
        self.asked.append((look_up, key))
        assert (look_up, key) in self.words, f"{look_up} was asked for {key!r}, which is not there"
        for turns, word, what in self.words[look_up, key]:
            if word == "raise":
                raise what
            call = {"done": done, "fail": fail}[word]
            self.loop.call_after(turns, self._tell, call, what, fail)

    def _tell(self, call, what, fail):
        if not self.careful:
            call(what)
            return
        try:
            call(what)
        except Exception as error:  # as many a library does, and takes your error for its own
            fail(error)


class Call:
    """One call of order_total: what it raised, and what its callbacks were called with."""

    def __init__(self, submission, shop, number="A1", *, raising=None):
        self.heard = []
        self.raising = raising
        self.error = None
        self.early = None
        try:
            submission.order_total(
                number,
                shop=shop,
                call_soon=shop.loop.call_soon,
                on_done=self.on_done,
                on_error=self.on_error,
            )
        except (ShopDown, CallerFailed, KeyError) as error:
            if isinstance(error, KeyError) and error.args != ("tea",):
                raise
            self.error = error
        self.early = list(self.heard)

    def on_done(self, total):
        self._hear("on_done", total)

    def on_error(self, error):
        self._hear("on_error", error)

    def _hear(self, callback, what):
        self.heard.append((callback, what))
        if self.raising is not None:
            raise self.raising

    def __str__(self):
        said = [f"{callback}({what!r})" for callback, what in self.heard]
        return ", then ".join(said) if said else "neither on_done nor on_error was called"


def stock(shop, submission, *, number="A1", turns=(1, 1, 1), customer="ada", lines=None):
    """Put an order, its customer and the customer's prices into the shop."""
    lines = {"tea": 2, "cup": 3} if lines is None else lines
    price_list = f"{customer}'s prices"
    shop.words |= {
        ("find_order", number): [(turns[0], "done", submission.Order(customer, lines))],
        ("find_customer", customer): [
            (turns[1], "done", submission.Customer(customer, price_list))
        ],
        ("find_prices", price_list): [(turns[2], "done", dict(PRICES))],
    }


PRICES = {"tea": 450, "cup": 1200, "pot": 2900, "card": 0}
TOTAL = 2 * 450 + 3 * 1200
KEYS = {"find_order": "A1", "find_customer": "ada", "find_prices": "ada's prices"}


def open_shop(submission, *, turns=(1, 1, 1), careful=False, lines=None):
    """A shop on a loop of its own, with one order in it."""
    shop = Shop(CallbackLoop(), careful=careful)
    stock(shop, submission, turns=turns, lines=lines)
    return shop


def answers(turns):
    """When the three look-ups answer, in words."""
    if len(set(turns)) == 1:
        return f"every look-up answered {WHEN[turns[0]]}"
    return ", ".join(f"{name} answered {WHEN[t]}" for name, t in zip(LOOK_UPS, turns, strict=True))


def assert_total(call, shop, total, story):
    """The call ended with this total, told by on_done once."""
    shop.loop.run()
    assert_raised_nothing(call, story)
    shop.loop.raise_unexpected()
    assert len(call.heard) < 2, mistake("callback-called-twice", f"{story}: {call}.")
    assert call.heard == [("on_done", total)], f"{story}: {call}; expected on_done({total})"


def assert_failure(call, shop, error, story):
    """The call ended with this error, told by on_error once. `error`: an object, or a type."""
    shop.loop.run()
    assert_raised_nothing(call, story)
    matches = is_like(error)
    escaped = [e for e in shop.loop.errors if matches(e)]
    if not escaped:
        shop.loop.raise_unexpected()
    assert call.heard, mistake(
        "error-swallowed",
        f"{story}, and the caller never heard of it: {call}"
        + (", the error went up to the loop." if escaped else "."),
    )
    assert len(call.heard) < 2, mistake("callback-called-twice", f"{story}: {call}.")
    callback, what = call.heard[0]
    assert callback == "on_error", f"{story}: {call}"
    assert matches(what), f"{story}: {call}; expected on_error({error!r})"


def is_like(error):
    if isinstance(error, type):
        return lambda other: isinstance(other, error)
    return lambda other: other is error


def assert_raised_nothing(call, story):
    assert call.error is None, f"{story}, and order_total raised {call.error!r}"


@pytest.mark.points(2)
def test_the_total_is_the_sum_of_quantity_times_price(submission):
    """on_done is told the sum of quantity times price, in cents."""
    shop = open_shop(submission)
    call = Call(submission, shop)
    assert_total(call, shop, TOTAL, "2 tea at 450 and 3 cups at 1200")
    assert shop.asked == list(KEYS.items()), (
        f"the shop was asked {shop.asked}; expected {list(KEYS.items())}"
    )
    shop = open_shop(submission, lines={"tea": 2, "card": 1})
    assert_total(Call(submission, shop), shop, 900, "2 tea at 450 and a card that costs 0")


@pytest.mark.points(1)
def test_an_order_without_lines_costs_nothing(submission):
    """An order without lines costs 0."""
    shop = open_shop(submission, lines={})
    assert_total(Call(submission, shop), shop, 0, "an order without lines")
    shop = open_shop(submission, lines={})
    shop.words["find_prices", KEYS["find_prices"]] = [(1, "done", {})]
    assert_total(Call(submission, shop), shop, 0, "no lines, and a price list without prices")


@pytest.mark.points(2)
def test_it_makes_no_difference_when_look_ups_answer(submission):
    """Look-ups may answer at once or later: the total is the same, told once."""
    for turns in product(WHEN, repeat=3):
        shop = open_shop(submission, turns=turns)
        assert_total(Call(submission, shop), shop, TOTAL, answers(turns))


@pytest.mark.points(2)
@pytest.mark.hint("If all three answers come at once, how deep in order_total is on_done called?")
def test_on_done_is_called_after_order_total_has_returned(submission):
    """order_total returns before on_done is called, even if all answer at once."""
    for turns in product((0, 1), repeat=3):
        shop = open_shop(submission, turns=turns)
        call = Call(submission, shop)
        assert not call.early, mistake(
            "sometimes-synchronous",
            f"{answers(turns)}: on_done was called before order_total had returned.",
        )
        assert_total(call, shop, TOTAL, answers(turns))


@pytest.mark.points(2)
def test_on_error_is_called_after_order_total_has_returned(submission):
    """order_total returns before on_error is called, even on a failure at once."""
    for position, word in product(range(3), ("fail", "raise")):
        shop = open_shop(submission, turns=(0, 0, 0))
        look_up, error = LOOK_UPS[position], ShopDown(LOOK_UPS[position])
        shop.words[look_up, KEYS[look_up]] = [(0, word, error)]
        call = Call(submission, shop)
        story = f"{look_up} {word}s at once"
        assert not call.early, mistake(
            "sometimes-synchronous",
            f"{story}: {call.early[0][0]} was called before order_total had returned.",
        )
        assert_failure(call, shop, error, story)


@pytest.mark.points(2)
def test_a_look_up_that_fails_is_reported(submission):
    """If a look-up fails, on_error is told its error, and no more is asked."""
    for position, turns in product(range(3), (0, 1)):
        shop = open_shop(submission, turns=(1, 1, 1))
        look_up, error = LOOK_UPS[position], ShopDown(LOOK_UPS[position])
        shop.words[look_up, KEYS[look_up]] = [(turns, "fail", error)]
        call = Call(submission, shop)
        assert_failure(call, shop, error, f"{look_up} failed {WHEN[turns]}")
        assert len(shop.asked) == position + 1, (
            f"{look_up} failed, and after it {shop.asked[-1][0]} was asked"
        )


@pytest.mark.points(2)
@pytest.mark.hint("Who is on the stack when the second look-up raises? Not order_total any more.")
def test_a_look_up_that_raises_is_reported(submission):
    """If a look-up raises while it is asked, on_error is told its error."""
    for position, turns in product(range(3), (0, 1)):
        shop = open_shop(submission, turns=(turns,) * 3)
        look_up, error = LOOK_UPS[position], ShopDown(LOOK_UPS[position])
        shop.words[look_up, KEYS[look_up]] = [(0, "raise", error)]
        call = Call(submission, shop)
        assert_failure(call, shop, error, f"{look_up} raised")


@pytest.mark.points(2)
def test_a_product_without_a_price_is_reported(submission):
    """If a product has no price, on_error is told a KeyError."""
    for turns in (0, 1):
        shop = open_shop(submission, turns=(turns,) * 3)
        shop.words["find_prices", KEYS["find_prices"]] = [(turns, "done", {"cup": 1200})]
        call = Call(submission, shop)
        assert_failure(call, shop, KeyError, "the price list has no tea")
    shop = open_shop(submission)
    shop.words["find_prices", KEYS["find_prices"]] = [(1, "done", {"cup": 1200})] * 2
    story = "find_prices answered twice, and the price list has no tea"
    assert_failure(Call(submission, shop), shop, KeyError, story)


@pytest.mark.points(2)
@pytest.mark.hint("A look-up that answers twice calls your function twice. Who notices?")
def test_a_look_up_that_answers_twice_counts_once(submission):
    """A look-up that answers twice counts once, with its first answer."""
    for position, turns in product(range(3), ((0, 0), (0, 1), (1, 1), (1, 3))):
        shop = open_shop(submission)
        stock(shop, submission, number="B2", customer="bob", turns=(0, 0, 0), lines={"pot": 1})
        look_up = LOOK_UPS[position]
        first = shop.words[look_up, KEYS[look_up]][0][2]
        others = {
            "find_order": submission.Order("bob", {"pot": 1}),
            "find_customer": submission.Customer("bob", "bob's prices"),
            "find_prices": {"tea": 1, "cup": 1},
        }
        shop.words[look_up, KEYS[look_up]] = [
            (turns[0], "done", first),
            (turns[1], "done", others[look_up]),
        ]
        call = Call(submission, shop)
        story = f"{look_up} answered {WHEN[turns[0]]} and again {WHEN[turns[1]]}"
        assert_total(call, shop, TOTAL, story)
        assert len(shop.asked) == 3, f"{story}; the shop was asked {shop.asked}"


@pytest.mark.points(2)
def test_a_look_up_that_answers_and_fails_counts_once(submission):
    """Of a look-up that answers and fails, the first word counts."""
    for position, turns in product(range(3), (0, 1)):
        look_up = LOOK_UPS[position]
        error = ShopDown(look_up)
        shop = open_shop(submission)
        answer = shop.words[look_up, KEYS[look_up]][0][2]
        failing, answering = (turns, "fail", error), (turns, "done", answer)

        shop.words[look_up, KEYS[look_up]] = [answering, failing]
        story = f"{look_up} answered and then failed"
        assert_total(Call(submission, shop), shop, TOTAL, story)

        shop.asked.clear()
        shop.words[look_up, KEYS[look_up]] = [failing, answering]
        story = f"{look_up} failed and then answered"
        assert_failure(Call(submission, shop), shop, error, story)
        assert_nothing_follows(shop, position, story)

    for look_up in LOOK_UPS:
        shop = open_shop(submission, turns=(0, 0, 0))
        answer = shop.words[look_up, KEYS[look_up]][0][2]
        shop.words[look_up, KEYS[look_up]] = [
            (0, "done", answer),
            (0, "raise", ShopDown(look_up)),
        ]
        story = f"{look_up} answered and then raised"
        assert_total(Call(submission, shop), shop, TOTAL, story)


@pytest.mark.points(1)
@pytest.mark.hint("A look-up that has raised has said its first word.")
def test_a_look_up_that_raises_has_said_its_word(submission):
    """Of a look-up that raises, and fails before or answers later, the first word counts."""
    for position, turns in product(range(3), (0, 1)):
        look_up = LOOK_UPS[position]
        error, second = ShopDown(look_up), ShopDown("in other words")
        shop = open_shop(submission, turns=(turns,) * 3)
        answer = shop.words[look_up, KEYS[look_up]][0][2]

        shop.words[look_up, KEYS[look_up]] = [(1, "done", answer), (0, "raise", error)]
        story = f"{look_up} raised, and answered later"
        assert_failure(Call(submission, shop), shop, error, story)
        assert_nothing_follows(shop, position, story)

        shop.asked.clear()
        shop.words[look_up, KEYS[look_up]] = [(0, "fail", error), (0, "raise", second)]
        story = f"{look_up} failed, and then raised"
        assert_failure(Call(submission, shop), shop, error, story)
        assert_nothing_follows(shop, position, story)


def assert_nothing_follows(shop, position, story):
    asked = [look_up for look_up, _ in shop.asked]
    assert asked == list(LOOK_UPS[: position + 1]), f"{story}; asked were {', '.join(asked)}"


@pytest.mark.points(2)
@pytest.mark.hint("Is on_done called inside a try of yours? Or of somebody else's?")
def test_what_on_done_raises_goes_to_the_loop(submission):
    """What on_done raises goes to the loop, and not to on_error."""
    for careful, turns in product((False, True), (0, 1)):
        shop = open_shop(submission, turns=(turns,) * 3, careful=careful)
        error = CallerFailed("the page is gone")
        call = Call(submission, shop, raising=error)
        assert_goes_to_the_loop(call, shop, error, "on_done")


@pytest.mark.points(1)
def test_what_on_error_raises_goes_to_the_loop(submission):
    """What on_error raises goes to the loop, and it is not called again."""
    failures = [("fail", ShopDown("prices")), ("raise", ShopDown("prices")), ("done", {"cup": 1})]
    for careful, turns, (word, what) in product((False, True), (0, 1), failures):
        shop = open_shop(submission, turns=(turns,) * 3, careful=careful)
        shop.words["find_prices", KEYS["find_prices"]] = [(turns, word, what)]
        error = CallerFailed("the page is gone")
        call = Call(submission, shop, raising=error)
        assert_goes_to_the_loop(call, shop, error, "on_error")


def assert_goes_to_the_loop(call, shop, error, callback):
    shop.loop.run()
    assert call.heard, f"{call}, although each look-up said something"
    assert len(call.heard) < 2, mistake(
        "callback-called-twice", f"{callback} raised {error!r}, and what was called is: {call}."
    )
    assert call.heard[0][0] == callback, f"{callback} was to be called: {call}"
    told = shop.loop.take(error)
    shop.loop.raise_unexpected()
    where = "order_total raised it" if call.error else "it ended in the look-up that called you"
    assert told, f"{callback} raised {error!r}, and the loop was not told: {where}"
    assert call.error is None, f"{callback} raised {error!r}, and so did order_total"


@pytest.mark.points(1)
def test_orders_do_not_get_into_each_others_way(submission):
    """Several orders at the same time each have their own total."""
    shop = open_shop(submission, turns=(3, 1, 3))
    stock(shop, submission, number="B2", customer="bob", turns=(1, 3, 3), lines={"pot": 1})
    stock(shop, submission, number="C3", customer="eve", turns=(0, 0, 0), lines={"cup": 1})
    calls = [Call(submission, shop, number) for number in ("A1", "B2", "C3")]
    for call, total, number in zip(calls, (TOTAL, 2900, 1200), ("A1", "B2", "C3"), strict=True):
        assert_total(call, shop, total, f"three orders at the same time, of these {number}")
