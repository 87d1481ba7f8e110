"""How a program is to be explored, and what whoever runs the tests wants."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .ownership import is_plain_code


@dataclass(frozen=True, slots=True)
class Plan:
    """How a program is to be explored.

    Attributes:
        seeds: number of worlds; the first is the calm one.
        base: number of the first world's seed, for another choice of worlds.
        steps: callbacks a world may run; until: virtual seconds it may last.
        busy: callbacks it may run in a row, without time for anybody who waits: whoever needs
            that many never waits. One who looks every 10 ms does.
        lateness: timers may be late by up to this share of their delay.
        at_every_await: also run every seed with an interruption at each await in turn.
        shuffle: the advisory tier, which shuffles the ready queue.
        wall: real seconds one step may take.
        ignore: names of detectors not to listen to.
    """

    seeds: int = 100
    base: int = 0
    steps: int = 100_000
    busy: int = sys.maxsize
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
