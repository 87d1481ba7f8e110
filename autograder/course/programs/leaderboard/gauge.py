"""A viewer with a stopwatch: how long from a score to a screen."""

import asyncio
import json
import time
from collections import Counter, deque
from contextlib import suppress
from typing import NamedTuple

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from autograder.course.programs.leaderboard.crowd import Ledger


class Spread(NamedTuple):
    """Of how many latencies; their median, 99th percentile and maximum, in seconds."""

    of: int
    p50: float
    p99: float
    most: float


def spread(took: list[float]) -> Spread | None:
    """What is to be said of some latencies; None of none."""
    if not took:
        return None
    ordered = sorted(took)
    last = len(ordered) - 1
    p50, p99 = (ordered[min(last, int(len(ordered) * share))] for share in (0.5, 0.99))
    return Spread(len(ordered), p50, p99, ordered[-1])


class Gauge:
    """One viewer, by a real WebSocket, that looks up in the ledger what it sees.

    Attributes:
        took: when each score was seen, and the seconds it took, the last ``keep`` of them.
        boards: how many boards have come.
    """

    def __init__(self, port: int, ledger: Ledger, keep: int = 100_000) -> None:
        self.took: deque[tuple[float, float]] = deque(maxlen=keep)
        self.boards = 0
        self._port = port
        self._ledger = ledger

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    f"ws://127.0.0.1:{self._port}", compression=None, ping_interval=None
                ) as connection:
                    await connection.send(json.dumps({"type": "watch"}))
                    async for text in connection:
                        self._see(json.loads(text))
            await asyncio.sleep(0.3)

    def _see(self, said: dict[str, object]) -> None:
        if said.get("type") != "board":
            return
        now = time.perf_counter()
        self.boards += 1
        self.took += [(now, one) for one in self._ledger.seen(list(said["top"]), now)]  # type: ignore[call-overload]

    def last(self, seconds: float) -> Spread | None:
        """What was seen in the last so many seconds."""
        since = time.perf_counter() - seconds
        took = []
        for at, one in reversed(self.took):
            if at < since:
                break
            took.append(one)
        return spread(took)


class Rates:
    """How much a second, from counters that only grow."""

    def __init__(self, window: float = 2.0) -> None:
        self._window = window
        self._seen: deque[tuple[float, Counter[str]]] = deque()

    def of(self, counts: Counter[str]) -> dict[str, float]:
        """Note what the counters show now; each one's growth a second, over some seconds."""
        now = time.perf_counter()
        self._seen.append((now, counts.copy()))
        while len(self._seen) > 2 and now - self._seen[1][0] >= self._window:
            self._seen.popleft()
        then, before = self._seen[0]
        span = max(now - then, 1e-6)
        return {name: (count - before[name]) / span for name, count in counts.items()}
