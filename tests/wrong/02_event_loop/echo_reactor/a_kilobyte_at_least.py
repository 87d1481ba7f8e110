"""Reads a kilobyte at least, since it is not worth the call for less.

mistake: none
fails: test_a_small_limit_is_a_limit_too
"""

from __future__ import annotations

import selectors
import socket
from selectors import EVENT_READ, EVENT_WRITE


class _Client:
    """One connection, and what it is still owed."""

    def __init__(self, server: EchoServer, sock: socket.socket) -> None:
        self._server = server
        self._sock = sock
        self._pending = bytearray()
        self._ended = False  # it will send no more; it may still be owed something
        self._watched = EVENT_READ
        sock.setblocking(False)
        server.selector.register(sock, EVENT_READ, self.ready)

    def ready(self, events: int) -> None:
        """Do what can be done now; called when the selector says that something can be."""
        if self not in self._server.clients:
            return  # closed since the selector said so
        try:
            if events & EVENT_READ and self._room():
                self._read()
            if self._pending:
                self._write()
        except OSError:  # it is gone, in one of many ways; that is nobody else's concern
            self.close()
        else:
            self._watch()

    def close(self) -> None:
        """Forget this client. Unregister first: a closed socket has no number any more."""
        self._server.clients.discard(self)
        self._server.selector.unregister(self._sock)
        self._sock.close()

    def _room(self) -> int:
        return 0 if self._ended else self._server.limit - len(self._pending)

    def _read(self) -> None:
        try:
            data = self._sock.recv(max(self._room(), 1024))
        except BlockingIOError:
            return  # "ready" is a rumour: there was nothing after all
        self._pending += data
        self._ended = not data

    def _write(self) -> None:
        try:
            sent = self._sock.send(self._pending)
        except BlockingIOError:
            return
        del self._pending[:sent]

    def _watch(self) -> None:
        """Ask to be woken for what we would do, and for nothing else, or select never waits."""
        wanted = (EVENT_READ if self._room() else 0) | (EVENT_WRITE if self._pending else 0)
        if not wanted:  # it has ended, and has got everything
            self.close()
        elif wanted != self._watched:
            self._server.selector.modify(self._sock, wanted, self.ready)
            self._watched = wanted


class EchoServer:
    """Accepts connections and echoes; lives on the callbacks that it registers."""

    def __init__(
        self, selector: selectors.BaseSelector, listener: socket.socket, limit: int = 65_536
    ) -> None:
        self.selector = selector
        self.limit = limit
        self.clients: set[_Client] = set()
        self._listener: socket.socket | None = listener
        listener.setblocking(False)
        selector.register(listener, EVENT_READ, self._accept)

    def close(self) -> None:
        """Close the listener and every connection, at once."""
        if self._listener is None:
            return
        self.selector.unregister(self._listener)
        self._listener.close()
        self._listener = None
        for client in list(self.clients):
            client.close()

    def _accept(self, events: int) -> None:
        # All who are at the door: one a turn, and the last of a crowd waits for as many turns.
        while self._listener is not None:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # nobody is left, or whoever knocked has gone again
            self.clients.add(_Client(self, sock))
