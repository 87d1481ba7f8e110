"""Grades follow of event_store.py, on a simulated store whose commits finish out of order."""

import asyncio
from itertools import pairwise

import pytest

from autograder.grading import mistake
from autograder.grading.benches.late_log import LateLog, Listener
from autograder.simulation import simulate

POLL = 5.0
SOON = 2 * POLL + 1
HOUR = 3600.0


@pytest.mark.points(1)
@simulate(seeds=4)
async def test_follow_yields_what_is_there_and_what_comes(world, submission):
    """follow yields what is there, in pages, and then what comes, from the given position on."""
    log = LateLog(world, submission)
    log.add(450)
    after = (0, 0, 3, 440)[world.seed % 4]
    listener = Listener(submission.follow(log, after, poll=POLL))
    await asyncio.sleep(SOON)
    listener.check()
    expected = [log.event(position) for position in range(after + 1, 451)]
    assert listener.events == expected, (
        f"the log has the positions 1 to 450; follow was to begin after {after}, with "
        f"poll={POLL:g}, and {SOON:g} s later it had yielded {said(listener.positions)}"
    )
    for position in range(451, 455):
        log.add()
        await asyncio.sleep(SOON)
        listener.check()
        assert listener.positions[-1:] == [position], (
            f"{position} was committed {SOON:g} s ago with poll={POLL:g}; follow has yielded "
            f"{said(listener.positions)}"
        )
    await listener.leave()


def said(positions):
    """Positions in words that fit on a line."""
    if len(positions) <= 12:
        return f"{positions}"
    return f"{len(positions)} events, {positions[0]} to {positions[-1]}"


@pytest.mark.points(3)
@pytest.mark.hint("You see 2, and not 1. How do you find out whether 1 may still come?")
@simulate(seeds=8)
async def test_follow_waits_for_what_is_committed_late(world, submission):
    """If 2 is committed before 1, follow waits, for an hour if need be, and yields 1 and then 2."""
    log = LateLog(world, submission)
    before = 3 * (world.seed % 2)
    log.add(before) if before else None
    listener = Listener(submission.follow(log, poll=POLL))
    await asyncio.sleep(10)
    late, fast = log.begin(), log.begin(2)
    await asyncio.sleep(1)
    fast.commit()
    patience = (0.5, 20.0, 600.0, HOUR)[world.seed // 2 % 4]
    await asyncio.sleep(patience)
    log.check_patience(f"An earlier transaction was running for {patience:g} s, with poll={POLL:g}")
    listener.check()
    early = [position for position in listener.positions if position > before]
    assert not early, mistake(
        "gap-in-positions",
        f"Position {early[0]} was yielded while the transaction that has taken position "
        f"{before + 1} was still running, after {patience:g} s. When that commits, who goes by "
        f"position is past it.",
    )
    late.commit()
    await asyncio.sleep(SOON)
    listener.check()
    await listener.leave()
    assert listener.positions == list(range(1, before + 4)), (
        f"all is committed since {SOON:g} s, with poll={POLL:g}: positions 1 to {before + 3}; "
        f"follow has yielded {said(listener.positions)}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("A position whose transaction was rolled back stays empty for ever.")
@simulate(seeds=6)
async def test_follow_passes_a_position_that_stays_empty(world, submission):
    """If 1 is rolled back, follow does not wait for it any more, and yields 2."""
    log = LateLog(world, submission)
    gap = (1, 7, 300)[world.seed // 2 % 3]
    late = log.begin(gap)
    if world.seed % 2:
        late.roll_back()
    listener = Listener(submission.follow(log, poll=POLL))
    await asyncio.sleep(10)
    log.add(2)
    await asyncio.sleep(10)
    if not late.done:
        late.roll_back()
    await asyncio.sleep(SOON)
    listener.check()
    await asyncio.sleep(HOUR if not listener.events else 0)
    log.check_patience(f"With poll={POLL:g}, an earlier transaction was running for 20 s")
    await listener.leave()
    assert listener.events, mistake(
        "stuck-at-a-gap",
        f"A transaction that had taken the positions 1 to {gap} was rolled back, and {gap + 1} and "
        f"{gap + 2} are committed. An hour later, follow has yielded nothing.",
    )
    assert listener.positions == [gap + 1, gap + 2], (
        f"positions {gap + 1} and {gap + 2} are committed, all before them rolled back, since "
        f"{SOON:g} s with poll={POLL:g}; follow has yielded {said(listener.positions)}"
    )


@pytest.mark.points(3)
@pytest.mark.hint("Two calls, one after the other. What may happen between them, either way round?")
@simulate(seeds=20)
async def test_follow_misses_nothing_at_any_moment(world, submission):
    """If 1 is committed at any moment, also between two of follow's calls, it comes before 2."""
    log = LateLog(world, submission)
    late = log.begin()
    log.add()
    moment, committed_at = 1 + world.seed // 2, None

    def commit(number):
        nonlocal committed_at
        if number == moment:
            committed_at = log.world.loop.time()
            late.roll_back() if world.seed % 2 else late.commit()

    def yielded(event):
        promised.append(log.promised)

    promised = []
    log.after_call = commit
    listener = Listener(submission.follow(log, poll=POLL), heard=yielded)
    await asyncio.sleep(200)
    log.check_patience(f"With poll={POLL:g}, it was waited for position 1 for a while")
    log.add()
    await asyncio.sleep(SOON)
    listener.check()
    await listener.leave()
    assert committed_at is not None, (
        f"follow has made {len(log.calls)} calls to the log in 200 s, with poll={POLL:g}: "
        f"{log.calls}; position 1 was being waited for"
    )
    if world.seed % 2:
        assert listener.positions == [2, 3], (
            f"position 1 was rolled back, 2 and 3 are committed; follow has yielded "
            f"{said(listener.positions)}"
        )
        return
    if 1 not in listener.positions and listener.events:
        calls = ", ".join(log.calls[max(0, moment - 2) : moment + 2])
        told = (
            f"Position 1 was committed when call {moment} to the log had just been answered, and "
            f"was never yielded; 2 was, {{}}. The calls around that moment: {calls}."
        )
        when = "before that" if listener.times[0] < committed_at else "after that"
        # Was it told that all is settled up to there? Then it had read too early, else it guessed.
        assert promised[0] >= listener.positions[0], mistake("gap-in-positions", told.format(when))
        raise AssertionError(mistake("horizon-after-read", told.format(when)))
    assert listener.positions == [1, 2, 3], (
        f"positions 1, 2 and 3 are committed; follow has yielded {said(listener.positions)}"
    )


@pytest.mark.points(2)
@simulate(seeds=20)
async def test_follow_in_a_busy_store(world, submission):
    """With many transactions side by side, each event comes once and in order; resuming, too."""
    log = LateLog(world, submission)
    early = []

    def yielded(event):
        if event.position > log.settled_now:
            early.append(event.position)

    async def write(name):
        for number in range(4):
            key = f"{name} {number}"
            await world.pause(f"{key} begins", 0.01, 5.0)
            transaction = log.begin(1 + world.choose(3, f"{key} events"))
            await world.pause(f"{key} lasts", 0.01, 20.0)
            if world.chance(0.2, f"{key} fails"):
                transaction.roll_back()
            else:
                transaction.commit()

    writers = [asyncio.create_task(write(f"writer {n}"), name=f"writer {n}") for n in range(5)]
    first = Listener(submission.follow(log, poll=POLL), "the first", heard=yielded)
    await world.pause("the first stops", 1.0, 30.0)
    await first.leave()
    after = first.positions[-1] if first.events else 0
    second = Listener(submission.follow(log, after, poll=POLL), "the second", heard=yielded)
    await asyncio.wait(writers)
    await asyncio.sleep(SOON)
    second.check()
    await second.leave()
    got, expected = first.positions + second.positions, sorted(log.committed)
    missed = sorted(set(expected) - set(got))
    told = (
        f"{len(expected)} events were committed, by transactions that ran side by side, and these "
        f"positions were never yielded: {missed}. follow was left and began again after {after}."
    )
    assert not missed or not early, mistake(
        "gap-in-positions",
        f"{told} Yielded while a lower position was still in flight: {early}",
    )
    assert not missed, told
    assert got == expected, (
        f"committed are {expected}; follow yielded {first.positions}, and then, after {after}, "
        f"{second.positions}"
    )


@pytest.mark.points(1)
@pytest.mark.hint("Events that you must not yield yet are no reason to ask again at once.")
@simulate(seeds=3)
async def test_follow_does_not_ask_all_the_time(world, submission):
    """If there is nothing to yield, follow asks again after `poll` seconds, and not sooner."""
    log = LateLog(world, submission, patience=10 * 31)
    times = {"settled": [], "read": []}
    log.after_call = lambda number: times[log.calls[-1]].append(world.time())
    if world.seed:
        log.begin(2)
        log.add(3)
    listener = Listener(submission.follow(log, poll=30.0))
    await asyncio.sleep(900)
    state = "an earlier transaction was running" if world.seed else "the log was empty"
    log.check_patience(f"For 15 minutes {state}, with poll=30")
    listener.check()
    await listener.leave()
    calls, rounds = len(log.calls), 31
    assert calls <= 4 * rounds, (
        f"for 15 minutes {state}, with poll=30: asked every 30 s that is {rounds - 1} times; "
        f"follow has made {calls} calls to the log"
    )
    for name, asked in times.items():
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        early = [gap for gap in gaps if 5 < gap < 25]  # what is less belongs to one round
        assert not early, (
            f"for 15 minutes {state}, with poll=30, and follow called `{name}` again after "
            f"{early[0]:.0f} s"
        )
