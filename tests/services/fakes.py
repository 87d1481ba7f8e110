"""A kind of server for tests, and waiting for what other processes do."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.services import looking
from autograder.services.model import (
    Namespace,
    NoAnswer,
    Plan,
    Server,
    Service,
    Step,
    Unusable,
    Way,
)

PROGRAM = Path(__file__).with_name("fake_server.py")


def ping(where: str) -> None:
    """The fake's protocol."""
    try:
        with socket.create_connection(("127.0.0.1", int(where.rpartition(":")[2])), 5) as peer:
            said = peer.recv(4)
    except (OSError, ValueError) as error:
        raise NoAnswer(looking.reason(error)) from None
    if said != b"PONG":
        raise NoAnswer(f"it said {said!r}")


def plan(*how: str) -> Callable[[int, Path], Plan]:
    """Runs the fake in one of its moods."""

    def made(port: int, folder: Path) -> Plan:
        return Plan(
            [Step([sys.executable, str(PROGRAM), str(port), *how], patience=0.5)], str(folder)
        )

    return made


def way(name: str = "the fake wheel", *how: str, here: bool = True, startup: float = 60) -> Way:
    """A way to start the fake."""
    return Way(name, lambda: here, plan(*how), f"get {name}", startup)


@contextmanager
def no_namespace(service: Service) -> Iterator[Namespace]:
    """What a server does that gives none away."""
    raise Unusable(f"{service.address} is all mine")
    yield


@contextmanager
def a_namespace(service: Service) -> Iterator[Namespace]:
    """What a server does that has only one."""
    yield Namespace(service.address, "all")


def fake(*ways: Way, namespaces: bool = True) -> Server:
    """A kind of server, with a default port at which nothing listens."""
    return Server(
        name="fake",
        title="Fake",
        variable="FAKE_URL",
        port=looking.free_port(),
        modules=(1,),
        address=lambda port: f"fake://127.0.0.1:{port}",
        ping=ping,
        ways=ways,
        namespace=a_namespace if namespaces else no_namespace,
        clients=("json",),
    )


def answers(where: str) -> bool:
    """Whether a fake is there."""
    try:
        ping(where)
    except NoAnswer:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not collected yet does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def eventually(condition: Callable[[], bool], patience: float = 60) -> None:
    """Wait until something holds that another process brings about."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < patience, f"not in {patience:.0f} s"
        time.sleep(0.01)
