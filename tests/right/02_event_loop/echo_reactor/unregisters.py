"""Registers for each wait anew, takes it back when it is over; one fixed buffer."""

import contextlib
import functools
import selectors


class Connection:
    def __init__(self, sock, size):
        self.sock = sock
        self.buffer = bytearray(size)
        self.start = self.stop = 0

    def fill(self):
        self.start, self.stop = 0, self.sock.recv_into(self.buffer)
        return self.stop > 0

    def drain(self):
        with memoryview(self.buffer) as view:
            self.start += self.sock.send(view[self.start : self.stop])


class EchoServer:
    def __init__(self, selector, listener, limit=65_536):
        self.selector = selector
        self.listener = listener
        self.limit = limit
        self.waiting = set()
        listener.setblocking(False)
        self.wait(listener, selectors.EVENT_READ, self.knock)

    def wait(self, sock, events, then):
        def woken(_):
            if sock in self.waiting:
                self.stop_waiting(sock)
                then()

        self.waiting.add(sock)
        self.selector.register(sock, events, woken)

    def stop_waiting(self, sock):
        self.waiting.remove(sock)
        self.selector.unregister(sock)

    def knock(self):
        with contextlib.suppress(OSError):
            sock, _ = self.listener.accept()
            sock.setblocking(False)
            self.read_next(Connection(sock, self.limit))
        self.wait(self.listener, selectors.EVENT_READ, self.knock)

    def read_next(self, connection):
        step = functools.partial(self.read, connection)
        self.wait(connection.sock, selectors.EVENT_READ, step)

    def read(self, connection):
        try:
            if connection.fill():
                self.write(connection)
            else:
                connection.sock.close()
        except BlockingIOError:
            self.read_next(connection)
        except OSError:
            connection.sock.close()

    def write(self, connection):
        with contextlib.suppress(BlockingIOError):
            try:
                connection.drain()
            except BlockingIOError:
                raise
            except OSError:
                connection.sock.close()
                return
        if connection.start == connection.stop:
            self.read_next(connection)
        else:
            step = functools.partial(self.write, connection)
            self.wait(connection.sock, selectors.EVENT_WRITE, step)

    def close(self):
        for sock in list(self.waiting):
            self.stop_waiting(sock)
            sock.close()
