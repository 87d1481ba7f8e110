"""Thousands of random commands, answered alike by the simulated engine and a real server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from autograder.simulation.servers.redis.engine import Engine

from .random_commands import Dealer, Words, comparable

COMMANDS = 600


class Real:
    """A connection to a real server, without a library in between."""

    def __init__(self, url: str, protocol: int) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self._file = self._socket.makefile("rb")
        self.ask(["SELECT", parts.path[1:]])
        self.ask(["HELLO", str(protocol)])

    def ask(self, words: Words) -> Any:
        self._socket.sendall(request(words))
        return parse(self._file)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Simulated:
    """A session of the engine, on a clock that blocking commands move on."""

    def __init__(self, protocol: int, engine: Engine | None = None) -> None:
        self._waited = 0
        self._engine = engine or Engine(lambda: int(time.time() * 1000) + self._waited)
        self._answer = bytearray()
        self._session = self._engine.connect(self._answer.extend, lambda why: None)
        self.ask(["HELLO", str(protocol)])

    def another(self) -> Simulated:
        """A second connection to the same engine."""
        return Simulated(2, self._engine)

    def ask(self, words: Words) -> Any:
        self._answer.clear()
        self._engine.execute(self._session, [word.encode() for word in words])
        if self._session.wait is not None:
            self._waited += 2
            self._engine.time_out(self._session)
        lines = Lines(bytes(self._answer))
        answer = parse(lines)
        assert lines.is_empty, f"{words} was answered with more than one reply"
        return answer


class Lines:
    """Bytes, to be read as a file is."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def is_empty(self) -> bool:
        return not self._data

    def readline(self) -> bytes:
        return self.read(self._data.index(b"\n") + 1)

    def read(self, size: int) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        return data


def request(words: Words) -> bytes:
    encoded = [word.encode() for word in words]
    parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)]
    return b"".join(parts)


def parse(file: Any) -> Any:
    """A reply as Python, with the kind of everything that is not a bulk string or an array."""
    line = file.readline()
    assert line.endswith(b"\r\n"), "the connection has ended"
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=":
        return None if rest == b"-1" else file.read(int(rest) + 2)[:-2]
    if kind in b"*~>":
        if rest == b"-1":
            return "null array"
        items = [parse(file) for _ in range(int(rest))]
        return items if kind == b"*" else [kind, *items]
    if kind == b"%":
        return {_hashable(parse(file)): parse(file) for _ in range(int(rest))}
    return int(rest) if kind == b":" else (kind, rest)


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


@contextmanager
def connected(url: str, protocol: int) -> Iterator[Real]:
    real = Real(url, protocol)
    try:
        yield real
    finally:
        real.close()


@pytest.mark.live
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_random_commands_are_answered_alike(seed: int, protocol: int, redis_url: str) -> None:
    """Whatever the sequence, both servers give the same answers."""
    dealer, simulated, past = Dealer(seed), Simulated(protocol), []
    with connected(redis_url, protocol) as real:
        for _ in range(COMMANDS):
            words = dealer.command()
            past.append(" ".join(words))
            theirs = comparable(words, real.ask(words))
            ours = comparable(words, simulated.ask(words))
            assert ours == theirs, "\n".join(["after", *past[-12:]])


@pytest.mark.live
@pytest.mark.parametrize("seed", range(3))
def test_random_changes_are_noticed_alike(seed: int, redis_url: str) -> None:
    """Whatever the sequence, WATCH notices the same changes on both servers."""
    dealer, past = Dealer(1000 + seed), []
    with connected(redis_url, 2) as real, connected(redis_url, 2) as watcher:
        simulated = Simulated(2)
        other = simulated.another()
        for _ in range(COMMANDS):
            words = dealer.command()
            past.append(" ".join(words))
            for one in (watcher, other):
                one.ask(["WATCH", "a", "b", "c", "d"])
            real.ask(words)
            simulated.ask(words)
            for one in (watcher, other):
                one.ask(["MULTI"])
            noticed = [one.ask(["EXEC"]) for one in (watcher, other)]
            assert noticed[0] == noticed[1], "\n".join(["after", *past[-12:]])
