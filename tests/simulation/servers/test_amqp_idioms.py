"""Right programs with aio-pika are never accused."""

from __future__ import annotations

import pytest

from autograder.simulation import World, explore
from autograder.simulation.servers.amqp import AmqpBroker

from .amqp_idioms import ROUGH, SMOOTH, Program


def name(program: Program) -> str:
    return getattr(program, "__name__", "program")


@pytest.mark.parametrize("program", SMOOTH + ROUGH, ids=name)
def test_a_right_program_is_not_accused(program: Program) -> None:
    """A program that is right passes in every world, and no detector has anything to say."""

    async def run(world: World) -> None:
        await program(world, AmqpBroker(world))

    assert explore(run, seeds=20) is None


@pytest.mark.parametrize("program", ROUGH, ids=name)
def test_a_robust_program_survives_cuts(program: Program) -> None:
    """A program that expects cuts passes in worlds where connections are cut, and so it does on a
    broker that is slow and goes down for a while."""

    async def run(world: World) -> None:
        broker = AmqpBroker(world, latency=(0.0, 0.05))
        broker.cut(before="confirm", chance=0.05)
        broker.cut(before="basic.ack", chance=0.05)
        broker.cut(after="basic.ack", chance=0.05)
        world.loop.call_later(world.latency("down", 2.0, 4.0), broker.stop)
        world.loop.call_later(world.latency("up", 5.0, 12.0), broker.start)
        await program(world, broker)

    assert explore(run, seeds=20) is None


@pytest.mark.slow
@pytest.mark.parametrize("program", SMOOTH + ROUGH, ids=name)
def test_a_right_program_passes_in_hundreds_of_worlds(program: Program) -> None:
    """The same in two hundred worlds, some of them slow."""

    async def run(world: World) -> None:
        slow = (0.0, 0.2) if world.chance(0.3, "slow") else (0.0, 0.0)
        await program(world, AmqpBroker(world, latency=slow))

    assert explore(run, seeds=200, base=1000) is None
