"""The server itself: INFO, CONFIG, COMMAND, TIME."""

from __future__ import annotations

from ..arguments import glob, integer, positive
from ..keyspace import TYPE_NAMES
from ..replies import RedisError, Reply, Text
from .client import VERSION
from .table import TABLE, Call, Command, command

_NOT_SIMULATED = {b"maxmemory", b"notify-keyspace-events"}
_BYTES = {b"k": 1000, b"kb": 1024, b"m": 1000**2, b"mb": 1024**2, b"g": 1000**3, b"gb": 1024**3}


@command("TIME", 1, "fast")
def time(call: Call) -> Reply:
    seconds, milliseconds = divmod(call.now, 1000)
    return [b"%d" % seconds, b"%d" % (milliseconds * 1000)]


@command("LASTSAVE", 1, "fast")
def lastsave(call: Call) -> Reply:
    return call.engine.started_at // 1000


@command("BGSAVE", -1, "noscript")
def bgsave(call: Call) -> Reply:
    return "Background saving started"


@command("SAVE", 1, "noscript no_multi")
def save(call: Call) -> Reply:
    return "OK"


@command("BGREWRITEAOF", 1, "noscript")
def bgrewriteaof(call: Call) -> Reply:
    return "Background append only file rewriting started"


@command("ROLE", 1, "noscript fast")
def role(call: Call) -> Reply:
    return [b"master", 0, []]


# -- INFO -----------------------------------------------------------------------------------------


def _sections(call: Call) -> dict[str, dict[str, object]]:
    engine = call.engine
    sessions = list(engine.sessions.values())
    uptime = (call.now - engine.started_at) // 1000
    keyspace: dict[str, object] = {
        f"db{number}": f"keys={len(db.values)},expires={len(db.expiries)},avg_ttl=0"
        for number, db in sorted(engine.databases.items())
        if db.values
    }
    return {
        "Server": {
            "redis_version": "7.2.4",
            "server_name": "valkey",
            "valkey_version": VERSION,
            "redis_mode": "standalone",
            "server_mode": "standalone",
            "tcp_port": 6379,
            "uptime_in_seconds": uptime,
            "uptime_in_days": uptime // 86_400,
        },
        "Clients": {
            "connected_clients": len(sessions),
            "maxclients": 10_000,
            "blocked_clients": sum(session.wait is not None for session in sessions),
            "pubsub_clients": sum(session.is_subscribed for session in sessions),
        },
        "Memory": {"used_memory": 1_000_000, "used_memory_human": "976.56K", "maxmemory": 0},
        "Persistence": {"loading": 0, "aof_enabled": 1, "rdb_changes_since_last_save": 0},
        "Stats": {
            "total_connections_received": engine.connections_received,
            "total_commands_processed": engine.commands_processed,
            "pubsub_channels": len(engine.pubsub.channels),
            "pubsub_patterns": len(engine.pubsub.patterns),
        },
        "Replication": {"role": "master", "connected_slaves": 0},
        "Cluster": {"cluster_enabled": 0},
        "Keyspace": keyspace,
    }


@command("INFO", -1)
def info(call: Call) -> Reply:
    wanted = {word.decode("utf-8", "replace").lower() for word in call.args}
    everything = not wanted or wanted & {"all", "default", "everything"}
    parts = []
    for name, values in _sections(call).items():
        if everything or name.lower() in wanted:
            lines = "".join(f"{key}:{value}\r\n" for key, value in values.items())
            parts.append(f"# {name}\r\n{lines}")
    return Text("\r\n".join(parts).encode())


# -- CONFIG ---------------------------------------------------------------------------------------


@command("CONFIG GET", -3, "noscript")
def config_get(call: Call) -> Reply:
    patterns = [glob(word.lower()) for word in call.args]
    config = call.engine.config
    return {name: config[name] for name in config if any(p.match(name) for p in patterns)}


@command("CONFIG SET", -4, "noscript")
def config_set(call: Call) -> Reply:
    if len(call.args) % 2:
        raise call.wrong_number()
    config = call.engine.config
    for name, value in zip(call.args[::2], call.args[1::2], strict=True):
        name = name.lower()
        if name not in config:
            shown = name.decode("utf-8", "replace")
            raise RedisError(
                f"ERR Unknown option or number of arguments for CONFIG SET - '{shown}'"
            )
        if name == b"client-output-buffer-limit":
            value = _merge_limits(config[name], value)
        elif name == b"maxmemory":
            value = b"%d" % _bytes(value)
        if value and value != b"0" and name in _NOT_SIMULATED:
            shown = name.decode()
            raise RedisError(f"ERR the simulated server does not do what {shown} asks for")
        config[name] = value
    return "OK"


def _bytes(text: bytes) -> int:
    number = text.rstrip(b"kmgbKMGB")
    return int(number) * _BYTES.get(text[len(number) :].lower(), 1)


def _merge_limits(before: bytes, text: bytes) -> bytes:
    words = text.split()
    if not words or len(words) % 4:
        raise RedisError(
            "ERR CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - "
            "Wrong number of arguments in buffer limit configuration."
        )
    old = before.split()
    limits = {old[index]: old[index + 1 : index + 4] for index in range(0, len(old), 4)}
    for index in range(0, len(words), 4):
        kind = b"slave" if words[index].lower() == b"replica" else words[index].lower()
        hard, soft, seconds = words[index + 1 : index + 4]
        limits[kind] = [b"%d" % _bytes(hard), b"%d" % _bytes(soft), seconds]
    return b" ".join(b" ".join([kind, *limit]) for kind, limit in limits.items())


@command("CONFIG RESETSTAT", 2, "noscript")
def config_resetstat(call: Call) -> Reply:
    return "OK"


# -- COMMAND --------------------------------------------------------------------------------------


def _described(entry: Command) -> Reply:
    flags = [str(flag) for flag in sorted(entry.flags)]
    first, last, step = entry.keys
    children = [_described(child) for child in entry.subcommands.values()]
    return [entry.name.encode(), entry.arity, flags, first, last, step, [], [], [], children]


@command("COMMAND", -1)
def command_(call: Call) -> Reply:
    return [_described(entry) for entry in TABLE.values()]


@command("COMMAND COUNT", 2)
def command_count(call: Call) -> Reply:
    return len(TABLE)


@command("COMMAND LIST", -2)
def command_list(call: Call) -> Reply:
    return [entry.name.encode() for entry in TABLE.values()]


@command("COMMAND DOCS", -2)
def command_docs(call: Call) -> Reply:
    return {}


@command("COMMAND INFO", -2)
def command_info(call: Call) -> Reply:
    names = [name.upper() for name in call.args] or list(TABLE)
    return [_described(TABLE[name]) if name in TABLE else None for name in names]


# -- odds and ends --------------------------------------------------------------------------------


@command("MEMORY USAGE", -3, "readonly", (2, 2, 1))
def memory_usage(call: Call) -> Reply:
    value = call.db.values.get(call.args[0])
    return None if value is None else 56 + 16 * len(value) + len(TYPE_NAMES[type(value)])


@command("SLOWLOG GET", -2)
def slowlog_get(call: Call) -> Reply:
    return []


@command("SLOWLOG LEN", 2)
def slowlog_len(call: Call) -> Reply:
    return 0


@command("SLOWLOG RESET", 2)
def slowlog_reset(call: Call) -> Reply:
    return "OK"


@command("ACL WHOAMI", 2, "noscript")
def acl_whoami(call: Call) -> Reply:
    return b"default"


@command("WAITAOF", 4, "blocking noscript")
def waitaof(call: Call) -> Reply:
    for text in call.args[:2]:
        integer(text)
    positive(call.args[2], "ERR timeout is negative")
    return [1, 0]
