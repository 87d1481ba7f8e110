"""Grades load_shedding.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.simulation import simulate

HAIR = 0.001
"""Seconds by which everything may be late."""
LONG = 300.0
"""Virtual seconds after which a request that has not ended never will."""


class Broken(Exception):
    """What a handler of these tests raises."""


class Desk:
    """The handler, the clients, and what became of every request."""

    def __init__(self, submission, world, seconds=1.0, *, workers=1, capacity=10, deadline=100.0):
        self.submission, self.world, self.seconds = submission, world, seconds
        self.began, self.ended, self.asked, self.outcome = {}, {}, {}, {}
        self.running = self.peak = 0
        self.dead, self.tasks = [], {}
        self.breaks = set()
        self.shedder = submission.Shedder(
            self.handle, workers=workers, capacity=capacity, deadline=deadline
        )

    async def handle(self, request):
        if request in self.outcome:
            self.dead.append(request)
        self.began[request] = self.world.time()
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await asyncio.sleep(self.seconds)
            if request in self.breaks:
                raise Broken(request)
            return f"answer to {request}"
        finally:
            self.running -= 1

    def ask(self, request, patience=None, then=lambda: None):
        """Submit a request in a task of its own; its client gives up after `patience` seconds."""

        async def client():
            self.asked[request] = self.world.time()
            self.outcome.pop(request, None)
            outcome = "cancelled"
            try:
                async with asyncio.timeout(patience):
                    outcome = await self.shedder.submit(request)
            except self.submission.Overloaded:
                outcome = "refused"
            except TimeoutError:
                outcome = "gave up"
            except Broken:
                outcome = "broken"
            finally:
                self.outcome[request] = outcome
                self.ended[request] = self.world.time()
                then()

        self.tasks[request] = asyncio.create_task(client(), name=str(request))
        return self.tasks[request]

    async def settle(self):
        """Wait until every request has ended; the names of those that never do."""
        await asyncio.wait(self.tasks.values(), timeout=LONG)
        stuck = [request for request, task in self.tasks.items() if not task.done()]
        for task in self.tasks.values():
            task.cancel()
        for outcome in await asyncio.gather(*self.tasks.values(), return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        return stuck

    def answered(self, request):
        return self.outcome.get(request) == f"answer to {request}"


async def assert_that_it_answers(submission, world):
    """With one request after another, everything is answered."""
    desk = Desk(submission, world)
    for request in ("first", "second", "third"):
        desk.ask(request)
        stuck = await desk.settle()
        assert not stuck, f"one request after another, and {request!r} never ends"
        assert desk.answered(request), f"one worker, one request: {desk.outcome[request]!r}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_free_worker_takes_a_request_at_once(world, submission):
    """While workers are free, requests are handled at once, all at the same time."""
    desk = Desk(submission, world, workers=3, deadline=0.5)
    for request in ("ada", "bob", "cem"):
        desk.ask(request)
    stuck = await desk.settle()
    assert not stuck, f"three workers, three requests, and {stuck} never end"
    assert all(map(desk.answered, desk.tasks)), f"three workers, and: {desk.outcome}"
    assert desk.peak == 3, f"three workers, and {desk.peak} requests were handled at once"


@pytest.mark.points(1)
@simulate(seeds=10)
async def test_no_more_than_the_workers_are_at_work(world, submission):
    """However many requests come, no more than `workers` are handled at any moment."""
    desk = Desk(submission, world, workers=3, capacity=50)
    for number in range(20):
        desk.ask(f"request {number}")
        await asyncio.sleep(world.latency("next", 0.0, 0.3))
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert desk.peak <= 3, f"{desk.peak} requests were handled at once; there are 3 workers"
    left = [request for request in desk.tasks if not desk.answered(request)]
    assert not left, f"there was room for all to wait, and not answered were {', '.join(left)}"


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_what_the_handler_raises_is_raised(world, submission):
    """What the handler raises comes out of submit, and the worker goes on."""
    desk = Desk(submission, world)
    desk.breaks = {"ada"}
    desk.ask("ada")
    desk.ask("bob")
    stuck = await desk.settle()
    assert not stuck, f"the handler raised for ada, and {', '.join(stuck)} never ended"
    assert desk.outcome["ada"] == "broken", f"the handler raised; ada got {desk.outcome['ada']!r}"
    assert desk.answered("bob"), f"the handler raised for ada; bob got {desk.outcome['bob']!r}"


@pytest.mark.points(2)
@pytest.mark.hint("Of those who wait, who came last? A list has pop().")
@simulate(seeds=1)
async def test_the_newest_is_served_first(world, submission):
    """When the worker is free again, it takes the request that came last, at once."""
    desk = Desk(submission, world)
    for request in ("ada", "bob", "cem", "dia"):
        desk.ask(request)
        await asyncio.sleep(0.1)
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert list(desk.began) == ["ada", "dia", "cem", "bob"], (
        "ada was being handled when bob, cem and dia came, in this order; handled were "
        f"{', '.join(desk.began)}"
    )
    times = [round(time, 3) for time in desk.began.values()]
    assert times == [0.0, 1.0, 2.0, 3.0], f"the worker, 1 s for each, began at {times} s"


@pytest.mark.points(2)
@simulate(seeds=1)
async def test_the_oldest_makes_room(world, submission):
    """If one too many waits, the one that has waited longest is refused at once."""
    desk = Desk(submission, world, capacity=2)
    for request in ("ada", "bob", "cem", "dia"):
        desk.ask(request)
        await asyncio.sleep(0.1)
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    refused = [request for request, outcome in desk.outcome.items() if outcome == "refused"]
    assert refused == ["bob"], (
        "ada was being handled, bob and cem were waiting, two may, and dia came; refused were "
        f"{refused}"
    )
    assert desk.ended["bob"] < 0.3 + HAIR, (
        f"dia came at 0.3 s, and bob was refused at {desk.ended['bob']:.3f} s"
    )
    assert "bob" not in desk.began, "bob was refused, and handled all the same"
    assert desk.answered("cem"), f"cem could wait, and got {desk.outcome['cem']!r}"


@pytest.mark.points(3)
@pytest.mark.hint("Who looks at the clock while all the workers are busy?")
@simulate(seeds=5)
async def test_nobody_is_served_after_the_deadline(world, submission):
    """A request that has waited for `deadline` seconds is refused then, and never handled."""
    await assert_that_it_answers(submission, world)
    start = world.time()
    desk = Desk(submission, world, 5.0, deadline=2.0)
    for request in ("ada", "bob", "cem"):
        desk.ask(request)
        await asyncio.sleep(world.latency("next", 0.1, 0.5))
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    if "cem" not in desk.began or desk.began.get("bob", LONG) < desk.began["cem"]:
        assert "bob" not in desk.began, (
            f"the deadline is 2 s, and bob was handled after {desk.began['bob'] - start:.1f} s"
        )
    for request in ("bob", "cem"):
        waited = desk.began.get(request, start) - desk.asked[request]
        assert waited < 2 + HAIR, mistake(
            "serves-the-dead",
            f"{request} had waited for {waited:.1f} s when the handler began; the deadline is 2 s.",
        )
        assert desk.outcome[request] == "refused", f"{request} got {desk.outcome[request]!r}"
        after = desk.ended[request] - desk.asked[request]
        assert after < 2 + HAIR, f"the deadline is 2 s; {request} was refused after {after:.3f} s"
        assert after > 2 - HAIR, f"the deadline is 2 s; {request} was refused after {after:.3f} s"
    assert desk.answered("ada"), f"ada never waited, and got {desk.outcome['ada']!r}"


@pytest.mark.points(2)
@pytest.mark.hint("A client that gives up cancels its submit. Where is its request then?")
@simulate(seeds=10)
async def test_nobody_is_served_who_has_gone(world, submission):
    """A request whose client has given up is not handled, and takes nobody's place."""
    await assert_that_it_answers(submission, world)
    desk = Desk(submission, world, capacity=3 if world.seed % 2 else 10)
    desk.ask("ada")
    for request in ("bob", "cem", "dia"):
        await asyncio.sleep(0.01)
        desk.ask(request, patience=0.1 + world.latency("patience", 0.0, 0.5))
    await asyncio.sleep(0.8)
    for request in ("eva", "fay", "gil"):
        desk.ask(request)
        await asyncio.sleep(0.01)
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    await asyncio.sleep(10)
    assert not desk.dead, mistake(
        "serves-the-dead",
        f"{desk.dead[0]} gave up while it waited, and was handled all the same, after "
        f"{desk.began[desk.dead[0]] - desk.asked[desk.dead[0]]:.1f} s.",
    )
    for request in ("eva", "fay", "gil"):
        assert desk.answered(request), (
            f"bob, cem and dia had given up, there was room for {request}, who got "
            f"{desk.outcome[request]!r}"
        )


@pytest.mark.points(1)
@simulate(seeds=1)
async def test_a_handler_whose_client_has_gone_is_cancelled(world, submission):
    """If a client gives up while its request is handled, the handler is cancelled."""
    desk = Desk(submission, world, 50.0)
    desk.ask("ada", patience=2.0)
    await asyncio.sleep(0.1)
    desk.ask("bob")
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert desk.outcome["ada"] == "gave up", f"ada gave up, and got {desk.outcome['ada']!r}"
    assert desk.answered("bob"), f"ada gave up; bob, who waited, got {desk.outcome['bob']!r}"
    assert desk.began["bob"] < 2 + HAIR, (
        f"ada gave up after 2 s of her 50, and bob's turn came at {desk.began['bob']:.1f} s"
    )
    assert desk.peak == 1, "ada's handler and bob's were at work at once; there is one worker"


@pytest.mark.points(3)
@pytest.mark.hint("Under overload, who is still there when the answer is?")
@simulate(seeds=2)
async def test_ten_times_too_much_does_not_bring_it_down(world, submission):
    """At ten times its capacity it still answers 90 percent of what it can answer, in time."""
    desk = Desk(submission, world, 0.1, workers=2, capacity=100, deadline=0.25)

    async def load(name, per_second, seconds):
        for number in range(int(per_second * seconds)):
            desk.ask(f"{name} {number}", patience=0.4 + 0.3 * world.draw("patience"))
            gap = 0.5 + world.draw("gap") if world.seed else 1.0
            await asyncio.sleep(gap / per_second)
        await asyncio.sleep(3)
        return sum(desk.answered(request) for request in desk.tasks if request.startswith(name))

    before = await load("calm", 10, 2)
    assert before >= 19, f"at half its capacity, {before} of 20 requests were answered"
    start = world.time()
    answers = await load("rush", 200, 4)
    rush = max(desk.asked.values()) - start
    possible = int(20 * rush)
    after = await load("again", 10, 2)
    stuck = await desk.settle()
    assert not stuck, f"{len(stuck)} requests never ended, {stuck[0]} for one"
    assert after >= 19, f"after the rush, at half its capacity, {after} of 20 were answered"
    assert answers > 0.5 * possible, mistake(
        "collapse-under-overload",
        f"For {rush:.0f} s there were 10 times more requests than it can answer. It could answer "
        f"{possible}, and {answers} clients got an answer before they gave up.",
    )
    assert answers >= 0.9 * possible, (
        f"for {rush:.0f} s there were 10 times more requests than it can answer; it could answer "
        f"{possible}, and answered {answers}, which is less than 90 percent"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Between your taking a worker and your `try` stands an await?")
@simulate(seeds=1, at_every_await=True, ignore=frozenset({"leaked-task"}))
async def test_cancelled_anywhere_it_loses_no_worker(world, submission):
    """If submit is cancelled, at whichever await, the worker is there for the next one."""
    await assert_that_it_answers(submission, world)
    desk = Desk(submission, world)
    desk.ask("ada")
    await asyncio.sleep(0.1)
    outcome = await world.interrupted(desk.shedder.submit("bob"))
    if outcome.error is not None:
        assert isinstance(outcome.error, asyncio.CancelledError), (
            f"submit was cancelled, and raised {outcome.error!r}"
        )
    desk.ask("cem")
    stuck = await desk.settle()
    assert desk.answered("cem"), mistake(
        "leaked-permit",
        "bob's submit was cancelled, and now the one worker is gone: cem's request "
        + ("never ends." if stuck else f"ended with {desk.outcome['cem']!r}."),
    )
    assert desk.peak == 1, f"{desk.peak} requests were handled at once; there is one worker"


@pytest.mark.points(2)
@pytest.mark.hint("Given a worker, and cancelled before it could begin: whose is the worker now?")
@simulate(seeds=6)
async def test_gone_in_the_moment_of_its_turn(world, submission):
    """A request that ends just as its turn comes leaves the worker to another one."""
    await assert_that_it_answers(submission, world)
    how = world.seed % 3
    desk = Desk(submission, world, deadline=1.0 if how == 2 else 100.0)
    if how == 0:
        desk.ask("ada", then=lambda: desk.tasks["cem"].cancel())
    else:
        desk.ask("ada")
    desk.ask("bob")
    # bob came before cem, so cem's turn comes first: in the moment in which cem goes.
    desk.ask("cem", patience=1.0 if how == 1 else None)
    await asyncio.sleep(5)
    desk.ask("dia")
    stuck = await desk.settle()
    assert desk.answered("dia"), mistake(
        "lost-wakeup",
        "A request ended in the moment in which its turn came. The worker that was meant for it "
        "serves nobody any more.",
    )
    assert not stuck, f"{', '.join(stuck)} never ended"
    if how < 2:
        assert desk.answered("bob"), f"cem went in the moment of its turn, bob: {desk.outcome}"
    assert desk.peak == 1, f"{desk.peak} requests were handled at once; there is one worker"
