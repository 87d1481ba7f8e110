"""A TCP echo server on readiness: it sends back what it gets, and no call of it ever waits.

One thread, many connections. The selector says which sockets are ready, and for each you do what
can be done without waiting: accept, read a little, write a little. This pattern is called a
reactor, and it is what lies under asyncio, nginx, Redis and Node.js.

Write `EchoServer`. You register each socket with the selector, with a function as its `data`.
Whoever runs the loop calls `key.data(events)` for each `(key, events)` that `select` returns: your
mini_loop does, and so does the grader, which uses real sockets on your own machine.

Rules
  1. `EchoServer(selector, listener)` begins to accept connections on `listener`, a socket that
     listens already. The constructor returns at once, the rest happens in your functions. No
     socket blocks: set the listener and each connection to non-blocking. No threads.
  2. Each client gets back what it sends, all of it, in order, and nothing of the others.
  3. `send` may take less than you give it, and raise BlockingIOError. What is left is sent later.
  4. For each client you keep at most `limit` bytes that it is still owed. While there are that
     many, nothing is read from it. The other clients notice nothing of that.
  5. Readiness is a rumour. `recv`, `send` and `accept` may still raise BlockingIOError: then there
     is nothing to do.
  6. A socket is registered for EVENT_READ only while you would read from it, and for EVENT_WRITE
     only while there is something to be sent to it, so that `select` can wait.
  7. When `recv` gives b"", the client will send no more. It gets what it is still owed, then its
     connection is closed. Closed means unregistered from the selector, and `close()` called.
  8. Any other OSError of `recv` or `send` means that the client is gone: its connection is closed,
     and the others go on. An OSError of `accept` concerns a client that never came. None of your
     functions raises an exception.
  9. `server.close()` closes the listener and all connections at once. A function that is called
     after that, because the selector had said so before, does nothing. To close twice is no error.

Out of scope: TLS, timeouts, running out of file descriptors.
"""

from __future__ import annotations

import selectors
import socket


class EchoServer:
    """Accepts connections and echoes; lives on the callbacks that it registers."""

    def __init__(
        self, selector: selectors.BaseSelector, listener: socket.socket, limit: int = 65_536
    ) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Close the listener and every connection, at once."""
        raise NotImplementedError
