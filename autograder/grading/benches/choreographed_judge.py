"""What is wrong with an order that went through a choreographed shop, for graders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..mistakes import mistake
from .choreographed_parts import AGENTS, SAYS, Effect, Heard, Order, told
from .choreographed_shop import LONG, Shop
from .order_faults import Fault

_EVENTS = {
    "inventory": ("StockReserved", "StockReleased"),
    "payment": ("PaymentTaken", "PaymentRefunded"),
    "shipping": ("OrderShipped", ""),
}
_UNDOES = {
    "inventory": ("PaymentDeclined", "ShipmentRefused"),
    "payment": ("ShipmentRefused",),
    "shipping": ("CancelRequested",),
}
_BEFORE = {"payment": "StockReserved", "shipping": "PaymentTaken"}

DOUBLED = {"done twice": "not-idempotent", "said twice": "not-idempotent"}
"""What it is besides, if all is well as long as no event comes twice."""
OUT_OF_ORDER = dict.fromkeys(
    ("raises", "no end", "kept", "too soon", "odd", "silent", "only said"), "assumes-arrival-order"
)
"""What it is besides, if all is well as long as causes come before what they cause."""
KILLED = {"done twice": "not-idempotent", "silent": "dual-write", "only said": "dual-write"}
"""What it is besides, if all is well as long as nobody is killed."""


def id_without_effect(shop: Shop, found: Sequence[Fault]) -> None:
    """Fail if an order has no end since an event's id was committed alone. To be asked if all is
    well as long as nobody is killed."""
    if shop.ids_alone and found[0].kind in ("no end", "raises", "kept"):
        said = (
            f"The id of {shop.ids_alone[0]} was committed, the agent was killed, and the event was "
            f"taken for done when it came again. {found[0].said}"
        )
        raise AssertionError(mistake("id-without-effect", said))


@dataclass(frozen=True)
class Tally:
    """How often an agent has done its part for an order, and undone it."""

    agent: str
    done: int
    undone: int

    @property
    def left(self) -> int:
        return self.done - self.undone


def faults(shop: Shop) -> list[Fault]:
    """All that is wrong in a shop in which nothing happens any more; the gravest first."""
    for agent, what in shop.odd_data:
        said = f"{agent} published {what}; it has to be a JSON object, as json.dumps makes one."
        return [Fault("odd", said)]
    found = [fault for order in shop.orders.values() for fault in faults_of(shop, order)]
    return [*found, *_taken_back(shop)]


def _taken_back(shop: Shop) -> Iterator[Fault]:
    """Rows that were published are in no outbox any more."""
    for agent in AGENTS:
        published = sum(said.agent == agent for said in shop.said)
        left = shop.rows(agent, "SELECT COUNT(*) FROM outbox")[0][0]
        if left < published:
            said = (
                f"{agent} published from its outbox: {published}; rows that are left in it: {left}"
            )
            yield Fault("took back", f"{said}. They are to stay there.")


def faults_of(shop: Shop, order: Order) -> Iterator[Fault]:
    """What is wrong with one order."""
    effects = [effect for effect in shop.effects if effect.order_id == order.order_id]
    odd = [effect for effect in effects if abs(_times(order, effect)) != 1]
    if odd:
        yield Fault("odd", f"{_amounts(order)}, and {odd[0].agent} {told(odd[0])}.")
        return
    tallies = [_tally(order, effects, agent) for agent in _EVENTS]
    for effect in effects:
        yield from _too_soon(shop, order, effect)
    for tally in tallies:
        yield from _undone_wrongly(order, tally)
    for tally in tallies:
        did = [e for e in effects if e.agent == tally.agent and _times(order, e) > 0]
        if did:
            yield from _after_the_undo(shop, order, did[0])
    yield from _after_shipping(shop, order, tallies)
    for tally in tallies:
        if tally.done > 1:
            what = f"what is {_EVENTS[tally.agent][0]}"
            times = _times_in_words(tally.done)
            said = f"{tally.agent} has done {times} for {order.order_id} {what}."
            yield Fault("done twice", said)
    yield from _cancelled_wrongly(shop, order, effects, tallies)
    for tally in tallies:
        yield from _said_and_done(shop, order, tally)
    yield from _said_twice(shop, order)
    yield from _no_end(shop, order)


def said_types(shop: Shop, order_id: str, agent: str = "") -> list[str]:
    """The types of the events that were published for an order, by all agents or by one."""
    return [s.type for s in shop.said if s.order_id == order_id and agent in ("", s.agent)]


def heard(shop: Shop, agent: str, type_: str, order_id: str) -> list[Heard]:
    """The times at which an agent was handed an event of this type."""
    wanted = agent, type_, order_id
    return [h for h in shop.heard if (h.agent, h.type, h.order_id) == wanted]


def _times(order: Order, effect: Effect) -> int:
    """How often the order's own amount this is: positive if done, negative if undone, or else 0."""
    amount = {
        "inventory": -order.items.get(effect.what, 0),
        "payment": -order.total if effect.what == order.customer else 0,
        "shipping": 1,
    }[effect.agent]
    return effect.by // amount if amount and effect.by % amount == 0 else 0


def _amounts(order: Order) -> str:
    items = ", ".join(f"{quantity} {sku}" for sku, quantity in order.items.items())
    return f"{order.order_id} is {items} for {order.total / 100:,.2f}"


def _tally(order: Order, effects: list[Effect], agent: str) -> Tally:
    """The most that any of the agent's amounts was done, and undone."""
    done: dict[str, int] = {}
    undone: dict[str, int] = {}
    for effect in effects:
        if effect.agent == agent:
            times = _times(order, effect)
            into = done if times > 0 else undone
            into[effect.what] = into.get(effect.what, 0) + abs(times)
    return Tally(agent, max(done.values(), default=0), max(undone.values(), default=0))


def _too_soon(shop: Shop, order: Order, effect: Effect) -> Iterator[Fault]:
    needed = _BEFORE.get(effect.agent, "")
    if needed and _times(order, effect) > 0:
        times = [h.time for h in heard(shop, effect.agent, needed, order.order_id)]
        if min(times, default=math.inf) > effect.time:
            said = f"{effect.agent} {told(effect)} for {order.order_id} before it heard {needed}."
            yield Fault("too soon", said)


def _after_the_undo(shop: Shop, order: Order, effect: Effect) -> Iterator[Fault]:
    for undo in _UNDOES[effect.agent]:
        for one in heard(shop, effect.agent, undo, order.order_id):
            if one.handled < effect.time:
                said = (
                    f"{effect.agent} had handled {undo} for {order.order_id} after "
                    f"{one.handled:.0f} s, and after {effect.time:.0f} s it {told(effect)} for it."
                )
                left = f"{effect.agent} returned from {undo}"
                if left in shop.left_open:
                    said = f"{said} {left} without a commit: what it had written was rolled back."
                    yield Fault("rolled back", said)
                else:
                    yield Fault("done after the undo", said)
                return


def _undone_wrongly(order: Order, tally: Tally) -> Iterator[Fault]:
    did, undid = _EVENTS[tally.agent]
    if tally.undone <= tally.done:
        return
    if not tally.done:
        said = f"{tally.agent} has undone for {order.order_id} what it had never done"
        yield Fault("undone, never done", f"{said}: no {did}, and a {undid}.")
    else:
        said = (
            f"{tally.agent} has done its part of {order.order_id} {_times_in_words(tally.done)} "
            f"and undone it {_times_in_words(tally.undone)}."
        )
        yield Fault("undone twice", said)


def _times_in_words(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _after_shipping(shop: Shop, order: Order, tallies: list[Tally]) -> Iterator[Fault]:
    stock, money, parcels = tallies
    if not parcels.done:
        return
    types = said_types(shop, order.order_id, "shipping")
    if {"OrderShipped", "ShipmentRefused"} <= set(types):
        said = f"shipping published {' and then '.join(types)} for {order.order_id}."
        yield Fault("undone after the pivot", said)
    for tally in (stock, money):
        if tally.left <= 0:
            said = (
                f"A parcel was sent for {order.order_id}, and {tally.agent} has undone its part: "
                "the customer has both."
            )
            yield Fault("undone after the pivot", said)


def _cancelled_wrongly(
    shop: Shop, order: Order, effects: list[Effect], tallies: list[Tally]
) -> Iterator[Fault]:
    told_so = [s for s in shop.said if (s.type, s.order_id) == ("OrderCancelled", order.order_id)]
    closed = shop.closed_after.get(order.order_id, math.inf)
    if not told_so:
        return
    count = min(told_so[0].effects, closed)
    said_first = told_so[0].effects == count
    before = [e for e in shop.effects[: int(count)] if e.order_id == order.order_id]
    for tally in tallies:
        then = _tally(order, before, tally.agent)
        now = (
            f"OrderCancelled was published for {order.order_id}, and {tally.agent}"
            if said_first
            else f"{order.order_id} had the status cancelled, and {tally.agent}"
        )
        did = _EVENTS[tally.agent][0]
        if tally.left > 0 and did not in said_types(shop, order.order_id, tally.agent):
            took = next(e for e in effects if e.agent == tally.agent)
            said = f"{now} {told(took)} and never published {did}: what it took is lost."
            yield Fault("kept", said)
        elif tally.left > 0:
            yield Fault("kept", f"{now} never undid {did}.")
        elif then.left > 0:
            said = f"{now} had not yet undone its part: {_EVENTS[tally.agent][1]} came later."
            yield Fault("early", said)
        elif then != tally:
            said = f"{now} did its part after that."
            yield Fault("early", said)


def _said_and_done(shop: Shop, order: Order, tally: Tally) -> Iterator[Fault]:
    types = said_types(shop, order.order_id, tally.agent)
    for event, done in zip(_EVENTS[tally.agent], (tally.done, tally.undone), strict=True):
        if event and done and event not in types:
            what = "undid" if event == _EVENTS[tally.agent][1] else "did"
            said = (
                f"{tally.agent} {what} its part of {order.order_id}, and never published {event}."
            )
            if shop.took_back(tally.agent):
                said += " It has deleted rows of its outbox; they are to stay there."
            yield Fault("silent", said)
        elif event in types and not done:
            said = f"{tally.agent} published {event} for {order.order_id}, and nothing was changed."
            yield Fault("only said", said)
    if tally.agent == "shipping":
        status, cancelled = shop.status(order.order_id), said_types(shop, order.order_id, "orders")
        if status == "cancelled" and not cancelled:
            said = f"{order.order_id} has the status cancelled; OrderCancelled was not published."
            yield Fault("silent", said)
        elif cancelled and status != "cancelled":
            said = (
                f"OrderCancelled was published, and the status of {order.order_id} is {status!r}."
            )
            yield Fault("only said", said)


def _said_twice(shop: Shop, order: Order) -> Iterator[Fault]:
    for agent in SAYS:
        types = said_types(shop, order.order_id, agent)
        for type_ in dict.fromkeys(types):
            if types.count(type_) > 1:
                said = f"{agent} published {type_} {types.count(type_)} times for {order.order_id}."
                yield Fault("said twice", said)


def _no_end(shop: Shop, order: Order) -> Iterator[Fault]:
    for agent, type_, error in shop.given_up:
        said = f"{agent} was handed {type_} again and again, and each time it raised {error!r}."
        yield Fault("raises", said, error)
    status = shop.status(order.order_id)
    parcels = shop.rows(
        "shipping", "SELECT COUNT(*) FROM parcels WHERE order_id = ?", order.order_id
    )[0][0]
    expected = "shipped" if parcels else "cancelled"
    if status == expected:
        return
    published = said_types(shop, order.order_id)
    unknown = [f"{s.type} ({s.agent})" for s in shop.said if s.type not in SAYS[s.agent]]
    said = (
        f"Everything was delivered, {LONG / 3600:.0f} hours have gone by, and the status of "
        f"{order.order_id} is {status!r}; expected 'shipped' or 'cancelled'"
        if not parcels
        else f"A parcel was sent, and the status of {order.order_id} is {status!r}"
    )
    said += f". Published: {', '.join(published) or 'nothing'}."
    if unknown:
        said += f" Nobody expects {unknown[0]}."
    if shop.left_open:
        said += f" And {shop.left_open[0]} without a commit: what it had written was rolled back."
    yield Fault("no end", said)
