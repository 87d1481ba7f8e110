"""Every answer is taken to the loop first, so nothing is ever called from inside a look-up.

Questions are asked in fresh callbacks too; one decorator makes a pair of functions a one-off.
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


def pair(call_soon, done, fail):
    """`done` and `fail`, of which one is called, once, by the loop."""
    left = [1]

    def wrap(function):
        def wrapped(what):
            if left:
                left.pop()
                call_soon(function, what)

        return wrapped

    return wrap(done), wrap(fail)


def order_total(number, *, shop, call_soon, on_done, on_error):
    def start():
        ask(shop.find_order, number, with_order)

    def ask(look_up, key, go_on):
        def carefully(answer):
            # Runs in the loop. go_on may only compute; what it returns is to be called next.
            try:
                call = go_on(answer)
            except Exception as error:
                on_error(error)
            else:
                call()

        done, fail = pair(call_soon, carefully, on_error)
        try:
            look_up(key, done, fail)
        except Exception as error:
            fail(error)

    def with_order(order):
        def with_customer(customer):
            return lambda: ask(shop.find_prices, customer.price_list, with_prices)

        def with_prices(prices):
            total = sum(quantity * prices[name] for name, quantity in order.lines.items())
            return lambda: on_done(total)

        return lambda: ask(shop.find_customer, order.customer, with_customer)

    call_soon(start)
