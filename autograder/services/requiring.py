"""Finding a server that runs, or starting one: the order in which that is tried."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from . import leases, looking, records
from .catalogue import SERVERS
from .leases import Lease
from .model import NoAnswer, NotHere, Server, Service, Unusable, Way
from .records import Record

_TRIES = 2  # a start may fail because somebody took a port that was free a moment ago


@dataclass(frozen=True)
class Passed:
    """A server that runs and cannot be used, and why."""

    reason: str


class _Ended(Unusable):
    """It ended while we waited for its first answer."""


def require(name: str, *, shared: Path | None = None, namespaces: bool = False) -> Service:
    """A server of this kind that answers: "redis", "rabbitmq", "kafka", "postgres", "temporal".

    It is the first of: the one at the address in the environment; one that runs, because `course
    services up` started it or on the default port of this machine; one that is started now, in
    the best way that there is. A server that is started now ends when everybody has released it,
    and when this process ends, however that happens.

    Args:
        shared: a folder in which several processes find the server that one of them has started.
        namespaces: whether it must be one that gives away namespaces, as tests need them.

    Raises:
        NotHere: there is none, and this machine has nothing to start one with.
        Unusable: the address in the environment is wrong, or no start succeeded.
        KeyError: there is no such kind of server.
    """
    server = SERVERS[name]
    check_clients(server)
    found = from_environment(server)
    if found is not None:
        if namespaces:
            check_namespace(server, found)
        return found
    passed = []
    for candidate in running(server):
        if isinstance(candidate, Service) and namespaces:
            try:
                check_namespace(server, candidate)
            except Unusable as reason:
                candidate = Passed(str(reason))
        if isinstance(candidate, Service):
            return candidate
        passed.append(candidate.reason)
    try:
        return start(server)[0] if shared is None else _start_together(server, shared)
    except NotHere as missing:
        raise NotHere("\n".join([*passed, str(missing)])) from None


def check_clients(server: Server) -> None:
    """Return if the packages with which we talk to this kind of server are here.

    Raises:
        NotHere: one is not.
    """
    for package in server.clients:
        if find_spec(package) is None:
            what = f'-e ".[{server.extra}]"' if server.extra else "-e ."
            raise NotHere(
                f"{server.title} needs the Python package {package}, in the course's folder: "
                f"{looking.pip(what)}"
            )


def check_namespace(server: Server, service: Service) -> None:
    """Return if a server gives away a namespace.

    Raises:
        Unusable: it does not.
    """
    with server.namespace(service):
        pass


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
            f"{server.variable} is {looking.shown(where)}, and no {server.title} answers there "
            f"({reason}). Start it, correct the address, or unset {server.variable}: then the "
            "course looks for one itself."
        ) from None
    return Service(server.name, server.title, where, server.variable)


def running(server: Server, state: Path | None = None) -> list[Service | Passed]:
    """The server that `course services up` started, and the one on the default port, if any."""
    found: list[Service | Passed] = []
    record = records.read(state or records.state_folder(), server.name)
    if record is not None:
        try:
            server.ping(record.service.address)
            return [record.service]
        except NoAnswer as reason:
            found.append(Passed(forgotten(server, record, str(reason), state)))
    if not looking.is_free(server.port):
        where = server.address(server.port)
        try:
            server.ping(where)
            found.append(Service(server.name, server.title, where, f"port {server.port}"))
        except NoAnswer as reason:
            found.append(
                Passed(
                    f"Port {server.port} is in use, and no {server.title} lets us in ({reason})."
                )
            )
    return found


def forgotten(server: Server, record: Record, reason: str, state: Path | None) -> str:
    """Remove the record of a server that has ended without its keeper; say what happened."""
    earlier = f"The {server.title} that was started earlier, at {record.service.address}"
    lease = leases.lease(record.control)
    if lease is None:
        records.forget(state or records.state_folder(), server.name)
        return f"{earlier}, has ended: it is forgotten."
    lease.release()
    return f"{earlier}, does not answer ({reason}). Stop it: course services down {server.name}"


def start(
    server: Server, port: int | None = None, record: Path | None = None
) -> tuple[Service, Lease]:
    """Start a server, in the first way that this machine has and that works.

    Args:
        port: the one that it shall have; by default any.
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
            return _start(server, way, port, record)
        except Unusable as failure:
            failures.append(str(failure))
    raise Unusable("\n".join(failures))


def _start(
    server: Server, way: Way, wanted: int | None, record: Path | None
) -> tuple[Service, Lease]:
    if wanted is not None and not looking.is_free(wanted):
        raise Unusable(f"Port {wanted} is in use: {server.title} cannot have it.")
    for turn in range(_TRIES):
        port = wanted or looking.free_port()
        plan = way.plan(port, leases.scratch(server.name))
        where = server.address(port)
        lease = leases.start(plan, record)
        try:
            _wait(server, way, where, lease)
        except BaseException as error:
            lease.release()
            if isinstance(error, _Ended) and turn + 1 < _TRIES:
                continue
            raise
        service = Service(
            server.name, server.title, where, way.name, more=plan.more, release=lease.release
        )
        return service, lease
    raise AssertionError("not reached")


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
            raise _Ended(f"{server.title} ({way.name}) did not start: {ended}")
        if time.monotonic() - began > way.startup:
            raise Unusable(
                f"{server.title} ({way.name}) was started, and does not answer at {where} after "
                f"{way.startup:.0f} s: {why}"
            )


def missing(server: Server) -> str:
    """A sentence that says how to get a server of this kind."""
    return f"{server.title} is not here. To have it: {'; or '.join(remedies(server))}."


def remedies(server: Server) -> list[str]:
    """What a person could do to have a server of this kind: any one of these."""
    found = [way.how for way in server.ways if way.how]
    return [*found, f"set {server.variable} to the address of one that runs"]


def _start_together(server: Server, shared: Path) -> Service:
    """Join the server that another process has started, or start it for all of them."""
    with records.one_at_a_time(shared, server.name):
        record = records.read(shared, server.name)
        lease = leases.lease(record.control) if record else None
        if record is not None and lease is not None:
            return replace(record.service, release=lease.release)
        service, lease = start(server, record=records.record_file(shared, server.name))
        records.write(shared, Record(service, lease.control))
        return service
