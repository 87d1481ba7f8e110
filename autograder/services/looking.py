"""Small things that the servers' files share: ports, programs, conversations in a thread."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_ELSEWHERE = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/opt/homebrew/sbin")


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        if os.name == "posix":  # elsewhere this option would mean something else
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def program(*names: str) -> str | None:
    """The first of these programs that is here, also in places that PATH often leaves out."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ELSEWHERE])
    for name in names:
        found = shutil.which(name, path=path)
        if found and Path(found).is_file():
            return found
    return None


def apart(conversation: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine to its end in a loop and a thread of its own, wherever we are called from.

    Our caller may be inside a running loop already, or inside a simulated one.
    """
    outcome: list[T] = []
    problem: list[BaseException] = []

    def talk() -> None:
        async def main() -> None:
            outcome.append(await conversation())

        try:
            asyncio.run(main())
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=talk, name="services")
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return outcome[0]


def unique(purpose: str = "course") -> str:
    """A name that nobody else uses, fit for a virtual host, a topic or a database."""
    return f"{purpose}_{uuid.uuid4().hex[:12]}"
