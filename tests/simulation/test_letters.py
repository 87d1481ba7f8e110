"""Messages between participants become a sequence diagram, as text and as Mermaid."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from autograder.simulation import World, explore
from autograder.simulation.printable import columns
from autograder.simulation.sequence import SequenceDiagram


def drawn(tell: Any) -> SequenceDiagram:
    """The diagram of the calm world in which `tell(world)` runs."""

    async def program(world: World) -> None:
        await tell(world)
        raise AssertionError("so that it is shown")

    finding = explore(program, seeds=1)
    assert finding is not None
    assert finding.sequence is not None
    return finding.sequence


async def order(world: World) -> None:
    """A payment is taken twice: the first request is overtaken by its repetition."""
    first = world.letter("shop", "payment", "TakePayment o-1")
    await asyncio.sleep(2.0)
    second = world.letter("shop", "payment", "TakePayment o-1, again")
    await asyncio.sleep(0.012)
    second.arrived()
    world.happens("payment", "takes 1,200")
    first.arrived()
    world.happens("payment", "takes 1,200")
    world.letter("payment", "shop", "PaymentTaken").lost()
    world.letter("payment", "shop", "PaymentTaken")


def test_an_arrow_stands_where_the_message_arrived() -> None:
    """Overtaken messages say when they were sent; lost ones and those under way end otherwise."""
    assert drawn(order).text(90).splitlines() == [
        "   time   shop                                 payment",
        "2.012 s     │────── TakePayment o-1, again ──────▶│",
        "            │                                     ● takes 1,200",
        "            │── TakePayment o-1 (sent 0.000 s) ──▶│",
        "            │                                     ● takes 1,200",
        "            │✗─────────── PaymentTaken ───────────│",
        "            │◀───── PaymentTaken (under way) ─────│",
    ]


def test_the_same_in_mermaid() -> None:
    """Participants, arrows, crosses for what is lost, notes for what happens."""
    assert drawn(order).mermaid().splitlines() == [
        "sequenceDiagram",
        "    participant p0 as shop",
        "    participant p1 as payment",
        "    p0->>p1: TakePayment o-1, again",
        "    Note over p1: takes 1,200",
        "    p0->>p1: TakePayment o-1 (sent 0.000 s)",
        "    Note over p1: takes 1,200",
        "    p1-xp0: PaymentTaken",
        "    p1->>p0: PaymentTaken (under way)",
    ]


def test_a_duplicate_says_so() -> None:
    """A message that arrives a second time is marked."""

    async def twice(world: World) -> None:
        letter = world.letter("a", "b", "Hello")
        letter.arrived()
        letter.arrived()

    assert "Hello (again)" in drawn(twice).text()


def test_text_of_learners_is_no_markup() -> None:
    """What means something to Mermaid is taken out, and so are line ends."""

    async def hostile(world: World) -> None:
        world.letter("end", "a;b", "x\n```\nend; <b>#quot;").arrived()
        world.happens("a;b", "end")

    lines = drawn(hostile).mermaid().splitlines()
    assert lines[1:] == [
        "    participant p0 as 'end'",
        "    participant p1 as a b",
        "    p0->>p1: x     end   b  quot",
        "    Note over p1: 'end'",
    ]


@pytest.mark.parametrize("width", [40, 60, 95, 140])
@pytest.mark.parametrize("encoding", [None, "ascii", "cp1252"])
def test_it_stays_within_the_terminal(width: int, encoding: str | None) -> None:
    """However long labels and names are, no line is wider than asked for, nor has odd signs."""

    async def wordy(world: World) -> None:
        for sender, receiver in ("ab", "bc", "cd", "da", "ac", "dd"):
            world.letter(f"agent {sender}", f"agent {receiver}", f"{sender}{receiver} " * 30).lost()
            world.happens(f"agent {receiver}", "it happens " * 20)

    for line in drawn(wordy).text(width, encoding=encoding).splitlines():
        assert columns(line) <= max(width, 64)  # four participants need so much
        line.encode(encoding or "utf-8")


def test_a_long_story_is_shortened() -> None:
    """Of many rows the first and the last are shown, and how many there are between."""

    async def long(world: World) -> None:
        for number in range(100):
            world.letter("a", "b", f"message {number}").arrived()

    text = drawn(long).text(rows=12)
    assert len(text.splitlines()) == 13
    assert re.findall(r"message \d+|… \d+ rows …", text) == [
        *(f"message {n}" for n in range(4)),
        "… 89 rows …",
        *(f"message {n}" for n in range(93, 100)),
    ]


def test_nothing_is_kept_of_a_world_that_nobody_reads() -> None:
    """In a world that passes letters cost next to nothing, and leave nothing."""
    kept: list[World] = []

    async def program(world: World) -> None:
        kept.append(world)
        await order(world)

    assert explore(program, seeds=1) is None
    assert kept[0].letters is not None
    assert kept[0].letters.diagram() is None
