"""A ring of `limit` bytes for each client, into which recv_into reads."""

from __future__ import annotations

import selectors


class Echo:
    """A ring of `limit` bytes for one client."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.buf = memoryview(bytearray(server.limit))
        self.start = self.used = 0
        self.reading = True
        sock.setblocking(False)
        self.mask = selectors.EVENT_READ
        server.sel.register(sock, self.mask, self)

    def __call__(self, events):
        if self.sock.fileno() < 0:
            return
        try:
            if events & selectors.EVENT_WRITE:
                self.flush()
            if events & selectors.EVENT_READ:
                self.fill()
        except OSError:
            self.shut()
            return
        mask = 0
        if self.reading and self.used < len(self.buf):
            mask |= selectors.EVENT_READ
        if self.used:
            mask |= selectors.EVENT_WRITE
        if not mask:
            self.shut()
        elif mask != self.mask:
            self.mask = mask
            self.server.sel.modify(self.sock, mask, self)

    def fill(self):
        size = len(self.buf)
        end = (self.start + self.used) % size
        stop = self.start if end < self.start else size
        if self.used == size or not self.reading:
            return
        try:
            n = self.sock.recv_into(self.buf[end:stop])
        except BlockingIOError:
            return
        self.used += n
        if n == 0:
            self.reading = False

    def flush(self):
        stop = min(self.start + self.used, len(self.buf))
        try:
            n = self.sock.send(self.buf[self.start : stop])
        except BlockingIOError:
            return
        self.start = (self.start + n) % len(self.buf)
        self.used -= n

    def shut(self):
        if self.sock in self.server.clients:
            del self.server.clients[self.sock]
            self.server.sel.unregister(self.sock)
            self.sock.close()


class EchoServer:
    def __init__(self, selector, listener, limit=65_536):
        self.sel, self.listener, self.limit = selector, listener, limit
        self.clients = {}
        listener.settimeout(0)
        selector.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self, events):
        if self.listener.fileno() < 0:
            return
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        self.clients[sock] = Echo(self, sock)

    def close(self):
        if self.listener.fileno() >= 0:
            self.sel.unregister(self.listener)
            self.listener.close()
        for client in list(self.clients.values()):
            client.shut()
