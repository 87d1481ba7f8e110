"""Reads whenever there is something to read, and keeps what it cannot send.

mistake: no-backpressure
fails: test_who_does_not_read_is_not_read_from, test_a_small_limit_is_a_limit_too
"""

import selectors


class Client:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.pending = b""
        self.finished = False
        self.open = True
        sock.setblocking(False)
        server.clients.append(self)
        server.selector.register(sock, selectors.EVENT_READ, self.on_event)

    def on_event(self, events):
        if not self.open:
            return
        try:
            if events & selectors.EVENT_READ:
                self.on_readable()
            if events & selectors.EVENT_WRITE:
                self.on_writable()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
        if self.open:
            self.update()

    def on_readable(self):
        data = self.sock.recv(65_536)
        if data:
            self.pending += data
        else:
            self.finished = True

    def on_writable(self):
        sent = self.sock.send(self.pending)
        self.pending = self.pending[sent:]

    def update(self):
        events = 0
        if not self.finished:
            events |= selectors.EVENT_READ
        if self.pending:
            events |= selectors.EVENT_WRITE
        if events:
            self.server.selector.modify(self.sock, events, self.on_event)
        else:
            self.close()

    def close(self):
        self.open = False
        self.server.clients.remove(self)
        self.server.selector.unregister(self.sock)
        self.sock.close()


class EchoServer:
    def __init__(self, selector, listener, limit=65_536):
        self.selector = selector
        self.listener = listener
        self.limit = limit
        self.clients = []
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self.on_connect)

    def on_connect(self, events):
        if self.listener is None:
            return
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        Client(self, sock)

    def close(self):
        if self.listener is None:
            return
        self.selector.unregister(self.listener)
        self.listener.close()
        for client in list(self.clients):
            client.close()
        self.listener = None
