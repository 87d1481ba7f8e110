"""A closure for each client, a deque of chunks, and as much in one call as the kernel lets it."""

from __future__ import annotations

import selectors
from collections import deque

R, W = selectors.EVENT_READ, selectors.EVENT_WRITE


class EchoServer:
    def __init__(self, selector, listener, limit=65_536):
        self._closers = {}
        self._selector = selector
        listener.setblocking(False)

        def accept(events):
            while listener in self._closers:
                try:
                    sock, _ = listener.accept()
                except BlockingIOError:
                    return
                except OSError:
                    return
                self._serve(sock, limit)

        selector.register(listener, R, data=accept)
        self._closers[listener] = None

    def _serve(self, sock, limit):
        sel = self._selector
        chunks, owed, finished, watching = deque(), 0, False, R
        sock.setblocking(False)

        def ready(events):
            nonlocal owed, finished, watching
            if sock not in self._closers:
                return
            try:
                if events & R:
                    while owed < limit and not finished:
                        try:
                            data = sock.recv(min(4096, limit - owed))
                        except BlockingIOError:
                            break
                        if data:
                            chunks.append(memoryview(data))
                            owed += len(data)
                        else:
                            finished = True
                while chunks:
                    try:
                        n = sock.send(chunks[0])
                    except BlockingIOError:
                        break
                    owed -= n
                    if n == len(chunks[0]):
                        chunks.popleft()
                    else:
                        chunks[0] = chunks[0][n:]
            except OSError:
                self._drop(sock)
                return
            if finished and not owed:
                self._drop(sock)
                return
            wanted = (R if owed < limit and not finished else 0) | (W if chunks else 0)
            if wanted != watching:
                watching = wanted
                sel.modify(sock, wanted, ready)

        self._closers[sock] = ready
        sel.register(sock, R, ready)

    def _drop(self, sock):
        if sock in self._closers:
            del self._closers[sock]
            self._selector.unregister(sock)
            sock.close()

    def close(self):
        for sock in [*self._closers]:
            self._drop(sock)
