"""A managed shop in data: messages, what was sent, how they travel; and its bank; for graders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .shop_agents import COMMANDS, Agents

AGENT_OF = {name: command.agent for name, command in COMMANDS.items()} | {
    "CancelPayment": "payment"
}
ENDS = ("OrderDelivered", "OrderCancelled")


@dataclass(frozen=True)
class Mail:
    """A message on its way, whoever made it."""

    id: str
    type: str
    order_id: str
    data: Mapping[str, Any]
    reply_to: str | None = None


@dataclass(frozen=True)
class Sent:
    """What the manager has sent. ``nth``: how often it has sent this command for this order."""

    time: float
    to: str
    mail: Mail
    nth: int


Route = Callable[[Sent, str], Sequence[float]]
"""What was sent, and the reply or "" for the command itself -> the copies' seconds under way."""


def at_once(sent: Sent, reply: str) -> Sequence[float]:
    """Nothing is lost, and everything takes half a second."""
    return (0.5,)


class Bank(Agents):
    """The three agents, with a payment that can be cancelled as long as it has not been taken."""

    name_of_key = "id"

    def _act(self, command: str, key: str, order: Mapping[str, Any]) -> str:
        if command != "CancelPayment":
            return super()._act(command, key, order)
        if self.count(order["order_id"], "TakePayment"):
            return "PaymentTaken"
        self._blocked.add(("TakePayment", order["order_id"]))
        self.world.happens("payment", f"will not take it for {order['order_id']}")
        return "PaymentCancelled"
