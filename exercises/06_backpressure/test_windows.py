"""Grades windows.py."""

import asyncio
import gc
import sys
import weakref

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate


class TillBroken(Exception):
    """What the stream of a test raises."""


class Tills:
    """A stream of events, and what became of it."""

    def __init__(self, submission, world, times, *, every=0.01, error=None, tidy=1.0):
        self.events = [submission.Event(time, f"sale {n}") for n, time in enumerate(times)]
        self.world = world
        self.every, self.error, self.tidy = every, error, tidy
        self.given = 0
        self.late = []
        self.moments = []  # how many events had been given when each window came
        self.closed = False
        self.stream = self.make_stream()

    async def make_stream(self):
        try:
            for event in self.events:
                await asyncio.sleep(self.every)
                self.given += 1
                yield event
            if self.error is not None:
                raise self.error
        finally:
            await asyncio.sleep(self.tidy)
            self.closed = True

    @property
    def options(self):
        return {"on_late": self.late.append}


def expected_windows(events, size, step, lateness):
    """Each window as it completes: its start, its events, with which one; and the late events."""
    open_windows, done, late, latest = {}, [], [], None
    for given, event in enumerate(events, 1):
        latest = event.time if latest is None else max(latest, event.time)
        starts = [s for s in range(-size * 9, event.time + 1, step) if s + size > event.time]
        if any(start + size <= latest - lateness for start in starts):
            late.append(event)
        for start in starts:
            if start + size > latest - lateness:
                open_windows.setdefault(start, []).append(event)
        for start in sorted(open_windows):
            if start + size <= latest - lateness:
                done.append((start, open_windows.pop(start), given))
    done += [(start, open_windows[start], len(events)) for start in sorted(open_windows)]
    return [(start, sorted(held, key=lambda e: e.time), n) for start, held, n in done], late


def told(windows):
    """Windows as a reader sees them: 0-60: 3, 59."""
    return "; ".join(
        f"{start}-{end}: {', '.join(str(time) for time in times)}" for start, end, times in windows
    )


async def collect(windows, tills):
    got = []
    async for window in windows:
        tills.moments.append(tills.given)
        got.append(window)
    return got


def assert_windows(got, tills, size, step, lateness):
    expected, late = expected_windows(tills.events, size, step, lateness)
    times = [event.time for event in tills.events]
    shown = told([(w.start, w.end, [event.time for event in w.events]) for w in got])
    wanted = told([(start, start + size, [e.time for e in held]) for start, held, _ in expected])
    assert shown == wanted, (
        f"events at {times}, size {size}, step {step}, lateness {lateness}:\n"
        f"got      {shown}\nexpected {wanted}"
    )
    for window, (_, held, moment), given in zip(got, expected, tills.moments, strict=True):
        assert list(window.events) == held, (
            f"window {window.start}-{window.end}: events of equal times are not in the order in "
            f"which they came: {[event.value for event in window.events]}"
        )
        assert isinstance(window.events, tuple), f"Window.events is a {type(window.events)}"
        assert given == moment, (
            f"events at {times}, size {size}, step {step}, lateness {lateness}: window "
            f"{window.start}-{window.end} is complete with event {moment}, and was given after "
            f"{given} events"
        )
    return late


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_each_event_is_in_its_tumbling_window(world, submission):
    """Tumbling windows hold the events from their start up to, and not including, their end."""
    times = [0, 59, 60, 60, 60, 61, 119, 300, 301, 420, 480]
    tills = Tills(submission, world, times)
    # Two sales that are equal, of something that can only be compared for being equal.
    tills.events[2:4] = [submission.Event(60, {"lamp": 1}) for _ in range(2)]
    got = await collect(submission.tumbling(tills.stream, 60, lateness=0, **tills.options), tills)
    late = assert_windows(got, tills, 60, 60, 0)
    assert tills.late == late == [], f"nothing was late, and on_late was given {tills.late}"


@pytest.mark.points(2)
@pytest.mark.hint("The last window that holds a time begins at time // step * step. And the first?")
@simulate(seeds=20)
async def test_an_event_is_in_all_its_sliding_windows(world, submission):
    """Sliding windows overlap: an event is in each one that covers its time."""
    size, step = ((60, 20), (30, 10), (40, 40), (6, 2))[world.seed % 4]
    times, now = [], 0
    for _ in range(20):
        now += int(world.draw("gap") * 25) + (world.seed == 0) * 7
        times.append(now)
    tills = Tills(submission, world, times)
    got = await collect(
        submission.sliding(tills.stream, size, step, lateness=0, **tills.options), tills
    )
    late = assert_windows(got, tills, size, step, 0)
    assert tills.late == late == [], f"nothing was late, and on_late was given {tills.late}"


@pytest.mark.points(2)
@simulate(seeds=20)
async def test_events_out_of_order_are_in_time_within_the_lateness(world, submission):
    """Events that come out of order, by no more than `lateness`, are in their windows."""
    lateness = 30
    order = [(n * 7 + int(world.draw("delay") * lateness), n * 7) for n in range(40)]
    order.sort()
    tills = Tills(submission, world, [time for _, time in order])
    tumbling = world.seed % 2 == 0
    if tumbling:
        windows = submission.tumbling(tills.stream, 60, lateness=lateness, **tills.options)
    else:
        windows = submission.sliding(tills.stream, 60, 30, lateness=lateness, **tills.options)
    got = await collect(windows, tills)
    late = assert_windows(got, tills, 60, 60 if tumbling else 30, lateness)
    assert tills.late == late == [], f"nothing was late, and on_late was given {tills.late}"


@pytest.mark.points(2)
@pytest.mark.hint("With lateness 5 and a latest time of 65, the watermark is 60.")
@simulate(seeds=1)
async def test_a_window_is_given_as_soon_as_it_is_complete(world, submission):
    """A window is given once it is complete, and before the next event is asked for."""
    times = [10, 62, 64, 65, 70, 250, 251, 252, 304, 400, 401]
    tills = Tills(submission, world, times)
    windows = submission.tumbling(tills.stream, 60, lateness=5, **tills.options)
    after = []
    async for window in windows:
        after.append((window.start, tills.given))
    begun = [start for start, _ in after]
    assert begun == [0, 60, 240, 300, 360], f"windows began at {begun}"
    first, second, third, fourth, _ = [given for _, given in after]
    assert first == 4, (
        f"events at {times}, lateness 5: window 0-60 is complete with the 4th, and was given after "
        f"{first} events"
    )
    assert second == 6, (
        f"events at {times}, lateness 5: window 60-120 is complete with the 6th, and was given "
        f"after {second} events"
    )
    assert (third, fourth) == (10, 10), (
        f"events at {times}, lateness 5: windows 240-300 and 300-360 are complete with the 10th, "
        f"and were given after {third} and {fourth} events"
    )


@pytest.mark.points(3)
@pytest.mark.hint("What does your code do with an event whose window has been given?")
@simulate(seeds=20)
async def test_late_events_are_not_lost(world, submission):
    """An event that comes after its window was complete is passed to on_late, once."""
    times = [10, 50, 70, 20, 130, 125, 59, 60, 300, 299, 61, 300, 5]
    lateness = (0, 5, 10)[world.seed % 3]
    if world.seed > 2:
        times = [int(world.draw("time") * 200) + n * 9 for n in range(25)]
    tills = Tills(submission, world, times)
    windows = submission.tumbling(tills.stream, 60, lateness=lateness, **tills.options)
    got = await collect(windows, tills)
    in_windows = [event for window in got for event in window.events]
    _, late = expected_windows(tills.events, 60, 60, lateness)
    lost = [e for e in tills.events if e not in in_windows and e not in tills.late]
    of_late = [e.time for e in lost if e in late]
    assert not of_late or len(of_late) < len(lost), mistake(
        "late-event-lost",
        f"Of the events at {times}, with lateness {lateness}, those at {of_late} came late. They "
        "are in no window, and on_late was not given them.",
    )
    assert_windows(got, tills, 60, 60, lateness)
    assert tills.late == late, (
        f"events at {times}, lateness {lateness}: late were {[e.time for e in late]}, and on_late "
        f"was given {[e.time for e in tills.late]}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Some of its windows have been given, others have not.")
@simulate(seeds=20)
async def test_late_for_one_window_in_time_for_another(world, submission):
    """An event too late for one of its sliding windows is in the others, and passed to on_late."""
    times = [5, 25, 62, 41, 85, 50, 15, 100]
    if world.seed:
        times = [int(world.draw("time") * 60) + n * 9 for n in range(25)]
    tills = Tills(submission, world, times)
    got = await collect(
        submission.sliding(tills.stream, 60, 20, lateness=2, **tills.options), tills
    )
    late = assert_windows(got, tills, 60, 20, 2)
    assert tills.late == late, (
        f"events at {times}, size 60, step 20, lateness 2: late were {[e.time for e in late]}, and "
        f"on_late was given {[e.time for e in tills.late]}"
    )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_late_event_is_told_at_once(world, submission):
    """A late event is passed to on_late before the next event is asked for."""
    tills = Tills(submission, world, [10, 100, 20, 101, 102, 103])
    told_after = []
    windows = submission.tumbling(
        tills.stream, 60, lateness=0, on_late=lambda event: told_after.append(tills.given)
    )
    await collect(windows, tills)
    assert told_after == [3], f"the third event is late; on_late was called after {told_after}"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_no_events_no_windows(world, submission):
    """A stream that ends without an event gives no windows, and is closed."""
    tills = Tills(submission, world, [])
    windows = submission.tumbling(tills.stream, 60, lateness=0, **tills.options)
    got = await collect(windows, tills)
    assert got == [], f"no events, and the windows {got}"


def windows_in_turn(world, submission, tills):
    """Tumbling ones in one world, sliding ones in the next; the name of the function, too."""
    if world.seed % 2:
        windows = submission.sliding(tills.stream, 60, 30, lateness=0, **tills.options)
        return "sliding", windows
    return "tumbling", submission.tumbling(tills.stream, 60, lateness=0, **tills.options)


def assert_closed(tills, name, when):
    assert tills.closed, mistake(
        "generator-not-closed",
        f"{name}() {when}, and the clean-up of `events` was not over: "
        "its connection to the tills is open.",
    )


@pytest.mark.points(3)
@pytest.mark.hint("aclose() raises GeneratorExit at your yield. Who tells the stream behind you?")
@simulate(seeds=2)
async def test_closed_early_it_closes_the_stream(world, submission):
    """Who takes one window and calls aclose() finds the stream closed, its clean-up over."""
    tills = Tills(submission, world, range(0, 3000, 20))
    name, windows = windows_in_turn(world, submission, tills)
    async for _ in windows:
        break
    assert tills.given < 20, f"{name}() took {tills.given} events for the first window"
    await windows.aclose()
    assert_closed(tills, name, "was closed after the first window")
    given = tills.given
    await asyncio.sleep(10)
    assert tills.given == given, f"{name}() was closed, and read {tills.given - given} more events"


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_closed_among_the_last_windows(world, submission):
    """Closed while it gives the last windows, after the stream's end, it ends quietly, too."""
    tills = Tills(submission, world, [0, 10, 20])
    name, windows = windows_in_turn(world, submission, tills)
    first = await anext(windows)
    assert first.events[0].time == 0, f"the first window is {first}"
    await windows.aclose()
    assert_closed(tills, name, "was closed")


@pytest.mark.points(1)
@simulate(seeds=2)
async def test_what_the_stream_raises_goes_on(world, submission):
    """If the stream raises, so do the windows; those that are not complete are not given."""
    tills = Tills(submission, world, [0, 10, 70, 80], error=TillBroken("till 3"))
    name, windows = windows_in_turn(world, submission, tills)
    got, error = [], None
    try:
        async for window in windows:
            got.append(window.start)
    except TillBroken as broken:
        error = broken
    assert error is not None, f"the stream raised TillBroken, and {name}() ended without a word"
    incomplete = [start for start in got if start + 60 > 80]
    assert not incomplete, f"the stream raised, and {name}() still gave the windows {incomplete}"
    assert_closed(tills, name, "raised")


@pytest.mark.points(2)
@simulate(seeds=2, at_every_await=True)
async def test_cancelled_anywhere_it_closes_the_stream(world, submission):
    """If the reader of the windows is cancelled, at whichever await, the stream is closed."""
    tills = Tills(submission, world, [0, 30, 70, 130], tidy=0.0)
    name, windows = windows_in_turn(world, submission, tills)

    async def read():
        try:
            async for _ in windows:
                await asyncio.sleep(0.5)
        finally:
            await windows.aclose()

    outcome = await world.interrupted(read())
    if outcome.error is not None and not isinstance(outcome.error, asyncio.CancelledError):
        raise outcome.error
    # A cancellation in the stream's own clean-up (its sleep of 0 s) ends that clean-up.
    if outcome.error is None or tills.given < len(tills.events):
        assert_closed(tills, name, "had ended")


@pytest.mark.points(1)
@simulate(seeds=1, ignore=frozenset({"leaked-task"}))
async def test_what_was_given_is_forgotten(world, submission):
    """The events of windows that were given are kept nowhere."""

    class Sale:
        """Something that can be watched."""

    seen = []

    async def stream():
        for time in range(0, 6000, 10):
            # Every tenth is late, and is told; it has to be forgotten as well.
            for when in (time, time - 90) if time % 100 == 90 else (time,):
                sale = Sale()
                seen.append(weakref.ref(sale))
                yield submission.Event(when, sale)
                del sale

    windows = submission.sliding(stream(), 60, 20, lateness=10, on_late=lambda event: None)
    most = given = 0
    async for window in windows:
        del window
        given += 1
        if given % 50 == 0:
            gc.collect()
            most = max(most, sum(ref() is not None for ref in seen))
    assert most < 30, f"of {len(seen)} events, {most} were still in memory; windows hold 6"


@pytest.mark.points(1)
@pytest.mark.hint("What do you still know of a window that has been given? The watermark knows it.")
@simulate(seeds=1)
async def test_nothing_grows_with_the_stream(world, submission):
    """After 3,000 windows no more memory is in use than after 1,000."""

    async def stream():
        for time in range(0, 30_030, 10):
            yield submission.Event(time)

    windows = submission.tumbling(stream(), 10, lateness=10, on_late=lambda event: None)
    blocks = []
    given = 0
    async for window in windows:
        del window
        given += 1
        if given in (1000, 3000):
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    assert given == 3003, f"3,003 events, one in each window of 10 s, gave {given} windows"
    more = blocks[1] - blocks[0]
    assert more < 500, (
        f"each window was given and forgotten, and after 2,000 more of them {more:,} more pieces "
        "of memory were in use"
    )
