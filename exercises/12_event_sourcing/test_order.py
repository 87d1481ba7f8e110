"""Grades the pure part of order.py: apply and decide. The rest is in test_order_handle.py."""

import asyncio
import dataclasses
import time

import pytest
from hypothesis import strategies as st

from autograder.grading import mistake
from autograder.grading.benches.order_desk import (
    KINDS,
    ORDER,
    PLACED_AT,
    STEPS,
    TOTAL,
    Desk,
    as_steps,
    copied,
    facts,
    in_short,
    said,
)
from autograder.grading.benches.properties import for_all
from autograder.simulation import simulate

A_YEAR = 365 * 24 * 3600.0
HOLD = 15 * 60
DELAYS = (0, 60, HOLD, HOLD + 1)
"""Seconds since the command before."""
PARTS = {"all that is due": 1.0, "half of it": 0.5, "a cent": 0.0, "too much": 2.0}
NEXT = {
    None: "PlaceOrder",
    "placed": "ReserveStock",
    "reserved": "TakePayment",
    "paid": "ShipOrder",
}
STEP = st.tuples(
    st.sampled_from([*KINDS, *["what comes next"] * len(KINDS)]),
    st.sampled_from(DELAYS),
    st.sampled_from([*PARTS]),
)


@pytest.fixture
def desk(submission):
    return Desk(submission)


def commands_of(desk, steps):
    """Commands for drawn steps, with the history that each of them finds, by the rules."""
    history, now = [], PLACED_AT
    for kind, delay, part in steps:
        now += delay
        status, total, paid = facts(history)
        kind = NEXT.get(status, "ConfirmDelivery") if kind == "what comes next" else kind
        due = total - paid
        amount = due + 1 if part == "too much" else max(1, int(due * PARTS[part]))
        command = desk.command(kind, now, amount)
        yield command, list(history)
        history += desk.expected(history, command) or []


def assert_state(state, history, before=""):
    status, total, paid = facts(history)
    for name, expected in (("status", status), ("total", total), ("paid", paid)):
        got = getattr(state, name)
        assert got == expected, (
            f"{before or f'After {said(history)}'}: {name} is {got!r}; expected {expected!r}"
        )


@pytest.mark.points(2)
def test_an_order_goes_its_way(submission, desk):
    """An order is placed, reserved, paid, shipped and delivered, and each step is an event."""
    history, state = [], submission.Order()
    frozen = dataclasses.is_dataclass(state) and state.__dataclass_params__.frozen
    assert frozen, "Order is no frozen dataclass any more: whoever has a state could change it"
    for kind in STEPS["delivered"]:
        command = desk.command(kind)
        expected = desk.expected(history, command)
        got = desk.decided(state, command)
        assert got == expected, f"{kind}: decide gave {said(got)}; expected {said(expected)}"
        history += expected
        for event in expected:
            state = submission.apply(state, event)
        assert_state(state, history)


def everything(desk, histories, commands):
    """The state after each history, and what is decided there for each command."""
    seen = {}
    for name, history in histories.items():
        state = seen[f"An order that is {name}", "its state"] = desk.state(history)
        for command in commands:
            late = f", {command.at - commands[0].at:g} s after it was placed"
            decided = said(desk.decided(state, command), commands[0].at)
            seen[f"An order that is {name}", in_short(command) + late] = decided
    return seen


def first_difference(before, after):
    about, what = next(key for key in before if before[key] != after[key])
    return f"{about}, {what}: first {before[about, what]}, and then {after[about, what]}"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_the_same_question_has_the_same_answer(world, submission):
    """Asked again for the same state and the same command, apply and decide answer the same."""
    desk, now = Desk(submission), time.time()
    commands = [desk.command(kind, now) for kind in KINDS]
    histories = {name: desk.history(kinds, now) for name, kinds in STEPS.items()}
    first = everything(desk, histories, commands)
    again = everything(desk, histories, commands)
    assert first == again, mistake(
        "hidden-state",
        f"Asked twice, nothing having happened in between. {first_difference(first, again)}.",
    )


@pytest.mark.points(2)
@simulate(seeds=1, until=2 * A_YEAR)
async def test_the_clock_is_not_read(world, submission):
    """A history that is replayed in a year leads to the same state, and to the same decisions."""
    desk, now = Desk(submission), time.time()
    times = (now, now + HOLD, now + HOLD + 1)
    commands = [desk.command(kind, at) for kind in KINDS for at in times]
    histories = {name: desk.history(kinds, now) for name, kinds in STEPS.items()}
    first = everything(desk, histories, commands)
    assert first == everything(desk, histories, commands), "the same call, made twice, differs"
    await asyncio.sleep(A_YEAR)
    later = everything(desk, histories, commands)
    assert first == later, mistake(
        "clock-in-apply",
        f"Asked now, and again in a year. {first_difference(first, later)}.",
    )


@pytest.mark.points(2)
def test_what_is_not_allowed_is_refused(desk):
    """Each command is refused in every state in which it is not allowed."""
    histories = {name: desk.history(kinds) for name, kinds in STEPS.items()}
    histories["half paid"] = desk.history(STEPS["reserved"])
    half = desk.command("TakePayment", amount=TOTAL // 2)
    histories["half paid"] += desk.expected(histories["half paid"], half)
    for name, history in histories.items():
        state = desk.state(history)
        for kind in KINDS:
            for late in DELAYS:
                amounts = (1, TOTAL // 2, TOTAL // 2 + 1, TOTAL, TOTAL + 1)
                for amount in amounts if kind == "TakePayment" else (TOTAL,):
                    command = desk.command(kind, PLACED_AT + late, amount)
                    expected, got = desk.expected(history, command), desk.decided(state, command)
                    assert got == expected, (
                        f"{in_short(command)}, {late} s after the order was placed, which is "
                        f"{name}: decide gave {said(got)}; expected {said(expected)}"
                    )


@pytest.mark.points(3)
@pytest.mark.hint("Make the state keep what the rule needs to know, and ask only the state.")
def test_any_commands_lead_to_a_legal_order(submission, desk):
    """Whatever commands come, in whatever order: each is decided by the rules."""

    def check(steps):
        state, commands, outcomes = submission.Order(), [], []
        for command, history in commands_of(desk, steps):
            expected, got = desk.expected(history, command), desk.decided(state, command)
            commands.append(command)
            outcomes.append(said(got))
            assert got == expected, (
                f"Of these, the last should have given {said(expected)}:\n"
                f"{as_steps(commands, outcomes)}"
            )
            for event in expected or []:
                state = submission.apply(state, event)
            assert_state(state, [*history, *(expected or [])], as_steps(commands, outcomes))

    for_all(check, steps=st.lists(STEP, max_size=12))


@pytest.mark.points(2)
@pytest.mark.hint("How would `decide` know that a command has been carried out, a year ago?")
def test_a_command_that_comes_again_changes_nothing(desk):
    """A command that has been carried out decides no events, whatever has happened since."""

    def check(steps, late):
        history, carried_out = [], []
        for command, _ in commands_of(desk, steps):
            new = desk.expected(history, command)
            history += new or []
            carried_out += [command] if new else []
        state = desk.state(history)
        for command in carried_out:
            again = dataclasses.replace(command, at=command.at + late)
            got = desk.decided(state, again)
            story = f"after {said(history)}, {in_short(command)} came again, and gave {said(got)}"
            assert_state(state, history)
            assert got is not None, mistake("done-and-refused", f"{story}; expected [].")
            assert not got, mistake("not-idempotent", f"{story}; expected [].")

    for_all(check, steps=st.lists(STEP, max_size=8), late=st.sampled_from(DELAYS))


def any_events(submission):
    about = {"order_id": ORDER, "cause": "c"}
    amounts = st.sampled_from([1, TOTAL, 2 * TOTAL])
    make = submission
    return st.lists(
        st.one_of(
            st.just(make.OrderPlaced(**about, customer="ada", items={"lamp": 1}, total=TOTAL)),
            st.builds(make.StockReserved, until=st.sampled_from([0.0, PLACED_AT]), **just(about)),
            st.just(make.StockReleased(**about)),
            st.builds(make.PaymentTaken, amount=amounts, **just(about)),
            st.builds(make.PaymentRefunded, amount=amounts, **just(about)),
            st.just(make.OrderShipped(**about, parcel="p-1")),
            st.just(make.OrderDelivered(**about)),
            st.just(make.OrderCancelled(**about, reason="none")),
        ),
        max_size=6,
    )


def just(about):
    return {name: st.just(value) for name, value in about.items()}


@pytest.mark.points(2)
def test_what_was_recorded_has_happened(submission, desk):
    """apply raises for no event that was recorded, in whatever order they come."""
    for kinds in STEPS.values():
        desk.state(desk.history(kinds))  # if it raises here, too, it is something else

    def check(events):
        try:
            desk.state(events)
        except NotImplementedError:
            raise
        except Exception as error:
            raise AssertionError(
                mistake(
                    "apply-refuses",
                    f"These events are in the store, and apply raised {error!r}: {said(events)}.",
                )
            ) from error

    for_all(check, events=any_events(submission))


@pytest.mark.points(2)
def test_other_years_had_other_rules(submission, desk):
    """What was held for longer, and what was paid twice, is taken as it was recorded."""
    placed, reserved = desk.history(STEPS["reserved"])
    about = {"order_id": ORDER, "cause": "c-long-ago"}
    for minutes in (5, 30):
        until = PLACED_AT + minutes * 60
        state = desk.state([placed, submission.StockReserved(**about, until=until)])
        for at, allowed in ((until, True), (until + 1, False)):
            got = desk.decided(state, desk.command("TakePayment", at))
            assert (got is not None) == allowed, (
                f"stock was held for {minutes} minutes. A payment {at - PLACED_AT:,.0f} s after "
                f"that gave {said(got)}; expected {'a payment' if allowed else 'Refused'}"
            )
    taken = [submission.PaymentTaken(order_id=ORDER, cause=f"p-{n}", amount=TOTAL) for n in "12"]
    at_once = submission.PaymentTaken(order_id=ORDER, cause="p-3", amount=2 * TOTAL)
    state = desk.state([placed, reserved, at_once])
    assert (state.status, state.paid) == ("paid", 2 * TOTAL), (
        f"of {TOTAL:,} due {2 * TOTAL:,} were paid at once: the order is {state.status!r}, paid "
        f"{state.paid:,}; expected 'paid', {2 * TOTAL:,}"
    )
    state = desk.state([placed, reserved, *taken])
    assert (state.status, state.paid) == ("paid", 2 * TOTAL), (
        f"{TOTAL:,} were paid twice: the order is {state.status!r}, paid {state.paid:,}; "
        f"expected 'paid', {2 * TOTAL:,}"
    )
    got = desk.decided(state, desk.command("CancelOrder"))
    refunded = [event.amount for event in got or () if type(event).__name__ == "PaymentRefunded"]
    assert refunded == [2 * TOTAL], (
        f"{TOTAL:,} were paid twice, and the order was cancelled: {said(got)}; "
        f"expected {2 * TOTAL:,} to be refunded"
    )


@pytest.mark.points(2)
@pytest.mark.hint("A frozen dataclass may have a field that is not: a set, a list, a dict.")
def test_what_is_given_is_left_as_it_is(submission, desk):
    """apply and decide change neither the state, nor the event, nor the command."""
    for name, kinds in STEPS.items():
        history = desk.history(kinds)
        state = submission.Order()
        for event in history:
            before = copied(state), copied(event)
            after = submission.apply(state, event)
            assert_left("apply", name, before, (state, event))
            state = after
        for command in (desk.command(kind) for kind in KINDS):
            before = copied(state), copied(command)
            desk.decided(state, command)
            assert_left("decide", name, before, (state, command))


def assert_left(what, name, before, after):
    """State and event, or state and command, are what they were."""
    assert after == before, mistake(
        "mutates-state",
        f"An order on its way to {name!r}: {what} was given {in_short(before[1])}, and afterwards "
        f"the state that it was given is {after[0]}; it was {before[0]}.",
    )
