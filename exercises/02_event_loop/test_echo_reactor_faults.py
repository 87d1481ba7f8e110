"""Grades echo_reactor.py: clients that disappear, rumours of readiness, many at once."""

import errno
import selectors

import pytest

from autograder.grading import mistake
from autograder.grading.benches.descriptors import room_for
from autograder.grading.benches.echo_bench import Bench

BLOCKED = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


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


def survives(bench, what, condition=None):
    """Step until the condition holds; an OSError that leaves the server is the named mistake."""
    try:
        return bench.until(condition) if condition else bench.settle()
    except OSError as error:
        raise AssertionError(
            mistake(
                "one-client-kills-the-server",
                f"{what}, and {error!r} came out of the server's function: in a loop, it would "
                "have stopped everybody.",
            )
        ) from None


def shown(client):
    return repr(bytes(client.got)) if len(client.got) < 60 else f"{len(client.got):,} bytes"


def assert_only_the_other_is_left(bench, what):
    """The connection of the one who has gone is closed, and the other one is served."""
    gone, other = bench.listener.accepted
    survives(bench, what, lambda: gone.fileno() < 0)
    assert gone.fileno() < 0, f"{what}, and its connection was not closed"
    assert bench.registered == 2, (
        f"{what}; the selector watches {bench.registered} sockets, expected 2: the listener and "
        "the other client"
    )
    assert other.fileno() >= 0, f"{what}, and the connection of another client was closed"
    client = bench.clients[1]
    client.say(b"and me?")
    survives(bench, what, lambda: len(client.got) >= 7)
    assert client.got == b"and me?", (
        f"{what}; another client said b'and me?' and got {shown(client)}"
    )


@pytest.mark.points(2)
def test_a_client_breaks_off(bench):
    """When a client breaks off its connection, it is closed, and the others are served."""
    bench = bench()
    client, _ = bench.connect(), bench.connect()
    client.say(b"hello")
    bench.until(lambda: client.got)
    client.vanish()
    assert_only_the_other_is_left(bench, "A client broke off")


@pytest.mark.points(2)
def test_a_client_breaks_off_in_mid_write(bench):
    """When a client breaks off while it is still owed data, it is closed, and others are served."""
    bench = bench(limit=50_000, buffer=4_096)
    client, _ = bench.connect(), bench.connect()
    client.reads = False
    client.say(bytes(1_000_000))
    bench.settle()
    client.vanish()
    assert_only_the_other_is_left(bench, "A client broke off while the server was sending to it")


@pytest.mark.points(1)
@pytest.mark.parametrize("call", ["recv", "send"])
def test_a_call_fails_for_a_client_that_is_owed_data(bench, call):
    """When recv or send fails for a client that is still owed data, it is closed all the same."""
    bench = bench(limit=200_000, buffer=4_096)
    client, _ = bench.connect(), bench.connect()
    client.reads = False
    client.say(bytes(100_000))
    bench.settle()
    error = TimeoutError(errno.ETIMEDOUT, "Connection timed out")
    errors = getattr(bench.listener.accepted[0], f"{call}_errors")
    errors.append(error)
    if call == "recv":
        client.say(b"more")
    else:
        client.finish()
        client.reads = True
    what = f"A client was owed data, and its {call} raised {error!r}"
    survives(bench, what)
    if errors:
        return  # a server may read only from those to whom it owes nothing
    assert_only_the_other_is_left(bench, what)


@pytest.mark.points(3)
@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("send", BrokenPipeError(errno.EPIPE, "Broken pipe")),
        ("send", ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")),
        ("recv", ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")),
        ("recv", TimeoutError(errno.ETIMEDOUT, "Connection timed out")),
        ("recv", OSError(errno.EHOSTUNREACH, "No route to host")),
    ],
    ids=["send EPIPE", "send ECONNRESET", "recv ECONNRESET", "recv ETIMEDOUT", "recv EHOSTUNREACH"],
)
def test_a_call_fails(bench, call, error):
    """When recv or send fails, this client's connection is closed, and the others are served."""
    bench = bench()
    client, _ = bench.connect(), bench.connect()
    getattr(bench.listener.accepted[0], f"{call}_errors").append(error)
    client.say(b"hello")
    assert_only_the_other_is_left(bench, f"A client's {call} raised {error!r}")


@pytest.mark.points(1)
def test_readiness_is_a_rumour(bench):
    """When recv or send says that it would block after all, nothing is lost."""
    for call in ("recv", "send"):
        one = bench()
        client = one.connect()
        getattr(one.listener.accepted[0], f"{call}_errors").extend([BLOCKED, BLOCKED])
        client.say(b"hello")
        try:
            one.until(lambda client=client: len(client.got) >= 5)
        except BlockingIOError:
            raise AssertionError(
                f"{call} raised BlockingIOError, which means 'not now', and it came out of the "
                "server's function"
            ) from None
        assert client.got == b"hello", (
            f"{call} raised BlockingIOError twice; the client said b'hello' and got {shown(client)}"
        )


@pytest.mark.points(1)
def test_nobody_at_the_door(bench):
    """When accept fails, because whoever came has left, the next one is accepted as always."""
    bench = bench()
    bench.connect()
    for error in (
        BLOCKED,
        ConnectionAbortedError(errno.ECONNABORTED, "Software caused connection abort"),
        OSError(errno.EPROTO, "Protocol error"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
    ):
        bench.listener.accept_errors.append(error)
        try:
            client = bench.connect()
        except OSError as raised:
            if raised is not error:
                raise
            raise AssertionError(
                mistake(
                    "one-client-kills-the-server",
                    f"accept raised {error!r}, and it came out of the server's function: in a "
                    "loop, it would have stopped everybody.",
                )
            ) from None
        client.say(b"hello")
        bench.until(lambda client=client: len(client.got) >= 5)
        assert client.got == b"hello", f"accept had failed once; then a client got {shown(client)}"


@pytest.mark.points(2)
def test_close_closes_everything(bench):
    """close closes the listener and all connections, and leaves nothing in the selector."""
    bench = bench(buffer=4_096)
    gone, finished, idle, busy = (bench.connect() for _ in range(4))
    gone.vanish()
    finished.finish()
    busy.reads = False
    busy.say(bytes(1_000_000))
    survives(bench, "A client broke off", lambda: finished.ended)
    bench.settle()
    try:
        bench.server.close()
    except (KeyError, ValueError) as error:
        raise AssertionError(
            f"four clients had been there, two had gone; then close raised {error!r}"
        ) from None
    assert bench.registered == 0, f"after close, the selector watches {bench.registered} sockets"
    left = [sock for sock in (bench.listener, *bench.listener.accepted) if sock.fileno() >= 0]
    assert not left, f"after close, {len(left)} of 5 sockets are open"
    bench.until(lambda: idle.ended)
    assert idle.ended, "the server was closed, and a client's connection still stands"
    bench.server.close()


@pytest.mark.points(1)
@pytest.mark.hint("select has returned three keys, and the first one's function closes the server.")
def test_a_late_call_does_nothing(bench):
    """A function that is called after close, because select had said so before, does nothing."""
    bench = bench()
    client = bench.connect()
    client.say(b"hello")
    bench.until(lambda: client.got == b"hello")
    client.say(b"too late")
    client.pump()
    keys = list(bench.selector.get_map().values())
    assert len(keys) == 2, f"one client is connected, and {len(keys)} sockets are registered"
    bench.server.close()
    for key in keys:
        for events in (selectors.EVENT_READ, selectors.EVENT_WRITE, 3):
            try:
                key.data(events)
            except Exception as error:
                what = "the listener" if key.fileobj is bench.listener else "a connection"
                raise AssertionError(
                    f"after close, the function of {what} was called and raised {error!r}"
                ) from None
    assert bench.registered == 0, "after close, a late call registered something"


@pytest.mark.points(2)
def test_two_hundred_clients_at_once(bench):
    """Two hundred clients, all connected, each get back what they say."""
    bench = bench()
    clients = [bench.connect() for _ in range(room_for(200, each=2))]
    for _ in range(2):
        for number, client in enumerate(clients):
            client.say(b"client %d " % number * 20)
    bench.until(lambda: all(len(client.got) >= client.total for client in clients))
    wrong = [n for n, client in enumerate(clients) if client.got != b"client %d " % n * 40]
    assert not wrong, (
        f"of {len(clients)} clients, {len(wrong)} did not get back what they had said, "
        f"first client {wrong[0]}: {bytes(clients[wrong[0]].got[:60])!r}"
    )
