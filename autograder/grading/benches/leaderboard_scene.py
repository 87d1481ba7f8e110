"""A leaderboard under study: its clients, its Redis, and somebody who watches that, for graders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..mistakes import mistake
from .chat_guests import Errors, served
from .leaderboard_client import Client, Event, Ranking
from .raw_websocket import RawWebSocket

if TYPE_CHECKING:
    from autograder.simulation import World
    from autograder.simulation.servers.redis import Executed, RedisServer, StreamView

BOARD, GROUP = "chess", "board"
STREAM, RANKING, VERSION, CHANGES = (
    f"{BOARD}:{name}" for name in ("scores", "ranking", "version", "changes")
)
GATEWAY, PORT = "gateway", 8000
SOON = 1.4
"""Seconds within which a change is on every screen: a second, and what trips take."""
RECOVERED = 11.5
"""Seconds after which everybody has carried on."""


@dataclass
class Running:
    """A worker that was started."""

    task: asyncio.Task[Any]
    stop: asyncio.Event


class Scene:
    """A simulated Redis, and who is about it.

    Attributes:
        history: the ranking at each version.
        torn: what was changed in more than one step, in words.
        odd: what a change said of itself and is not so, in words.
        lost: entries that were removed before they were applied, in words.
        skipped: entries that were there before the group, which begins behind them, in words.
    """

    def __init__(self, world: World, submission: ModuleType) -> None:
        from autograder.simulation.servers.redis import RedisServer

        self.world = world
        self.server: RedisServer = RedisServer(world)
        self.history: dict[int, Ranking] = {0: {}}
        self.torn: list[str] = []
        self.odd: list[str] = []
        self.skipped: list[str] = []
        self.lost: list[str] = []
        self.entries: dict[str, tuple[str, int, int]] = {}
        self._submission = submission
        self._gone: set[str] = set()
        self._told: list[Event] = []
        self._sessions: dict[Any, Any] = {}
        self._listens_to: Any = None

    # -- what runs --------------------------------------------------------------------------------

    @asynccontextmanager
    async def gateway(self, host: str = GATEWAY, **options: Any) -> AsyncIterator[Errors]:
        """The learner's gateway, a process on a host of its own, until the block ends."""
        where, submission = (host, PORT, self.server.url), self._submission.restart()
        async with served(
            self.world, host, submission, "serve_board", *where, board=BOARD, **options
        ) as errors:
            yield errors

    async def client(self, name: str, *, watch: bool = False, gateway: str = GATEWAY) -> Client:
        """A client of a gateway, on a host of its name."""
        client = Client(self.world, name)
        with self.world.network.at(name):
            try:
                client.wire = await RawWebSocket.connect(gateway, PORT, client.take, client.end)
            except OSError as error:
                raise AssertionError(f"{name} could not connect to the gateway: {error}") from None
        if watch:
            await client.watch()
        return client

    def work(self, consumer: str, stop: asyncio.Event, idle: float) -> Any:
        """The coroutine of a worker, which shares no more with others than processes do."""
        return self._submission.restart().work(
            self.server.url, stop, board=BOARD, consumer=consumer, idle=idle
        )

    def worker(self, name: str = "worker", idle: float = 10.0) -> Running:
        """Start the learner's worker on a host of its own."""
        stop = asyncio.Event()
        with self.world.network.at(name):
            return Running(asyncio.create_task(self.work(name, stop, idle), name=name), stop)

    async def stop(self, *workers: Running) -> None:
        """Tell workers to stop, and see that they do."""
        for worker in workers:
            worker.stop.set()
        for worker in workers:
            await asyncio.wait([worker.task], timeout=12)
            if not worker.task.done():
                worker.task.cancel()
                await asyncio.wait([worker.task], timeout=30)
                raise AssertionError(
                    mistake("never-stops", "stop was set, and 12 s later work has not returned.")
                )
            worker.task.result()

    def check(self, *workers: Running) -> None:
        """Raises what a worker raised, and AssertionError if one has returned untold."""
        for worker in workers:
            if worker.task.done():
                worker.task.result()
                assert worker.stop.is_set(), "the worker returned, and nobody had told it to stop"

    async def within(self, seconds: float, condition: Callable[[], Any]) -> bool:
        """Wait until something is true, or so many seconds; whether it is."""
        end = self.world.time() + seconds
        while not condition():
            if self.world.time() >= end:
                return False
            await asyncio.sleep(0.05)
        return True

    async def is_taken(self, client: Client, player: str) -> bool:
        """Send a score of this player, and again while it is busy, as clients do."""
        for seq in range(1, 4):
            await client.score(player, seq, seq)
            if await self.within(2, lambda: (player, seq) in client.answered("taken")):  # noqa: B023
                return True
        return False

    # -- the Redis, from inside -------------------------------------------------------------------

    def ask(self, *words: str | int) -> None:
        """A command inside the server: no fault is in its way, and it takes no time."""
        engine = self.server.engine
        session = self._sessions.get(engine)
        if session is None:
            session = self._sessions[engine] = engine.connect(lambda data: None, lambda why: None)
        engine.execute(session, [str(word).encode() for word in words])
        self.server.settle()

    def change(self, **scores: int) -> int:
        """What a worker of somebody else's does; the new version."""
        version = max(self.history) + 1
        ranking = self.history[version] = {**self.history[version - 1], **scores}
        for player in scores:
            self.ask("ZADD", RANKING, ranking[player], player)
        self.ask("SET", VERSION, version)
        self.ask("PUBLISH", CHANGES, json.dumps({"version": version, "scores": scores}))
        return version

    def add(self, player: str, seq: int, score: int) -> None:
        """What a gateway of somebody else's does."""
        self.ask("XADD", STREAM, "*", "player", player, "seq", seq, "score", score)
        self.entries[self.server.stream(STREAM).last_id] = (player, seq, score)

    @property
    def stream(self) -> StreamView:
        return self.server.stream(STREAM)

    @property
    def ranking(self) -> Ranking:
        """What is in the sorted set now."""
        return {player: int(score) for player, score in (self.server.value(RANKING) or {}).items()}

    def scores_of(self, player: str) -> list[tuple[int, int]]:
        """The seqs and scores of a player that were added, oldest first."""
        return sorted((seq, score) for p, seq, score in self.entries.values() if p == player)

    @property
    def newest(self) -> Ranking:
        """What is to be in the ranking when all that was added is applied."""
        players = {player for player, _, _ in self.entries.values()}
        return {player: self.scores_of(player)[-1][1] for player in players}

    # -- watching workers -------------------------------------------------------------------------

    def watch_steps(self) -> None:
        """See to it from now on that each change is one step, and that nothing is lost."""
        self._subscribe()
        self.server.on_command(self._look)

    def _subscribe(self) -> None:
        """Listen, to this engine: after a restart it is another one."""
        engine = self._listens_to = self.server.engine
        session = engine.connect(self._hear, lambda why: None)
        engine.execute(session, [b"SUBSCRIBE", CHANGES.encode()])

    def _hear(self, data: bytes) -> None:
        """What Redis says to a subscriber: the message is the last of its words."""
        words = data.split(b"\r\n")
        if b"message" in words:
            try:
                self._told.append(json.loads(words[-2]))
            except ValueError:
                self.odd.append(f"the message {words[-2].decode()!r} is no JSON")

    def _look(self, one: Executed) -> None:
        if self.server.engine is not self._listens_to:
            self._subscribe()
        told, self._told = self._told, []
        if one.name in ("XREADGROUP", "XAUTOCLAIM", "XPENDING", "HGET", "WATCH", "MULTI"):
            return
        before = max(self.history)
        ranking, version = self.ranking, int(self.server.value(VERSION) or 0)
        what = f"after  {str(one)[:60]}"
        changed = {p for p, s in ranking.items() if self.history[before].get(p) != s}
        if changed and version == before:
            self.torn.append(f"{what}  the ranking has changed, and the version is still {version}")
            self.history[before] = ranking
        elif version != before:
            self._look_at_step(what, before, version, ranking, changed, told)
        self._look_for_lost(what, ranking)

    def _look_at_step(
        self, what: str, before: int, version: int, ranking: Ranking, changed: set[str],
        told: list[Event],
    ) -> None:  # fmt: skip
        self.history[version] = ranking
        said = next((t for t in told if t.get("version") == version), None)
        if version != before + 1:
            self.odd.append(f"{what}  the version has gone from {before} to {version}")
        elif said is None:
            self.torn.append(f"{what}  the version is {version}, and no message says so")
        else:
            scores = said.get("scores", {})
            for player in changed | set(scores):
                if scores.get(player) != ranking.get(player):
                    self.odd.append(
                        f"version {version}: {player} has {ranking.get(player)} in the ranking, "
                        f"and {scores.get(player)} in the message"
                    )

    def _look_for_lost(self, what: str, ranking: Ranking) -> None:
        """An entry may go when its score, or a newer one of that player, is in the ranking."""
        there = set(self.stream.ids)
        pending = {row.id for row in self.stream.pending(GROUP)}
        last = _position(self.stream.last_delivered(GROUP) or "0-0")
        for entry, (player, seq, _) in self.entries.items():
            if entry in self._gone or (
                entry in there and (entry in pending or _position(entry) > last)
            ):
                continue
            self._gone.add(entry)
            if what.startswith("after  XGROUP"):
                self.skipped.append(f"{player}'s entry {entry}")
            elif ranking.get(player) not in {s for n, s in self.scores_of(player) if n >= seq}:
                how = "acknowledged" if entry in there else "removed"
                self.lost.append(f"{what}  {player}'s entry {entry} was {how}")

    # -- judging ----------------------------------------------------------------------------------

    def assert_one_step(self) -> None:
        """Nobody could see a half of a change, and what is said of it is right."""
        assert not self.torn, mistake("torn-update", f"{self.torn[0]}.")
        assert not self.odd, self.odd[0]

    def assert_nothing_lost(self, said: str) -> None:
        """No entry was given up before its score was in the ranking."""
        assert not self.skipped, mistake(
            "starts-at-the-end",
            f"Scores were in the stream before the group was. It was created behind them, so that "
            f"nobody reads {self.skipped[0]}.",
        )
        assert not self.lost, mistake(
            "commits-early", f"{said}: {self.lost[0]}, and its score was not in the ranking."
        )

    def assert_not_stale(self, said: str, *, killed: bool = False) -> None:
        """No player has an older score than the newest that was applied.

        Where workers were killed, the newest must have been in the ranking: else it was lost.
        """
        for player, found in self.ranking.items():
            *older, (newest, score) = self.scores_of(player) or [(0, found)]
            seqs = [seq for seq, other in older if other == found != score]
            if killed and not any(one.get(player) == score for one in self.history.values()):
                continue
            assert not seqs, mistake(
                "stale-overwrites-new",
                f"{said}. {player}'s newest score is {score}, with seq {newest}; in the ranking "
                f"is {found}, with seq {seqs[0] if seqs else 0}.",
            )

    def assert_newest(self, said: str) -> None:
        """Each player has its newest score."""
        assert self.ranking == self.newest, (
            f"{said}. In the ranking is {self.ranking}; expected {self.newest}"
        )

    def assert_deleted(self, said: str) -> None:
        """All is applied, so nothing is left in the stream or pending."""
        pending = self.stream.pending(GROUP)
        gone = {row.id for row in pending} - set(self.stream.ids)
        assert not gone, f"{said}. {len(gone)} entries are deleted, and not acknowledged"
        assert not pending, (
            mistake(
                "pending-never-read",
                f"{said}. {len(pending)} entries are pending on the name "
                f"{pending[0].consumer!r}, and idle for {pending[0].idle:.0f} s.",
            )
            if pending
            else ""
        )
        left = self.stream.length
        assert not left, (
            mistake("grows-for-ever", f"{said}. All are applied, and {left} are in the stream.")
            if not self.stream.unread(GROUP)
            else f"{said}. {left} entries were never read"
        )


def _position(entry: str) -> tuple[int, int]:
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds), int(number)


def warm_up() -> None:
    """Import and compile all that a scene needs: in a world it would be one long step."""
    from autograder.simulation import Plan, run_world

    async def program(world: World) -> None:
        import redis.asyncio
        from websockets.asyncio.client import connect
        from websockets.asyncio.server import serve

        from autograder.simulation.servers.redis import RedisServer
        from autograder.simulation.servers.redis.lua import interpreter

        interpreter()

        async def attend(connection: Any) -> None:
            await connection.send("warm")

        async with (
            redis.asyncio.from_url(RedisServer(world).url) as client,
            serve(attend, "warm", 1),
            connect("ws://warm:1") as connection,
        ):
            await connection.recv()
            await client.ping()

    run_world(program, plan=Plan(wall=60.0))
