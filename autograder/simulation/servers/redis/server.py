"""The simulated server, as graders use it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...clock import EPOCH
from ...loop import START
from ..port import ServerOnPort
from .engine import Engine
from .faults import Condition, Cut, Faults, When
from .replies import Reply
from .serving import Connection
from .views import Client, Executed, StreamView, client_of, text, value_of

if TYPE_CHECKING:
    from ...world import World
    from .keyspace import Database
    from .session import Session

Range = tuple[float, float]
_EPOCH = round(EPOCH * 1000)
_TRIFLE = 1e-6


@functools.cache
def _know_the_version() -> None:
    """redis-py reads its package's metadata for every client and every connection, which takes
    longer than to open one. It does not change."""
    from redis import utils

    utils.get_lib_version = functools.cache(utils.get_lib_version)


class RedisServer(ServerOnPort):
    """A Redis server on a host of the world's network, that behaves as Valkey 9 does.

    redis-py's asyncio client connects to `url` as it would to any other::

        server = RedisServer(world)
        client = redis.asyncio.from_url(server.url)

    Args:
        world: the world it is in.
        host, port: where it listens.
        latency: seconds, least and most, that a command takes until it has its effect.
        persistent: whether a restart keeps the data.
        password: what clients must give, if anything.
    """

    def __init__(
        self,
        world: World,
        host: str = "redis",
        port: int = 6379,
        *,
        latency: Range = (0.0, 0.0),
        persistent: bool = True,
        password: str | None = None,
    ) -> None:
        super().__init__(world, host, port)
        _know_the_version()
        self.latency = latency
        self.persistent = persistent
        self.password = password
        self.log: list[Executed] = []
        self.overflows: list[str] = []
        self.frozen = False
        self.faults = Faults(lambda chance, key: world.chance(chance, f"{host} {key}"))
        self._slow: dict[str, Range] = {}
        self._connections: dict[Connection, None] = {}
        self._by_session: dict[Session, Connection] = {}
        self._answered: list[Session] = []
        self._settling = False
        self._thawing: list[Callable[[], object]] = []
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._hooks: list[Callable[[Executed], object]] = []
        self._limit: tuple[bytes, tuple[int, int, float]] = (b"", (0, 0, 0.0))
        self.engine = self._new_engine()

    def __repr__(self) -> str:
        return f"<RedisServer {self.host}:{self.port}, {self.connections} connections>"

    @property
    def url(self) -> str:
        """What a client connects to: ``redis://redis:6379/0``."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.host}:{self.port}/0"

    # -- looking: data --------------------------------------------------------------------------

    def value(self, key: str, db: int = 0) -> Any:
        """What a key holds, as plain Python; None if there is no such key.

        str, dict (a hash), list, set, dict of scores (a sorted set), or list of (id, fields).
        """
        return value_of(self._db(db).values.get(key.encode()))

    def keys(self, db: int = 0) -> list[str]:
        """Every key, oldest first."""
        return [text(key) for key in self._db(db).values]

    def ttl(self, key: str, db: int = 0) -> float | None:
        """Seconds until a key expires; None for never, or no such key."""
        when = self._db(db).expiries.get(key.encode())
        return None if when is None else (when - self.engine.now) / 1000

    def stream(self, key: str, db: int = 0) -> StreamView:
        """A stream, by key; it need not exist."""
        return StreamView(self._db(db), key, self.engine.now)

    def _db(self, number: int) -> Database:
        self.engine.tick()
        return self.engine.database(number)

    # -- looking: clients -----------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def connections_made(self) -> int:
        """How many connections there ever were, since the last restart."""
        return self.engine.connections_received

    @property
    def clients(self) -> list[Client]:
        """Every connection, oldest first."""
        return [client_of(connection) for connection in self._connections]

    def subscribers(self, channel: str) -> int:
        """How many clients listen to a channel by its name."""
        return len(self.engine.pubsub.channels.get(channel.encode(), ()))

    @property
    def patterns(self) -> list[str]:
        """The patterns that somebody listens to."""
        return [text(pattern) for pattern in self.engine.pubsub.patterns]

    def commands(self, name: str | None = None, client: str | None = None) -> list[Executed]:
        """What was asked and answered, oldest first: all of it, or one command's, one client's.

        What a transaction does is listed under its EXEC, as that's reply.
        """
        wanted = None if name is None else name.upper()
        return [
            one for one in self.log if wanted in (None, one.name) and client in (None, one.client)
        ]

    def on_command(self, hook: Callable[[Executed], object]) -> None:
        """Call ``hook`` whenever a command was answered; it must neither wait nor raise."""
        self._hooks.append(hook)

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until ``condition()`` is true; what it gives.

        It is asked after every command and whenever a connection comes or goes, so it must be
        about the server: ``await server.until(lambda: server.stream("orders").length == 3)``.
        """
        value = condition()
        if value:
            return value
        future: asyncio.Future[Any] = self.world.loop.create_future()
        self._waiting.append((condition, future))
        return await future

    # -- making things go wrong -----------------------------------------------------------------

    def cut(
        self,
        *,
        before: str | None = None,
        after: str | None = None,
        nth: int = 1,
        chance: float | None = None,
        client: str | None = None,
        where: Condition | None = None,
        silently: bool = False,
    ) -> Cut:
        """Cut a client's connection when it asks for something for the ``nth`` time from now.

        ``before="XACK"``: the command is lost with the connection. ``after="XACK"``: it has taken
        effect, and the reply is lost: the client cannot tell which of the two it was. Names are
        in any case, with a subcommand behind a space: "XGROUP CREATE". A transaction takes effect
        at "EXEC".

        Args:
            chance: instead of ``nth``: the share of times, drawn anew each time, none in the calm
                world.
            client: only for this client name or host.
            where: only if it is true of the command's words, the name first.
            silently: leave the connection half-open: the server has forgotten it, and the client
                is not told.

        Returns: the cut; its ``happened`` counts.
        """
        if (before is None) == (after is None):
            raise TypeError("cut() takes one of before=... and after=...")
        when: When = "before" if after is None else "after"
        name = (before or after or "").upper()
        cut = Cut(when, name, None if chance else nth, chance, client, where, silently)
        self.faults.cuts.append(cut)
        return cut

    def disconnect(self, client: str | None = None, *, silently: bool = False) -> int:
        """Cut the connections of all clients, or of one client name or host, now; how many."""
        struck = [c for c in self._connections if client is None or client in c.names]
        for connection in struck:
            self.fault(f"{self.host} cuts the connection of {connection}")
            connection.vanish() if silently else connection.cut()
        self.settle()
        return len(struck)

    def slow(self, low: float, high: float | None = None, *, command: str | None = None) -> None:
        """Let commands, or one command, take from ``low`` to ``high`` seconds from now on."""
        span = (low, low if high is None else high)
        if command is None:
            self.latency = span
        else:
            self._slow[command.upper()] = span

    def freeze(self) -> None:
        """Stand still, as a process that is stopped: connections stay, and nothing is answered."""
        if not self.frozen:
            self.frozen = True
            self.fault(f"{self.host} stands still")

    def thaw(self) -> None:
        """Go on, after `freeze`."""
        if not self.frozen:
            return
        self.frozen = False
        self.fault(f"{self.host} goes on")
        thawing, self._thawing = self._thawing, []
        for call in thawing:
            call()
        for connection in list(self._connections):
            connection.pump()
        self.settle()

    def stop(self, *, lose_data: bool | None = None) -> None:
        """Go down: connections end, and new ones are refused until `start`.

        Data is kept if the server is ``persistent``, unless ``lose_data`` says otherwise. Scripts
        and subscriptions are gone in any case.
        """
        if not self._hang_up():
            return
        lost = not self.persistent if lose_data is None else lose_data
        self.fault(f"{self.host} goes down{', and loses its data' if lost else ''}")
        self.frozen = False
        self._thawing.clear()
        for connection in list(self._connections):
            connection.cut()
        before, self.engine = self.engine, self._new_engine()
        if not lost:
            self.engine.databases = before.databases
        self.settle()

    # -- what its connections ask ---------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        self._connections[connection] = None
        self._by_session[connection.session] = connection
        self._look_for_tests()

    def disconnected(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._by_session.pop(connection.session, None)
        self._look_for_tests()

    def time_for(self, words: list[bytes], connection: Connection) -> float:
        """Seconds that a command takes."""
        low, high = self.latency
        if self._slow:
            low, high = self._slow.get(text(words[0]).upper(), self.latency)
        if not high:
            return 0.0
        return self.world.latency(f"{self.host} works for {connection.host}", low, high)

    def strike(self, cut: Cut, connection: Connection) -> None:
        """A cut happens."""
        what = f"{cut.when} {cut.command}"
        if cut.when == "after":
            what += " took effect, before its reply"
        how = "forgets the connection" if cut.silently else "cuts the connection"
        self.fault(f"{self.host} {how} of {connection} {what}")
        connection.vanish() if cut.silently else connection.cut()

    def when_thawed(self, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Have something called when the server stands still no more."""
        loop = self.world.loop
        handle = asyncio.TimerHandle(loop.now, callback, args, loop)
        self._thawing.append(lambda: None if handle.cancelled() else callback(*args))
        return handle

    def overflowed(self, connection: Connection) -> None:
        """A subscriber is disconnected for not reading."""
        self.overflows.append(str(connection))

    @property
    def pubsub_limit(self) -> tuple[int, int, float]:
        """The output buffer's limits of a subscriber: hard and soft in bytes, seconds over soft."""
        setting = self.engine.config[b"client-output-buffer-limit"]
        if self._limit[0] is not setting:
            words = setting.split()
            at = words.index(b"pubsub")
            hard, soft, seconds = (int(word) for word in words[at + 1 : at + 4])
            self._limit = (setting, (hard, soft, float(seconds)))
        return self._limit[1]

    @pubsub_limit.setter
    def pubsub_limit(self, limit: tuple[int, int, float]) -> None:
        hard, soft, seconds = limit
        setting = b"normal 0 0 0 slave 268435456 67108864 60 pubsub %d %d %d"
        self.engine.config[b"client-output-buffer-limit"] = setting % (hard, soft, int(seconds))

    def settle(self) -> None:
        """See to clients whose wait has ended, and to tests that wait for something."""
        if self._settling:
            return
        self._settling = True
        try:
            while self._answered:
                connection = self._by_session.get(self._answered.pop(0))
                if connection is not None:
                    connection.after()
                    connection.pump()
        finally:
            self._settling = False
        self._look_for_tests()

    def _look_for_tests(self) -> None:
        """See whether what tests wait for has come."""
        still = []
        for condition, future in self._waiting:
            if future.done():
                continue
            try:
                value = condition()
            except Exception as error:
                future.set_exception(error)
                continue
            if value:
                future.set_result(value)
            else:
                still.append((condition, future))
        self._waiting = still

    # -- details --------------------------------------------------------------------------------

    def _accept(self) -> Connection:
        return Connection(self)

    def _new_engine(self) -> Engine:
        key = f"{self.host} at random"
        engine = Engine(self._now, lambda count: self.world.choose(count, key), self.password)
        engine.observe = self._observe
        return engine

    def _now(self) -> int:
        """Milliseconds since 1970. Not by way of seconds: their last digit would be rounded."""
        return _EPOCH + int((self.world.loop.now - START) * 1000 + _TRIFLE)

    def _observe(self, session: Session, words: list[bytes], reply: Reply) -> None:
        connection = self._by_session.get(session)
        client = str(connection) if connection else ""
        shown = tuple(map(text, words))
        one = Executed(self.world.time(), client, shown[0].upper(), shown, reply)
        self.log.append(one)
        self._answered.append(session)
        for hook in self._hooks:
            hook(one)
