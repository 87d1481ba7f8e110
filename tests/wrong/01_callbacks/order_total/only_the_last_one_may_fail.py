"""Prints what goes wrong on the way, and tells the caller only of the last look-up's failure.

The caller waits for one of two callbacks, and neither comes. There is a line in a log somewhere.

mistake: error-swallowed
fails: test_a_look_up_that_fails_is_reported, test_a_look_up_that_raises_is_reported,
    test_on_error_is_called_after_order_total_has_returned,
    test_a_look_up_that_answers_and_fails_counts_once,
    test_a_look_up_that_raises_has_said_its_word
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    customer: str
    lines: dict


@dataclass(frozen=True)
class Customer:
    name: str
    price_list: str


def order_total(number, *, shop, call_soon, on_done, on_error):
    said = set()

    def ask(look_up, key, done, fail):
        def once(function, what):
            if key not in said:
                said.add(key)
                function(what)

        def safely(answer):
            try:
                done(answer)
            except Exception as error:
                fail(error)

        try:
            look_up(key, lambda answer: once(safely, answer), lambda error: once(fail, error))
        except Exception as error:
            once(fail, error)

    def log(error):
        print("order_total:", error)

    def step_2(order):
        ask(shop.find_customer, order.customer, lambda customer: step_3(order, customer), log)

    def step_3(order, customer):
        ask(
            shop.find_prices,
            customer.price_list,
            lambda prices: step_4(order, prices),
            lambda error: call_soon(on_error, error),
        )

    def step_4(order, prices):
        call_soon(on_done, sum(prices[name] * count for name, count in order.lines.items()))

    ask(shop.find_order, number, step_2, log)
