"""The decorator that turns an async test into one that runs in many worlds."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from .exploration import Finding, explore
from .plan import Plan
from .world import World


class WorldFailed(AssertionError):
    """A test failed in some world; ``finding`` tells everything about it."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        problems = "; ".join(f"[{p.name}] {p.message}" for p in finding.problems)
        said = f"{type(finding.error).__name__}: {finding.error}" if finding.error else ""
        where = f"found in world {finding.world} of {finding.worlds}, replay token {finding.token}"
        super().__init__("; ".join(part for part in (problems, said) if part) + f" ({where})")


def simulate(
    seeds: int = 100, **options: Any
) -> Callable[[Callable[..., Coroutine[Any, Any, Any]]], Callable[..., None]]:
    """Run an async test in ``seeds`` simulated worlds; ``options`` are fields of `Plan`.

    The test's first parameter is the `World`. An argument with a ``renew()`` method is renewed for
    every world, so that no world sees what an earlier one left behind.

    Raises `WorldFailed` with the first failing world, made as small as possible.
    """
    plan = Plan(seeds=seeds, **options)

    def decorate(test: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., None]:
        if not inspect.iscoroutinefunction(test):
            raise TypeError(f"{test.__name__} must be 'async def' to run in a simulated world")

        @functools.wraps(test)
        def run(**arguments: Any) -> None:
            def program(world: World) -> Coroutine[Any, Any, Any]:
                renewed = {name: _renew(value) for name, value in arguments.items()}
                return test(world, **renewed)

            finding = explore(program, plan)
            if finding is not None:
                raise WorldFailed(finding) from finding.error

        signature = inspect.signature(test)
        own = list(signature.parameters.values())[1:]
        run.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        run.__simulate__ = plan  # type: ignore[attr-defined]
        run.__simulated__ = test  # type: ignore[attr-defined]
        del run.__wrapped__  # pytest would look through it
        return run

    return decorate


def _renew(value: Any) -> Any:
    renew = getattr(type(value), "renew", None)
    return renew(value) if renew is not None else value
