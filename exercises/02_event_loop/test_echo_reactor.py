"""Grades echo_reactor.py: what is sent comes back."""

import pytest

from autograder.grading import mistake
from autograder.grading.benches.echo_bench import Bench

MEGABYTE = bytes(range(251)) * 4_178  # 251 is prime, so that no shift of the bytes looks right


@pytest.fixture
def bench(submission):
    """Makes the server on its selector, and closes every socket in the end."""
    made = []

    def make(**options):
        made.append(Bench(submission, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def shown(data):
    return repr(bytes(data)) if len(data) < 60 else f"{len(data):,} bytes"


def assert_echoed(bench, client, expected):
    """Wait until all has come back, or nothing comes any more."""
    bench.until(lambda: len(client.got) >= len(expected))
    assert len(client.got) >= len(expected), (
        f"the client sent {shown(expected)}, and only {shown(client.got)} came back"
    )
    assert client.got == expected, (
        f"the client sent {shown(expected)}, and {shown(client.got)} came back"
        + (", in another order" if len(client.got) == len(expected) else "")
    )


@pytest.mark.points(2)
def test_what_a_client_sends_comes_back(bench):
    """A client gets back what it sends, as often as it sends."""
    bench = bench()
    client = bench.connect()
    client.say(b"hello")
    assert_echoed(bench, client, b"hello")
    client.say(b" world")
    assert_echoed(bench, client, b"hello world")


@pytest.mark.points(1)
def test_each_client_gets_its_own(bench):
    """Several clients at once each get back what they sent, and nothing of the others."""
    bench = bench(most=3)
    clients = [bench.connect() for _ in range(5)]
    for _ in range(3):
        for number, client in enumerate(clients):
            client.say(b"%d" % number * (number + 5))
        bench.step()
    for number, client in enumerate(clients):
        assert_echoed(bench, client, b"%d" % number * (number + 5) * 3)


@pytest.mark.points(3)
@pytest.mark.hint("What does `send` return?")
def test_what_send_did_not_take_is_sent_later(bench):
    """If send takes only a part, the rest is sent when the socket is ready for more."""
    bench = bench(most=700)
    client = bench.connect()
    client.say(MEGABYTE[:20_000])
    bench.until(lambda: len(client.got) >= client.total)
    sock = bench.listener.accepted[0]
    short = sock.received > sock.sent
    assert not (sock.used_sendall and sock.received != sock.sent), mistake(
        "assumes-full-write",
        "sendall was called on a socket that does not block. When the kernel has no room for all, "
        "it raises BlockingIOError, and does not say how much has gone: "
        f"{sock.received:,} bytes came, {sock.sent:,} went back.",
    )
    assert not (short and sock.offered == sock.received), mistake(
        "assumes-full-write",
        f"{sock.received:,} bytes came, each was handed to send once, and send took {sock.sent:,} "
        "of them. What it did not take was never sent.",
    )
    assert_echoed(bench, client, MEGABYTE[:20_000])


@pytest.mark.points(2)
def test_a_megabyte_comes_back(bench):
    """A megabyte comes back in order, however slowly the client reads."""
    bench = bench(buffer=4_096)
    client = bench.connect()
    client.say(MEGABYTE)
    client.reads = False
    bench.settle()
    client.reads = True
    assert_echoed(bench, client, MEGABYTE)


@pytest.mark.points(3)
@pytest.mark.hint("When do you call recv for a client that already has `limit` bytes to come?")
def test_who_does_not_read_is_not_read_from(bench):
    """For a client that never reads at most `limit` bytes are kept; nothing more is read."""
    bench = bench(limit=10_000, buffer=4_096)
    reader, client = bench.connect(), bench.connect()
    reader.say(MEGABYTE[:100_000])
    assert_echoed(bench, reader, MEGABYTE[:100_000])
    client.reads = False
    client.say(MEGABYTE)
    most = 0

    def watch():
        nonlocal most
        most = max(most, bench.held())
        assert most <= 8 * bench.limit, mistake(
            "no-backpressure",
            f"A client sends and never reads. The server has read {most:,} bytes more from it than "
            f"it could send back, and goes on; the limit is {bench.limit:,}.",
        )

    bench.settle(watch)
    assert bench.listener.accepted[1].received, "the server has read nothing at all"
    assert most <= bench.limit, (
        f"the server kept {most:,} bytes for one client; the limit is {bench.limit:,}"
    )


@pytest.mark.points(1)
def test_a_small_limit_is_a_limit_too(bench):
    """Also if `limit` is less than what one reads at a time, no more is kept."""
    bench = bench(limit=700, buffer=4_096)
    client = bench.connect()
    client.reads = False
    client.say(MEGABYTE)
    most = 0

    def watch():
        nonlocal most
        most = max(most, bench.held())

    bench.settle(watch)
    assert bench.listener.accepted[0].received, "the server has read nothing at all"
    assert most <= bench.limit, (
        f"the server kept {most:,} bytes for one client; the limit is {bench.limit:,}"
    )


@pytest.mark.points(2)
def test_one_who_does_not_read_stops_nobody(bench):
    """While one client never reads, the others are served, and it gets its bytes in the end."""
    bench = bench(limit=10_000, buffer=4_096)
    stuck = bench.connect()
    stuck.reads = False
    stuck.say(MEGABYTE[:300_000])
    bench.settle()
    other = bench.connect()
    for _ in range(3):
        other.say(MEGABYTE[:5_000])
    assert_echoed(bench, other, MEGABYTE[:5_000] * 3)
    stuck.reads = True
    assert_echoed(bench, stuck, MEGABYTE[:300_000])


@pytest.mark.points(2)
@pytest.mark.parametrize(
    ("who", "size"),
    [
        ("nobody says anything", 2_000),
        ("a client does not read", len(MEGABYTE)),
        ("a client has finished, and does not read", 80_000),
    ],
    ids=["nobody says anything", "a client does not read", "nor has it more to say"],
)
def test_an_idle_server_lets_select_wait(bench, who, size):
    """When there is nothing to be done, select reports nothing."""
    bench = bench(limit=100_000, buffer=4_096)
    client = bench.connect()
    bench.connect()
    client.reads = who == "nobody says anything"
    client.say(MEGABYTE[:size])
    if client.reads:
        assert_echoed(bench, client, MEGABYTE[:size])
    if "finished" in who:
        client.finish()
    at_rest = bench.settle()
    assert at_rest, mistake(
        "busy-poll",
        f"Although {who}, select reports the same socket as ready again and again, and the server "
        "does nothing with it: the loop can never wait.",
    )


@pytest.mark.points(3)
@pytest.mark.hint('recv gave b"": the client will send no more. Does it still read?')
def test_who_has_finished_sending_still_gets_the_rest(bench):
    """When a client has finished sending, it gets all it is owed before it is closed."""
    bench = bench(most=700)
    stays, client = bench.connect(), bench.connect()
    stays.say(MEGABYTE[:20_000])
    assert_echoed(bench, stays, MEGABYTE[:20_000])
    client.say(MEGABYTE[:20_000])
    client.finish()
    bench.until(lambda: client.ended)
    assert client.ended, "a client finished sending, and its connection was never closed"
    sock = bench.listener.accepted[1]
    assert sock.received == sock.sent, mistake(
        "half-close-loses-data",
        f"A client sent {sock.received:,} bytes and then finished sending. Its connection was "
        f"closed when it had got {sock.sent:,} of them back.",
    )
    assert_echoed(bench, client, MEGABYTE[:20_000])


@pytest.mark.points(1)
def test_a_connection_that_is_over_is_closed(bench):
    """When a client has finished and got everything, its socket is unregistered and closed."""
    bench = bench()
    stays = bench.connect()
    for _ in range(3):
        client = bench.connect()
        client.say(b"bye")
        client.finish()
        bench.until(lambda client=client: client.ended)
        assert client.got == b"bye", f"it said b'bye' and finished; back came {shown(client.got)}"
        assert client.ended, "a client finished sending, and its connection was never closed"
    assert bench.registered == 2, (
        f"one client of four is left, and the selector still watches {bench.registered} sockets "
        "(expected the listener and one)"
    )
    open_ones = [sock for sock in bench.listener.accepted if sock.fileno() >= 0]
    assert len(open_ones) == 1, f"one client of four is left, and {len(open_ones)} sockets are open"
    stays.say(b"still here")
    assert_echoed(bench, stays, b"still here")
