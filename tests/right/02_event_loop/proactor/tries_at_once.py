"""Tries each operation at once, and asks the selector only if it has to wait, as asyncio does."""

from __future__ import annotations

import selectors


class OperationAborted(OSError):
    pass


class Completion:
    def __init__(self, call_soon, attempt):
        self._soon = call_soon
        self._attempt = attempt
        self._callbacks = []
        self._outcome = None

    def done(self):
        return self._outcome is not None

    def result(self):
        if self._outcome is None:
            raise RuntimeError("the operation is still outstanding")
        value, error = self._outcome
        if error is None:
            return value
        raise error

    def add_done_callback(self, callback):
        self._callbacks.append(callback)
        if self._outcome:
            self._soon(self._call_back)

    def cancel(self):
        self._end(None, OperationAborted("cancelled"))

    def _end(self, value, error):
        if self._outcome is None:
            self._outcome = (value, error)
            self._soon(self._call_back)

    def _call_back(self):
        while self._callbacks:
            self._callbacks.pop(0)(self)

    def _try(self):
        """True when there is nothing more to do."""
        if self._outcome is None:
            try:
                value = self._attempt()
            except BlockingIOError:
                return False
            except OSError as error:
                self._end(None, error)
            else:
                if value is None:
                    return False
                self._end(value, None)
        return True


class Proactor:
    def __init__(self, selector, call_soon):
        self._selector = selector
        self._soon = call_soon
        self._queues = {}

    def _queue(self, sock):
        return self._queues.setdefault(sock, {selectors.EVENT_READ: [], selectors.EVENT_WRITE: []})

    def _start(self, sock, event, attempt):
        completion = Completion(self._soon, attempt)
        if sock.fileno() == -1:
            completion.cancel()
            return completion
        queue = self._queue(sock)[event]
        queue.append(completion)
        completion.cancel = lambda: (Completion.cancel(completion), self._advance(sock, 0))
        self._advance(sock, event if len(queue) == 1 else 0)
        return completion

    def read(self, sock, n):
        return self._start(sock, selectors.EVENT_READ, lambda: sock.recv(n))

    def write(self, sock, data):
        rest = memoryview(data)

        def attempt():
            nonlocal rest
            rest = rest[sock.send(rest) :]
            return None if rest else len(data)

        return self._start(sock, selectors.EVENT_WRITE, attempt)

    def _advance(self, sock, events):
        if sock not in self._queues:
            return
        wanted = 0
        for event, queue in self._queues[sock].items():
            while queue and queue[0].done():
                queue.pop(0)
            while events & event and queue and queue[0]._try():
                queue.pop(0)
            if any(not completion.done() for completion in queue):
                wanted |= event
        registered = self._selector.get_map().get(sock)
        if registered:
            self._selector.unregister(sock)
        if wanted:
            self._selector.register(sock, wanted, lambda ready: self._advance(sock, ready))

    def close(self, sock):
        queues = self._queues.pop(sock, {})
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        for queue in queues.values():
            for completion in queue:
                Completion.cancel(completion)
        sock.close()
