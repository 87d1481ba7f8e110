"""Grades proactor.py: reading, writing, and one end for each operation."""

import socket

import pytest

from autograder.grading import mistake
from autograder.grading.benches.proactor_desk import Desk

LONG = bytes(range(251)) * 1_000


@pytest.fixture
def desk(submission):
    """A proactor, its sockets and its loop; everything is closed in the end."""
    desk = Desk(submission)
    yield desk
    desk.close()


def ended(desk, completion, what):
    """Wait for an operation; what it gives."""
    desk.until(completion.done)
    assert completion.done(), f"{what} has not ended"
    return completion.result()


@pytest.mark.points(2)
def test_read_gives_what_came(desk):
    """A read ends when something comes, and gives at most n bytes; the rest is for the next."""
    ours, peer = desk.pair()
    read = desk.proactor.read(ours, 100)
    desk.settle()
    assert not read.done(), "nothing has come, and the read has ended"
    try:
        early = read.result()
    except RuntimeError:
        pass
    else:
        raise AssertionError(
            f"nothing has come, and result() gave {early!r} instead of raising RuntimeError"
        )
    peer.send(b"hello world")
    got = ended(desk, read, "something came, but the read")
    assert got == b"hello world", f"b'hello world' came, and the read gave {got!r}"
    peer.send(b"goodbye")
    parts = [ended(desk, desk.proactor.read(ours, 4), "a read of 4 bytes") for _ in range(2)]
    assert parts == [b"good", b"bye"], f"b'goodbye' came; two reads of 4 bytes gave {parts}"


@pytest.mark.points(1)
def test_read_gives_nothing_at_the_end(desk):
    """When the other side has closed, a read gives what is left, and the next one b""."""
    ours, peer = desk.pair()
    waiting, second = desk.proactor.read(ours, 100), desk.proactor.read(ours, 100)
    third = desk.proactor.read(ours, 100)
    peer.send(b"the end")
    peer.sock.close()
    got = [ended(desk, read, "a read that waited") for read in (waiting, second, third)]
    got.append(ended(desk, desk.proactor.read(ours, 100), "a read at the end of the stream"))
    assert got == [b"the end", b"", b"", b""], f"four reads gave {got}"


@pytest.mark.points(1)
def test_the_end_of_reading_is_not_the_end_of_writing(desk):
    """When the other side will send no more, but reads on, a write goes on until all is taken."""
    ours, peer = desk.pair(buffer=4_096)
    data = bytes(range(256)) * 400
    write, read = desk.proactor.write(ours, data), desk.proactor.read(ours, 100)
    peer.sock.shutdown(socket.SHUT_WR)
    last = ended(desk, read, "a read at the end of the stream")
    assert last == b"", f"a read at the end of the stream gave {last!r}"
    assert not write.done(), "a read ended with b'', and a write ended that nobody had taken"
    got = desk.read_until(peer, write.done)
    assert write.done(), "the other side would send no more, and read on; a write never ended"
    value = write.result()
    assert (value, got) == (len(data), data), (
        f"a write of {len(data):,} bytes gave {value!r}, and {len(got):,} bytes arrived"
    )


@pytest.mark.points(2)
def test_write_ends_when_all_has_been_taken(desk):
    """A write ends when all has been handed over, however little each send takes."""
    ours, peer = desk.pair(most=500, buffer=4_096)
    write = desk.proactor.write(ours, LONG)
    write.add_done_callback(desk.note("write"))
    desk.settle()
    assert desk.count("write") <= 1, mistake(
        "completes-twice",
        f"A write that took several calls of send ended {desk.count('write')} times.",
    )
    early = write.done() and ours.sent < len(LONG)
    assert not early, mistake(
        "assumes-full-write",
        f"A write of {len(LONG):,} bytes ended when {ours.sent:,} had been taken.",
    )
    assert not write.done(), "nobody reads, the buffers are full, and the write has ended"
    got = desk.read_until(peer, write.done)
    assert write.done(), f"{len(got):,} of {len(LONG):,} bytes arrived, and the write has not ended"
    assert got == LONG, f"{len(LONG):,} bytes were written, and other {len(got):,} arrived"
    assert write.result() == len(LONG), f"{len(LONG)} bytes written, result() {write.result()!r}"
    desk.settle()
    assert desk.count("write") == 1, f"one write ended, with {desk.count('write')} callbacks"


@pytest.mark.points(3)
def test_every_read_gets_its_own_bytes(desk):
    """Several reads on one socket end in the order in which they were started, each with bytes."""
    ours, peer = desk.pair()
    reads = [desk.proactor.read(ours, 4) for _ in range(2)]
    peer.send(b"one.two.six.")
    reads.append(desk.proactor.read(ours, 4))  # the bytes are there, and they are not for this one
    desk.until(lambda: all(read.done() for read in reads))
    done = [read.done() for read in reads]
    some_are_lost = any(done) and not all(done) and ours.received >= 4
    assert not some_are_lost, mistake(
        "lost-completion",
        f"Three reads were waiting on one socket, bytes for all came, and {sum(done)} ended.",
    )
    assert all(done), "three reads were waiting, bytes for all came, and none ended"
    got = [read.result() for read in reads]
    assert got == [b"one.", b"two.", b"six."], f"three reads gave {got}"


@pytest.mark.points(2)
def test_every_write_ends(desk):
    """Several writes on one socket all end, and what they write arrives in their order."""
    ours, peer = desk.pair(most=3)
    writes = [desk.proactor.write(ours, data) for data in (b"first,", b"second,", b"third.")]
    desk.until(lambda: all(write.done() for write in writes))
    done = [write.done() for write in writes]
    some_are_lost = any(done) and not all(done)
    assert not some_are_lost, mistake(
        "lost-completion", f"Three writes were waiting on one socket, and {sum(done)} ended."
    )
    assert all(done), "three writes were waiting, and none ended"
    got = peer.read()
    assert got == b"first,second,third.", f"three writes: {got!r} arrived"
    lengths = [write.result() for write in writes]
    assert lengths == [6, 7, 6], f"three writes of 6, 7 and 6 bytes gave {lengths}"


@pytest.mark.points(2)
@pytest.mark.parametrize("first", ["read", "write"])
def test_reads_and_writes_do_not_wait_for_each_other(desk, first):
    """A read and a write may be outstanding on one socket, and end independently."""
    ours, peer = desk.pair(most=3)
    alone, other = desk.pair()
    control = desk.proactor.read(alone, 10)
    other.send(b"alone")
    assert ended(desk, control, "a read all alone on its socket") == b"alone"
    start = {
        "read": lambda: desk.proactor.read(ours, 10),
        "write": lambda: desk.proactor.write(ours, b"question?"),
    }
    running = {first: start[first]()}
    second = "write" if first == "read" else "read"
    running[second] = start[second]()
    desk.until(running["write"].done)
    assert running["write"].done(), mistake(
        "lost-completion", f"A read and a write on one socket, the {first} first: no write ended."
    )
    assert not running["read"].done(), "nothing has come, and the read has ended"
    peer.send(b"answer")
    desk.until(running["read"].done)
    assert running["read"].done(), mistake(
        "lost-completion",
        f"A read and a write were outstanding on one socket, the {first} was started first. The "
        "write ended; then bytes came, and the read did not end.",
    )
    assert running["read"].result() == b"answer", f"the read gave {running['read'].result()!r}"
    assert peer.read() == b"question?", "the write did not arrive as it was written"


@pytest.mark.points(1)
def test_sockets_do_not_wait_for_each_other(desk):
    """An operation on one socket does not wait for those on another."""
    pairs = [desk.pair() for _ in range(3)]
    reads = [desk.proactor.read(ours, 10) for ours, _ in pairs]
    for number in (2, 0):
        pairs[number][1].send(b"%d" % number)
        got = ended(desk, reads[number], f"bytes came for socket {number}, but its read")
        assert got == b"%d" % number, f"the read of socket {number} gave {got!r}"
    assert not reads[1].done(), "nothing came for a socket, and its read has ended"


@pytest.mark.points(2)
def test_a_completion_calls_back_once(desk):
    """Each done-callback is called once, with the completion, whatever comes afterwards."""
    ours, peer = desk.pair(most=2)
    read = desk.proactor.read(ours, 10)
    read.add_done_callback(desk.note("first"))
    read.add_done_callback(desk.note("second"))
    write = desk.proactor.write(ours, b"in small pieces")
    write.add_done_callback(desk.note("write"))
    peer.send(b"one")
    desk.until(lambda: read.done() and write.done())
    desk.step()
    names = [name for name, _ in desk.calls]
    assert {"first", "second", "write"} <= set(names), f"of three callbacks, {names} were called"
    peer.send(b"more")
    follow_up = desk.proactor.read(ours, 10)
    desk.until(follow_up.done)
    desk.settle()
    for name in ("first", "second", "write"):
        assert desk.count(name) == 1, mistake(
            "completes-twice",
            f"An operation ended, more came afterwards, and its callback was called "
            f"{desk.count(name)} times.",
        )
    assert read.result() == b"one", mistake(
        "completes-twice",
        f"A read had ended with b'one'; when more came, its result became {read.result()!r}.",
    )
    assert read.result() == b"one", "result() gave b'one', and the next time something else"
    handed = dict(desk.calls)
    assert handed["first"] is read, "a callback was not called with the completion it belongs to"
    assert [name for name in names if name != "write"] == ["first", "second"], f"order: {names}"


@pytest.mark.points(2)
def test_callbacks_come_through_call_soon(desk):
    """Done-callbacks are called by the loop, never inside a call of yours; also after the end."""
    ours, peer = desk.pair()
    peer.send(b"there already")
    read = desk.proactor.read(ours, 100)
    read.add_done_callback(desk.note("read"))
    desk.until(lambda: desk.count("read"))
    read.add_done_callback(desk.note("late"))
    assert "late" not in desk.astray, "add_done_callback called the callback itself"
    desk.until(lambda: desk.count("late"))
    waiting = desk.proactor.read(ours, 100)
    waiting.add_done_callback(desk.note("cancelled"))
    waiting.cancel()
    desk.until(lambda: desk.count("cancelled"))
    closing = desk.proactor.read(ours, 100)
    closing.add_done_callback(desk.note("closed"))
    desk.proactor.close(ours)
    desk.until(lambda: desk.count("closed"))
    names = [name for name, _ in desk.calls]
    assert names == ["read", "late", "cancelled", "closed"], f"callbacks called: {names}"
    assert not desk.astray, (
        f"the callbacks {desk.astray} were called by the proactor itself, and not through call_soon"
    )
    ours, peer = desk.pair()
    peer.send(b"there already")
    read = desk.proactor.read(ours, 100)
    read.add_done_callback(desk.fail)
    read.add_done_callback(desk.note("second"))
    desk.until(lambda: desk.count("second"))
    assert desk.count("second") == 1, (
        "a read had two callbacks, of which the first raised an exception; the second was called "
        f"{desk.count('second')} times"
    )


@pytest.mark.points(1)
def test_a_callback_may_start_the_next_operation(desk):
    """An echo made of callbacks, each of which starts the next operation, runs on and on."""
    ours, peer = desk.pair()
    rounds = []

    def was_read(read):
        desk.proactor.write(ours, read.result()).add_done_callback(was_written)

    def was_written(write):
        rounds.append(write.result())
        desk.proactor.read(ours, 100).add_done_callback(was_read)

    desk.proactor.read(ours, 100).add_done_callback(was_read)
    for number in range(300):
        peer.send(b"ping")
        desk.until(lambda number=number: len(rounds) > number)
        got = peer.read()
        assert got == b"ping", f"round {number + 1}: said b'ping', the echo was {got!r}"
