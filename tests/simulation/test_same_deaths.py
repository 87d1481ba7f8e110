"""Deaths that are one and the same: only the first of them has a world."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from autograder.simulation import Token, World, explore, read_token


@dataclass
class Post:
    """What a process sends, with a rest before each letter and one after it."""

    sent: list[str] = field(default_factory=list)

    async def send(self, *letters: str) -> str:
        for letter in letters:
            await asyncio.sleep(1)
            self.sent.append(letter)
            await asyncio.sleep(1)
        return "done"

    def outside(self) -> object:
        return len(self.sent)


def test_what_changes_nothing_is_passed_over() -> None:
    """A process waits six times, and there are four states in which it can be killed."""
    found: list[tuple[int, bool, str]] = []

    async def program(world: World) -> None:
        post = Post()
        outcome = await world.killed(post.send(*"abc"), "worker", outside=post.outside)
        found.append((world.struck_at, outcome.fired, "".join(post.sent)))

    assert explore(program, seeds=1, at_every_await=True) is None
    # After c it would be killed at its sixth await.
    assert found == [(1, True, ""), (2, True, "a"), (4, True, "ab"), (6, True, "abc"),
                     (0, False, "abc")]  # fmt: skip


def test_others_may_change_what_is_outside() -> None:
    """Also what somebody else has done while the process waited makes another death of it."""
    found: list[int] = []

    async def program(world: World) -> None:
        post = Post()

        async def rest() -> None:
            for _ in range(5):
                await asyncio.sleep(1)

        other = asyncio.create_task(post.send("x"))
        await world.killed(rest(), "worker", outside=post.outside)
        found.append(world.struck_at)
        await other

    assert explore(program, seeds=1, at_every_await=True) is None
    assert found == [1, 2, 0]


def test_the_token_names_the_await() -> None:
    """It is that of the await at which the process was killed, and so it can be replayed."""

    async def program(world: World) -> None:
        post = Post()
        await world.killed(post.send(*"abc"), "worker", outside=post.outside)
        assert len(post.sent) != 2

    finding = explore(program, seeds=1, at_every_await=True)
    assert finding is not None
    assert finding.lost is None
    assert read_token(finding.token) == Token(0, None, 4)


def test_a_second_process_dies_at_the_same_await() -> None:
    """What is passed over for the first one is passed over for the second, so one number will do
    for both."""
    found: list[tuple[str, str]] = []

    async def program(world: World) -> None:
        first, second = Post(), Post()
        await world.killed(first.send(*"ab"), "first", outside=first.outside)
        await world.killed(second.send(*"ab"), "second", outside=second.outside)
        found.append(("".join(first.sent), "".join(second.sent)))

    assert explore(program, seeds=1, at_every_await=True) is None
    assert found == [("", ""), ("a", "a"), ("ab", "ab"), ("ab", "ab")]
