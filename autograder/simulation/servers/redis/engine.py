"""The command engine: a Redis server without a network, on a clock that it is handed.

Connections are `Session` objects; `execute` takes a request of one of them, and replies go to the
sessions' ``write``. Whoever owns the engine calls `time_out` when a deadline has come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .keyspace import Database
from .pubsub import PubSub
from .replies import NOTHING_YET, RedisError, Reply
from .session import Session

if TYPE_CHECKING:
    from .commands.table import Command

DATABASES = 16
_UNKNOWN_ARGUMENTS = 128
_QUEUES_NOT = frozenset({"exec", "discard", "quit", "reset"})
_SUBSCRIBER = frozenset(
    {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe",
     "ping", "quit", "reset"}
)  # fmt: skip

Observer = Callable[[Session, list[bytes], Reply], None]


class Engine:
    """All data and all connections of one server.

    Args:
        clock: milliseconds since 1970.
        choose: a number below the one it is given, for commands that take something at random.
        password: what AUTH must be given; None for none.

    Attributes:
        now: ms since 1970, as of the command that runs.
        observe: called when a command is answered, with its session, words and reply.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        choose: Callable[[int], int] = lambda count: 0,
        password: str | None = None,
    ) -> None:
        from .commands import TABLE

        self._table = TABLE
        self._clock = clock
        self.choose = choose
        self.password = password
        self.databases: dict[int, Database] = {}
        self.sessions: dict[int, Session] = {}
        self.pubsub = PubSub()
        self.scripts: dict[bytes, bytes] = {}
        self.config: dict[bytes, bytes] = dict(DEFAULT_CONFIG)
        self._last_number = 0
        self.now = 0
        self.started_at = self.tick()
        self.commands_processed = 0
        self.connections_received = 0
        self.observe: Observer = lambda session, words, reply: None

    # -- connections ----------------------------------------------------------------------------

    def connect(
        self, write: Callable[[bytes], None], close: Callable[[str], None], address: str = ""
    ) -> Session:
        """A new connection. ``write`` takes bytes; ``close`` is called when it is to end."""
        self._last_number += 1
        session = Session(self._last_number, self.database(0), write, close, address)
        session.authenticated = self.password is None
        session.connected_at = session.last_at = self.tick()
        self.sessions[session.number] = session
        self.connections_received += 1
        return session

    def disconnect(self, session: Session) -> None:
        """A connection is gone: nothing it waited for or listened to concerns it any more."""
        session.closed = True
        self.sessions.pop(session.number, None)
        self.stop_waiting(session)
        self.forget_watches(session)
        self.pubsub.drop(session)

    def database(self, number: int) -> Database:
        """A database by number, made when it is first used."""
        found = self.databases.get(number)
        if found is None:
            found = self.databases[number] = Database(number)
        return found

    def tick(self) -> int:
        """Read the clock, and let expire what has expired."""
        self.now = self._clock()
        for database in self.databases.values():
            database.purge(self.now)
        return self.now

    # -- commands -------------------------------------------------------------------------------

    def execute(self, session: Session, words: list[bytes]) -> None:
        """Do what a request says and answer it, now or when what it waits for has come."""
        self.tick()
        session.commands += 1
        session.last_at = self.now
        self.commands_processed += 1
        skips = session.skip_replies
        reply = self._run(session, words)
        if reply is not NOTHING_YET:
            session.reply(reply)
            self.observe(session, words, reply)
        if skips:
            session.skip_replies -= 1
        self.serve_waiting()

    def _run(self, session: Session, words: list[bytes]) -> Reply:
        """What a request is answered with."""
        try:
            command, args = self.look_up(words)
            session.last_command = command.name.encode()
            self._check_allowed(session, command)
        except RedisError as error:
            if session.queue is not None:
                session.queue_failed = True
            return error
        if session.queue is not None and command.name not in _QUEUES_NOT:
            if "no_multi" in command.flags:
                session.queue_failed = True
                return RedisError(f"ERR Command '{command.name}' not allowed inside a transaction")
            session.queue.append((command, args))
            return "QUEUED"
        return self.call(session, command, args, waits=True)

    def look_up(self, words: list[bytes]) -> tuple[Command, list[bytes]]:
        """The command that words name, and its arguments. Raises `RedisError`."""
        command = self._table.get(words[0].upper())
        if command is None:
            raise _not_simulated(words) if words[0].upper() in NOT_SIMULATED else _unknown(words)
        if not command.takes(len(words)):
            raise RedisError(f"ERR wrong number of arguments for '{command.name}' command")
        if not command.subcommands:
            return command, words[1:]
        child = command.subcommands.get(words[1].upper()) if len(words) > 1 else None
        if child is None:
            if command.handler is not None:
                return command, words[1:]
            name = words[1].decode("utf-8", "replace")[:128]
            raise RedisError(f"ERR unknown subcommand '{name}'. Try {command.name.upper()} HELP.")
        if not child.takes(len(words)):
            raise RedisError(f"ERR wrong number of arguments for '{child.name}' command")
        return child, words[2:]

    def _check_allowed(self, session: Session, command: Command) -> None:
        if not session.authenticated and "no_auth" not in command.flags:
            raise RedisError("NOAUTH Authentication required.")
        if session.protocol == 2 and session.is_subscribed and command.name not in _SUBSCRIBER:
            shown = command.name
            raise RedisError(
                f"ERR Can't execute '{shown}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                f"QUIT / RESET are allowed in this context"
            )

    def call(self, session: Session, command: Command, args: list[bytes], *, waits: bool) -> Reply:
        """Run a command; its reply, its error, or `NOTHING_YET`."""
        from .commands.table import Call

        assert command.handler is not None
        try:
            return command.handler(Call(self, session, command, args, waits))
        except RedisError as error:
            return error
        except Exception as error:
            # A fault of this server must not look like a lost connection, which is survived.
            return RedisError(f"ERR the simulated server fails in {command.name}: {error!r}")

    # -- waiting --------------------------------------------------------------------------------

    def serve_waiting(self) -> None:
        """Let commands that wait look again at keys that have changed: who came first, first."""
        while True:
            changed = [
                (database, key) for database in self.databases.values() for key in database.ready
            ]
            if not changed:
                return
            for database, key in changed:
                database.ready.pop(key, None)
                for session in list(database.waiting.get(key, ())):
                    self._look_again(session, type(database.values.get(key)))

    def _look_again(self, session: Session, there: type) -> None:
        wait = session.wait
        if wait is None or wait.kind not in (None, there):
            return
        try:
            reply = wait.attempt()
        except RedisError as error:
            reply = error
        if reply is not NOTHING_YET:
            self.unblock(session, reply)

    def unblock(self, session: Session, reply: Reply) -> None:
        """Answer a command that waits."""
        wait = session.wait
        assert wait is not None
        self.stop_waiting(session)
        session.reply(reply)
        self.observe(session, wait.command, reply)

    def stop_waiting(self, session: Session) -> None:
        """Forget what a session waits for."""
        wait, session.wait = session.wait, None
        if wait is not None:
            wait.db.stop_waiting(session, wait.keys)

    def time_out(self, session: Session) -> None:
        """The time of a waiting command may be up: if it is, answer that nothing came."""
        self.tick()
        wait = session.wait
        if wait is not None and wait.deadline is not None and wait.deadline <= self.now:
            self.unblock(session, wait.empty)
        self.serve_waiting()

    # -- transactions ---------------------------------------------------------------------------

    def forget_watches(self, session: Session) -> None:
        """As UNWATCH."""
        for number, key in session.watched:
            watchers = self.databases[number].watchers
            sessions = watchers.get(key)
            if sessions is not None:
                sessions.pop(session, None)
                if not sessions:
                    del watchers[key]
        session.watched.clear()
        session.watched_changed = False

    def discard_queue(self, session: Session) -> None:
        """A transaction is over, one way or the other."""
        session.queue = None
        session.queue_failed = False
        self.forget_watches(session)


DEFAULT_CONFIG = {
    b"maxmemory": b"0",
    b"maxmemory-policy": b"noeviction",
    b"maxclients": b"10000",
    b"timeout": b"0",
    b"databases": b"16",
    b"appendonly": b"yes",
    b"appendfsync": b"everysec",
    b"save": b"",
    b"client-output-buffer-limit": (
        b"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    ),
    b"notify-keyspace-events": b"",
    b"stream-node-max-entries": b"100",
    b"stream-node-max-bytes": b"4096",
}


NOT_SIMULATED = frozenset(
    b"BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS CLUSTER DUMP FCALL FCALL_RO FUNCTION GEOADD "
    b"GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEOSEARCH GEOSEARCHSTORE GETBIT HEXPIRE "
    b"HEXPIREAT HEXPIRETIME HGETDEL HGETEX HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL "
    b"HSETEX HTTL LATENCY LCS MIGRATE MODULE MONITOR MSETEX PFADD PFCOUNT PFMERGE PSYNC "
    b"REPLICAOF RESTORE SETBIT SHUTDOWN SLAVEOF SORT SORT_RO SYNC XACKDEL XDELEX".split()
)
"""Commands of Redis or Valkey that this server does not have."""


def _not_simulated(words: list[bytes]) -> RedisError:
    name = words[0].decode().upper()
    return RedisError(f"ERR the simulated server does not have {name}; a real one may")


def _unknown(words: list[bytes]) -> RedisError:
    shown = ""
    for word in words[1:]:
        if len(shown) >= _UNKNOWN_ARGUMENTS:
            break
        shown += f"'{word.decode('utf-8', 'replace')[: _UNKNOWN_ARGUMENTS - len(shown)]}' "
    name = words[0].decode("utf-8", "replace")[:128]
    return RedisError(f"ERR unknown command '{name}', with args beginning with: {shown}")
