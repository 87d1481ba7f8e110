"""Runs a program in many worlds, and finds the smallest one in which it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .clock import real_monotonic, use_virtual_clocks
from .events import Event
from .ownership import Ownership
from .plan import Plan, Settings, current_settings
from .problems import Problem
from .running import Outcome, Program, run_in
from .session import Session, session
from .tokens import Token, read_token

if TYPE_CHECKING:
    from .sequence import SequenceDiagram

_MOST_AWAITS = 2_000
_NEAR_AWAITS = 200
_ENDLESS_STEPS = 2_000


@dataclass(slots=True)
class Finding:
    """A failing world, as small as it could be made.

    Attributes:
        world: which world it was found in, counted from 1; ``worlds``: of how many. With
            ``at_every_await`` a seed counts as one.
        token: replays it.
        error: what the test raised, if it raised.
        problems: what detectors saw.
        events: what happened, for a `Timeline`.
        output: what was printed in this world.
        shuffled: found by the advisory tier, in an order asyncio never takes.
        time: virtual seconds at its end.
        lost: why the world could not be shown again, if it could not.
        sequence: its messages as a diagram, if the test tells of any (`World.letter`).
    """

    world: int
    worlds: int
    token: str
    error: BaseException | None
    problems: list[Problem]
    events: list[Event]
    output: str = ""
    shuffled: bool = False
    time: float = 0.0
    lost: str | None = None
    sequence: SequenceDiagram | None = None


def explore(
    program: Program, plan: Plan | None = None, settings: Settings | None = None, **options: Any
) -> Finding | None:
    """Run a program in many worlds; the first failing one, shrunk, or None if all pass.

    ``options`` are fields of `Plan`, for use without one.
    """
    plan = replace(plan or Plan(), **options)
    settings = settings or current_settings()
    if settings.replay is not None:
        return replay(program, settings.replay, plan, settings)
    if settings.worlds is not None:
        plan = replace(plan, seeds=settings.worlds)
    ownership = Ownership(settings.learner)
    use_virtual_clocks(getattr(program, "__globals__", {}))
    with session(ownership, wall=plan.wall, debug=settings.debug) as active:
        for tried, outcome in enumerate(_worlds(active, program, plan), start=1):
            if outcome.failed:
                finding = _diagnose(active, program, plan, settings, outcome, tried)
                if finding is not None:
                    return finding
    return None


def _worlds(active: Session, program: Program, plan: Plan) -> Iterator[Outcome]:
    """Every world of a plan; with ``at_every_await`` each seed once for each await."""
    for seed in range(plan.base, plan.base + plan.seeds):
        at = int(plan.at_every_await)
        while at < _MOST_AWAITS:
            token = Token(seed, None, at, plan.shuffle)
            outcome = run_in(active, program, plan, token, passes_over=True)
            yield outcome
            if not outcome.interrupted:
                break
            at = _next_await(outcome.token.interruption)


def _next_await(at: int) -> int:
    """Each of the first ones; then, where only loops go on for so long, fewer."""
    return at + max(1, at // _NEAR_AWAITS * (at // 10))


def _diagnose(
    active: Session, program: Program, plan: Plan, settings: Settings, first: Outcome, tried: int
) -> Finding | None:
    """Run a failing world again with its timeline on, as small as it gets."""
    if first.stuck or active.watch.suspended:
        # It would be stuck again for as long, and its last line is all there is to know; and who
        # has been in the debugger does not want to go there again.
        return _finding(first, plan, tried)
    if first.endless:
        return _finding(_beginning(active, program, plan, first), plan, tried)
    again = run_in(active, program, plan, first.token, trace=True)
    if not again.failed:
        if first.error is None and all(p.name == "never-awaited" for p in first.problems):
            # A suspicion that the traced run has cleared: see detectors.Unawaited.
            return None
        return _finding(first, plan, tried, lost="the same world ran differently the second time")
    if again.signature() == first.signature() and first.token.seed:
        smaller = _shrink(active, program, plan, again, settings.budget)
        if smaller is not None:
            shown = run_in(active, program, plan, smaller, trace=True)
            again = shown if shown.failed else again
    return _finding(again, plan, tried)


def _beginning(active: Session, program: Program, plan: Plan, endless: Outcome) -> Outcome:
    """A world without an end, with a timeline of how it begins: watching every line of all its
    steps would take many times as long as running them."""
    short = replace(plan, steps=min(plan.steps, _ENDLESS_STEPS))
    shown = run_in(active, program, short, endless.token, trace=True)
    return replace(endless, events=shown.events, output=shown.output, sequence=shown.sequence)


def _finding(outcome: Outcome, plan: Plan, tried: int, lost: str | None = None) -> Finding:
    if plan.at_every_await:
        # Nobody knows how many there will be: a seed is one world, however often it was run.
        tried = outcome.token.seed - plan.base + 1
    return Finding(
        world=tried,
        worlds=plan.seeds,
        token=str(outcome.token),
        error=outcome.error,
        problems=outcome.problems,
        events=outcome.events,
        sequence=outcome.sequence,
        output=outcome.output,
        shuffled=outcome.token.shuffled and outcome.token.seed > 0,
        time=outcome.time,
        lost=lost,
    )


def _shrink(
    active: Session, program: Program, plan: Plan, failing: Outcome, budget: float
) -> Token | None:
    """The world with the fewest buckets of draws that still fails so, as far as time allows."""
    deadline = real_monotonic() + budget
    signature = failing.signature()
    best: Token | None = None

    def fails(kept: list[int]) -> bool:
        nonlocal best
        token = replace(failing.token, kept=frozenset(kept))
        outcome = run_in(active, program, plan, token)
        if outcome.failed and outcome.signature() == signature:
            best = token
            return True
        return False

    if real_monotonic() < deadline and fails([]):
        return best
    buckets = sorted(failing.used)
    size = len(buckets)
    while size and real_monotonic() < deadline:
        start = 0
        while start < len(buckets) and real_monotonic() < deadline:
            fewer = buckets[:start] + buckets[start + size :]
            if fails(fewer):
                buckets = fewer
            else:
                start += size
        size //= 2
    return best


def replay(
    program: Program, token: str, plan: Plan | None = None, settings: Settings | None = None
) -> Finding | None:
    """Run the world of a token; None if it passes. ValueError if it is no token."""
    world = read_token(token)
    plan = replace(plan or Plan(), shuffle=world.shuffled)
    settings = settings or current_settings()
    use_virtual_clocks(getattr(program, "__globals__", {}))
    with session(Ownership(settings.learner), wall=plan.wall, debug=settings.debug) as active:
        outcome = run_in(active, program, plan, world)
        if outcome.endless:
            outcome = _beginning(active, program, plan, outcome)
        elif outcome.failed and not outcome.stuck and not active.watch.suspended:
            outcome = run_in(active, program, plan, world, trace=True)
    alone = replace(plan, seeds=1, at_every_await=False)
    return _finding(outcome, alone, 1) if outcome.failed else None
