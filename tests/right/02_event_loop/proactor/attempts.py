"""An operation is a function that is tried; a dict has a list of them for each (socket, event)."""

from __future__ import annotations

import selectors
import weakref
from typing import Generic, TypeVar

T = TypeVar("T")


class OperationAborted(OSError):
    """The operation was cancelled, or its socket was closed under it."""


READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Completion(Generic[T]):
    def __init__(self, proactor, key, attempt):
        self._p, self._key, self._attempt = proactor, key, attempt
        self._answer = None
        self._interested = []

    def done(self):
        return self._answer is not None

    def result(self):
        if self._answer is None:
            raise RuntimeError
        kind, what = self._answer
        if kind == "error":
            raise what
        return what

    def add_done_callback(self, callback):
        self._interested.append(callback)
        self._notify()

    def cancel(self):
        self._finish("error", OperationAborted())

    def _notify(self):
        if self._answer:
            while self._interested:
                self._p._call_soon(self._interested.pop(0), self)

    def _finish(self, *answer):
        if self._answer:
            return
        self._answer = answer
        self._p._forget(self)
        self._notify()


class Proactor:
    def __init__(self, selector, call_soon):
        self._selector, self._call_soon = selector, call_soon
        self._ops = {}  # (sock, READ or WRITE): [Completion]
        self._closed = weakref.WeakSet()

    def read(self, sock, n):
        return self._start((sock, READ), lambda: (sock.recv(n),))

    def write(self, sock, data):
        rest = memoryview(bytes(data))

        def attempt():
            nonlocal rest
            rest = rest[sock.send(rest) :]
            return None if rest else (len(data),)

        return self._start((sock, WRITE), attempt)

    def _start(self, key, attempt):
        c = Completion(self, key, attempt)
        if key[0] in self._closed or key[0].fileno() < 0:
            c.cancel()
            return c
        self._ops.setdefault(key, []).append(c)
        self._watch(key[0])
        return c

    def _forget(self, c):
        if c in self._ops.get(c._key, []):
            self._ops[c._key].remove(c)
            if not self._ops[c._key]:
                del self._ops[c._key]
            self._watch(c._key[0])

    def _watch(self, sock):
        mask = sum(e for e in (READ, WRITE) if (sock, e) in self._ops)
        try:
            key = self._selector.get_key(sock)
        except (KeyError, ValueError):
            key = None
        if key and not mask:
            self._selector.unregister(sock)
        elif not key and mask:
            self._selector.register(sock, mask, lambda events: self._ready(sock, events))
        elif key and key.events != mask:
            self._selector.modify(sock, mask, key.data)

    def _ready(self, sock, events):
        for event in (READ, WRITE):
            if event & events and (queue := self._ops.get((sock, event))):
                c = queue[0]
                try:
                    answer = c._attempt()
                except BlockingIOError:
                    continue
                except OSError as error:
                    c._finish("error", error)
                else:
                    if answer:
                        c._finish("value", *answer)

    def close(self, sock):
        for event in (READ, WRITE):
            for c in self._ops.get((sock, event), [])[:]:
                c.cancel()
        self._closed.add(sock)
        sock.close()
