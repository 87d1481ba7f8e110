"""What holds of a transformer from topic to topic, on any broker."""

from __future__ import annotations

import asyncio

from confluent_kafka import KafkaException

from ..mistakes import mistake
from .kafka_transforms import MOST, Death, Transfer

_AHEAD = 20
"""Messages that are there, at least, while more keep coming."""


def entries(*values: str) -> list[bytes]:
    """What is made of payments."""
    return [f"{value}: {side}".encode() for value in values for side in ("out", "in")]


def check_not_twice(at: Transfer, said: str) -> None:
    """Nothing is there twice. ``said`` is what had happened."""
    seen = at.visible()
    twice = sorted(value.decode() for value, times in seen.items() if times > 1)
    assert not twice, mistake(
        "dual-write",
        f"{said}. These are in the target twice, for readers of what is committed: {twice}. They "
        "were sent, and that their message is read was not committed with them.",
    )


def check_once(at: Transfer, said: str, *values: str) -> None:
    """Each payment's entries are there once."""
    check_not_twice(at, said)
    seen = at.visible()
    missing = sorted(set(entries(*values)) - set(seen))
    assert not missing, f"{said}. These are not in the target: {[m.decode() for m in missing]}"
    odd = sorted(set(seen) - set(entries(*values)))
    assert not odd, f"{said}. In the target there is what nobody has sent: {odd}"


async def each_is_sent_once(at: Transfer) -> None:
    """Payments from before the group and after it; messages that make nothing, the last one too."""
    await at.send("pay 1", "note", "pay 2")
    one = await at.start()
    await at.until(at.done)
    readers = list(at.watch.made)
    await at.send("pay 3", "note")
    done = await at.until(at.done)
    await at.settle()
    at.check()
    check_once(at, "Nothing had gone wrong", "pay 1", "pay 2", "pay 3")
    committed = await at.committed()
    assert done, (
        "all 5 messages are converted, the last one to nothing, and committed of the source is "
        f"{committed}"
    )
    levels = {one.config.get("isolation.level") for one in readers if at.source in one.has_read}
    assert "read_uncommitted" not in levels, (
        "the source was read with isolation.level=read_uncommitted: what its senders take back, by "
        "aborting their transaction, is converted, too"
    )
    odd = {key for topic, key in at.books.keys if topic == at.target} - {b"ada"}
    assert not odd, f"the messages of the source have the key b'ada'; what was sent has {odd}"
    await at.stop(one)


async def killed_at_every_step(at: Transfer) -> None:
    """Kill a transformer at its first step, the next one at its second, until one has no more."""
    nth = 0
    sent: list[str] = []
    deaths: list[str] = []
    while len(deaths) == nth and nth < MOST:
        if await at.done():
            sent.append(f"pay {len(sent)}")
            await at.send(sent[-1])
        if death := await _killed_at_step(at, nth):
            deaths.append(death)
            await _check_meanwhile(at, deaths, sent)
        nth += 1
    assert nth > 2, f"a transformer of one message made {nth - 1} calls that could be interrupted"
    sent.append("the last one")
    last = await at.start()
    await at.send(sent[-1])
    await at.until(at.done)
    await at.until(lambda: set(entries(sent[-1])) <= set(at.visible()))
    await at.settle()
    at.check()
    said = f"Transformers were killed at each of their steps ({', '.join(deaths)}), one at each"
    if await at.done():
        _check_sent(at, said, sent)
    check_once(at, said, *sent)
    await at.stop(last)


async def _killed_at_step(at: Transfer, nth: int) -> str:
    """At what a transformer was killed; nothing if it has no such step."""
    death = Death(at.watch, nth)
    one = await at.start()
    one.expects_failure = True

    async def over() -> bool:
        return bool(death.happened) or one.task.done()

    await at.until(lambda: death.happened or one.task.done() or at.done())
    if not await over():
        one.stop.set()
        await at.until(over)
    at.watch.on_call = lambda call: None
    if not death.happened:
        one.task.result()
    await at.put_down(one)
    return death.happened


async def _check_meanwhile(at: Transfer, deaths: list[str], sent: list[str]) -> None:
    """Tell at once which death it was, where what is visible is known without a reader: a real
    broker's waits for transactions that a dead one has left open."""
    if at.books.carries_out:
        return
    said = "A transformer was killed {} (step {}), and another one went on"
    if await at.done():
        _check_sent(at, said.format(deaths[-1], len(deaths) - 1), sent)
    if len(deaths) > 1:
        check_not_twice(at, said.format(deaths[-2], len(deaths) - 2))


def _check_sent(at: Transfer, said: str, sent: list[str]) -> None:
    """All of the source is committed: then all is in the target."""
    missing = sorted(value.decode() for value in set(entries(*sent)) - set(at.visible()))
    assert not missing, mistake(
        "commits-early",
        f"{said}. All of the source is committed, and nobody has sent {missing}.",
    )


async def a_failure_is_aborted(at: Transfer) -> None:
    """convert raises for the second of three messages; then it is mended."""
    at.fails = lambda value: value == b"pay 2"
    await at.send("pay 1", "pay 2", "pay 3")
    one = await at.start()
    one.expects_failure = True

    async def over() -> bool:
        return one.task.done() or await at.committed() > 1

    await at.until(over)
    committed = await at.committed()
    assert committed <= 1, mistake(
        "commits-early",
        f"convert raised for the message at offset 1, and the source is committed up to {committed}"
        ": nobody will ever convert it.",
    )
    assert one.task.done(), "convert raised, and transform has not ended"
    error = one.task.exception()
    if isinstance(error, AssertionError):
        raise error
    assert error is not None, "convert raised, and transform returned as if nothing had happened"
    assert "pay 2" in str(error), (
        f"convert raised RuntimeError('pay 2 cannot be converted'), and transform raised {error!r}"
    )
    left = [value.decode() for one in at.books.open for _, value in one.sent]
    assert not left, (
        f"convert raised, transform ended, and its transaction was not aborted: {left} are in it, "
        "and readers of what is committed wait behind them until it times out"
    )
    at.fails = lambda value: False
    again = await at.start()
    await at.until(at.done)
    await at.until(lambda: set(entries("pay 3")) <= set(at.visible()))
    await at.settle()
    said = "convert raised for 'pay 2', and the next transformer went on"
    check_once(at, said, "pay 1", "pay 2", "pay 3")
    await at.stop(again)


async def a_zombie_is_fenced(at: Transfer) -> None:
    """While a transformer converts, another one with its id has begun."""
    at.held = lambda value: True
    await at.send("pay 1")
    one = await at.start()
    began = await at.until(lambda: at.began)
    assert began, "a message is there, and convert was not called"
    one.expects_failure = True
    successor = await asyncio.to_thread(at.take_over)
    at.release()
    ended = await at.until(one.task.done)
    await at.settle()
    seen, committed = at.visible(), await at.committed()
    assert not seen, mistake(
        "unfenced-zombie",
        "Another transformer with the same transactional_id had begun. This one, a zombie, went "
        f"on, and what it sent is seen: {sorted(value.decode() for value in seen)}.",
    )
    assert committed == 0, mistake(
        "unfenced-zombie",
        "Another transformer with the same transactional_id had begun. This one, a zombie, has "
        f"committed that the source is read up to {committed}, and nothing is in the target.",
    )
    assert ended, "another transformer has this one's transactional_id, and it has not ended"
    error = one.task.exception()
    if isinstance(error, AssertionError):
        raise error
    assert isinstance(error, KafkaException), (
        f"another transformer has this one's transactional_id, and transform ended with {error!r}"
    )
    del successor


async def it_stops_in_peace(at: Transfer) -> None:
    """stop is set while a message is converted, and others wait."""
    at.held = lambda value: value == b"pay 1"
    await at.send("pay 1", "pay 2")
    one = await at.start()
    began = await at.until(lambda: at.began)
    assert began, "a message is there, and convert was not called"
    one.stop.set()
    begun = len(at.began)
    at.release()
    await at.stop(one)
    await at.settle()
    late = [value.decode() for value in at.began[begun:]]
    assert not late, f"stop was set, and after that convert was called for {late}"
    committed, seen = await at.committed(), at.visible()
    whole = set(entries(*(value.decode() for value in at.began)))
    assert set(seen) == whole, mistake(
        "drops-in-flight",
        f"stop was set while {begun} messages were converted. In the target there is "
        f"{sorted(value.decode() for value in seen) or 'nothing'}.",
    )
    assert committed == begun, f"{begun} messages were converted; committed is {committed}"


async def it_commits_in_time(at: Transfer) -> None:
    """Messages keep coming, always before the last ones are converted."""
    at.seconds = 0.01

    async def send_more() -> None:
        if at.sent < len(at.began) + _AHEAD:
            await at.send(*(f"pay {at.sent + n}" for n in range(_AHEAD)))

    async def has_committed() -> bool:
        await send_more()
        return await at.committed() > 0

    await send_more()
    one = await at.start()
    assert await at.until(lambda: at.began), "messages are there, and convert was not called"
    committed = await at.until(has_committed)
    at.check()
    assert committed, (
        f"messages keep coming, and {len(at.began)} were converted. That took more than five "
        "seconds, and nothing has been committed"
    )
    await at.stop(one)


async def it_reads_what_is_committed(at: Transfer) -> None:
    """The source has messages of a transaction that was aborted."""
    from .watched_producer import Producer

    def send() -> None:
        config = {"bootstrap.servers": at.desk.bootstrap, "transactional.id": at.desk.name("shop")}
        shop = Producer({**config, "log_level": 0})
        shop.init_transactions(30)
        shop.begin_transaction()
        shop.produce(at.source, "pay 0", "ada", 0)
        shop.flush(30)
        shop.abort_transaction(30)

    await asyncio.to_thread(send)
    await at.send("pay 1")
    one = await at.start()
    await at.until(lambda: set(entries("pay 1")) <= set(at.visible()))
    await at.settle()
    check_once(at, "A payment was sent in a transaction that was aborted", "pay 1")
    await at.stop(one)
