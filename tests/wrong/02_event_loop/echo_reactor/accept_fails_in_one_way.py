"""Expects of accept the one error that the tutorial names. The system has more of them.

mistake: one-client-kills-the-server
fails: test_nobody_at_the_door
"""

from __future__ import annotations

import selectors
import socket


class _Connection:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.pending = bytearray()
        self.eof = False
        self.closed = False
        self.events = selectors.EVENT_READ
        sock.setblocking(False)
        server.selector.register(sock, self.events, self.on_ready)

    def on_ready(self, events):
        if self.closed:
            return
        try:
            if events & selectors.EVENT_READ:
                self.read()
            if events & selectors.EVENT_WRITE:
                self.write()
        except OSError:
            self.close()
            return
        if self.eof and not self.pending:
            self.close()
        else:
            self.update()

    def read(self):
        room = self.server.limit - len(self.pending)
        if room <= 0 or self.eof:
            return
        try:
            data = self.sock.recv(room)
        except BlockingIOError:
            return
        if not data:
            self.eof = True
        self.pending += data

    def write(self):
        if not self.pending:
            return
        try:
            n = self.sock.send(self.pending)
        except BlockingIOError:
            return
        del self.pending[:n]

    def update(self):
        events = 0
        if not self.eof and len(self.pending) < self.server.limit:
            events |= selectors.EVENT_READ
        if self.pending:
            events |= selectors.EVENT_WRITE
        if events != self.events:
            self.events = events
            self.server.selector.modify(self.sock, events, self.on_ready)

    def close(self):
        if self.closed:
            return
        self.closed = True
        self.server.connections.discard(self)
        self.server.selector.unregister(self.sock)
        self.sock.close()


class EchoServer:
    """Accepts connections and echoes; lives on the callbacks that it registers."""

    def __init__(
        self, selector: selectors.BaseSelector, listener: socket.socket, limit: int = 65_536
    ) -> None:
        self.selector = selector
        self.listener = listener
        self.limit = limit
        self.connections = set()
        self.closed = False
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self.on_accept)

    def on_accept(self, events):
        if self.closed:
            return
        try:
            sock, _ = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.connections.add(_Connection(self, sock))

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.selector.unregister(self.listener)
        self.listener.close()
        for connection in list(self.connections):
            connection.close()
