"""What holds of a worker on a Kafka topic that has to stay in its group, and to share with it."""

from __future__ import annotations

import asyncio

from ..mistakes import mistake
from .kafka_desk import CLASSIC
from .kafka_workers import POLL_INTERVAL, Scene

_SILENT_FOR = 1.35
"""A stranger is thrown out after so many times the poll interval: by then, so is the worker."""
_BEGUN_WITHIN = 1.5
"""Seconds in which a worker has begun with a message that is there, and of another key."""
_TOLD_WITHIN = 3.0
"""Seconds in which a worker that polls is told that a partition is taken away."""


async def it_asks_while_it_works(at: Scene) -> str:
    """Handlers take long, and there is no room for more: does it ask for messages all the same?

    Then it stays in its group. If not, `it_stays_in_its_group` shows what becomes of it.

    Returns:
        When it did not ask: "at work", or "stopping", once stop was set; "" if it did.
    """
    at.bank.held = lambda value: True
    await at.send(*((0, f"key {n}", f"slow {n}") for n in range(3)))
    worker = at.start(limit=2, **{**CLASSIC, "max.poll.interval.ms": POLL_INTERVAL})
    assert await at.called("slow 0"), "a message is there, and handle was not called"
    told = {str(one.config.get("max.poll.interval.ms")) for one in at.watch.made}
    assert told == {str(POLL_INTERVAL)}, mistake(
        "slow-handler-rebalance",
        f"`config` says max.poll.interval.ms={POLL_INTERVAL}, and the consumer was told "
        f"{', '.join(sorted(told))}: so much later is a worker found that hangs.",
    )
    # Until it has all that it may have, it asks for more, of course.
    await at.until(lambda: len(at.bank.at_work) > 1, seconds=_BEGUN_WITHIN)
    await at.a_reader_has_read_it_all()
    for when in ("at work", "stopping"):
        if not await _goes_on_asking(at):
            worker.expects_failure = True  # it may have been thrown out by now
            return when
        at.check_limit(2)  # it asks, and takes nothing
        worker.stop.set()
    at.bank.release()
    await at.stop(worker)
    return ""


async def _goes_on_asking(at: Scene) -> bool:
    """It does, or it has given up its work, and has nothing to stay for: that is told elsewhere."""
    enough = at.watch.asked + 2
    return await at.until(
        lambda: at.watch.asked >= enough or not at.bank.at_work, seconds=POLL_INTERVAL / 1000
    )


async def it_stays_in_its_group(at: Scene, *, stopping: bool = False) -> None:
    """Handlers take longer than max.poll.interval.ms, and there is no room for more.

    ``stopping``: stop is set while they are at work.
    """
    at.bank.held = lambda value: value.startswith("slow")
    other = at.join(**CLASSIC)
    await at.until(lambda: other.assigned == {0, 1}, ours=True)
    worker = at.start(limit=2, **{**CLASSIC, "max.poll.interval.ms": POLL_INTERVAL})
    shared = await at.until(lambda: len(other.assigned) == 1)
    assert shared, "a worker was started, and it did not join the group"
    [theirs] = other.assigned
    mine = 1 - theirs
    other.ever = {theirs}
    await at.send(*((mine, f"key {n}", f"slow {n}") for n in range(3)))
    assert await at.until(lambda: at.bank.calls), "a message is there, and handle was not called"
    worker.expects_failure = True  # one that is thrown out may fail of it
    if stopping:
        worker.stop.set()
        await _somebody_is_thrown_out(at)
        await _a_rebalance_goes_by(at)
        _check_kept(mine not in other.ever, "stop was set, and a handler took longer")
        worker.expects_failure = False
        at.bank.release()
        await at.stop(worker)
        return
    await _somebody_is_thrown_out(at)
    at.bank.release()
    slow = {"slow 0", "slow 1", "slow 2"}
    await at.until(lambda: mine in other.ever or slow <= set(at.bank.applied()))
    await at.send((mine, "last", "last"))
    await at.until(lambda: mine in other.ever or "last" in at.bank.applied())
    _check_kept(mine not in other.ever, "a handler took longer")
    worker.expects_failure = False
    await at.applied("last", *slow)
    await at.stop(worker)


def _check_kept(kept: bool, said: str) -> None:
    assert kept, mistake(
        "slow-handler-rebalance",
        f"max.poll.interval.ms is {POLL_INTERVAL}, and {said}. The worker did not poll "
        "meanwhile, so that it was taken for dead: its partition was given to another one.",
    )


async def _somebody_is_thrown_out(at: Scene) -> None:
    """Wait for as long as it takes until a consumer that does not poll is thrown out."""
    topic = at.desk.topic("clock", 1)
    group = at.desk.name("clocks")
    interval = int(POLL_INTERVAL * _SILENT_FOR)
    silent = at.desk.join(topic, group, **{**CLASSIC, "max.poll.interval.ms": interval})
    await at.until(lambda: silent.assigned, ours=True)
    silent.fall_silent()
    heir = at.desk.join(topic, group, **CLASSIC)
    await at.until(lambda: heir.assigned, ours=True)


async def what_is_taken_away_is_let_go(at: Scene) -> None:
    """Another member joins while handlers are at work, and leaves again."""
    at.bank.held = lambda value: value.endswith("0")
    both = [
        (p, f"key {p}", f"{p}: {n}0" if not n else f"{p}: {n}") for n in range(4) for p in (0, 1)
    ]
    await at.send(*both)
    worker = at.start()
    await at.called("0: 00", "1: 00")
    await at.a_reader_has_read_it_all()
    asked = at.watch.asked
    other = at.join()
    soon = _TOLD_WITHIN * at.desk.slowness
    await at.until(lambda: other.assigned or at.watch.revoking, seconds=soon)
    if not other.assigned:
        await _a_rebalance_goes_by(at)
    begun = at.begun() if at.watch.revoking else set()  # told, it begins with none of them
    if not other.assigned and (at.watch.revoking or at.watch.asked == asked):
        at.bank.release()  # the worker finishes first what has begun
    handed_over = await at.until(lambda: other.assigned)
    assert handed_over, "another member joined the group, and the worker gave no partition away"
    await at.until(lambda: len(other.assigned) == 1)
    assert len(other.assigned) == 1, "another member joined the group, and the worker is gone"
    [theirs] = other.assigned
    mine = 1 - theirs
    begun = begun or at.begun()

    async def read_it_all() -> bool:
        done = await at.committed(theirs) == at.end(theirs)  # the worker may have done it before
        return done or at.end(theirs) - 1 in other.offsets(theirs)

    await at.until(read_it_all)
    other_began = min(other.offsets(theirs), default=at.end(theirs))
    await other.commit(at.topic, theirs, at.end(theirs))
    at.bank.release()
    if await _all_is_done(at, mine):
        # Whatever was committed beside that is there when one more of them is.
        await at.send((mine, "more", f"{mine}: more"))
        await _all_is_done(at, mine)
    at.check()
    late = sorted(v for v in at.begun() - begun if v.startswith(f"{theirs}"))
    assert not late, mistake(
        "ignores-revocation",
        f"Partition {theirs} was taken away for another member. After the worker had been told, it "
        f"began with {late}.",
    )
    committed = await at.committed(theirs)
    assert committed == at.end(theirs), mistake(
        "ignores-revocation",
        f"Partition {theirs} was given to another member, who did its messages and committed "
        f"{at.end(theirs)}. Then the worker committed {committed}.",
    )
    applied = at.bank.applied()
    missing = [at.bank.values[theirs, offset] for offset in range(other_began)
               if at.bank.values[theirs, offset] not in applied]  # fmt: skip
    assert not missing, mistake(
        "commits-early",
        f"The next owner of partition {theirs} began at {other_began}, as committed. Nobody has "
        f"handled {missing}.",
    )
    await asyncio.to_thread(other.close)
    await at.send((theirs, "late", "late 1"), (mine, "late", "late 2"))
    await at.applied("late 1", "late 2")
    again = sorted(v for v, times in at.bank.applied().items() if times > 1 and v[0] != str(theirs))
    assert not again, f"these were handled twice, of a partition that was not taken away: {again}"
    await at.stop(worker)
    behind = await at.behind(0, 1)
    assert not behind, (
        f"partition {theirs} was taken away and came back; all is done, and of its "
        f"{at.end(theirs)} messages committed is {behind}"
    )


async def _all_is_done(at: Scene, partition: int) -> bool:
    await at.until(
        lambda: at.end(partition) == sum(v.startswith(f"{partition}") for v in at.bank.applied())
    )
    return not await at.until_committed(partition)


async def _a_rebalance_goes_by(at: Scene) -> None:
    """Wait for as long as it takes until somebody has given up a partition for somebody else."""
    topic, group = at.desk.topic("clock", 2), at.desk.name("clocks")
    first = at.desk.join(topic, group)
    await at.until(lambda: len(first.assigned) == 2, ours=True)
    second = at.desk.join(topic, group)
    await at.until(lambda: second.assigned, ours=True)
