"""Each connection is a generator that yields what it waits for: a coroutine by hand."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Generator

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def echo(sock: socket.socket, limit: int) -> Generator[int, int, None]:
    pending = b""
    listening = True
    while listening or pending:
        room = listening and len(pending) < limit
        events = yield (READ if room else 0) | (WRITE if pending else 0)
        if events & WRITE:
            try:
                pending = pending[sock.send(pending) :]
            except BlockingIOError:
                continue
        if events & READ:
            try:
                piece = sock.recv(min(4096, limit - len(pending)))
            except BlockingIOError:
                continue
            pending += piece
            listening = piece != b""


class EchoServer:
    def __init__(
        self, selector: selectors.BaseSelector, listener: socket.socket, limit: int = 65_536
    ) -> None:
        listener.settimeout(0)
        self._selector, self._listener, self._limit = selector, listener, limit
        self._open: dict[socket.socket, Generator[int, int, None]] = {}
        selector.register(listener, READ, data=self._accept)

    def _accept(self, events: int) -> None:
        while True:  # everyone who waits at the door
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(0)
            self._open[sock] = echo(sock, self._limit)
            self._selector.register(sock, next(self._open[sock]), lambda e, s=sock: self._go(s, e))

    def _go(self, sock: socket.socket, events: int) -> None:
        if sock not in self._open:
            return
        try:
            wanted = self._open[sock].send(events)
        except (StopIteration, OSError):
            self._drop(sock)
        else:
            key = self._selector.get_key(sock)
            if key.events != wanted:
                self._selector.modify(sock, wanted, key.data)

    def _drop(self, sock: socket.socket) -> None:
        del self._open[sock]
        self._selector.unregister(sock)
        sock.close()

    def close(self) -> None:
        if self._listener.fileno() != -1:
            self._selector.unregister(self._listener)
            self._listener.close()
        while self._open:
            self._drop(next(iter(self._open)))
