"""What the tests of servers share."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from autograder import services
from autograder.services.model import Server
from autograder.services.requiring import check_clients, missing


@pytest.fixture
def startable(server: Server) -> Server:
    """The server that the test is about, if this machine can start it."""
    try:
        check_clients(server)
    except services.NotHere as needed:
        pytest.skip(str(needed))
    if not any(way.here() for way in server.ways):
        pytest.skip(missing(server))
    return server


Stranger = Callable[[bytes | None], int]


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """Listens on a port and says one thing to whoever connects, b"" to hang up, None for nothing.

    Returns the port.
    """
    with contextlib.ExitStack() as stack:

        def listen(greeting: bytes | None) -> int:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            where: tuple[str, int] = server.getsockname()
            over = threading.Event()

            def receive() -> None:
                with contextlib.ExitStack() as guests:
                    while not over.is_set():
                        guest = guests.enter_context(server.accept()[0])
                        if greeting is not None:
                            with contextlib.suppress(OSError), guest:
                                guest.sendall(greeting)

            def stop() -> None:
                over.set()
                socket.create_connection(where).close()
                thread.join()

            thread = threading.Thread(target=receive)
            thread.start()
            stack.callback(stop)
            return where[1]

        yield listen
