"""Servers that stay after the command that started them, and how each kind stands now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from . import leases, looking, records
from .model import Addresses, NoAnswer, NotHere, Server, Service, Unusable
from .records import Record
from .requiring import Passed, check_clients, from_environment, remedies, running, start


@dataclass(frozen=True)
class Standing:
    """How a kind of server stands on this machine.

    Attributes:
        state: "runs"; "startable"; "absent", if this machine has nothing to start it with;
            "wrong", if the address in the environment leads nowhere.
        address: where it runs, "" if it does not.
        detail: where it is from, or would be, or what is wrong.
        notes: what else a person should know, a sentence each.
        remedies: what would help if it is absent, any one of them.
        more: other addresses of it, by name.
    """

    server: Server
    state: Literal["runs", "startable", "absent", "wrong"]
    address: str
    detail: str
    notes: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    more: Addresses = field(default_factory=dict)


def standing(server: Server, state: Path) -> Standing:
    """Look whether a server of this kind runs, or could be started."""
    try:
        check_clients(server)
        found = from_environment(server)
    except NotHere as needs:
        return Standing(server, "absent", "", "not here", remedies=(str(needs),))
    except Unusable as problem:
        return Standing(server, "wrong", "", str(problem))
    candidates: list[Service | Passed] = [found] if found else running(server, state)
    notes = tuple(candidate.reason for candidate in candidates if isinstance(candidate, Passed))
    for candidate in candidates:
        if isinstance(candidate, Service):
            where = shown(server, candidate)
            return Standing(server, "runs", where, candidate.provider, notes, more=candidate.more)
    for way in server.ways:
        if way.here():
            return Standing(server, "startable", "", way.name, notes)
    return Standing(server, "absent", "", "not here", notes, tuple(remedies(server)))


def shown(server: Server, service: Service) -> str:
    """The address of a server; one from the environment is shown without its password."""
    theirs = service.provider == server.variable
    return looking.shown(service.address) if theirs else service.address


def up(server: Server, state: Path) -> tuple[Service, bool]:
    """The server that runs, or one that is started and stays; and whether it was started now.

    It has its default port if that is free.

    Raises:
        NotHere: this machine has nothing to start it with.
        Unusable: the address in the environment is wrong, no start succeeded, or it cannot be
            noted where it runs.
    """
    check_clients(server)
    found = from_environment(server)
    if found is not None:
        return found, False
    try:
        return _up(server, state)
    except OSError as error:
        raise Unusable(f"Where {server.title} runs cannot be noted: {error}.") from None


def _up(server: Server, state: Path) -> tuple[Service, bool]:
    with records.one_at_a_time(state, server.name):
        for candidate in running(server, state):
            if isinstance(candidate, Service):
                return candidate, False
        port = server.port if looking.is_free(server.port) else None
        service, lease = start(server, port, records.record_file(state, server.name))
        try:
            records.write(state, Record(service, lease.control))
            lease.stay()
        except BaseException:
            lease.release()
            raise
        return service, True


def down(server: Server, state: Path) -> str:
    """Stop what `up` has started; say what came of it, in a few words."""
    record = records.read(state, server.name)
    if record is None:
        where = server.address(server.port)
        try:
            server.ping(where)
        except (NoAnswer, ImportError):
            return "not running"
        return f"runs on port {server.port}, and was not started by this course: left alone"
    stopped = leases.stop(record.control)
    records.forget(state, server.name)
    return "stopped" if stopped else "had ended already"


def started(state: Path) -> list[str]:
    """The names of the servers that `up` has started and `down` has not stopped."""
    return sorted(path.stem for path in state.glob("*.json"))
