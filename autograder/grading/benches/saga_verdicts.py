"""Says whether an order was brought to a right end, and if not, which mistake that shows.

Judged are effects: what has happened at the agents. The calls that led there are the evidence for a
name; where they do not prove one, the failure is told without.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NoReturn

from ..mistakes import mistake
from .shop_agents import COMMANDS, UNAVAILABLE, UNDONE_BY, Agents
from .shop_calls import Call, Calls

STEPS = ("ReserveStock", "TakePayment", "ShipOrder", "ConfirmDelivery")
DOES = {undo: do for do, undo in UNDONE_BY.items()}
NO_ANSWER = ("TimeoutError", "ConnectionError")


class Judge:
    """Judges the orders of one world.

    ``placed``, ``ended``: when each was placed, and when its status first said that it has ended.
    ``last_kill``: when a coordinator was last killed. ``stood_still``: the hosts that have.
    ``promised``: orders that were to be cancelled: what cancel_order has said (None: it was killed
    before it could), and when it was called.
    """

    def __init__(self, agents: Agents, calls: Calls, log: Callable[[], bytes]) -> None:
        self._agents = agents
        self._calls = calls
        self._log = log
        self.promised: dict[str, tuple[bool | None, float]] = {}
        self.placed: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.stood_still: set[str] = set()
        self.last_kill = -1.0

    # -- requirements -----------------------------------------------------------------------------

    def assert_right(self, order_id: str, status: str, end: str = "") -> None:
        """An order whose status is said to be "delivered" or "cancelled" is that, and no harm was
        done. ``end``: how it has to have ended."""
        self.assert_no_harm(order_id, status)
        outcome = self._agents.outcome(order_id)
        if status == "cancelled" and outcome == "under way":
            self._left_over(order_id)
        assert status == outcome, (
            f"{order_id}: status says {status!r}. {self._story(order_id)}, so it is {outcome}."
        )
        assert end in ("", status), f"{order_id} should have been {end}, and was {status}."

    def assert_no_harm(self, order_id: str, status: str = "running") -> None:
        """Nothing has been done that can never be right, whatever comes next."""
        self._assert_not_turned_back_for_nothing(order_id, status)
        self._assert_promise_kept(order_id)
        self._assert_nothing_begins_on_the_way_back(order_id)
        self._assert_steps_in_order(order_id)
        self._assert_undone_in_order(order_id)
        harm = self._agents.harm(order_id)
        if harm is None:
            return
        said = f"{harm.said} {self._keys(order_id, harm.command)}"
        match harm.kind:
            case "done twice":
                self._done_twice(order_id, harm.command, said)
            case "undone twice":
                raise AssertionError(mistake("compensation-not-idempotent", said))
            case "undone, never done":
                raise AssertionError(mistake("undo-what-never-happened", harm.said))
            case _:
                raise AssertionError(harm.said)

    def is_promise_broken(self, order_id: str) -> bool:
        """True if cancel_order has said True of an order that was shipped."""
        promise, _ = self.promised.get(order_id, (False, 0.0))
        return bool(promise) and self._agents.count(order_id, "ShipOrder") > 0

    def is_driven(self, order_id: str) -> bool:
        """True if somebody who is alive has asked for anything on behalf of an order."""
        return any(not self._is_dead(call) for call in self._calls.of(order_id))

    def assert_ended(self, order_id: str, within: float, *, idle: bool) -> NoReturn:
        """An order is still running; why, as far as one can tell. ``idle``: so would a new one."""
        self.assert_no_harm(order_id)
        calls = self._calls.of(order_id)
        said = f"{within / 60:.0f} minutes later {order_id} is still running."
        alive = self.is_driven(order_id)
        killed = self.last_kill >= self.placed[order_id]
        assert alive or idle or not killed, mistake(
            "forgets-running-sagas",
            f"A coordinator was killed when {order_id} had been placed, and another one was "
            f"started. {said} The new one has not asked an agent for anything.",
        )
        if not calls:
            raise AssertionError(
                f"{said} No agent was ever asked to do anything for it. (A coordinator was "
                "running, in another process than the one in which place_order was called.)"
            )
        last = calls[-1]
        quiet = self._agents.world.time() - max(last.time, last.ended)
        story = f"The last call was {_told(last)}, and since then, for {quiet:.0f} s, nothing."
        assert not (last.command in DOES and not last.known and quiet > 120), mistake(
            "gives-up-on-compensation", f"{said} {story}"
        )
        if quiet > 120:
            raise AssertionError(f"{said} {story}")
        raise AssertionError(f"{said} {self._story(order_id)}; the last call was {_told(last)}.")

    def assert_too_late_if(self, refused: bool, order_id: str) -> None:
        """cancel_order has said that it is too late: then ShipOrder may have been sent."""
        now = self._agents.world.time()
        assert not refused or self._answered(order_id, "TakePayment", "PaymentTaken", now), (
            f"cancel_order said False of {order_id}: too late. Nobody has been told so far that it "
            f"is paid, so ShipOrder cannot have been sent. {self._story(order_id)}"
        )

    # -- why it is wrong --------------------------------------------------------------------------

    def _assert_promise_kept(self, order_id: str) -> None:
        if not self.is_promise_broken(order_id):
            return
        promise = self.promised[order_id]
        sent = self._calls.of(order_id, "ShipOrder")[0].time
        said = f"cancel_order said True of {order_id}, and it was shipped."
        if self._answered(order_id, "ShipOrder", "OrderShipped", promise[1]):
            raise AssertionError(f"{said} That was known when cancel_order was called.")
        assert sent >= promise[1], mistake(
            "in-doubt-forgotten",
            f"{said} When cancel_order was called, ShipOrder had been sent for "
            f"{promise[1] - sent:.3f} s, and what would come of it was not known.",
        )
        said = f"{said} ShipOrder was sent {sent - promise[1]:.3f} s after cancel_order was called."
        assert "web" not in self.stood_still, mistake(
            "check-then-act", f"{said} cancel_order stood still for a minute, somewhere in between."
        )
        who = self._calls.of(order_id, "ShipOrder")[0].who
        assert who not in self.stood_still, mistake(
            "check-then-act",
            f"{said} The coordinator that sent it had stood still in between, and acted on what it "
            "had seen before.",
        )
        raise AssertionError(said)

    def _assert_not_turned_back_for_nothing(self, order_id: str, status: str) -> None:
        promised, asked = self.promised.get(order_id, (False, 0.0))
        undo = next((c for c in self._calls.of(order_id) if c.command in DOES), None)
        cancelled = promised is not False and (undo is None or undo.time >= asked)
        if self._agents.was_refused(order_id) or cancelled:
            return
        if undo is None and status != "cancelled":
            return
        before = [
            c
            for c in self._calls.of(order_id)
            if c.command in STEPS
            and (undo is None or (c.time <= undo.time and c.process is undo.process))
        ]
        how = f"{undo.command} was sent" if undo else "its status is 'cancelled'"
        said = f"No agent has refused anything for {order_id}, and {how}."
        if not before:
            raise AssertionError(f"{said} Nobody had cancelled it, either.")
        said = f"{said} Before that: {_told(before[-1])}."
        last = before[-1]
        past = last.command == "ConfirmDelivery" or last.answer == "OrderShipped"
        assert not past, mistake("undoes-past-the-pivot", said)
        assert last.known or self._is_dead(last), mistake("timeout-means-failed", said)
        assert last.answer != UNAVAILABLE, mistake("not-now-means-no", said)
        raise AssertionError(f"{said} Nobody had cancelled it, either.")

    def _assert_nothing_begins_on_the_way_back(self, order_id: str) -> None:
        """Once something has been undone, or the order has ended, no other step is asked for."""
        undone = [
            effect.time
            for effect in self._agents.effects
            if effect.order_id == order_id and effect.kind in ("PaymentRefunded", "StockReleased")
        ]
        back = min([*undone, self.ended.get(order_id, math.inf)])
        for step in STEPS:
            first = next(iter(self._calls.of(order_id, step)), None)
            if first is None or first.time <= back:
                continue
            said = (
                f"{order_id} had been undone, and {first.time - back:.3f} s later {step} was sent."
            )
            own = any(
                c.process is first.process and c.time < first.time and c.command in DOES
                for c in self._calls.of(order_id)
            )
            assert own or first.who not in self.stood_still, mistake(
                "check-then-act",
                f"{said} The coordinator that sent it had stood still in between, and had not "
                "looked again.",
            )
            raise AssertionError(said)

    def _assert_steps_in_order(self, order_id: str) -> None:
        """Each step was asked for when the one before it had been done."""
        for number, step in enumerate(STEPS[1:]):
            before = STEPS[number]
            for call in self._calls.of(order_id, step):
                if self._happened(order_id, before, call.time):
                    continue
                asked = [c for c in self._calls.of(order_id, before) if c.time <= call.time]
                said = f"{step} {order_id} was sent, and {COMMANDS[before].done} had not happened."
                if not asked:
                    raise AssertionError(f"{said} {before} had not even been sent.")
                said = f"{said} Before that: {_told(asked[-1])}."
                silent = [c for c in asked if c.process is call.process]
                guessed = silent and all(
                    c.answer in NO_ANSWER and c.ended <= call.time for c in silent
                )
                assert not guessed, mistake("timeout-means-done", said)
                raise AssertionError(said)

    def _assert_undone_in_order(self, order_id: str) -> None:
        """Stock was released when the payment, if there was one, had been refunded."""
        for call in self._calls.of(order_id, "ReleaseStock"):
            paid = self._happened(order_id, "TakePayment", call.time)
            if not paid or self._happened(order_id, "RefundPayment", call.time):
                continue
            said = f"ReleaseStock {order_id} was sent, and the payment had not been refunded."
            refunds = self._calls.of(order_id, "RefundPayment")
            tried = [c for c in refunds if c.ended and c.ended <= call.time]
            before = f"{said} Before that: {_told(tried[-1])}." if tried else ""
            assert not tried, mistake("gives-up-on-compensation", before)
            if not self._answered(order_id, "TakePayment", "PaymentTaken", call.time):
                self._in_doubt(order_id, "TakePayment", said)
            later = [c for c in refunds if not call.ended or c.time < call.ended]
            if not refunds or later:
                raise AssertionError(said)
            raise AssertionError(
                mistake("forward-order-undo", f"{said} That was only asked for afterwards.")
            )

    def _done_twice(self, order_id: str, command: str, said: str) -> NoReturn:
        calls = self._calls.of(order_id, command)
        for nth, later in enumerate(calls):
            for call in calls[:nth]:
                if call.key == later.key or (call.known and call.answer != UNAVAILABLE):
                    continue
                assert call.process is not later.process, mistake("new-key-per-attempt", said)
                assert self._is_in_log(call.key, later.key), mistake(
                    "acts-before-it-writes",
                    f"{said} Two processes chose one each: the first of them is not in the log, "
                    "where the second process could have found it.",
                )
        raise AssertionError(said)

    def _left_over(self, order_id: str) -> NoReturn:
        """It is said to be cancelled, and something has not been undone."""
        event = self._agents.left(order_id)[-1]
        do = next(name for name in STEPS if COMMANDS[name].done == event)
        said = f"{order_id} is cancelled, and {event} has not been undone."
        undo = UNDONE_BY.get(do)
        undos = self._calls.of(order_id, undo) if undo else []
        if undos:
            said = f"{said} Last: {_told(undos[-1])}."
            assert self._is_dead(undos[-1]), mistake("gives-up-on-compensation", said)
            raise AssertionError(f"{said} Then its coordinator was killed, and nobody went on.")
        calls = self._calls.of(order_id, do)
        if any(c.answer == event and not self._was_last(c) for c in calls):
            raise AssertionError(f"{said} {do} had been answered, and {undo} was never sent.")
        self._in_doubt(order_id, do, f"{said} {undo} was never sent.")

    def _in_doubt(self, order_id: str, do: str, said: str) -> NoReturn:
        """Somebody has gone on as if a command had not been carried out, and it had."""
        calls = self._calls.of(order_id, do)
        told = f"{said} Of {do}: {_told(calls[-1])}."
        alive = [c for c in calls if not self._is_dead(c)]
        assert not alive or alive[-1].answer not in NO_ANSWER, mistake("timeout-means-failed", told)
        assert alive, mistake(
            "in-doubt-forgotten",
            f"{said} Whoever had sent {do} was killed before the answer was in the log, and "
            "whoever went on did not ask what had become of it.",
        )
        raise AssertionError(told)

    # -- evidence ---------------------------------------------------------------------------------

    def _answered(self, order_id: str, command: str, answer: str, until: float) -> bool:
        return any(
            c.answer == answer and c.ended <= until for c in self._calls.of(order_id, command)
        )

    def _happened(self, order_id: str, command: str, until: float) -> bool:
        done = COMMANDS[command].done
        return any(
            e.kind == done and e.order_id == order_id and e.time <= until
            for e in self._agents.effects
        )

    def _is_in_log(self, key: str, other: str) -> bool:
        """True if what makes this key another one than the other is in the log, as text."""
        words, others = (set(re.findall(r"[0-9A-Za-z]{4,}", each)) for each in (key, other))
        log = self._log()
        return not words - others or any(word.encode() in log for word in words - others)

    def _is_dead(self, call: Call) -> bool:
        deaths = self._agents.world.deaths
        return deaths is not None and deaths.is_dead(call.process)

    def _was_last(self, call: Call) -> bool:
        """True if whoever sent this was killed before it could send anything else."""
        later = self._calls.made[self._calls.made.index(call) + 1 :]
        return self._is_dead(call) and not any(
            c.process is call.process and c.order_id == call.order_id for c in later
        )

    def _keys(self, order_id: str, command: str) -> str:
        keys = list(dict.fromkeys(c.key for c in self._calls.of(order_id, command)))
        return f"{command} was sent with the keys {', '.join(map(repr, keys))}."

    def _story(self, order_id: str) -> str:
        events = self._agents.of(order_id)
        return f"What has happened: {', '.join(events) or 'nothing'}"


def _told(call: Call) -> str:
    """A call and what came of it, in words."""
    name = f"{call.command} {call.order_id}"
    if call.nth > 1:
        name += f", attempt {call.nth}"
    if not call.answer:
        return f"{name}, without an answer so far"
    return f"{name}: {call.answer}"
