"""An unreliable network in front of the shop's agents: `call`, and what became of each call.

Requests are lost, late, doubled and overtaken, and so are the answers. What was sent arrives even
if whoever sent it is dead by then.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from autograder.simulation.current import Process, current_process

from .shop_agents import COMMANDS, Agents

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.letters import Letter

PATIENCE = 10.0
"""Seconds after which `call` stops waiting for an answer."""
LATEST = 90.0
"""Seconds after which whatever was sent has arrived."""
_A_WHILE = 20.0
"""Seconds in which whoever is not yet done with an order would ask for something."""
_AT_ONCE = 0.1
_OVERRUN = 20
"""An agent that is asked again at once for so many times takes its time from then on: nobody has
to wait for a hundred thousand questions."""

Fate = Literal[
    "answered",
    "doubled",  # a copy of the request comes later
    "request late",  # it arrives when nobody waits for an answer any more
    "request lost",
    "answer lost",  # done, and then timed out
    "broken",  # done, and ConnectionError
    "unreachable",  # not done, and ConnectionError
]
FATES: tuple[Fate, ...] = (
    "request lost",
    "doubled",
    "request late",
    "answer lost",
    "broken",
    "unreachable",
)

Waiter = asyncio.Future[str | Exception]


@dataclass
class Call:
    """One call: who asked what, when, and what came of it.

    Attributes:
        nth: which call of this command for this order it is, from 1.
        answer: what was returned; "" as long as nothing was; the exception's name if it was one.
        ended: when it was returned, in virtual seconds.
        delivered: how often the request has arrived.
    """

    process: Process | None
    command: str
    key: str
    order_id: str
    nth: int
    time: float
    answer: str = ""
    ended: float = 0.0
    delivered: int = 0

    @property
    def who(self) -> str:
        """The name of whoever asked, for the diagram."""
        return self.process.name if self.process else "coordinator"

    @property
    def known(self) -> bool:
        """True if the answer of the agent has come."""
        return self.answer not in ("", "TimeoutError", "ConnectionError")


class Calls:
    """All calls of one world.

    Args:
        fate: what is to become of a call; None leaves it to chance.
        stormy: virtual seconds from the beginning in which chance is unkind; never in the
            calm world.
        trip: seconds, least and most, that a message takes.
    """

    def __init__(
        self,
        world: World,
        agents: Agents,
        *,
        fate: Callable[[Call], Fate | None] = lambda call: None,
        stormy: float = 0.0,
        trip: tuple[float, float] = (0.002, 0.5),
    ) -> None:
        self.world = world
        self.agents = agents
        self.fate = fate
        self.stormy = stormy
        self.trip = trip
        self.made: list[Call] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.misuse: list[str] = []
        self._requests = 0  # under way
        self._hasty: dict[tuple[str, str], int] = {}
        self._next = asyncio.Event()
        # What is under way belongs to nobody: it outlives the process that sent it.
        self._nobody = contextvars.copy_context()

    def last(self) -> float:
        """When somebody has last called, or was answered, in virtual seconds; 0.0 if nobody has."""
        return max(self.made[-1].time, self.made[-1].ended) if self.made else 0.0

    def so_far(self) -> tuple[int, int, int]:
        """How many calls were made, have arrived, and were answered."""
        arrived = sum(call.delivered for call in self.made)
        return len(self.made), arrived, sum(bool(call.answer) for call in self.made)

    async def call(self, agent: str, command: str, key: str, order: Mapping[str, Any]) -> str:
        """Ask an agent to carry out a command; its answer.

        Raises:
            TimeoutError: no answer came within PATIENCE; ConnectionError: the connection broke.
            ValueError: no agent takes such a command, with this key, or for this order.
        """
        self._check(agent, command, key, order)
        order_id = order["order_id"]
        before = self.of(order_id, command)
        now = self.world.time()
        call = Call(current_process.get(), command, key, order_id, len(before) + 1, now)
        if before and before[-1].answer and now - before[-1].ended < _AT_ONCE:
            self._hasty[order_id, command] = self._hasty.get((order_id, command), 0) + 1
        self.made.append(call)
        self._next.set()
        self._next.clear()
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._send(call, waiter)
        answer = await waiter
        call.ended = self.world.time()
        call.answer = answer if isinstance(answer, str) else type(answer).__name__
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until_quiet(self) -> None:
        """Wait until all that was sent has arrived, and nobody has called for a while; or as long
        as anything can be under way."""
        quiet, last = self.world.time(), self.world.time() + LATEST
        while self.world.time() < min(quiet + _A_WHILE, last):
            before = len(self.made)
            await asyncio.sleep(_A_WHILE / 4)
            if self._requests or len(self.made) > before:
                quiet = self.world.time()

    async def next(self) -> None:
        """Wait until somebody calls."""
        await self._next.wait()

    def of(self, order_id: str, command: str = "") -> list[Call]:
        """The calls for an order, of one command or all."""
        return [c for c in self.made if c.order_id == order_id and command in ("", c.command)]

    # -- under way --------------------------------------------------------------------------------

    def _send(self, call: Call, waiter: Waiter) -> None:
        fate, name = self._fate(call), f"{call.command} {call.order_id}"
        said = name if call.nth == 1 else f"{name}, attempt {call.nth}"
        letter = self.world.letter(call.who, COMMANDS[call.command].agent, said)
        trip = self.world.latency(f"{name} request", *self.trip)
        if self._hasty.get((call.order_id, call.command), 0) > _OVERRUN:
            trip += PATIENCE / 2
        if fate == "request late":
            trip = PATIENCE + 2 + self.world.draw(f"{name} late") * (LATEST - PATIENCE - 2)
        self._later(PATIENCE, _settle, waiter, TimeoutError(f"{name}: no answer after 10 s"))
        if fate in ("request lost", "unreachable"):
            self._later(trip, letter.lost)
        else:
            self._to_arrive(trip, call, letter, waiter, fate)
        if fate == "unreachable":
            self._later(trip, _settle, waiter, ConnectionError(f"{name} could not be sent"))
        if fate == "doubled":
            again = trip + 0.5 + self.world.draw(f"{name} copy") * (LATEST - 2)
            self._to_arrive(again, call, letter, None, fate)

    def _to_arrive(
        self, seconds: float, call: Call, letter: Letter, waiter: Waiter | None, fate: Fate
    ) -> None:
        self._requests += 1
        self._later(seconds, self._arrive, call, letter, waiter, fate)

    def _arrive(self, call: Call, letter: Letter, waiter: Waiter | None, fate: Fate) -> None:
        letter.arrived()
        self._requests -= 1
        call.delivered += 1
        try:
            answer = self.agents.handle(call.command, call.key, self.orders[call.order_id])
        except ValueError as error:
            self.misuse.append(str(error))
            if waiter is not None:
                _settle(waiter, error)
            return
        if waiter is None:
            return
        name = f"{call.command} {call.order_id}"
        agent = COMMANDS[call.command].agent
        reply = self.world.letter(agent, call.who, f"{answer} {call.order_id}")
        trip = self.world.latency(f"{name} answer", *self.trip)
        if fate in ("answer lost", "broken"):
            self._later(trip, reply.lost)
        else:
            self._later(trip, reply.arrived)
            self._later(trip, _settle, waiter, answer)
        if fate == "broken":
            self._later(trip, _settle, waiter, ConnectionError(f"{name}: cut off"))

    def _fate(self, call: Call) -> Fate:
        told = self.fate(call)
        if told is not None:
            return told
        name = f"{call.command} {call.order_id}"
        if self.world.time() < self.stormy and self.world.chance(0.5, f"{name} storm"):
            return FATES[self.world.choose(len(FATES), f"{name} fate")]
        return "answered"

    def _later(self, seconds: float, function: Callable[..., object], *args: object) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, function, *args, context=self._nobody)

    def _check(self, agent: object, command: object, key: object, order: Any) -> None:
        """Say what is wrong with a call; also in `misuse`, for somebody may catch the exception."""
        what = COMMANDS.get(command) if isinstance(command, str) else None
        if what is None or what.agent != agent:
            problem = f"call({agent!r}, {command!r}, ...): the agent {agent!r} knows no {command!r}"
        elif not isinstance(key, str) or not key:
            problem = f"call(..., {command!r}, key={key!r}): the key is a str, and not empty"
        elif not isinstance(order, Mapping) or self.orders.get(order.get("order_id", "")) != order:
            problem = f"{command} needs the order as it was placed; it was given {order!r}"
        else:
            return
        self.misuse.append(problem)
        raise ValueError(problem)


def _settle(waiter: Waiter, answer: str | Exception) -> None:
    # An exception is handed over as a value: whoever waited may have been killed.
    if not waiter.done():
        waiter.set_result(answer)
