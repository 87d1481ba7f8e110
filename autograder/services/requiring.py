"""Finding a server that runs, or starting one: the order in which that is tried."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from . import leases, looking, records
from .catalogue import SERVERS
from .leases import Lease
from .model import NoAnswer, NotHere, Server, Service, Unusable, Way
from .records import Record


def require(name: str, *, shared: Path | None = None) -> Service:
    """A server of this kind that answers: "redis", "rabbitmq", ...

    It is the first of: the one at the address in the environment; one that runs, because `course
    services up` started it or on the default port of this machine; one that is started now, in
    the best way that there is. A server that is started now ends when everybody has released it,
    and when this process ends, however that happens.

    shared: a folder in which several processes find the server that one of them has started.

    Raises:
        NotHere: there is none, and this machine has nothing to start one with.
        Unusable: the address in the environment is wrong, or no start succeeded.
        KeyError: there is no such kind of server.
    """
    server = SERVERS[name]
    if find_spec(server.client) is None:
        raise NotHere(f"{server.title} needs a package: pip install -e '.[{name}]'")
    found = from_environment(server) or running(server)
    if found is not None:
        return found
    if shared is None:
        return start(server)[0]
    with records.one_at_a_time(shared, name):
        return _join(server, shared) or _start_shared(server, shared)


def from_environment(server: Server) -> Service | None:
    """The server whose address is in the environment; None if there is no address.

    Raises:
        Unusable: nothing answers there.
    """
    where = os.environ.get(server.variable)
    if not where:
        return None
    try:
        server.ping(where)
    except NoAnswer as reason:
        raise Unusable(
            f"{server.variable} is {where}, and no {server.title} answers there ({reason}). Start "
            "it, correct the address, or unset the variable: then the course looks for one itself."
        ) from None
    return Service(server.name, server.title, where, server.variable)


def running(server: Server, state: Path | None = None) -> Service | None:
    """The server that `course services up` started, or the one on the default port, if any."""
    folder = state or records.state_folder()
    record = records.read(folder, server.name)
    if record is not None:
        if answers(server, record.service.address):
            return record.service
        records.forget(folder, server.name)
    where = server.address(server.port)
    if looking.is_free(server.port) or not answers(server, where):
        return None
    return Service(server.name, server.title, where, f"running on port {server.port}")


def answers(server: Server, where: str) -> bool:
    """Whether a server of this kind answers at this address."""
    try:
        server.ping(where)
    except NoAnswer:
        return False
    return True


def start(
    server: Server, port: int | None = None, record: Path | None = None
) -> tuple[Service, Lease]:
    """Start a server, in the first way that this machine has and that works.

    record: a file about it, for the keeper to remove when the server ends.

    Raises:
        NotHere: this machine has no way.
        Unusable: it has some, and none worked.
    """
    ways = [way for way in server.ways if way.here()]
    if not ways:
        raise NotHere(missing(server))
    failures = []
    for way in ways:
        try:
            return _start_with(server, way, port or looking.free_port(), record)
        except Unusable as failure:
            failures.append(str(failure))
    raise Unusable("\n".join(failures))


def _start_with(server: Server, way: Way, port: int, record: Path | None) -> tuple[Service, Lease]:
    plan = way.plan(port, leases.scratch(server.name))
    where = server.address(port)
    lease = leases.start(plan, record)
    try:
        _wait(server, way, where, lease)
    except BaseException:
        lease.release()
        raise
    service = Service(
        server.name, server.title, where, way.name, more=plan.more, release=lease.release
    )
    return service, lease


def _wait(server: Server, way: Way, where: str, lease: Lease) -> None:
    began = time.monotonic()
    while True:
        try:
            server.ping(where)
        except NoAnswer as reason:
            why = str(reason)
        else:
            return
        ended = lease.ended(patience=0.05)
        if ended is not None:
            raise Unusable(f"{server.title} ({way.name}) did not start: {ended}")
        if time.monotonic() - began > server.startup:
            raise Unusable(
                f"{server.title} ({way.name}) was started, and does not answer at {where} after "
                f"{server.startup:.0f} s: {why}"
            )


def missing(server: Server) -> str:
    """One sentence that says how to get a server."""
    remedies = "; or ".join(way.how for way in server.ways if way.how)
    return (
        f"{server.title} is not here. To get it: {remedies}; or set {server.variable} to the "
        "address of one that runs."
    )


def _join(server: Server, shared: Path) -> Service | None:
    record = records.read(shared, server.name)
    lease = leases.lease(record.control) if record else None
    if record is None or lease is None:
        return None
    return replace(record.service, release=lease.release)


def _start_shared(server: Server, shared: Path) -> Service:
    service, lease = start(server, record=records.record_file(shared, server.name))
    records.write(shared, Record(service, lease.control))
    return service
