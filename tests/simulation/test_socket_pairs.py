"""Two connected sockets may be made in a world; they are no network."""

from __future__ import annotations

import socket

import pytest

from autograder.simulation import World, run_world


async def talk(world: World) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"hello")
        return theirs.recv(5)


def test_a_pair_of_sockets_works_in_a_world() -> None:
    outcome = run_world(talk)
    assert outcome.error is None
    assert outcome.result == b"hello"
    assert not outcome.problems


def test_so_does_a_pair_that_python_connects_by_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    by_tcp = getattr(socket, "_fallback_socketpair", None)  # what Windows has; from 3.12 on
    if by_tcp is None:
        pytest.skip("this Python has no socketpair but the system's")
    monkeypatch.setattr(socket, "socketpair", by_tcp)
    outcome = run_world(talk)
    assert outcome.error is None
    assert outcome.result == b"hello"
