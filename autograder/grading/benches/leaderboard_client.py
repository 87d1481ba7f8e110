"""A client of a leaderboard's gateway, and what is to be said of what it has seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol


class Clock(Protocol):
    """A world, or an event loop."""

    def time(self) -> float: ...


Ranking = dict[str, int]
Event = dict[str, Any]
History = dict[int, Ranking]
"""The ranking at each version."""


class Client:
    """A player, a viewer, or both, by a connection that may have bad manners.

    Attributes:
        boards, answers: what has come, each with the time of its coming.
        closed: done when the connection has ended, however.
    """

    def __init__(self, world: Clock, name: str) -> None:
        self.name = name
        self.boards: list[tuple[float, Event]] = []
        self.answers: list[tuple[float, Event]] = []
        self.odd: list[Any] = []
        self.on_answer: Callable[[Event], object] = lambda answer: None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wire: Any = None
        self._world = world

    async def watch(self) -> None:
        """Ask for the board."""
        await self.wire.send(json.dumps({"type": "watch"}))

    async def score(self, player: str, seq: int, score: int) -> None:
        """Send a score."""
        event = {"type": "score", "player": player, "seq": seq, "score": score}
        await self.wire.send(json.dumps(event))

    def answered(self, kind: str) -> list[tuple[str, int]]:
        """The scores that were answered like this, in the order of the answers."""
        return [(a["player"], a["seq"]) for _, a in self.answers if a["type"] == kind]

    @property
    def seen(self) -> Ranking:
        """What is on the screen."""
        return dict(self.boards[-1][1]["top"]) if self.boards else {}

    @property
    def version(self) -> int:
        """The version on the screen; -1 if there is no board."""
        return int(self.boards[-1][1]["version"]) if self.boards else -1

    def take(self, text: bytes) -> None:
        try:
            event = json.loads(text)
            assert is_board(event) or is_answer(event)
        except (ValueError, AssertionError, TypeError, KeyError):
            self.odd.append(text[:200])
            return
        if event["type"] == "board":
            self.boards.append((self._world.time(), event))
        else:
            self.answers.append((self._world.time(), event))
            self.on_answer(event)

    def end(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


def is_board(event: Any) -> bool:
    """True if it has the form of a board."""
    return (
        event["type"] == "board"
        and type(event["version"]) is int
        and isinstance(event["top"], list)
        and all(
            len(row) == 2 and isinstance(row[0], str) and type(row[1]) in (int, float)
            for row in event["top"]
        )
    )


def is_answer(event: Any) -> bool:
    """True if it has the form of an answer to a score."""
    return (
        event["type"] in ("taken", "busy")
        and isinstance(event["player"], str)
        and type(event["seq"]) is int
    )


def best(ranking: Ranking, top: int) -> Ranking:
    """The best of a ranking."""
    return dict(sorted(ranking.items(), key=lambda item: -item[1])[:top])


def was_before(history: History, player: str, score: int) -> bool:
    """True if this is not what the player has now, and is what it had before."""
    now = history[max(history)].get(player)
    return score != now and any(ranking.get(player) == score for ranking in history.values())


def assert_history(history: History, client: Client, top: int = 10) -> None:
    """Each board on a screen is as the ranking was at its version."""
    assert not client.odd, f"the gateway said {client.odd[0]}"
    for _, board in client.boards:
        version, shown = board["version"], [tuple(row) for row in board["top"]]
        assert version in history, f"a board has version {version}; there is none"
        ranking = history[version]
        scores = sorted(ranking.values(), reverse=True)[:top]
        assert [score for _, score in shown] == scores, (
            f"in version {version} the best scores are {scores}; on the board {shown}"
        )
        wrong = [row for row in shown if ranking.get(row[0]) != row[1]]
        assert not wrong, f"in version {version} the ranking is {ranking}; on the board {shown}"


def assert_answered_once(client: Client, count: int, why: str = "") -> None:
    """So many scores were sent, and each has one answer."""
    answers = [(answer["player"], answer["seq"]) for _, answer in client.answers]
    twice = sorted({one for one in answers if answers.count(one) > 1})
    assert not twice, f"{twice[0]} was answered {answers.count(twice[0])} times"
    assert len(answers) == count, f"of {count} scores, {len(answers)} were answered{why}"
