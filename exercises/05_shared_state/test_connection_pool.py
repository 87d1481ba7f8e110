"""Grades connection_pool.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate

LONG = 300.0
"""Virtual seconds after which a task that still waits will wait for ever."""


class CannotConnect(Exception):
    """What connect() raises."""


class Leaves(BaseException):
    """What a block may also be left by: no Exception."""


class Connection:
    """One of a database's connections."""

    def __init__(self, database, number):
        self.database = database
        self.number = number

    def __repr__(self):
        return f"connection {self.number}"


class Database:
    """Opens connections, and knows who uses which."""

    def __init__(self, world, takes=None):
        self.world = world
        self.takes = takes
        self.opening = self.opened = self.most = 0
        self.in_use = {}
        self.failures = 0

    async def connect(self):
        self.opening += 1
        self.most = max(self.most, self.opened + self.opening)
        try:
            if self.takes is None:
                await self.world.pause("connect", 0.001, 0.050)
            elif self.takes:
                await asyncio.sleep(self.takes)
            if self.failures:
                self.failures -= 1
                raise CannotConnect("the database is restarting")
            self.opened += 1
            return Connection(self, self.opened)
        finally:
            self.opening -= 1

    async def use(self, pool, who, seconds=0.0, error=None):
        """Take a connection, keep it for a while, raise the error if there is one; give it back."""
        async with pool.connection() as connection:
            assert isinstance(connection, Connection), (
                f"{who} was given {connection!r}, which connect() has never returned"
            )
            assert connection.database is self, f"{who} was given a connection of another pool"
            other = self.in_use.setdefault(connection, who)
            assert other == who, f"{who} and {other} have {connection!r} at the same time"
            try:
                await asyncio.sleep(seconds)
                if error is not None:
                    raise error
            finally:
                del self.in_use[connection]

    def start(self, pool, who, seconds=0.0, error=None):
        return asyncio.create_task(self.use(pool, who, seconds, error), name=who)

    async def inside_at_once(self, pool, visitors):
        """How many of so many tasks can have a connection at the same time, soon."""
        tasks = [self.start(pool, f"visitor {n + 1}", seconds=LONG) for n in range(visitors)]
        await asyncio.sleep(10)
        inside = len(self.in_use)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        return inside

    async def is_as_good_as_before(self, pool, size, lost, said, gained=None):
        """Assert that all places can be used, no more, and that no connection has got lost.

        `lost` is the mistake by which a place goes, `said` what has happened to the pool, `gained`
        the mistake by which a place more comes, if there is only one.
        """
        inside = await self.inside_at_once(pool, size + 2)
        if inside > size:  # is it because of what has happened?
            new = Database(self.world, self.takes)
            at_first = await new.inside_at_once(type(pool)(new.connect, size=size), size + 2)
            assert at_first <= size, f"size={size}, and {at_first} connections are in use at once"
        more = f"{said} Now {inside} connections are in use at once, and size={size}."
        assert inside <= size, mistake(gained, more) if gained else more
        assert inside == size, mistake(
            lost, f"{said} Since then {inside} of {size} places can be used."
        )
        assert self.opened <= size, mistake(
            "leaked-permit",
            f"{said} Its connection never came back: {self.opened} have been opened, and "
            f"size={size}.",
        )


def a_pool(submission, world, size, takes=None):
    database = Database(world, takes)
    return submission.Pool(database.connect, size=size), database


async def ended(*tasks, seconds=LONG):
    """True if all tasks end in time; what one of them raises is raised."""
    done, pending = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        if not task.cancelled():
            task.result()
    return not pending


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_a_connection_is_used_again(world, submission):
    """One task after another uses the same connection: no second one is opened."""
    pool, database = a_pool(submission, world, size=3)
    for who in ("ada", "bob", "cem"):
        assert await ended(database.start(pool, who, 1)), f"{who} never gets a connection"
    assert database.opened == 1, (
        f"three tasks, one after another, and {database.opened} connections were opened"
    )
    pool, database = a_pool(submission, world, size=1)
    for error in (ZeroDivisionError, Leaves):
        with pytest.raises(error):
            await database.use(pool, "dia", error=error)
        assert await ended(database.start(pool, "eve")), (
            f"a block raised {error.__name__}, and eve never gets a connection"
        )
        assert database.opened == 1, (
            f"a block was left by {error.__name__}, and its connection is not used again"
        )
    inside = await database.inside_at_once(pool, 3)
    assert inside <= 1, f"two blocks raised; size=1, and now {inside} connections are in use"


@pytest.mark.points(2)
@pytest.mark.hint("What has happened between your look at the number and the end of connect()?")
@simulate(seeds=20)
async def test_there_are_never_more_than_size(world, submission):
    """Seven tasks come within a moment: `size` of them work at once, on as many connections."""
    size = 3 + world.seed % 3
    pool, database = a_pool(submission, world, size, takes=0)
    visitors = [database.start(pool, f"early bird {n}", 1) for n in range(7)]
    assert await ended(*visitors), f"seven tasks share {size} connections, and some never get one"
    assert database.most <= size, f"size={size}, and {database.most} connections were opened"
    pool, database = a_pool(submission, world, size)
    tasks, peak = [], 0
    for who in ("ada", "bob", "cem", "dia", "eve", "fay", "gus"):
        tasks.append(database.start(pool, who, 1))
        await world.pause("next one", 0.0, 0.02)
    while not all(task.done() for task in tasks) and world.time() < LONG:
        peak = max(peak, len(database.in_use))
        await asyncio.sleep(0.1)
    assert database.most <= size, mistake(
        "check-then-act",
        f"size={size}, and there were {database.most} connections, open or being opened.",
    )
    assert await ended(*tasks), f"seven tasks share {size} connections, and some never get one"
    assert peak == size, f"size={size}, and {peak} tasks used connections at the same time"


@pytest.mark.points(1)
@simulate(seeds=10)
async def test_what_comes_back_goes_to_who_waits(world, submission):
    """Twenty tasks share two connections, and all of them get their turn."""
    pool, database = a_pool(submission, world, size=2)
    tasks = []
    for number in range(20):
        seconds = world.latency("use", 0.001, 0.2)
        tasks.append(database.start(pool, f"task {number + 1}", seconds))
        await world.pause("next one", 0.0, 0.05)
    assert await ended(*tasks), (
        f"twenty tasks share two connections; after {LONG:.0f} s "
        f"{sum(not task.done() for task in tasks)} of them are still waiting"
    )
    assert database.opened <= 2, f"size=2, and {database.opened} connections were opened"


@pytest.mark.points(1)
@pytest.mark.hint("You have been woken. Is what you waited for still there?")
@simulate(seeds=2)
async def test_one_who_comes_back_at_once_makes_no_more(world, submission):
    """A task gives its connection back and wants one again at once, while another one waits."""
    pool, database = a_pool(submission, world, size=1)
    early = database.start(pool, "early bird", 1)
    await asyncio.sleep(0.5)
    assert await ended(early, database.start(pool, "early bird 2")), (
        "two tasks share one connection, and one never gets it"
    )
    assert database.most <= 1, f"size=1, and there were {database.most} connections"

    async def comes_back():
        for _ in range(2):
            await database.use(pool, "ada", 1)

    ada = asyncio.create_task(comes_back(), name="ada")
    await asyncio.sleep(0.5)
    bob = database.start(pool, "bob", 5)
    assert await ended(ada, bob), "ada came twice and bob once, and one of them never gets his turn"
    assert database.most <= 1, mistake(
        "check-then-act",
        "size=1. bob was woken for ada's connection, ada took it again before he ran, and he opened"
        f" one more: {database.most} connections.",
    )


@pytest.mark.points(1)
@pytest.mark.hint("Do you hold a lock while you await connect()?")
@simulate(seeds=3)
async def test_opening_one_holds_up_nobody(world, submission):
    """While a connection is being opened, others take idle ones and give theirs back."""
    pool, database = a_pool(submission, world, size=3, takes=0)
    held = database.start(pool, "ada", 2)
    brief = database.start(pool, "bob", 0.5)
    await asyncio.sleep(0.6)  # bob's is idle
    assert database.opened == 2, f"two tasks at once, and {database.opened} connections were opened"
    kept = database.start(pool, "cem", 1)  # takes bob's
    await asyncio.sleep(0.1)
    database.takes = 60
    slow = database.start(pool, "dia", 1)  # one more is opened
    await asyncio.sleep(0.1)
    assert database.opening == 1, "one is in use by ada, one by cem, size=3, and dia got none"
    back = await ended(held, kept, brief, seconds=20)
    assert back, mistake(
        "global-lock", "While a connection was being opened, nobody could give one back."
    )
    quick = database.start(pool, "eve", 1)
    assert await ended(quick, seconds=20), mistake(
        "global-lock", "While a connection was being opened, nobody could take an idle one."
    )
    assert await ended(slow), "dia never gets a connection"
    await asyncio.sleep(60)  # one that is still being opened may be opened


@pytest.mark.points(2)
@pytest.mark.hint(
    "From which line on do you have a place, and who gives it back if connect() raises?"
)
@simulate(seeds=3)
async def test_a_failed_connect_leaves_its_place_free(world, submission):
    """If connect() fails, the task gets the exception, and its place is free."""
    pool, database = a_pool(submission, world, size=2)
    database.failures = 3
    for _ in range(3):
        task = database.start(pool, "ada")
        await asyncio.wait([task], timeout=LONG)
        assert task.done(), mistake(
            "leaked-permit",
            f"size=2; connect() failed {3 - database.failures} times, and the next task waits for "
            "a place.",
        )
        assert isinstance(task.exception(), CannotConnect), (
            f"connect() raised CannotConnect, and the task got {task.exception()!r}"
        )
    await database.is_as_good_as_before(pool, 2, "leaked-permit", "connect() failed 3 times.")


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_a_failed_connect_is_followed_by_the_next(world, submission):
    """If connect() fails while others wait for a place, one of them tries in its turn."""
    pool, database = a_pool(submission, world, size=1, takes=1)
    database.failures = 1
    first = database.start(pool, "ada")
    await asyncio.sleep(0.1)
    second = database.start(pool, "bob")
    await asyncio.wait([first, second], timeout=LONG)
    assert first.done(), "connect() failed, and ada was not told"
    assert isinstance(first.exception(), CannotConnect), (
        f"connect() raised CannotConnect, and ada got {first.exception()!r}"
    )
    assert second.done(), mistake(
        "leaked-permit", "size=1; connect() failed for ada, and bob waits for ever for her place."
    )
    second.result()


@pytest.mark.points(1)
@pytest.mark.hint("Who is told of a place on each of the ways out of your connection()?")
@simulate(seeds=4)
async def test_however_it_is_left_who_waits_is_next(world, submission):
    """A block raises, or a task is cancelled as it has a connection or gets one: bob is next."""
    kind = world.seed % 3
    what = ("ada's block raised", "ada was cancelled in her block",
            "ada was cancelled while her connection was being opened")[kind]  # fmt: skip
    pool, database = a_pool(submission, world, size=1, takes=1)
    early, early_too = (database.start(pool, f"early bird {n}", 1) for n in (1, 2))
    assert await ended(early, early_too), "two tasks share one connection, and one never gets it"
    if kind == 2:
        pool, database = a_pool(submission, world, size=1, takes=1)
    ada = database.start(pool, "ada", 2, ZeroDivisionError("a bug") if kind == 0 else None)
    await asyncio.sleep(0.5)
    waiting = [database.start(pool, who, 1) for who in ("bob", "cem")]
    await asyncio.sleep(0.1)
    if kind:
        ada.cancel()
    await asyncio.wait([ada, *waiting], timeout=LONG)
    assert ada.done(), f"{what}, and she never ends"
    stuck = [task.get_name() for task in waiting if not task.done()]
    assert not stuck, f"size=1. {what}, and {' and '.join(stuck)} wait for ever"
    for task in waiting:
        task.result()


@pytest.mark.points(3)
@pytest.mark.hint("Look at each await of yours: if it raises CancelledError, who has the place?")
@simulate(seeds=4, at_every_await=True)
async def test_cancelled_anywhere_the_place_is_free(world, submission):
    """Cancelled as it waits, as one is opened for it, or as it uses one: no place is lost."""
    busy = world.seed % 2 == 1
    pool, database = a_pool(submission, world, size=2)
    others = [database.start(pool, who, 1) for who in ("ada", "bob")] if busy else []
    await asyncio.sleep(0.5)
    outcome = await world.interrupted(database.use(pool, "the one who goes", 1))
    if outcome.error is not None and not isinstance(outcome.error, asyncio.CancelledError):
        raise outcome.error
    if outcome.fired:
        assert outcome.error is not None, "a task was cancelled, and did not get its CancelledError"
    assert not others or await ended(*others), "two tasks that had connections never end"
    # Nobody else waits here, so nobody has been woken for nothing and taken it for a place.
    await database.is_as_good_as_before(
        pool, 2, "leaked-permit", "A task was cancelled.", gained="over-release"
    )


@pytest.mark.points(3)
@pytest.mark.hint("You are woken with something in your hands, and cancelled: who is told?")
@simulate(seeds=8)
async def test_cancelled_as_it_is_woken(world, submission):
    """A task is woken for a connection and cancelled before it runs: the next one gets it."""
    patient = 3
    turns = world.seed % 4  # of the loop, between the waking and the cancellation
    connecting = world.seed >= 4  # the place comes from a connect() that fails
    pool, database = a_pool(submission, world, size=1, takes=1 if connecting else 0)

    # Cancelled long before anything comes back: who cannot do this has another problem.
    database.failures = int(connecting)
    holder = database.start(pool, "early bird", 2)
    await asyncio.sleep(0.1)
    *leavers, stayer = (database.start(pool, f"early bird {n + 2}") for n in range(4))
    await asyncio.sleep(0.1)
    for leaver in leavers:
        leaver.cancel()
    await asyncio.wait([holder, *leavers, stayer], timeout=LONG)
    assert holder.done(), "a task that has a connection never ends"
    assert connecting == isinstance(holder.exception(), CannotConnect), (
        f"connect() {'raised CannotConnect' if connecting else 'was fine'}, and the task that it "
        f"was for raised {holder.exception()!r}"
    )
    assert stayer.done(), (
        "three tasks were cancelled while they waited for a connection, and the one behind them "
        "never got it"
    )

    pool, database = a_pool(submission, world, size=1, takes=1 if connecting else 0)
    database.failures = int(connecting)

    async def give_back():
        if connecting:
            with pytest.raises(CannotConnect):
                await database.use(pool, "ada")
        else:
            await database.use(pool, "ada", 1)
        for _ in range(turns):
            await asyncio.sleep(0)
        if not database.in_use and not database.opening:  # else he has run: too late
            leaving.cancel()
            world.note("bob is cancelled")

    holding = asyncio.create_task(give_back(), name="ada")
    await asyncio.sleep(0.5)
    leaving = database.start(pool, "bob", 5)
    await asyncio.sleep(0.1)
    waiting = [database.start(pool, f"cem {n + 1}") for n in range(patient)]
    await asyncio.wait([holding, leaving, *waiting], timeout=LONG)
    assert holding.done(), "ada never gives her connection back"
    holding.result()
    assert leaving.done(), "bob never ends, cancelled or not"
    stuck = sum(not task.done() for task in waiting)
    assert not stuck, mistake(
        "lost-wakeup",
        f"ada gave her place back, bob was woken for it and cancelled in that moment, and the "
        f"{stuck} behind him wait for ever.",
    )
    await database.is_as_good_as_before(
        pool, 1, "lost-wakeup", "bob was cancelled in the moment he got his place."
    )
