"""Knows one error by name, and only where it reads. Connections break while one writes, too.

mistake: one-client-kills-the-server
fails: test_a_call_fails, test_a_client_breaks_off_in_mid_write,
    test_a_call_fails_for_a_client_that_is_owed_data, test_nobody_at_the_door
"""

import selectors
from types import SimpleNamespace


class EchoServer:
    def __init__(self, selector, listener, limit=65_536):
        self.selector, self.listener, self.limit = selector, listener, limit
        self.states = {}
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self, events):
        if self.listener.fileno() == -1:
            return
        try:
            sock, _ = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        self.states[sock] = SimpleNamespace(buffer=bytearray(), eof=False)
        self.selector.register(sock, selectors.EVENT_READ, lambda events: self.serve(sock, events))

    def serve(self, sock, events):
        state = self.states.get(sock)
        if state is None:
            return
        try:
            if events & selectors.EVENT_READ:
                try:
                    data = sock.recv(self.limit - len(state.buffer))
                except ConnectionResetError:
                    self.drop(sock)
                    return
                state.buffer.extend(data)
                state.eof = not data
            if state.buffer:
                del state.buffer[: sock.send(state.buffer)]
        except BlockingIOError:
            pass
        events = 0
        if not state.eof and len(state.buffer) < self.limit:
            events = selectors.EVENT_READ
        if state.buffer:
            events |= selectors.EVENT_WRITE
        if events:
            self.selector.modify(sock, events, lambda events: self.serve(sock, events))
        else:
            self.drop(sock)

    def drop(self, sock):
        del self.states[sock]
        self.selector.unregister(sock)
        sock.close()

    def close(self):
        for sock in list(self.states):
            self.drop(sock)
        if self.listener.fileno() != -1:
            self.selector.unregister(self.listener)
            self.listener.close()
