"""Sets that are walked in the order in which they were filled."""

from __future__ import annotations

import aio_pika.tools
import aiormq.base

from autograder.simulation import World, run_world
from autograder.simulation.ordering import OrderedSet, OrderedWeakSet


class Thing:
    """Hashed by its address."""


def test_a_set_keeps_the_order() -> None:
    """It behaves as a set, and remembers what came first."""
    things = [Thing() for _ in range(50)]
    ordered = OrderedSet(things)
    ordered.add(things[7])
    assert list(ordered) == things
    ordered.remove(things[0])
    ordered.discard(things[0])
    assert things[0] not in ordered
    assert things[1] in ordered
    assert ordered.pop() is things[1]
    assert len(ordered) == 48
    ordered.clear()
    assert not ordered


def test_a_weak_set_keeps_the_order_and_nothing_alive() -> None:
    """It holds its elements weakly, in order."""
    things = [Thing() for _ in range(50)]
    ordered = OrderedWeakSet(things)
    assert list(ordered) == things
    ordered.discard(things[0])
    del things[1]
    assert list(ordered) == things[1:]
    assert things[0] not in ordered
    things.clear()
    assert len(ordered) == 0


def test_libraries_make_them_in_worlds_only() -> None:
    """Modules that walk sets make ordered ones while worlds run, and their own kind otherwise."""

    async def program(world: World) -> tuple[object, object]:
        return aiormq.base.set, aio_pika.tools.WeakSet  # type: ignore[attr-defined]

    before = aio_pika.tools.WeakSet
    assert run_world(program).result == (OrderedSet, OrderedWeakSet)
    assert not hasattr(aiormq.base, "set")
    assert aio_pika.tools.WeakSet is before
