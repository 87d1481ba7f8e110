"""Runs a program in one world or in many, and finds the smallest world in which it fails."""

from __future__ import annotations

import contextvars
import gc
import random
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from . import detectors
from .clock import real_monotonic, use_virtual_clocks
from .current import here
from .events import Event
from .ownership import BOUNDARY, Ownership, is_plain_code
from .problems import Problem, Stuck, WorldEnded
from .session import Session, captured, session
from .strategies import Strategy, portfolio
from .world import World

Program = Callable[[World], Coroutine[Any, Any, Any]]
"""Called once a world: makes the coroutine that is the test."""

_MOST_AWAITS = 2_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How a program is to be explored.

    Attributes:
        seeds: number of worlds; the first is the calm one.
        base: number of the first world's seed, for another choice of worlds.
        steps: callbacks a world may run; until: virtual seconds it may last.
        lateness: timers may be late by up to this share of their delay.
        at_every_await: also run every seed with an interruption at each await in turn.
        shuffle: the advisory tier, which shuffles the ready queue.
        wall: real seconds one step may take.
        ignore: names of detectors not to listen to.
    """

    seeds: int = 100
    base: int = 0
    steps: int = 100_000
    until: float = 86_400.0
    lateness: float = 0.0
    at_every_await: bool = False
    shuffle: bool = False
    wall: float = 1.0
    ignore: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settings:
    """What whoever runs the tests wants.

    Attributes:
        worlds: number of worlds in place of the plan's own.
        replay: a token: run that world only.
        learner: tells whether a file is studied code.
        debug: no limits and no captured output.
        budget: real seconds that shrinking a failure may take.
    """

    worlds: int | None = None
    replay: str | None = None
    learner: Callable[[str], bool] = is_plain_code
    debug: bool = False
    budget: float = 0.5


_settings: contextvars.ContextVar[Settings] = contextvars.ContextVar("settings")


@contextmanager
def use_settings(settings: Settings) -> Iterator[None]:
    """Apply settings to every exploration in the block."""
    token = _settings.set(settings)
    try:
        yield
    finally:
        _settings.reset(token)


def current_settings() -> Settings:
    return _settings.get(Settings())


@dataclass(slots=True)
class Outcome:
    """What became of one world. ``time`` is in virtual seconds."""

    seed: int
    kept: frozenset[int] | None = None
    interruption: int = 0
    result: Any = None
    error: BaseException | None = None
    problems: list[Problem] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    steps: int = 0
    time: float = 0.0
    output: str = ""
    used: frozenset[int] = frozenset()
    interrupted: bool = False
    stuck: bool = False

    @property
    def failed(self) -> bool:
        return self.error is not None or bool(self.problems)

    def signature(self) -> tuple[object, ...]:
        """Two failures with the same signature are the same failure."""
        named = re.match(r"\[([\w-]+)\]", str(self.error)) if self.error is not None else None
        names = tuple(sorted({problem.name for problem in self.problems}))
        return type(self.error).__name__, named and named[1], names


@dataclass(slots=True)
class Finding:
    """A failing world, as small as it could be made.

    Attributes:
        world: which world it was found in, counted from 1; ``worlds``: of how many.
        token: replays it.
        error: what the test raised, if it raised.
        problems: what detectors saw.
        events: what happened, for a `Timeline`.
        output: what was printed in this world.
        shuffled: found by the advisory tier, in an order asyncio never takes.
        time: virtual seconds at its end.
        lost: why the world could not be shown again, if it could not.
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


# -- one world --------------------------------------------------------------------------------


def run_world(
    program: Program,
    seed: int = 0,
    *,
    kept: frozenset[int] | None = None,
    interruption: int = 0,
    trace: bool = False,
    plan: Plan | None = None,
    settings: Settings | None = None,
) -> Outcome:
    """Run a program in one world and judge it."""
    settings = settings or current_settings()
    plan = plan or Plan()
    ownership = Ownership(settings.learner)
    with session(ownership, wall=plan.wall, debug=settings.debug) as active:
        return _run(program, active, plan, seed, kept, interruption, trace)


def _run(
    program: Program,
    active: Session,
    plan: Plan,
    seed: int,
    kept: frozenset[int] | None,
    interruption: int,
    trace: bool,
) -> Outcome:
    active.worlds += 1
    strategy = portfolio(seed, kept) if plan.shuffle and seed else None
    with captured(not active.debug) as output:
        world = World(
            seed,
            ownership=active.ownership,
            kept=kept,
            interruption=interruption,
            strategy=strategy,
            tracing=trace,
            debug=active.debug,
            max_steps=plan.steps,
            until=plan.until,
            lateness=plan.lateness,
        )
        random.seed(seed)
        outcome = Outcome(seed, kept, interruption)
        here.world = world
        use_virtual_clocks(getattr(program, "__globals__", {}))
        try:
            contextvars.copy_context().run(_live, world, program, outcome, active)
            outcome.events = world.recorder.events
            outcome.steps, outcome.time = world.loop.steps, world.time()
            world.close()
            gc.collect()
            if outcome.error is not None:
                world.unawaited.look_for_leftovers(outcome.error)
        finally:
            here.world = None
    outcome.output = output.text()
    outcome.used = frozenset(world.dice.used | (strategy.used if strategy else set()))
    outcome.interrupted = world.interrupted_once
    _add_problems(world, outcome, plan, trace)
    return outcome


def _live(world: World, program: Program, outcome: Outcome, active: Session) -> None:
    """Run the test in its world, and the detectors at its end."""
    try:
        outcome.result = world.run(program(world))
        world.clean_up()
        outcome.problems += detectors.leftover_tasks(world)
        outcome.problems += detectors.lost_exceptions(world)
    except (WorldEnded, Stuck) as ended:
        outcome.problems.append(ended.problem)
        outcome.stuck = isinstance(ended, Stuck)
    except KeyboardInterrupt as error:
        if active.interrupted:
            raise
        outcome.error = error
    except BaseException as error:
        outcome.error = error


BOUNDARY.add(_live.__code__)


def _add_problems(world: World, outcome: Outcome, plan: Plan, trace: bool) -> None:
    unwound = world.recorder.unwound if trace else frozenset()
    seen = world.problems + world.unawaited.confirmed(unwound)
    outcome.problems = [
        problem for problem in dict.fromkeys(seen + outcome.problems)
        if problem.name not in plan.ignore
    ]


# -- many worlds ------------------------------------------------------------------------------


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
    with session(ownership, wall=plan.wall, debug=settings.debug) as active:
        tried = 0
        for seed in range(plan.base, plan.base + plan.seeds):
            for interruption in _interruptions(plan):
                tried += 1
                outcome = _run(program, active, plan, seed, None, interruption, False)
                if outcome.failed:
                    finding = _diagnose(program, active, plan, settings, outcome, tried)
                    if finding is not None:
                        return finding
                if not outcome.interrupted:
                    break
    return None


def _interruptions(plan: Plan) -> Iterator[int]:
    """1, 2, 3, … when every await is to be interrupted in turn; else none."""
    return iter(range(1, _MOST_AWAITS) if plan.at_every_await else range(1))


def _diagnose(
    program: Program, active: Session, plan: Plan, settings: Settings, first: Outcome, tried: int
) -> Finding | None:
    """Run a failing world again with its timeline on, as small as it gets."""
    if first.stuck:
        # It would be stuck again for as long, and its last line is all there is to know.
        return _finding(first, plan, tried)
    again = _run(program, active, plan, first.seed, None, first.interruption, True)
    if not again.failed:
        if first.error is None and all(p.name == "never-awaited" for p in first.problems):
            # A suspicion that the traced run has cleared: see detectors.Unawaited.
            return None
        return _finding(first, plan, tried, lost="the same world ran differently the second time")
    if again.signature() == first.signature() and first.seed:
        kept = _shrink(program, active, plan, again, settings.budget)
        if kept is not None:
            again = _run(program, active, plan, first.seed, kept, first.interruption, True)
    return _finding(again, plan, tried)


def _finding(outcome: Outcome, plan: Plan, tried: int, lost: str | None = None) -> Finding:
    return Finding(
        world=tried,
        worlds=plan.seeds,
        token=write_token(plan, outcome),
        error=outcome.error,
        problems=outcome.problems,
        events=outcome.events,
        output=outcome.output,
        shuffled=plan.shuffle and outcome.seed > 0,
        time=outcome.time,
        lost=lost,
    )


def _shrink(
    program: Program, active: Session, plan: Plan, failing: Outcome, budget: float
) -> frozenset[int] | None:
    """The fewest buckets of draws that still fail in the same way, as far as time allows."""
    deadline = real_monotonic() + budget
    signature = failing.signature()

    def fails(kept: frozenset[int]) -> bool:
        outcome = _run(program, active, plan, failing.seed, kept, failing.interruption, False)
        return outcome.failed and outcome.signature() == signature

    best: frozenset[int] | None = None
    if real_monotonic() < deadline and fails(frozenset()):
        return frozenset()
    buckets = sorted(failing.used)
    size = len(buckets)
    while size and real_monotonic() < deadline:
        start = 0
        while start < len(buckets) and real_monotonic() < deadline:
            fewer = buckets[:start] + buckets[start + size :]
            if fails(frozenset(fewer)):
                buckets, best = fewer, frozenset(fewer)
            else:
                start += size
        size = min(size // 2, len(buckets))
    return best


# -- tokens -----------------------------------------------------------------------------------

_TOKEN = re.compile(r"(?P<shuffle>s?)(?P<seed>\d+)(?:@(?P<await>\d+))?(?:-(?P<kept>x|[0-9a-f]+))?$")


def write_token(plan: Plan, outcome: Outcome) -> str:
    """The token of a world: its seed, its interruption and the draws it keeps."""
    token = ("s" if plan.shuffle else "") + str(outcome.seed)
    if outcome.interruption:
        token += f"@{outcome.interruption}"
    if outcome.kept is not None:
        token += "-" + ("".join(f"{bucket:02x}" for bucket in sorted(outcome.kept)) or "x")
    return token


def read_token(token: str) -> tuple[bool, int, int, frozenset[int] | None]:
    """Whether it shuffles, the seed, the interruption and the buckets kept.

    Raises ValueError for anything that is no token.
    """
    found = _TOKEN.match(token.strip())
    if not found or (found["kept"] not in (None, "x") and len(found["kept"]) % 2):
        raise ValueError(
            f"{token!r} is no replay token: it looks like 7 or 7-c4, as the failure printed it"
        )
    kept = None
    if found["kept"] is not None:
        digits = "" if found["kept"] == "x" else found["kept"]
        kept = frozenset(bytes.fromhex(digits))
    return bool(found["shuffle"]), int(found["seed"]), int(found["await"] or 0), kept


def replay(
    program: Program, token: str, plan: Plan | None = None, settings: Settings | None = None
) -> Finding | None:
    """Run the world of a token; None if it passes."""
    shuffle, seed, interruption, kept = read_token(token)
    plan = replace(plan or Plan(), shuffle=shuffle)
    outcome = run_world(
        program, seed, kept=kept, interruption=interruption, trace=True, plan=plan,
        settings=settings,
    )
    return _finding(outcome, plan, 1) if outcome.failed else None


__all__ = [
    "Finding", "Outcome", "Plan", "Program", "Settings", "Strategy", "current_settings", "explore",
    "read_token", "replay", "run_world", "use_settings", "write_token",
]
