"""What is wrong with orders that a process manager was to bring to their ends, for graders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .managed_parts import Sent
from .managed_shop import LONG, ManagedShop
from .order_faults import Fault

_REST = 100.0
"""Seconds in which somebody who is not yet done with an order would send something."""


_JUST_THEN = 10.0
"""Seconds in which it must have written down what it has told the shop."""


async def settle(shop: ManagedShop) -> list[Fault]:
    """Wait until every order has ended, and all that was under way has come; what is wrong then,
    the gravest first."""
    await shop.until_ended()
    rest = shop.at_rest()
    await shop.until(lambda: shop.at_rest() >= _REST, LONG / 2)
    found = [*_of_the_manager(shop)]
    for order_id in shop.orders:
        found += _of_an_order(shop, order_id, rest)
    if not found and shop.unacknowledged:
        types = ", ".join(sorted({mail.type for mail in shop.unacknowledged}))
        found.append(Fault("unacknowledged", f"All has ended; never acknowledged: {types}."))
    if not await shop.stop() and not found:
        found.append(Fault("stays", "manage was cancelled, and 30 s later it has not ended."))
    return found


def _of_the_manager(shop: ManagedShop) -> Iterator[Fault]:
    task = shop.task
    if task is not None and task.done():
        error = task.exception()
        if error is not None:
            yield Fault("raises", f"manage raised {error!r}.", error)
        else:
            yield Fault("returned", "manage returned, and nobody had cancelled it.")
    for said in shop.misuse[:1]:
        yield Fault("misuse", f"{said}.")


def _of_an_order(shop: ManagedShop, order_id: str, rest: float) -> Iterator[Fault]:
    """What is wrong with an order; ``rest``: for how many seconds nothing had been sent at last."""
    agents = shop.agents
    harm = agents.harm(order_id)
    if harm is not None:
        yield Fault(harm.kind, harm.said)
    yield from _too_soon(shop, order_id)
    told = [sent for sent in shop.told if sent.mail.order_id == order_id]
    types = list(dict.fromkeys(sent.mail.type for sent in told))
    happened = agents.of(order_id)
    if not told:
        so_far = ", ".join(happened) or "nothing"
        said = (
            f"{order_id} has had no end for {LONG / 3600:.0f} hours"
            if rest < shop.longest_wait
            else f"{order_id} has no end, and for {rest / 60:.0f} minutes nothing has been sent"
        )
        said += f". What has happened: {so_far}."
        if "OrderDelivered" in happened or (happened and not agents.left(order_id)):
            said += " Nothing is left to be done, and the shop was not told."
        yield Fault("no end", said)
        return
    if len(types) > 1:
        yield Fault(
            "two ends", f"The shop was told of {order_id} {types[0]}, and {types[1]} later."
        )
    if types[0] == "OrderDelivered":
        if "OrderDelivered" not in happened:
            said = f"The shop was told that {order_id} is delivered. What has happened: {happened}."
            yield Fault("untrue", said)
    else:
        yield from _cancelled_wrongly(shop, order_id, told[0].time)
    yield from _goes_on(shop, order_id, told)


def _goes_on(shop: ManagedShop, order_id: str, told: Sequence[Sent]) -> Iterator[Fault]:
    """Something was sent although the order had ended. Killed before it could write down that it
    has told the shop, a manager tells it once more: the same message."""
    end = told[0]
    for sent in shop.sent:
        if sent.mail.order_id == order_id and sent.to != "shop" and sent.time > end.time:
            said = f"{sent.mail.type} was sent for {order_id} after its end had been told."
            yield Fault("goes on", said)
            return
    for again in told[1:]:
        what = f"{again.mail.type} of {order_id} was sent to the shop"
        if not any(end.time <= kill <= end.time + _JUST_THEN for kill in shop.kills):
            times = f"after {end.time:.0f} s and after {again.time:.0f} s"
            said = f"{what} {times}: it had ended, and nobody had been killed just then."
            yield Fault("goes on", said)
            return
        if again.mail.id != end.mail.id:
            ids = f"{end.mail.id!r} and {again.mail.id!r}"
            yield Fault("said twice", f"{what} with the ids {ids}: to the shop, that is twice.")
            return


def _too_soon(shop: ManagedShop, order_id: str) -> Iterator[Fault]:
    """A step was sent before the one before it had been done."""
    steps = ("ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery")
    happened = ("StockReserved", "PaymentTaken", "OrderShipped")
    for done, step in zip(happened, steps[1:], strict=True):
        sends = shop.sends(order_id, step)
        times = [e.time for e in shop.agents.effects if (e.order_id, e.kind) == (order_id, done)]
        if sends and (not times or sends[0].time < times[0]):
            yield Fault("too soon", f"{step} was sent for {order_id} before {done} had happened.")


def _cancelled_wrongly(shop: ManagedShop, order_id: str, when: float) -> Iterator[Fault]:
    left = shop.agents.left(order_id)
    if left:
        said = f"The shop was told that {order_id} is cancelled, and of it is left: {left[-1]}."
        yield Fault("money kept" if left[-1] == "PaymentTaken" else "kept", said)
        return
    later = [e for e in shop.agents.effects if e.order_id == order_id and e.time > when]
    if later:
        said = (
            f"The shop was told after {when:.0f} s that {order_id} is cancelled; "
            f"{later[0].kind} came after {later[0].time:.0f} s."
        )
        yield Fault("early", said)
        return
    if "ReserveStock" in [s.mail.type for s in shop.sent if s.mail.order_id == order_id]:
        return
    yield Fault("untrue", f"{order_id} was cancelled, and nobody had been asked anything.")
