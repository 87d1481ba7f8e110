"""Each operation is a generator that yields while it would block; the queues are lists of those."""

import contextlib
import selectors
from collections import defaultdict


class OperationAborted(OSError):
    pass


class Completion:
    def __init__(self, call_soon):
        self._state = ("pending", None)
        self._call_soon = call_soon
        self._waiting = []
        self.on_cancel = lambda: None

    def done(self):
        return self._state[0] != "pending"

    def result(self):
        match self._state:
            case ("pending", _):
                raise RuntimeError("not done")
            case ("failed", error):
                raise error
            case (_, value):
                return value

    def add_done_callback(self, callback):
        if self.done():
            self._call_soon(callback, self)
        else:
            self._waiting.append(callback)

    def become(self, state, content):
        self._state = (state, content)
        for callback in self._waiting:
            self._call_soon(lambda callback=callback: callback(self))

    def cancel(self):
        if not self.done():
            self.become("failed", OperationAborted("operation cancelled"))
            self.on_cancel()


def reading(sock, n):
    while True:
        try:
            return sock.recv(n)
        except BlockingIOError:
            yield


def writing(sock, data):
    begin = 0
    while begin < len(data):
        with contextlib.suppress(BlockingIOError):
            begin += sock.send(data[begin : begin + 65_536])
        if begin < len(data):
            yield
    return len(data)


class Proactor:
    def __init__(self, selector, call_soon):
        self.selector = selector
        self.call_soon = call_soon
        self.jobs = {
            selectors.EVENT_READ: defaultdict(list),
            selectors.EVENT_WRITE: defaultdict(list),
        }

    def read(self, sock, n):
        return self.submit(selectors.EVENT_READ, sock, reading(sock, n))

    def write(self, sock, data):
        return self.submit(selectors.EVENT_WRITE, sock, writing(sock, bytes(data)))

    def submit(self, event, sock, job):
        completion = Completion(self.call_soon)
        if sock.fileno() < 0:
            completion.cancel()
        else:
            self.jobs[event][sock].append((completion, job))
            completion.on_cancel = lambda: self.review(sock)
            self.review(sock)
        return completion

    def review(self, sock):
        """Throw out what has ended, and be registered for the rest."""
        events = 0
        for event, jobs in self.jobs.items():
            jobs[sock] = [entry for entry in jobs[sock] if not entry[0].done()]
            if jobs[sock]:
                events |= event
            else:
                del jobs[sock]
        try:
            key = self.selector.get_key(sock)
        except KeyError:
            key = None
        if events and key is None:
            self.selector.register(sock, events, lambda ready: self.work(sock, ready))
        elif key is not None and not events:
            self.selector.unregister(sock)
        elif key is not None and events != key.events:
            self.selector.modify(sock, events, key.data)

    def work(self, sock, ready):
        for event, jobs in self.jobs.items():
            if ready & event and jobs.get(sock):
                completion, job = jobs[sock][0]
                try:
                    next(job)
                except StopIteration as stop:
                    completion.become("returned", stop.value)
                except OSError as error:
                    completion.become("failed", error)
        if sock.fileno() >= 0:
            self.review(sock)

    def close(self, sock):
        entries = [entry for jobs in self.jobs.values() for entry in jobs.pop(sock, [])]
        for completion, _ in entries:
            completion.become("failed", OperationAborted("socket closed"))
        if entries:
            self.selector.unregister(sock)
        sock.close()
