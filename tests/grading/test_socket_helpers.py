"""What the graders with real sockets are built from."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from autograder.grading.benches.descriptors import room_for
from autograder.grading.benches.patience import Patience
from autograder.grading.benches.watched_socket import (
    Spinning,
    WatchedListener,
    WatchedSocket,
    WouldBlock,
)


@pytest.fixture
def pair() -> Iterator[tuple[WatchedSocket, socket.socket]]:
    """A watched socket that takes three bytes at a time, and its other end."""
    plain, other = socket.socketpair()
    plain.setblocking(False)
    watched = WatchedSocket.adopt(plain, most=3)
    with watched, other:
        yield watched, other


def test_send_takes_a_part(pair: tuple[WatchedSocket, socket.socket]) -> None:
    watched, other = pair
    assert watched.send(b"hello") == 3
    assert (watched.sent, watched.offered) == (3, 5)
    assert other.recv(10) == b"hel"


def test_sendall_gives_up_in_the_middle(pair: tuple[WatchedSocket, socket.socket]) -> None:
    watched, other = pair
    with pytest.raises(BlockingIOError):
        watched.sendall(b"hello")
    assert watched.used_sendall
    assert other.recv(10) == b"hel"
    watched.sendall(b"lo")
    assert other.recv(10) == b"lo"


def test_both_ways_of_reading_are_counted(pair: tuple[WatchedSocket, socket.socket]) -> None:
    watched, other = pair
    other.sendall(b"hello world")
    buffer = bytearray(5)
    assert watched.recv_into(buffer) == 5
    assert bytes(buffer) == b"hello"
    assert watched.recv(100) == b" world"
    assert watched.received == 11


def test_a_call_that_may_wait_is_refused(pair: tuple[WatchedSocket, socket.socket]) -> None:
    watched, _ = pair
    watched.setblocking(True)
    for call in (lambda: watched.recv(1), lambda: watched.send(b"x")):
        with pytest.raises(WouldBlock, match="setblocking"):
            call()


def test_trying_again_without_waiting_is_refused(
    pair: tuple[WatchedSocket, socket.socket],
) -> None:
    watched, _ = pair

    def spin() -> None:
        while True:
            try:
                watched.recv(1)
            except BlockingIOError:
                continue

    with pytest.raises(Spinning):
        spin()


def test_errors_come_once_each(pair: tuple[WatchedSocket, socket.socket]) -> None:
    watched, other = pair
    watched.recv_errors.append(ConnectionResetError(errno.ECONNRESET, "reset"))
    other.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        watched.recv(1)
    assert watched.recv(1) == b"x"


def test_what_a_listener_accepts_is_watched() -> None:
    with WatchedListener(most=2) as listener:
        with pytest.raises(WouldBlock):
            listener.accept()
        listener.setblocking(False)
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                accepted.setblocking(False)
                assert accepted.send(b"hello") == 2
                assert client.recv(10) == b"he"
        assert listener.accepted == [accepted]


def test_there_is_room_for_a_few() -> None:
    assert room_for(10, each=2) == 10
    assert 1 <= room_for(100_000_000) < 100_000_000


def test_patience_is_shorter_once_it_was_in_vain() -> None:
    def waits() -> int:
        patience = Patience(waits)
        patience.begin()
        steps = 1
        while not patience.ends(moved=False):
            steps += 1
        patience.in_vain()
        return steps

    first, second = waits(), waits()
    assert first > second > 1


def test_patience_begins_anew_when_something_moves() -> None:
    patience = Patience(int)
    for _ in range(1_000):
        assert not patience.ends(moved=True)
        assert not patience.ends(moved=False)
