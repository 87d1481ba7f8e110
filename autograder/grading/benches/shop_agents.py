"""The shop's agents, inventory, payment and shipping, and what came of an order: for graders.

Nothing here knows of a network. Whoever delivers a command to an agent, however late or often, says
`handle` and gets the answer; what has happened then is in `effects`, and in the sequence diagram.
`harm` and `outcome` say what is wrong, and how an order has ended, whatever kind of saga it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from autograder.simulation import World

UNAVAILABLE = "Unavailable"


@dataclass(frozen=True)
class Command:
    """What an agent can be asked to do, and what it answers."""

    agent: str
    done: str
    refused: str = ""
    undoes: str = ""


COMMANDS = {
    "ReserveStock": Command("inventory", "StockReserved", "StockRefused"),
    "TakePayment": Command("payment", "PaymentTaken", "PaymentDeclined"),
    "ShipOrder": Command("shipping", "OrderShipped", "ShipmentRefused"),
    "ConfirmDelivery": Command("shipping", "OrderDelivered"),
    "RefundPayment": Command("payment", "PaymentRefunded", undoes="TakePayment"),
    "ReleaseStock": Command("inventory", "StockReleased", undoes="ReserveStock"),
}
UNDONE_BY = {command.undoes: name for name, command in COMMANDS.items() if command.undoes}


@dataclass(frozen=True)
class Effect:
    """Something has happened: `kind` is an event, such as "PaymentTaken"."""

    time: float
    kind: str
    order_id: str
    key: str


@dataclass(frozen=True)
class Harm:
    """What can never be right about an order.

    Attributes:
        command: the one that did it; said: the whole of it, in words.
    """

    kind: Literal[
        "done twice",
        "undone twice",
        "undone, never done",
        "undone after the pivot",
        "undone in forward order",
    ]
    command: str
    said: str


class Agents:
    """The state of the three agents, and what has happened.

    An agent does what it is asked, once for each key: for a key that it knows it gives the answer
    that it gave before, also if that was a refusal. With another key it does it once more, and it
    does not ask whether what it is to undo has been done.

    Args:
        stock: how many there are of each SKU.
        refuses: (command, order_id) -> whether the agent refuses it.
        unavailable: (command, order_id, nth request) -> whether it cannot just now.
        careful: an undo that comes first does nothing, and what it undoes is refused from then on.

    Attributes:
        name_of_key: what the brief calls a key.
    """

    name_of_key = "key"

    def __init__(
        self,
        world: World,
        *,
        stock: Mapping[str, int] | None = None,
        refuses: Callable[[str, str], bool] = lambda command, order_id: False,
        unavailable: Callable[[str, str, int], bool] = lambda command, order_id, nth: False,
        careful: bool = False,
    ) -> None:
        self.world = world
        self.stock = dict(stock or {"lamp": 100, "desk": 100, "chair": 100})
        self.effects: list[Effect] = []
        self.refusals: list[Effect] = []
        self.refuses = refuses
        self.unavailable = unavailable
        self._careful = careful
        self._answers: dict[str, tuple[str, str, str]] = {}
        self._requests: dict[tuple[str, str], int] = {}
        self._blocked: set[tuple[str, str]] = set()

    # -- what an agent does -----------------------------------------------------------------------

    def handle(self, command: str, key: str, order: Mapping[str, Any]) -> str:
        """A command has arrived; the answer: an event's name, or UNAVAILABLE.

        Raises:
            ValueError: the key belongs to another command, or to another order.
        """
        order_id = order["order_id"]
        if key in self._answers:
            before, whose, answer = self._answers[key]
            if (before, whose) != (command, order_id):
                raise ValueError(
                    f"the {self.name_of_key} {key!r} is that of {before} {whose}, and cannot be "
                    f"that of {command} {order_id} as well"
                )
            return answer
        nth = self._requests[command, order_id] = self._requests.get((command, order_id), 0) + 1
        if self.unavailable(command, order_id, nth):
            return UNAVAILABLE
        answer = self._act(command, key, order)
        self._answers[key] = command, order_id, answer
        return answer

    def _act(self, command: str, key: str, order: Mapping[str, Any]) -> str:
        what, order_id = COMMANDS[command], order["order_id"]
        if self._careful and what.undoes:
            nothing_to_undo = self.count(order_id, command) >= self.count(order_id, what.undoes)
            self._blocked.add((what.undoes, order_id))
            if nothing_to_undo:
                return what.done
        if what.refused and (
            self.refuses(command, order_id)
            or (command, order_id) in self._blocked
            or (command == "ReserveStock" and not self._has(order["items"]))
        ):
            self.refusals.append(Effect(self.world.time(), what.refused, order_id, key))
            self.world.happens(what.agent, f"{what.refused} {order_id}")
            return what.refused
        if what.agent == "inventory":
            sign = -1 if command == "ReserveStock" else 1
            for sku, quantity in order["items"].items():
                self.stock[sku] = self.stock.get(sku, 0) + sign * quantity
        self.effects.append(Effect(self.world.time(), what.done, order_id, key))
        self.world.happens(what.agent, f"{what.done} {order_id}")
        return what.done

    def _has(self, items: Mapping[str, int]) -> bool:
        return all(self.stock.get(sku, 0) >= quantity for sku, quantity in items.items())

    # -- what has happened ------------------------------------------------------------------------

    def of(self, order_id: str) -> list[str]:
        """What has happened for an order, in order: events' names."""
        return [effect.kind for effect in self.effects if effect.order_id == order_id]

    def count(self, order_id: str, command: str) -> int:
        """How often a command has been carried out for an order."""
        return self.of(order_id).count(COMMANDS[command].done)

    def was_refused(self, order_id: str) -> bool:
        """True if an agent has refused something of this order."""
        return any(refusal.order_id == order_id for refusal in self.refusals)

    def outcome(self, order_id: str) -> Literal["delivered", "cancelled", "under way"]:
        """How an order has ended, by what has happened: "cancelled" if nothing is left of it."""
        if self.count(order_id, "ConfirmDelivery"):
            return "delivered"
        if self.count(order_id, "ShipOrder") or any(
            self.count(order_id, do) > self.count(order_id, undo) for do, undo in UNDONE_BY.items()
        ):
            return "under way"
        return "cancelled"

    def left(self, order_id: str) -> list[str]:
        """What has happened for an order and has not been undone: events' names."""
        return [
            COMMANDS[do].done
            for do in ("ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery")
            if self.count(order_id, do)
            > (self.count(order_id, UNDONE_BY[do]) if do in UNDONE_BY else 0)
        ]

    def harm(self, order_id: str) -> Harm | None:
        """What can never be right about an order, whether it has ended or not; None if all is."""
        events = self.of(order_id)
        for do in ("ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery"):
            done, undo = self.count(order_id, do), UNDONE_BY.get(do)
            undone = self.count(order_id, undo) if undo else 0
            if done > 1:
                said = f"{order_id}: {COMMANDS[do].done} has happened {_times(done)}."
                return Harm("done twice", do, said)
            if undo is None or undone <= done:
                continue
            said = f"{order_id}: {COMMANDS[undo].done} has happened {_times(undone)}"
            if done:
                return Harm("undone twice", undo, f"{said}, {COMMANDS[do].done} once.")
            return Harm("undone, never done", undo, f"{said}, {COMMANDS[do].done} never.")
        undone_events = [event for event in events if event in ("StockReleased", "PaymentRefunded")]
        if "OrderShipped" in events and undone_events:
            said = f"{order_id} was shipped, and {' and '.join(undone_events)} have happened, too."
            return Harm("undone after the pivot", UNDONE_BY["TakePayment"], said)
        if undone_events == ["StockReleased", "PaymentRefunded"]:
            said = f"{order_id}: StockReleased came before PaymentRefunded."
            return Harm("undone in forward order", "ReleaseStock", said)
        return None


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
