"""Publish and subscribe: who listens now gets it, and nobody else ever."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError

from .agreement import Desk, contract, error_of, said, until


@contract
async def test_a_message_goes_to_who_listens_now(desk: Desk) -> None:
    """PUBLISH says to how many it went; what comes before a subscription is lost for it."""
    r = desk.r
    assert await r.publish("news", "early") == 0
    one, other = await desk.listen("news"), await desk.listen("news")
    assert await r.publish("news", "hello") == 2
    for pubsub in (one, other):
        message = await said(pubsub)
        assert message == {"type": "message", "pattern": None, "channel": "news", "data": "hello"}


@contract
async def test_messages_come_in_order(desk: Desk) -> None:
    """What one client publishes, a subscriber gets in that order."""
    pubsub = await desk.listen("news")
    for n in range(20):
        await desk.r.publish("news", n)
    assert [(await said(pubsub))["data"] for _ in range(20)] == [str(n) for n in range(20)]


@contract
async def test_patterns(desk: Desk) -> None:
    """A pattern gets what its globs match, with the channel it came on."""
    pubsub = await desk.listen("order.*")
    r = desk.r
    assert await r.publish("order.paid", 1) == 1
    assert await r.publish("orders", 1) == 0
    message = await said(pubsub)
    assert (message["type"], message["pattern"]) == ("pmessage", "order.*")
    assert (message["channel"], message["data"]) == ("order.paid", "1")


@contract
async def test_who_listens_twice_gets_it_twice(desk: Desk) -> None:
    """A channel and a pattern of one client both count."""
    pubsub = await desk.listen("news.tea", "news.*")
    assert await desk.r.publish("news.tea", "hot") == 2
    assert {(await said(pubsub))["type"] for _ in range(2)} == {"message", "pmessage"}


@contract
@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("h?llo*", "hello.1", "hllo"),
        ("h[ae]llo*", "hallo", "hillo"),
        ("h[^e]llo*", "hbllo", "hello"),
        ("h[a-c]llo*", "hbllo", "hdllo"),
        (r"h\*llo*", "h*llo", "hello"),
        ("*", "anything", None),
    ],
)
async def test_globs(desk: Desk, pattern: str, fits: str, fits_not: str | None) -> None:
    """Patterns know *, ?, classes and a backslash."""
    await desk.listen(pattern)
    assert await desk.r.publish(fits, 1) == 1
    if fits_not is not None:
        assert await desk.r.publish(fits_not, 1) == 0


@contract
async def test_unsubscribing(desk: Desk) -> None:
    """After UNSUBSCRIBE nothing comes; the others stay."""
    pubsub = await desk.listen("a", "b")
    await pubsub.unsubscribe("a")
    assert (await said(pubsub))["type"] == "unsubscribe"
    assert await desk.r.publish("a", 1) == 0
    assert await desk.r.publish("b", 1) == 1
    await pubsub.unsubscribe()
    assert await desk.r.publish("b", 1) in (0, 1)
    await until(lambda: _nobody(desk, "b"))


async def _nobody(desk: Desk, channel: str) -> bool:
    return bool(await desk.r.publish(channel, 1) == 0)


@contract
async def test_a_subscriber_that_leaves_is_not_counted(desk: Desk) -> None:
    """When a connection ends, so do its subscriptions."""
    pubsub = await desk.listen("news")
    await pubsub.aclose()
    await until(lambda: _nobody(desk, "news"))


@contract
async def test_pubsub_tells_who_listens(desk: Desk) -> None:
    """PUBSUB CHANNELS, NUMSUB and NUMPAT."""
    r = desk.r
    await desk.listen("course.a", "course.b")
    await desk.listen("course.a", "course.*")
    assert sorted(await r.pubsub_channels("course.*")) == ["course.a", "course.b"]
    assert [tuple(pair) for pair in await r.pubsub_numsub("course.a", "course.c")] == [
        ("course.a", 2),
        ("course.c", 0),
    ]
    assert await r.pubsub_numpat() == 1


@contract
async def test_a_subscriber_in_resp2_may_ask_for_little(desk: Desk) -> None:
    """In RESP2 a connection that listens takes no other commands; in RESP3 it does."""
    client = desk.client(single_connection_client=True)
    await client.set("k", "v")
    connection = client.connection
    await connection.send_command("SUBSCRIBE", "news")
    answer = await connection.read_response(push_request=True)
    assert answer in (["subscribe", "news", 1], [b"subscribe", b"news", 1])
    await connection.send_command("GET", "k")
    if desk.protocol == 3:
        assert await connection.read_response() == "v"
        return
    assert await error_of(connection.read_response()) == (
        "Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
        "allowed in this context"
    )
    await connection.send_command("PING")
    assert await connection.read_response() == ["pong", ""]


@contract
async def test_publishing_inside_a_transaction(desk: Desk) -> None:
    """Messages of a transaction are sent at its EXEC."""
    pubsub = await desk.listen("news")
    async with desk.r.pipeline() as pipe:
        pipe.publish("news", 1)
        pipe.set("a", 1)
        pipe.publish("news", 2)
        assert await pipe.execute() == [1, True, 1]
    assert [(await said(pubsub))["data"] for _ in range(2)] == ["1", "2"]


@contract
async def test_shard_channels(desk: Desk) -> None:
    """SPUBLISH reaches who said SSUBSCRIBE, and only them."""
    client = desk.client(single_connection_client=True)
    await client.ping()
    connection = client.connection

    async def heard() -> list[object]:
        return list(await connection.read_response(push_request=True))

    await connection.send_command("SSUBSCRIBE", "news")
    assert await heard() == ["ssubscribe", "news", 1]
    ordinary = await desk.listen("news")
    assert await desk.r.execute_command("SPUBLISH", "news", "hello") == 1
    assert await heard() == ["smessage", "news", "hello"]
    assert await desk.r.publish("news", "other") == 1
    assert (await said(ordinary))["data"] == "other"


@contract
async def test_a_killed_subscriber_comes_back(desk: Desk) -> None:
    """redis-py subscribes again when it is asked again after its connection was killed; what came
    in between is lost."""
    listener = desk.client(client_name="listener")
    pubsub = await desk.listen("news", client=listener)
    assert await desk.r.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
    await until(lambda: _nobody(desk, "news"))
    with pytest.raises(ConnectionError):
        await said(pubsub)
    assert (await said(pubsub))["type"] == "subscribe"
    assert await desk.r.publish("news", "again") == 1
    assert (await said(pubsub))["data"] == "again"
