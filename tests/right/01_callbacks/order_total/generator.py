"""A generator that yields its questions, and a driver that sends it the answers.

Reads from top to bottom, with an ordinary try. Module 02 builds on this trick.
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


def steps(number, shop):
    order = yield shop.find_order, number
    customer = yield shop.find_customer, order.customer
    prices = yield shop.find_prices, customer.price_list
    return sum(quantity * prices[product] for product, quantity in order.lines.items())


def order_total(number, *, shop, call_soon, on_done, on_error):
    generator = steps(number, shop)

    def resume(action, what):
        try:
            look_up, key = action(what)
        except StopIteration as stop:
            call_soon(on_done, stop.value)
        except Exception as error:
            call_soon(on_error, error)
        else:
            question(look_up, key)

    def question(look_up, key):
        open_ = [True]

        def first(action):
            # Answers go through the loop: a look-up that answers at once would otherwise resume a
            # generator from inside itself.
            return lambda what: open_ and (open_.clear(), call_soon(resume, action, what))

        fail = first(generator.throw)
        try:
            look_up(key, first(generator.send), fail)
        except Exception as error:
            fail(error)

    call_soon(resume, generator.send, None)
