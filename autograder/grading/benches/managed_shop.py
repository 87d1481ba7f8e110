"""A process manager's surroundings, for graders: the bus, the agents behind it, and the shop.

Commands and replies are lost, late, doubled and overtaken as a test wants it. The manager is killed
and started again; its inbox and its database stay.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .database_files import commits, empty_database, files_of, watch
from .managed_parts import AGENT_OF, ENDS, Bank, Mail, Route, Sent, at_once

if TYPE_CHECKING:
    from autograder.grading.submission import Submission
    from autograder.simulation import World

MANAGER = "manager"
LONG = 2 * 3600.0
"""Seconds after which what has not happened will not happen."""
_ROUND, _ROUNDS, _CIRCLES = 10.0, 2, 20_000
"""Seconds of a round; whoever takes so many steps in so many of them runs in circles."""
_most_steps: WeakKeyDictionary[World, int] = WeakKeyDictionary()
"""How many steps a world may take in all: one shop may be opened while another one is."""


class ManagedShop:
    """One world: the agents, what is under way, and one manager at a time.

    Args:
        path: the manager's database.
        refuses: (command, order_id) -> whether the agent refuses it.
        route: what becomes of each message.
        shown: False leaves everything out of the sequence diagram.
    """

    def __init__(
        self,
        world: World,
        submission: Submission,
        path: Path,
        *,
        refuses: Callable[[str, str], bool] = lambda command, order_id: False,
        route: Route = at_once,
        shown: bool = True,
        **options: float,
    ) -> None:
        self.world = world
        self.submission = submission
        self.agents = Bank(world if shown else _Unseen(world), refuses=refuses)  # type: ignore[arg-type]
        self.route = route
        self.path = path
        self.options = {"deadline": 600.0, "retry": 30.0, **options}
        self.orders: dict[str, dict[str, Any]] = {}
        self.sent: list[Sent] = []
        self.told: list[Sent] = []
        self.misuse: list[str] = []
        self.nothing_written: list[str] = []
        self.kills: list[float] = []
        self.marks: dict[str, int] = {}
        self.inbox: deque[Mail] = deque()
        self.unacknowledged: list[Mail] = []
        self.task: asyncio.Task[Any] | None = None
        self._shown = shown
        self._replies = 0
        self._under_way = 0
        self._moved = world.time()
        self._steps: deque[int] = deque(maxlen=_ROUNDS)
        self._waiting: list[asyncio.Future[None]] = []
        self._changed = asyncio.Event()
        self._outside = contextvars.copy_context()

    async def __aenter__(self) -> ManagedShop:
        self.path.write_bytes(empty_database())
        self._eyes = watch(self.path)
        self._most_steps = _most_steps.setdefault(self.world, self.world.loop.max_steps)
        self._look()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._rounds.cancel()
        self.world.loop.max_steps = self._most_steps
        await self.stop()
        self._eyes.close()
        for file in files_of(self.path):
            file.unlink(missing_ok=True)

    def commits(self) -> int:
        """A number that changes when anybody commits to the manager's database."""
        return commits(self._eyes)

    def outside(self) -> object:
        """What is there when the manager is dead (see `World.killed`)."""
        mail = len(self.inbox) + len(self.unacknowledged)
        return self.commits(), len(self.sent), self._replies, mail

    def _look(self) -> None:
        """Time has gone by. A manager that runs in circles is stopped: until it had used up all the
        steps of its world, real seconds would pass."""
        self._changed.set()
        loop = self.world.loop
        self._steps.append(loop.steps)
        loop.max_steps = min(self._most_steps, self._steps[0] + _CIRCLES)
        context = self._outside.copy()
        self._rounds = loop.call_later(_ROUND, self._look, context=context)

    # -- the manager ------------------------------------------------------------------------------

    def manage(self) -> Any:
        """The coroutine of a manager."""
        return self.submission.manage(self.path, BusEnd(self), **self.options)

    def start(self) -> None:
        """Start a manager as a process of its own."""
        with self.world.network.at(MANAGER):
            self.task = asyncio.create_task(self.manage(), name=MANAGER)
        self._moved = self.world.time()
        self.task.add_done_callback(lambda _: self._changed.set())

    def kill(self) -> None:
        """Kill the manager, as `kill -9` does."""
        self.world.kill(MANAGER)
        self.buried()

    def buried(self) -> None:
        """The manager was killed: what it has not acknowledged comes again, to another one."""
        self._happens(MANAGER, "killed")
        self.kills.append(self.world.time())
        self.task = None
        self._waiting.clear()
        self.inbox.extendleft(reversed(self.unacknowledged))
        self.unacknowledged.clear()
        self.submission.restart()  # a new process remembers nothing,
        self.world.network.reboot(MANAGER)  # on a new machine, perhaps

    async def stop(self) -> bool:
        """Cancel the manager, and wait for it; whether it has ended."""
        if self.task is None:
            return True
        self.task.cancel()
        _, left = await asyncio.wait([self.task], timeout=30)
        return not left

    async def run_until_ended(self) -> None:
        """A manager, until all orders have ended: to be killed in the middle."""
        task = self.task = asyncio.create_task(self.manage(), name=MANAGER)
        self._moved = self.world.time()
        task.add_done_callback(lambda _: self._changed.set())
        await self.until_ended()

    # -- orders -----------------------------------------------------------------------------------

    def place(self, number: int = 1, copies: int = 1) -> str:
        """The shop sends OrderPlaced; the order's id."""
        order_id = f"o-{number}"
        data = {"customer": "ada", "items": {"lamp": 1 + number % 2}, "total": 1200 * number}
        self.orders[order_id] = data
        mail = Mail(f"{order_id}-placed", "OrderPlaced", order_id, data)
        for copy in range(copies):
            self._later(0.1 + 20 * copy, self._deliver, "the shop", mail)
        return order_id

    def end_of(self, order_id: str) -> str | None:
        """What the shop was told first, if it was told anything."""
        ends = (sent.mail.type for sent in self.told if sent.mail.order_id == order_id)
        return next(ends, None)

    def ended(self) -> bool:
        """True if the shop has been told the end of every order."""
        return all(self.end_of(order_id) for order_id in self.orders)

    async def until_ended(self, seconds: float = LONG) -> None:
        """Wait until the shop has been told everything, the manager has ended, or time is up, or
        so long has nothing been sent that nothing more can come."""
        await self.until(lambda: self.ended() or self.at_rest() >= self.longest_wait, seconds)

    @property
    def longest_wait(self) -> float:
        """Seconds after which a manager has done what it waits for, if nothing comes: it has sent
        a command again, or its deadline was over."""
        return self.options["deadline"] + 2 * self.options["retry"] + 60

    def at_rest(self) -> float:
        """Seconds since something was sent or came; 0.0 while something is under way."""
        busy = self._under_way or self.task is None
        return 0.0 if busy else self.world.time() - self._moved

    async def until(self, condition: Callable[[], bool], seconds: float = LONG) -> None:
        """Wait until something is so, nothing more can come of it, or time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (condition() or self.misuse or (self.task and self.task.done())):
                    self._changed.clear()
                    await self._changed.wait()

    def sends(self, order_id: str, type_: str) -> list[Sent]:
        """How often, and when, the manager has sent this command for this order."""
        wanted = order_id, type_
        return [s for s in self.sent if (s.mail.order_id, s.mail.type) == wanted]

    # -- the bus ----------------------------------------------------------------------------------

    def accept(self, to: str, mail: Mail) -> None:
        """The manager has sent something."""
        nth = 1 + len(self.sends(mail.order_id, mail.type))
        sent = Sent(self.world.time(), to, mail, nth)
        self.sent.append(sent)
        self._moved = sent.time
        self._changed.set()
        said = f"{mail.type} {mail.order_id}" + (f", attempt {nth}" if nth > 1 else "")
        problem = self._problem(to, mail)
        if problem:
            self._misused(problem)
            return
        if to == "shop":
            if self._shown:
                self.world.letter(MANAGER, "the shop", said).arrived()
            self.told.append(sent)
            return
        letter = self.world.letter(MANAGER, to, said) if self._shown else None
        copies = self.route(sent, "")
        if not copies and letter:
            letter.lost()
        for seconds in copies:
            self._later(seconds, self._arrive, sent, letter)

    def _misused(self, said: str) -> None:
        """Nothing good can come of this world any more."""
        self.misuse.append(said)
        self._changed.set()

    def _problem(self, to: str, mail: Mail) -> str | None:
        name = f"{mail.type} for {mail.order_id}"
        if mail.order_id not in self.orders:
            return f"{name} was sent; no such order was placed"
        if to == "shop":
            known = mail.type in ENDS
            return None if known else f"{name} was sent to the shop, which expects one of {ENDS}"
        if AGENT_OF.get(mail.type) != to:
            return f"{name} was sent to {to!r}, which knows no such command"
        if mail.data != self.orders[mail.order_id]:
            return f"{name} was sent with the data {mail.data}; expected that of OrderPlaced"
        return None

    def _arrive(self, sent: Sent, letter: Any) -> None:
        """A command is at its agent."""
        if letter:
            letter.arrived()
        mail = sent.mail
        order = {"order_id": mail.order_id, **self.orders[mail.order_id]}
        try:
            answer = self.agents.handle(mail.type, mail.id, order)
        except ValueError as error:
            self._misused(str(error))
            return
        self._replies += 1
        reply = Mail(f"reply-{self._replies}", answer, mail.order_id, {}, mail.id)
        copies = self.route(sent, answer)
        said = (
            self.world.letter(sent.to, MANAGER, f"{answer} {mail.order_id}")
            if self._shown
            else None
        )
        if not copies and said:
            said.lost()
        for seconds in copies:
            self._later(seconds, self._deliver, sent.to, reply, said)

    def _deliver(self, sender: str, mail: Mail, letter: Any = None) -> None:
        """Something is in the manager's inbox."""
        if letter is None and self._shown:
            letter = self.world.letter(sender, MANAGER, f"{mail.type} {mail.order_id}")
        if letter:
            letter.arrived()
        self.inbox.append(mail)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def take(self) -> Mail:
        """The next message of the inbox. Cancelled, it has taken none."""
        while not self.inbox:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        mail = self.inbox.popleft()
        self.unacknowledged.append(mail)
        return mail

    def acknowledge(self, id_: str) -> None:
        """A message need not come again."""
        for mail in self.unacknowledged:
            if mail.id == id_:
                self.unacknowledged.remove(mail)
                return

    def _later(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        """The bus is no part of the manager: what is under way arrives, whoever is dead by then."""
        self._under_way += 1
        self.world.loop.call_later(
            seconds, self._arrives, call, *args, context=self._outside.copy()
        )

    def _arrives(self, call: Callable[..., None], *args: Any) -> None:
        self._under_way -= 1
        self._moved = self.world.time()
        call(*args)

    def _happens(self, who: str, what: str) -> None:
        if self._shown:
            self.world.happens(who, what)


class BusEnd:
    """The bus, as one manager sees it."""

    def __init__(self, shop: ManagedShop) -> None:
        self._shop = shop

    async def receive(self) -> Any:
        """The next message for the manager; waits for one."""
        mail = await self._shop.take()
        self._shop.marks.setdefault(mail.id, self._shop.commits())
        return self._shop.submission.Message(
            mail.id, mail.type, mail.order_id, dict(mail.data), mail.reply_to
        )

    async def acknowledge(self, message: Any) -> None:
        """This message need not come again."""
        await asyncio.sleep(0.001)
        if self._shop.marks.get(message.id) == self._shop.commits():
            self._shop.nothing_written.append(f"{message.type} {message.order_id}")
        self._shop.acknowledge(message.id)
        await asyncio.sleep(0.001)

    async def send(self, to: str, message: Any) -> None:
        """Send to an agent or to the shop; killed in here, it has been sent or has not."""
        await asyncio.sleep(0.001)
        mail = Mail(
            message.id, message.type, message.order_id, dict(message.data), message.reply_to
        )
        self._shop.accept(to, mail)
        await asyncio.sleep(0.001)


class _Unseen:
    """A world that draws no diagram."""

    def __init__(self, world: World) -> None:
        self.time = world.time

    def happens(self, participant: str, text: str) -> None:
        """Nobody is told."""
