"""Grades proactor.py: cancelling, closing, errors, and rest."""

import errno
import selectors
import socket

import pytest

from autograder.grading import mistake
from autograder.grading.benches.proactor_desk import Desk

LONG = bytes(range(251)) * 1_000
BLOCKED = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


@pytest.fixture
def desk(submission):
    """A proactor, its sockets and its loop; everything is closed in the end."""
    desk = Desk(submission)
    yield desk
    desk.close()


@pytest.fixture
def aborted(submission):
    """Asserts that an operation has been aborted."""

    def check(completion, when):
        assert completion.done(), f"{when}, and the operation has not ended"
        try:
            value = completion.result()
        except submission.OperationAborted:
            return
        except Exception as error:
            raise AssertionError(
                f"{when}; result() raised {error!r}, not OperationAborted"
            ) from None
        raise AssertionError(f"{when}; result() gave {value!r} instead of raising OperationAborted")

    return check


@pytest.mark.points(3)
def test_a_cancelled_read_leaves_the_bytes_to_the_next(desk, aborted):
    """A read that is cancelled has ended, for good; what comes is for the read after it."""
    ours, peer = desk.pair()
    read, following = desk.proactor.read(ours, 10), desk.proactor.read(ours, 10)
    read.add_done_callback(desk.note("cancelled"))
    desk.settle()
    read.cancel()
    aborted(read, "a read was cancelled")
    peer.send(b"too late")
    desk.until(following.done)
    desk.settle()
    assert desk.count("cancelled") <= 1, mistake(
        "completes-twice",
        "A read was cancelled, then bytes came: its callback was called "
        f"{desk.count('cancelled')} times.",
    )
    try:
        value = read.result()
    except OSError:
        value = None
    assert value is None, mistake(
        "completes-twice",
        f"A read was cancelled and had ended; then bytes came, and its result became {value!r}.",
    )
    assert desk.count("cancelled") == 1, "a read was cancelled, and its callback was never called"
    assert following.done(), "a read was cancelled, bytes came, and the read after it did not end"
    assert following.result() == b"too late", f"the read after it gave {following.result()!r}"


@pytest.mark.points(1)
def test_a_cancelled_write_sends_no_more(desk, aborted):
    """Of a write that is cancelled nothing more is sent, and the next write is whole."""
    ours, peer = desk.pair(most=4_000, buffer=4_096)
    write, following = desk.proactor.write(ours, LONG), desk.proactor.write(ours, b"the next")
    desk.settle()
    sent = ours.sent
    assert 0 < sent < len(LONG), f"nobody read; of {len(LONG):,} bytes {sent:,} were sent"
    write.cancel()
    aborted(write, "a write was cancelled")
    got = desk.read_until(peer, following.done)
    assert following.done(), "a write was cancelled, and the one after it did not end"
    assert got == LONG[:sent] + b"the next", (
        f"a write was cancelled when {sent:,} bytes had gone, and the next one wrote b'the next': "
        f"behind these {sent:,} bytes {got[sent : sent + 20]!r} arrived"
    )


@pytest.mark.points(2)
@pytest.mark.parametrize("kind", ["read", "write"])
def test_cancelling_one_leaves_the_others_alone(desk, aborted, kind):
    """An operation that is cancelled in the middle of the queue ends; the others go on."""
    ours, peer = desk.pair(most=4_000, buffer=4_096)
    if kind == "read":
        queue = [desk.proactor.read(ours, 4) for _ in range(3)]
    else:
        queue = [desk.proactor.write(ours, data) for data in (LONG, b"second", b"third")]
    desk.settle()
    queue[1].cancel()
    aborted(queue[1], f"the second of three {kind}s was cancelled")
    others = [queue[0], queue[2]]
    if kind == "read":
        peer.send(b"one.two.")
    got = desk.read_until(peer, lambda: all(other.done() for other in others))
    done = [other.done() for other in others]
    assert done != [False, True], mistake(
        "lost-completion",
        f"Of three {kind}s the second was cancelled. The third ended, and the first never did.",
    )
    assert all(done), (
        f"of three {kind}s the second was cancelled; {sum(done)} of the other two ended"
    )
    if kind == "read":
        values = [read.result() for read in others]
        assert values == [b"one.", b"two."], f"the first and the third read gave {values}"
    else:
        assert got == LONG + b"third", (
            f"the second of three writes was cancelled before it began: {len(got):,} bytes "
            f"arrived, the last are {got[-12:]!r}; expected were {len(LONG) + 5:,}"
        )
    aborted(queue[1], f"the second of three {kind}s was cancelled, the others ended")


@pytest.mark.points(1)
def test_cancelling_too_late_changes_nothing(desk):
    """To cancel an operation that has ended changes nothing."""
    ours, peer = desk.pair()
    read = desk.proactor.read(ours, 10)
    read.add_done_callback(desk.note("read"))
    peer.send(b"hello")
    desk.until(lambda: desk.count("read"))
    read.cancel()
    read.cancel()
    desk.settle()
    assert read.result() == b"hello", f"b'hello' was read; after cancel it is {read.result()!r}"
    assert desk.count("read") == 1, mistake(
        "completes-twice",
        f"A read had ended and was cancelled then: its callback was called {desk.count('read')} "
        "times.",
    )


@pytest.mark.points(3)
@pytest.mark.hint("Who tells those who wait that there is nothing to wait for any more?")
def test_close_ends_everything_on_the_socket(desk, aborted):
    """When a socket is closed, every operation that is outstanding on it ends."""
    ours, _ = desk.pair(buffer=4_096)
    running = {
        "the first read": desk.proactor.read(ours, 10),
        "the second read": desk.proactor.read(ours, 10),
        "the first write": desk.proactor.write(ours, bytes(500_000)),
        "the second write": desk.proactor.write(ours, b"more"),
    }
    for name, completion in running.items():
        completion.add_done_callback(desk.note(name))
    desk.settle()
    assert not any(c.done() for c in running.values()), "an operation ended before anything came"
    desk.proactor.close(ours)
    desk.until(lambda: len(desk.calls) >= 4)
    lost = [name for name, completion in running.items() if not completion.done()]
    assert not lost, mistake(
        "lost-completion",
        f"A socket was closed while four operations were outstanding: {', '.join(lost)} never "
        "ended.",
    )
    silent = [name for name in running if not desk.count(name)]
    assert not silent, mistake(
        "lost-completion",
        f"A socket was closed while four operations were outstanding: nobody called back for "
        f"{', '.join(silent)}.",
    )
    assert len(desk.calls) == 4, mistake(
        "completes-twice", f"Four operations were aborted, with {len(desk.calls)} callbacks."
    )
    for name, completion in running.items():
        aborted(completion, f"the socket of {name} was closed")
    assert ours.fileno() < 0, "the proactor was to close the socket, and it is open"
    assert not desk.selector.get_map(), "the socket was closed, and the selector still watches it"


@pytest.mark.points(1)
def test_nothing_can_be_started_on_a_closed_socket(desk, aborted):
    """What is started on a socket that has been closed ends with OperationAborted."""
    for close in (desk.proactor.close, socket.socket.close):
        ours, _ = desk.pair()
        close(ours)
        desk.calls.clear()
        for completion in (desk.proactor.read(ours, 10), desk.proactor.write(ours, b"anyone?")):
            completion.add_done_callback(desk.note("called"))
            desk.until(lambda completion=completion: completion.done())
            aborted(completion, "it was started on a closed socket")
        desk.until(lambda: desk.count("called") == 2)
        assert desk.count("called") == 2, f"two operations, {desk.count('called')} callbacks"


@pytest.mark.points(1)
@pytest.mark.hint("A file descriptor is a number. When may it be given to another socket?")
def test_a_new_socket_is_not_the_old_one(desk):
    """A socket that is opened after another was closed is a new one, also if its number is old."""
    for _ in range(3):
        ours, _ = desk.pair()
        number = ours.fileno()
        desk.proactor.read(ours, 10)
        late = desk.selector.get_key(ours).data
        desk.proactor.close(ours)
        # The kernel gives the lowest number that is free: most often the old one.
        new, peer = desk.pair()
        read, write = desk.proactor.read(new, 10), desk.proactor.write(new, b"hello")
        late(selectors.EVENT_READ | selectors.EVENT_WRITE)
        peer.send(b"welcome")
        what = f"socket {number} was closed, and a new one opened, which has number {new.fileno()}"
        desk.until(lambda read=read, write=write: read.done() and write.done())
        for name, one, expected in (("read", read, b"welcome"), ("write", write, 5)):
            assert one.done(), f"{what}; a {name} on it has not ended"
            try:
                value = one.result()
            except OSError as error:
                raise AssertionError(f"{what}; a {name} on it ended with {error!r}") from None
            assert value == expected, f"{what}; a {name} on it gave {value!r}"


@pytest.mark.points(2)
@pytest.mark.parametrize("kind", ["read", "write"])
def test_an_error_ends_its_operation(desk, kind):
    """If recv or send raises, the operation ends with this error, and the next has its own try."""
    ours, peer = desk.pair(buffer=4_096)
    error = OSError(errno.EHOSTUNREACH, "No route to host")  # none of ConnectionError
    if kind == "read":
        other = desk.proactor.write(ours, LONG)
        desk.settle()
        ours.recv_errors.append(error)
        failing, following = (desk.proactor.read(ours, 10) for _ in range(2))
        peer.send(b"hello")
    else:
        other = desk.proactor.read(ours, 10)
        desk.settle()
        ours.send_errors.append(error)
        failing, following = (desk.proactor.write(ours, b"hello") for _ in range(2))
    failing.add_done_callback(desk.note("failing"))
    desk.until(lambda: failing.done() and following.done())
    assert failing.done(), mistake(
        "lost-completion",
        f"The socket raised {error!r} for a {kind}, which has not ended: whoever waits for it "
        "waits for ever.",
    )
    desk.step()
    for asked in ("", ", when asked again,"):
        try:
            got = failing.result()
        except OSError as raised:
            got = raised
        assert got is error, f"the socket raised {error!r}; result(){asked} gave {got!r}"
    assert desk.count("failing") == 1, f"one {kind} failed, {desk.count('failing')} callbacks"
    assert following.done(), f"one {kind} failed, and the one after it did not end"
    expected = b"hello" if kind == "read" else 5
    try:
        value = following.result()
    except OSError as raised:
        raise AssertionError(f"one {kind} failed, and the one after it, too: {raised!r}") from None
    assert value == expected, f"the {kind} after it gave {value!r}"
    waiting = "write" if kind == "read" else "read"
    assert not other.done(), f"a {kind} failed, and a {waiting} ended that was waiting meanwhile"


@pytest.mark.points(1)
def test_a_write_that_fails_half_way_leaves_the_next_whole(desk):
    """When a write fails of which a part has been sent, the next one begins at its beginning."""
    ours, peer = desk.pair(buffer=4_096)
    error = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    failing, following = desk.proactor.write(ours, LONG), desk.proactor.write(ours, b"the next")
    desk.settle()
    assert not failing.done(), f"a write of {len(LONG):,} bytes ended, and nobody had read any"
    ours.send_errors.append(error)
    got = desk.read_until(peer, lambda: failing.done() and following.done())
    assert failing.done(), "the socket raised an error for a write, which has not ended"
    assert following.done(), "a write failed half-way, and the one after it did not end"
    value = following.result()
    assert (value, got[-8:]) == (8, b"the next"), (
        f"a write failed half-way; the next, of b'the next', gave {value!r}, and what came last "
        f"was {got[-8:]!r}"
    )


@pytest.mark.points(1)
def test_readiness_is_a_rumour(desk):
    """When recv or send says that it would block after all, the operation goes on."""
    ours, peer = desk.pair()
    ours.recv_errors += [BLOCKED, BLOCKED]
    ours.send_errors += [BLOCKED, BLOCKED]
    read, write = desk.proactor.read(ours, 10), desk.proactor.write(ours, b"out")
    peer.send(b"in")
    desk.until(lambda: read.done() and write.done())
    assert read.done(), "recv raised BlockingIOError, and the read never ended"
    assert write.done(), "send raised BlockingIOError, and the write never ended"
    assert (read.result(), write.result()) == (b"in", 3), (
        f"after BlockingIOError a read of b'in' gave {read.result()!r}, a write of 3 bytes "
        f"{write.result()!r}"
    )


@pytest.mark.points(2)
def test_at_rest_nothing_is_ready(desk):
    """A socket is registered only while operations are outstanding, and only for what they need."""
    ours, peer = desk.pair(buffer=4_096)
    assert not desk.selector.get_map(), "nothing is outstanding, and a socket is registered"
    read = desk.proactor.read(ours, 10)
    assert desk.settle(), mistake(
        "busy-poll",
        "One read is waiting and nothing comes, but select reports its socket as ready all the "
        "time: it can always be written to.",
    )
    peer.send(b"hello")
    desk.until(read.done)
    desk.settle()
    assert not desk.selector.get_map(), "the only operation has ended, and its socket is registered"
    peer.send(b"for nobody")
    write = desk.proactor.write(ours, bytes(500_000))
    assert desk.settle(), mistake(
        "busy-poll",
        "One write is waiting for room, but select reports its socket as ready all the time: there "
        "is something to read, which nobody has asked for.",
    )
    write.cancel()
    desk.settle()
    assert not desk.selector.get_map(), "the write was cancelled, and its socket is registered"


@pytest.mark.points(1)
def test_a_late_call_does_nothing(desk):
    """A function that is called late, when its operation has ended, does nothing."""
    for ending in ("cancelled", "closed"):
        ours, peer = desk.pair()
        read = desk.proactor.read(ours, 10)
        key = desk.selector.get_key(ours)
        peer.send(b"hello")
        if ending == "cancelled":
            read.cancel()
        else:
            desk.proactor.close(ours)
        try:
            key.data(selectors.EVENT_READ)
            key.data(selectors.EVENT_READ | selectors.EVENT_WRITE)
        except Exception as error:
            raise AssertionError(
                f"a read was {ending}; then its function was called and raised {error!r}"
            ) from None
        assert not desk.selector.get_map(), "a late call registered the socket again"
        assert ours.received == 0, f"a read was {ending}, and a late call read for it"
