"""What holds of a worker on a Kafka topic, on any broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..mistakes import mistake
from .kafka_waiting import IN_TIME
from .kafka_workers import Scene

_BEGINS_WITHIN = 3.0
"""Seconds in which a worker has found out where in the topic it is."""
_ASKS_WITHIN = 1.0
"""Seconds in which a worker that has no room asks all the same, if it does."""
_BEGUN_WITHIN = 1.5
"""Seconds in which a worker has begun with a message of another key, if it does."""
_MANY = 300
"""Keys at work at once: more than there are lanes, where somebody deals keys out to 256 of them."""


async def every_message_is_handled(at: Scene) -> None:
    """Messages from before the group and after it, in two partitions."""
    await at.send((0, "ada", "ada 1"), (1, "bob", "bob 1"), (0, "ada", "ada 2"))
    worker = at.start()
    # By then, whoever begins at the end has found it.
    await at.until(lambda: at.bank.calls, seconds=_BEGINS_WITHIN * at.desk.slowness)
    await at.send((1, "cem", "cem 1"), (0, "dia", "dia 1"))
    await at.until(lambda: {"cem 1", "dia 1"} <= set(at.bank.applied()))
    applied = set(at.bank.applied())
    at.check()
    if applied and applied <= {"cem 1", "dia 1"}:
        await at.a_reader_has_read_it_all()
    early = at.bank.applied().keys() & {"ada 1", "ada 2", "bob 1"}
    assert early or not applied, mistake(
        "starts-at-the-end",
        "Three messages had come before the group was there, and two after that. The worker "
        f"handled {sorted(applied)}.",
    )
    await at.applied("ada 1", "ada 2", "bob 1", "cem 1", "dia 1")
    behind = await at.until_committed(0, 1)
    one_less = all(offset == at.end(partition) - 1 for partition, offset in behind.items())
    assert not behind, (
        "all is handled, and it is not committed: of two partitions with 3 and 2 messages, "
        f"committed is {behind}"
        + (". One more is to be committed: the offset of the next message." if one_less else "")
    )
    await at.stop(worker)
    twice = {value: times for value, times in at.bank.applied().items() if times > 1}
    assert not twice, f"nobody had died, and messages were handled more than once: {twice}"


async def it_commits_what_is_done(at: Scene) -> None:
    """Partition 0 has a message that takes long; what comes after it is done."""
    at.bank.held = lambda value: value in ("ada 1", "ada 2")
    await at.send((0, "ada", "ada 1"))
    worker = at.start()
    assert await at.called("ada 1"), "a message is there, and handle was not called"
    others_go_on = await _other_commits(at, "first")
    committed = await at.committed(0)
    assert not committed, mistake(
        "commits-early",
        "The first message of a partition was at work, and the partition was committed up to "
        f"{committed}. Had the worker been killed then, nobody would ever handle it.",
    )
    await at.send((0, "bob", "bob 1"), (0, "ada", "ada 2"), (0, "cem", "cem 1"))
    if others_go_on:
        await _check_no_gap_is_committed(at)
    at.bank.release()
    await at.applied("ada 1", "ada 2", "bob 1", "cem 1")
    await at.stop(worker)
    behind = await at.behind(0)
    assert not behind, f"all is done, and of partition 0 with 4 messages committed is {behind}"


async def _check_no_gap_is_committed(at: Scene) -> None:
    """Of partition 0 the first message is at work, and three others have come."""
    await at.until(lambda: {"bob 1", "cem 1"} <= set(at.bank.applied()))
    await _other_commits(at, "second")
    committed = await at.committed(0)
    assert not committed, mistake(
        "commits-over-a-gap",
        "Of four messages, the one with offset 0 was at work, and those with 1 and 3 were done. "
        f"The partition was committed up to {committed}. Had the worker been killed then, nobody "
        "would ever handle the first.",
    )
    at.bank.release("ada 1")
    await at.called("ada 2")
    await _other_commits(at, "third", limit=2)
    committed = await at.committed(0)
    assert committed <= 2, mistake(
        "commits-over-a-gap",
        "Of four messages, those with the offsets 0, 1 and 3 were done. The one with 2 had waited "
        "for the first, of the same key, and was at work now. The partition was committed up to "
        f"{committed}. Had the worker been killed then, nobody would ever handle it.",
    )


async def _other_commits(at: Scene, prefix: str, limit: int = 0) -> bool:
    """Wait until partition 1 was committed twice: whatever was committed of 0 before is seen.

    Or until more than ``limit`` is committed of 0. False if neither comes.
    """
    for number in range(2):
        await at.send((1, "dia", f"{prefix} {number}"))
        begun = at.until(_has_begun(at, f"{prefix} {number}"), seconds=_BEGUN_WITHIN)
        if not await begun:  # it waits for the one of partition 0, and another test tells of that
            return False
        before = await at.committed(0)
        if before > limit:
            return True

        async def seen() -> bool:
            return await at.committed(0) > limit or await at.committed(1) == at.end(1)

        if not await at.until(seen, patience=IN_TIME):
            return False
    return True


def _has_begun(at: Scene, value: str) -> Callable[[], bool]:
    return lambda: value in at.begun()


async def keys_keep_their_order(at: Scene) -> None:
    """The first message of a key takes longer than the second one, and others come between."""
    at.bank.held = lambda value: value in ("ada 1", "bob 2")
    await at.send(
        (0, "ada", "ada 1"), (0, "bob", "bob 1"), (0, "ada", "ada 2"), (0, "bob", "bob 2"),
        (0, "ada", "ada 3"), (0, "bob", "bob 3"), (0, "cem", "cem 1"),
    )  # fmt: skip
    worker = at.start()
    await at.called("ada 1")
    await at.a_reader_has_read_it_all()
    others_go_on = await at.until(_has_begun(at, "cem 1"), seconds=_BEGUN_WITHIN)
    _check_order(at)
    if others_go_on:
        at.bank.release("ada 1")
        await at.called("ada 3")
    at.bank.release()
    everything = [f"{key} {number}" for key in ("ada", "bob") for number in (1, 2, 3)]
    await at.applied(*everything, "cem 1")
    _check_order(at)
    await at.stop(worker)


def _check_order(at: Scene) -> None:
    for first, second in at.bank.overlaps:
        assert first.offset == second.offset, mistake(
            "reorders-a-key",
            f"The handler of {at.bank.values[0, second.offset]!r} began while that of "
            f"{at.bank.values[0, first.offset]!r} was at work: who of the two is first is chance.",
        )
        raise AssertionError(f"handle was called twice at once for offset {first.offset}")
    for key in ("ada", "bob"):
        offsets = [call.offset for call in at.bank.calls if call.key == key]
        assert offsets == sorted(offsets), mistake(
            "reorders-a-key", f"The messages of {key!r} were begun in the order {offsets}."
        )


async def a_key_waits_for_no_other(at: Scene) -> None:
    """One message takes long; strangers of its partition and of another one go on."""
    at.bank.held = lambda value: value == "ada 1"
    await at.send((0, "ada", "ada 1"), (0, "ada", "ada 2"), (0, "bob", "bob 1"))
    worker = at.start(limit=2 * _MANY)
    await at.called("ada 1")
    await at.send((1, "cem", "cem 1"), (0, "dia", "dia 1"), (0, "bob", "bob 2"))
    others = {"bob 1", "bob 2", "cem 1", "dia 1"}
    done = await at.until(lambda: others <= set(at.bank.applied()))
    at.check()
    assert done, mistake(
        "head-of-line-blocking",
        "A message of 'ada' was at work. Of four messages of other keys, these have been handled: "
        f"{sorted(at.bank.applied()) or 'none'}.",
    )
    at.bank.release()
    await at.applied("ada 1", "ada 2", *others)
    await _many_keys_are_at_work_at_once(at)
    await at.stop(worker)


async def _many_keys_are_at_work_at_once(at: Scene) -> None:
    """More keys than there are lanes, for those who deal keys out to lanes."""
    values = [f"one of many {number}" for number in range(_MANY)]
    at.bank.held = lambda value: value in values
    await at.send(*((n % 2, f"key {n}", value) for n, value in enumerate(values)))
    await at.called(*values)
    at.check()
    read = {at.bank.values[m.partition() or 0, m.offset() or 0] for m in at.watch.polls}
    waiting = (read & set(values)) - at.begun()
    assert not waiting, mistake(
        "head-of-line-blocking",
        f"{_MANY} messages of as many keys came, and each handler takes long. The worker has read "
        f"{len(read & set(values))} of them, which is less than its limit, and {len(waiting)} of "
        "these have not begun: they wait for messages of other keys.",
    )
    at.bank.release()
    await at.applied(*values)


async def it_holds_no_more_than_its_limit(at: Scene) -> None:
    """Twenty messages in two partitions, a limit of five, and handlers that return when told."""
    values = [f"{number}" for number in range(20)]
    at.bank.held = lambda value: True
    await at.send(*((n % 2, f"key {n % 8}", value) for n, value in enumerate(values)))
    worker = at.start(limit=5)
    assert await at.until(lambda: at.bank.calls), "20 messages are there, and handle was not called"
    await at.until(lambda: len(at.bank.at_work) >= 4)
    asked = at.watch.asked
    await at.until(lambda: at.watch.asked > asked + 1, seconds=_ASKS_WITHIN)
    at.check_limit(5)
    while len(at.bank.applied()) < len(values):
        held, calls = at.bank.at_work, len(at.bank.calls)
        at.bank.release(*(at.bank.values[call.partition, call.offset] for call in held))
        at.bank.held = lambda value: value not in at.begun()
        went_on = await at.until(lambda calls=calls: len(at.bank.calls) > calls  # type: ignore[misc]
                                 or len(at.bank.applied()) == len(values))  # fmt: skip
        assert went_on, (
            f"limit is 5; {len(at.bank.applied())} of 20 messages are done, and no other begins"
        )
    at.check_limit(5)
    await at.stop(worker)


async def a_failure_ends_it(at: Scene) -> None:
    """One message fails while others are at work and more are waiting."""
    at.bank.fails = lambda value: value == "bob 1"
    at.bank.held = lambda value: value in ("ada 1", "bob 1")
    await at.send(
        (0, "ada", "ada 1"), (0, "bob", "bob 1"), (0, "bob", "bob 2"), (0, "ada", "ada 2"),
        (1, "cem", "cem 1"), (1, "dia", "dia 1"),
    )  # fmt: skip
    worker = at.start()
    others_go_on = await at.called("ada 1", "bob 1")
    if others_go_on:
        await at.until(lambda: {"cem 1", "dia 1"} <= set(at.bank.applied()))
    worker.expects_failure = True
    at.bank.release(*(["bob 1"] if others_go_on else []))
    await at.until(lambda: any(call.state == "failed" for call in at.bank.calls))
    await at.a_reader_has_read_it_all()  # a loop that looks after each poll has seen it by then
    await at.send((1, "eva", "eva 1"))
    await at.a_reader_has_read_it_all()
    at.bank.release()
    ended = await at.until(_ended_or_over(at, worker.task, 1), patience=IN_TIME)
    committed = await at.committed(0)
    assert committed <= 1, mistake(
        "commits-early",
        f"The handler of offset 1 raised, and the partition was committed up to {committed}: "
        "nobody will ever handle it.",
    )
    began = [at.bank.values[call.partition, call.offset] for call in at.bank.calls]
    assert "bob 2" not in began, "handle raised for 'bob 1', and 'bob 2' was begun, of the same key"
    late = sorted({"ada 2", "eva 1"} & set(began))
    assert not late, f"handle raised for 'bob 1', and after that {late} were begun"
    assert ended, "handle raised, nothing is at work, and the worker has not ended"
    error = worker.task.exception()
    if isinstance(error, AssertionError):
        raise error  # somebody who watches has told what is wrong
    assert error is not None, "handle raised, and work returned as if nothing had happened"
    assert "bob 1" in str(error), (
        f"handle raised RuntimeError('bob 1 cannot be applied'), and work raised {error!r}"
    )
    states = {at.bank.values[c.partition, c.offset]: c.state for c in at.bank.calls}
    assert states["ada 1"] == "done", mistake(
        "drops-in-flight",
        f"A handler raised while another one was at work, and that one was {states['ada 1']}.",
    )
    assert committed == 1, f"offset 0 is done and 1 failed: committed is {committed}, not 1"
    at.bank.fails = lambda value: False
    again = at.start("the next worker")
    await at.applied("ada 1", "ada 2", "bob 1", "bob 2", "cem 1", "dia 1", "eva 1")
    await at.stop(again)


def _ended_or_over(at: Scene, task: asyncio.Task[Any], most: int) -> Callable[[], Any]:
    """Asks whether a task is done, or more is committed of partition 0 than may be."""

    async def ask() -> bool:
        return task.done() or await at.committed(0) > most

    return ask


async def it_stops_in_peace(at: Scene) -> None:
    """stop is set while handlers are at work and more is waiting."""
    at.bank.held = lambda value: value in ("ada 1", "bob 1")
    await at.send((0, "ada", "ada 1"), (0, "bob", "bob 1"), (0, "ada", "ada 2"), (0, "cem", "cem"))
    worker = at.start(limit=3)
    await at.called("ada 1", "bob 1")
    worker.stop.set()
    await at.a_reader_has_read_it_all()
    begun = at.begun()
    await at.send((0, "dia", "dia 1"))
    at.bank.release()
    await at.stop(worker)
    late = sorted(at.begun() - begun)
    assert not late, f"stop was set, and after that handle was called for {late}"
    states = {at.bank.values[c.partition, c.offset]: c.state for c in at.bank.calls}
    unfinished = sorted(value for value in begun if states[value] != "done")
    assert not unfinished, mistake(
        "drops-in-flight",
        f"stop was set while {len(begun)} handlers were at work; not finished: {unfinished}.",
    )
    committed, done = await at.committed(0), {c.offset for c in at.bank.calls}
    first = next(offset for offset in range(at.end(0)) if offset not in done)
    assert committed == first, (
        f"stop was set, the offsets {sorted(done)} were finished, and work returned: committed is "
        f"{committed}, not {first}"
    )
    heir = at.join()
    left = await at.until(lambda: heir.assigned == {0})
    assert left, (
        "work has returned, and it has not left the group: its partition is given to nobody"
    )


async def a_failure_after_stop_is_raised(at: Scene) -> None:
    """stop is set while a handler is at work, and then that one fails."""
    at.bank.fails = lambda value: True
    at.bank.held = lambda value: True
    await at.send((0, "bob", "bob 1"))
    worker = at.start()
    assert await at.called("bob 1"), "a message is there, and handle was not called"
    worker.stop.set()
    await at.a_reader_has_read_it_all()
    worker.expects_failure = True
    at.bank.release()
    ended = await at.until(worker.task.done, patience=IN_TIME)
    committed = await at.committed(0)
    assert not committed, mistake(
        "commits-early",
        "stop was set, then the handler of offset 0 raised, and the partition was committed up to "
        f"{committed}: nobody will ever handle it.",
    )
    assert ended, "stop was set, a handler raised, nothing is at work, and the worker has not ended"
    error = worker.task.exception()
    if isinstance(error, AssertionError):
        raise error
    [state] = {call.state for call in at.bank.calls}
    assert state == "failed", mistake(
        "drops-in-flight", f"stop was set while a handler was at work, and that one was {state}."
    )
    assert "bob 1" in str(error), (
        "stop was set, then a handler raised RuntimeError('bob 1 cannot be applied'), and work "
        + (f"raised {error!r}" if error else "returned as if nothing had happened")
    )


async def a_commit_that_fails_is_made_up_for(at: Scene) -> None:
    """The first commit fails, as may happen in a rebalance."""
    at.watch.fails_next_commit = True
    await at.send((0, "ada", "ada 1"))
    worker = at.start()
    await at.applied("ada 1")

    async def failed_or_never_will() -> bool:  # only one that is waited for fails
        return not at.watch.fails_next_commit or not await at.behind(0)

    await at.until(failed_or_never_will, patience=IN_TIME)
    behind = await at.until_committed(0)
    at.check()
    assert not behind, f"one message is done, its commit failed once, and committed is {behind[0]}"
    await at.stop(worker)


async def it_stops_when_there_is_nothing_to_do(at: Scene) -> None:
    """stop is set while the worker waits."""
    await at.send((0, "ada", "ada 1"))
    worker = at.start()
    await at.applied("ada 1")
    await at.stop(worker)
    assert await at.committed(0) == 1, (
        "one message was handled, work returned; nothing is committed"
    )
