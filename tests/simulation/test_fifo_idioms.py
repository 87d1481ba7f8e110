"""Programs that are correct on asyncio are correct in every world."""

from __future__ import annotations

import asyncio

import pytest

from autograder.simulation import World, explore

from . import idioms, idioms_of_waiting
from .idioms import Idiom

IDIOMS = [*idioms.IDIOMS, *idioms_of_waiting.IDIOMS]

each_idiom = pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.__name__)


@each_idiom
def test_an_idiom_passes_in_a_thousand_worlds(idiom: Idiom) -> None:
    """A program that leans on first-in-first-out order is accused in no world."""

    async def program(world: World) -> None:
        # Worlds differ in the time at which the program begins, and so in how its times round.
        await world.pause()
        await idiom()

    assert explore(program, seeds=1000) is None


@each_idiom
def test_an_idiom_passes_on_asyncio_itself(idiom: Idiom) -> None:
    """The same program holds on asyncio's own loop: it is a fact about asyncio, not about us."""
    asyncio.run(idiom())


def test_the_advisory_tier_does_take_other_orders() -> None:
    """A shuffled ready queue breaks most of these programs, and says that it was shuffled."""
    found = [
        explore(lambda world, idiom=idiom: idiom(), seeds=200, shuffle=True) for idiom in IDIOMS
    ]
    accused = [finding for finding in found if finding is not None]
    assert len(accused) > len(IDIOMS) // 3
    assert all(finding.shuffled and finding.token.startswith("s") for finding in accused)
