"""Runs a program in one world and judges it."""

from __future__ import annotations

import contextvars
import gc
import random
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from . import detectors
from .clock import use_virtual_clocks
from .current import here
from .events import Event
from .ownership import BOUNDARY, Ownership
from .plan import Plan, Settings, current_settings
from .problems import Livelock, Problem, Stuck, WorldEnded
from .session import Session, captured, session
from .strategies import portfolio
from .tokens import Token
from .world import World

if TYPE_CHECKING:
    from .sequence import SequenceDiagram

Program = Callable[[World], Coroutine[Any, Any, Any]]
"""Called once a world: makes the coroutine that is the test."""


@dataclass(slots=True)
class Outcome:
    """What became of one world: ``time`` in virtual seconds, ``used`` the buckets of its draws."""

    token: Token
    result: Any = None
    error: BaseException | None = None
    problems: list[Problem] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sequence: SequenceDiagram | None = None
    steps: int = 0
    time: float = 0.0
    output: str = ""
    used: frozenset[int] = frozenset()
    interrupted: bool = False
    stuck: bool = False
    endless: bool = False

    @property
    def failed(self) -> bool:
        return self.error is not None or bool(self.problems)

    def signature(self) -> tuple[object, ...]:
        """Two failures with the same signature are the same failure."""
        named = re.match(r"\[([\w-]+)\]", str(self.error)) if self.error is not None else None
        names = tuple(sorted({problem.name for problem in self.problems}))
        return type(self.error).__name__, named and named[1], names


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
    token = Token(seed, kept, interruption, plan.shuffle)
    ownership = Ownership(settings.learner)
    use_virtual_clocks(getattr(program, "__globals__", {}))
    with session(ownership, wall=plan.wall, debug=settings.debug) as active:
        return run_in(active, program, plan, token, trace)


def run_in(
    active: Session,
    program: Program,
    plan: Plan,
    token: Token,
    trace: bool = False,
    *,
    passes_over: bool = False,
) -> Outcome:
    """As `run_world`, in a session that is open already.

    ``passes_over``: awaits at which a death would be as good as the one before (`World.killed`);
    the outcome's token names the await that it came to.
    """
    active.worlds += 1
    outcome = Outcome(token)
    with captured(not active.debug) as output:
        world = _make_world(active, plan, token, trace, passes_over)
        random.seed(token.seed)
        here.world = world
        try:
            contextvars.copy_context().run(_live, world, program, outcome, active)
            outcome.events = list(world.recorder.events)
            outcome.sequence = world.letters.diagram() if world.letters else None
            outcome.steps, outcome.time = world.loop.steps, world.time()
            world.close()
            _judge_stuck(outcome, active)
            gc.collect()
            if outcome.error is not None:
                world.unawaited.look_for_leftovers(outcome.error)
            if active.interrupted:
                raise KeyboardInterrupt  # whatever became of the first one in the code under study
        finally:
            world.dismantle()
            here.world = None
    outcome.output = output.text()
    outcome.used = world.buckets_used()
    outcome.interrupted = world.interrupted_once
    if passes_over and world.struck_at:
        outcome.token = replace(token, interruption=world.struck_at)
    _add_problems(world, outcome, plan)
    return outcome


def _make_world(active: Session, plan: Plan, token: Token, trace: bool, passes_over: bool) -> World:
    return World(
        token.seed,
        ownership=active.ownership,
        kept=token.kept,
        interruption=token.interruption,
        passes_over=passes_over,
        strategy=portfolio(token.seed, token.kept) if token.shuffled and token.seed else None,
        tracing=trace,
        debug=active.debug,
        max_steps=plan.steps,
        max_busy=plan.busy,
        until=plan.until,
        lateness=plan.lateness,
    )


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
        outcome.endless = isinstance(ended, Livelock)
    except KeyboardInterrupt as error:
        if active.interrupted:
            raise
        outcome.error = error
    except BaseException as error:
        outcome.error = error


BOUNDARY.add(_live.__code__)


def _judge_stuck(outcome: Outcome, active: Session) -> None:
    """Code that was stopped for not coming back: asyncio keeps the error of a task or a callback
    to itself, and what else is wrong with such a world comes from the stop."""
    problem = active.watch.take_problem()
    if problem is not None:
        outcome.problems, outcome.error, outcome.stuck = [problem], None, True


def _add_problems(world: World, outcome: Outcome, plan: Plan) -> None:
    seen = world.problems + world.unawaited.confirmed(world.recorder.unwound)
    outcome.problems = [
        problem
        for problem in dict.fromkeys(seen + outcome.problems)
        if problem.name not in plan.ignore
    ]
