"""Players who score, by real WebSockets, at a chosen rate; and what is known of what they sent."""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict, deque
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

NAMES = [
    "Ada", "Bela", "Cem", "Dora", "Emil", "Fay", "Gus", "Hana", "Ilja", "Juno", "Kai", "Lena",
    "Mika", "Nora", "Omar", "Pia", "Quin", "Rosa", "Sami", "Tove", "Udo", "Vera", "Wim", "Xenia",
    "Yuri", "Zoe",
]  # fmt: skip
TICK = 0.01
"""Seconds between two looks at which scores are due."""
MOST_UNSEEN = 5000
"""Scores of one player that are remembered until they are seen."""


def names(count: int) -> list[str]:
    """So many names: Ada, Bela, ..., Zoe, Ada 2, ..."""
    rounds = [[name if n == 0 else f"{name} {n + 1}" for name in NAMES] for n in range(count)]
    return [name for each in rounds for name in each][:count]


class Ledger:
    """Which scores were sent when, until a board shows them or newer ones."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[tuple[int, float]]] = defaultdict(
            lambda: deque(maxlen=MOST_UNSEEN)
        )
        self._shown: set[str] = set()

    def sent(self, player: str, score: int, at: float) -> None:
        """A score is sent at this time, by `time.perf_counter`."""
        self._sent[player].append((score, at))

    def seen(self, top: list[Any], now: float) -> list[float]:
        """A board is on a screen: for each score that it shows or makes old, the seconds it took.

        Who was not on the board before does not count: his scores were not to be shown.
        """
        took: list[float] = []
        for player, score in top:
            unseen = self._sent[player]
            place = next((n for n, (one, _) in enumerate(unseen) if one == score), None)
            if place is None:
                continue
            shown = [unseen.popleft() for _ in range(place + 1)]
            if player in self._shown:
                took += [now - at for _, at in shown]
        self._shown = {player for player, _ in top}
        return took


class Player:
    """One player, on a connection of its own that is made anew when it is lost."""

    def __init__(self, name: str, port: int, counts: Counter[str]) -> None:
        self.name = name
        self._level = random.randrange(10, 50)
        self._seq = time.time_ns() // 1000  # more than that of a player before us with this name
        self._port = port
        self._counts = counts
        self._connection: ClientConnection | None = None

    async def live(self) -> None:
        """Be connected, and count the answers, until cancelled."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    f"ws://127.0.0.1:{self._port}", compression=None, ping_interval=None
                ) as connection:
                    self._connection = connection
                    async for text in connection:
                        kind = "taken" if '"taken"' in str(text) else "busy"
                        self._counts[kind] += 1
            self._connection = None
            await asyncio.sleep(random.uniform(0.1, 0.5))

    async def play(self) -> int | None:
        """Score: mostly up, sometimes down; the new score, None if there is no connection."""
        if self._connection is None:
            return None
        self._seq += 1
        self._level = min(90, max(1, self._level + random.choice((-1, 0, 0, 0, 0, 1))))
        # None like the ones before it, so that whoever sees it knows which one it is.
        score = 100 * self._level + self._seq % 100
        said = {"type": "score", "player": self.name, "seq": self._seq, "score": score}
        with suppress(WebSocketException):
            await self._connection.send(json.dumps(said))
        return score


class Crowd:
    """All players. They score in turn, so many times a second, whether they are answered or not.

    Attributes:
        rate: scores a second, of all players together; it may be changed.
        counts: how many were "sent", "taken" and "busy".
    """

    def __init__(self, ports: list[int], players: int, rate: float, ledger: Ledger) -> None:
        self.rate = rate
        self.counts: Counter[str] = Counter()
        self.players = [
            Player(name, ports[number % len(ports)], self.counts)
            for number, name in enumerate(names(players))
        ]
        self._ledger = ledger

    async def run(self) -> None:
        """Play until cancelled."""
        async with asyncio.TaskGroup() as group:
            for player in self.players:
                group.create_task(player.live())
            group.create_task(self._conduct())

    async def _conduct(self) -> None:
        """Have each score sent when it is due. What is late was due then: that is its time."""
        turn = 0
        due = time.perf_counter()
        while True:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            if self.rate <= 0 or now - due > 1:
                due = now  # paused, or this process was: nobody catches up on that
                continue
            while due <= now:
                player = self.players[turn % len(self.players)]
                score = await player.play()
                if score is not None:
                    self.counts["sent"] += 1
                    self._ledger.sent(player.name, score, due)
                turn += 1
                due += 1 / self.rate
