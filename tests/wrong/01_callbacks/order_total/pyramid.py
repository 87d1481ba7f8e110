"""Three functions inside one another, the way everybody writes it first.

As long as each answer comes later, all is well. The day somebody puts a cache in front of the shop,
on_done is called while the caller is still calling order_total.

mistake: sometimes-synchronous
also: callback-called-twice
fails: test_on_done_is_called_after_order_total_has_returned,
    test_on_error_is_called_after_order_total_has_returned, test_a_look_up_that_raises_is_reported,
    test_a_product_without_a_price_is_reported, test_a_look_up_that_answers_twice_counts_once,
    test_a_look_up_that_answers_and_fails_counts_once, test_what_on_done_raises_goes_to_the_loop,
    test_what_on_error_raises_goes_to_the_loop, test_a_look_up_that_raises_has_said_its_word
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
    def got_order(order):
        def got_customer(customer):
            def got_prices(prices):
                on_done(sum(n * prices[product] for product, n in order.lines.items()))

            shop.find_prices(customer.price_list, got_prices, on_error)

        shop.find_customer(order.customer, got_customer, on_error)

    shop.find_order(number, got_order, on_error)
