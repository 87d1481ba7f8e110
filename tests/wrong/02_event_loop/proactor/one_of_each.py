"""Keeps one read and one write for each socket. The second read takes the place of the first.

mistake: lost-completion
fails: test_every_read_gets_its_own_bytes, test_every_write_ends,
    test_a_cancelled_read_leaves_the_bytes_to_the_next, test_a_cancelled_write_sends_no_more,
    test_close_ends_everything_on_the_socket, test_an_error_ends_its_operation,
    test_cancelling_one_leaves_the_others_alone,
    test_a_write_that_fails_half_way_leaves_the_next_whole, test_read_gives_nothing_at_the_end,
    test_callbacks_come_through_call_soon
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from typing import Any

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class OperationAborted(OSError):
    pass


class Completion:
    def __init__(self, proactor: Proactor, sock: socket.socket, kind: int) -> None:
        self.proactor, self.sock, self.kind = proactor, sock, kind
        self.outcome: Callable[[], Any] | None = None
        self.callbacks: list[Callable[..., object]] = []

    def done(self) -> bool:
        return self.outcome is not None

    def result(self) -> Any:
        if self.outcome is None:
            raise RuntimeError("no result yet")
        return self.outcome()

    def add_done_callback(self, callback: Callable[..., object]) -> None:
        self.callbacks.append(callback)
        if self.done():
            self.proactor.call_soon(self.flush)

    def settle(self, outcome: Callable[[], Any]) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.proactor.call_soon(self.flush)

    def fail(self, error: OSError) -> None:
        def outcome() -> Any:
            raise error

        self.settle(outcome)

    def flush(self) -> None:
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(self)

    def cancel(self) -> None:
        if self.outcome is None:
            self.proactor.pending[self.kind].pop(self.sock, None)
            self.proactor.watch(self.sock)
            self.fail(OperationAborted("cancelled"))


class Proactor:
    def __init__(self, selector: selectors.BaseSelector, call_soon: Callable[..., object]) -> None:
        self.selector = selector
        self.call_soon = call_soon
        self.pending: dict[int, dict[socket.socket, Any]] = {READ: {}, WRITE: {}}

    def read(self, sock: socket.socket, n: int) -> Completion:
        return self.begin(sock, READ, n)

    def write(self, sock: socket.socket, data: bytes) -> Completion:
        return self.begin(sock, WRITE, [data, 0])

    def begin(self, sock: socket.socket, kind: int, what: Any) -> Completion:
        completion = Completion(self, sock, kind)
        if sock.fileno() == -1:
            completion.fail(OperationAborted("closed"))
        else:
            self.pending[kind][sock] = (completion, what)
            self.watch(sock)
        return completion

    def watch(self, sock: socket.socket) -> None:
        events = sum(kind for kind in (READ, WRITE) if sock in self.pending[kind])
        known = sock in self.selector.get_map()
        if events and known:
            self.selector.modify(sock, events, lambda events: self.ready(sock, events))
        elif events:
            self.selector.register(sock, events, lambda events: self.ready(sock, events))
        elif known:
            self.selector.unregister(sock)

    def ready(self, sock: socket.socket, events: int) -> None:
        for kind, act in ((READ, self.receive), (WRITE, self.transmit)):
            if events & kind and sock in self.pending[kind]:
                completion, what = self.pending[kind][sock]
                try:
                    outcome = act(sock, what)
                except BlockingIOError:
                    continue
                except OSError as error:
                    del self.pending[kind][sock]
                    completion.fail(error)
                    continue
                if outcome is not None:
                    del self.pending[kind][sock]
                    completion.settle(lambda value=outcome: value)
        if sock.fileno() != -1:
            self.watch(sock)

    def receive(self, sock: socket.socket, n: int) -> bytes:
        return sock.recv(n)

    def transmit(self, sock: socket.socket, what: list[Any]) -> int | None:
        data, sent = what
        what[1] = sent + sock.send(data[sent:])
        return len(data) if what[1] == len(data) else None

    def close(self, sock: socket.socket) -> None:
        for waiting in self.pending.values():
            if sock in waiting:
                waiting.pop(sock)[0].fail(OperationAborted("closed"))
        if sock.fileno() != -1:
            self.watch(sock)
        sock.close()
