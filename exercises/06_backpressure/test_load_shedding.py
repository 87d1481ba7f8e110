"""Grades load_shedding.py."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.desk import LONG, Desk
from autograder.grading.benches.quiet import callbacks_of_a_sleep
from autograder.simulation import simulate

BUSY = 3_000
"""Steps in a row. A world needs 300 in all: whoever takes so many never waits."""

HAIR = 0.001
"""Seconds by which everything may be late."""


async def assert_that_it_answers(submission, world):
    """With one request after another, everything is answered."""
    desk = Desk(submission, world)
    for request in ("first", "second", "third"):
        desk.ask(request)
        stuck = await desk.settle()
        assert not stuck, f"one request after another, and {request!r} never ends"
        assert desk.answered(request), f"one worker, one request: {desk.outcome[request]!r}"


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_a_free_worker_takes_a_request_at_once(world, submission):
    """While workers are free, requests are handled at once, all at the same time."""
    desk = Desk(submission, world, workers=5, deadline=0.5)
    for request in ("ada", "bob", "cem", "dia", "eva"):
        desk.ask(request)
    stuck = await desk.settle()
    assert not stuck, f"five workers, five requests, and {stuck} never end"
    assert all(map(desk.answered, desk.tasks)), f"five workers, and: {desk.outcome}"
    assert desk.peak == 5, f"five workers, and {desk.peak} requests were handled at once"

    async def echo(request):
        await asyncio.sleep(0.1)
        return request

    shedder = submission.Shedder(echo, workers=1, capacity=3, deadline=10)
    for answer in (None, 0, [1, 2]):
        got = await asyncio.wait_for(shedder.submit(answer), LONG)
        assert got is answer, f"the handler returned {answer!r}, and submit {got!r}"


@pytest.mark.points(1)
@simulate(seeds=10, busy=BUSY)
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
@simulate(seeds=1, busy=BUSY)
async def test_what_the_handler_raises_is_raised(world, submission):
    """What the handler raises comes out of submit, and the worker goes on."""
    desk = Desk(submission, world)
    desk.breaks = {"ada"}
    for request in ("ada", "bob", "cem"):
        desk.ask(request)
    stuck = await desk.settle()
    assert not stuck, f"the handler raised for ada, and {', '.join(stuck)} never ended"
    assert desk.outcome["ada"] == "broken", f"the handler raised; ada got {desk.outcome['ada']!r}"
    for request in ("bob", "cem"):
        got = desk.outcome[request]
        assert desk.answered(request), f"the handler raised for ada; {request} got {got!r}"
    assert desk.peak == 1, (
        f"the handler raised for ada, and {desk.peak} requests were handled at once after that; "
        "there is one worker"
    )

    async def too_slow(request):
        await asyncio.sleep(0.1)
        raise TimeoutError(f"the database did not answer {request}")

    shedder = submission.Shedder(too_slow, workers=1, capacity=3, deadline=10)
    said = await asyncio.gather(*map(shedder.submit, ("ada", "bob")), return_exceptions=True)
    assert [type(error) for error in said] == [TimeoutError, TimeoutError], (
        f"the handler raised TimeoutError for both, and submit {said}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("Of those who wait, who came last? A list has pop().")
@simulate(seeds=1, busy=BUSY)
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
@simulate(seeds=1, busy=BUSY)
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


@pytest.mark.points(1)
@pytest.mark.hint("Who is refused is off the list at once, and not when its own task runs again.")
@simulate(seeds=1, busy=BUSY)
async def test_two_too_many_in_one_moment(world, submission):
    """If two too many come in one moment, the two that have waited longest are refused."""
    desk = Desk(submission, world, capacity=2)
    for request in ("ada", "bob", "cem"):
        desk.ask(request)
        await asyncio.sleep(0.1)
    desk.ask("dia")
    desk.ask("eva")
    await asyncio.sleep(0.1)
    refused = [request for request, outcome in desk.outcome.items() if outcome == "refused"]
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert refused == ["bob", "cem"], (
        "ada was being handled, bob and cem were waiting, two may, and dia and eva came in the "
        f"same moment; refused were {refused}"
    )


@pytest.mark.points(3)
@pytest.mark.hint("Who looks at the clock while all the workers are busy?")
@simulate(seeds=5, busy=BUSY)
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
    desk = Desk(submission, world, 5.0, deadline=6.0)
    for request in ("dia", "eva"):
        desk.ask(request)
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert desk.answered("eva"), (
        "the deadline is 6 s; eva waited for 5 s, was handled for 5 s, and got "
        f"{desk.outcome['eva']!r}; only the waiting counts"
    )


@pytest.mark.points(2)
@pytest.mark.hint("A client that gives up cancels its submit. Where is its request then?")
@simulate(seeds=10, busy=BUSY)
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

    desk = Desk(submission, world, capacity=3, deadline=100.0)
    for request in ("ada", "bob", "cem", "dia"):
        desk.ask(request, patience=0.1 if request == "cem" else None)
    await asyncio.sleep(0.2)
    desk.ask("eva")
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    for request in ("bob", "dia", "eva"):
        assert desk.answered(request), (
            f"bob, cem and dia waited, cem gave up, eva came; {request} got "
            f"{desk.outcome[request]!r}, although there was room for three"
        )


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_a_handler_whose_client_has_gone_is_cancelled(world, submission):
    """If a client gives up while its request is handled, the handler is cancelled."""
    desk = Desk(submission, world, 50.0)
    desk.tidy = 0.5
    desk.ask("ada", patience=2.0)
    await asyncio.sleep(0.1)
    desk.ask("bob")
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert desk.outcome["ada"] == "gave up", f"ada gave up, and got {desk.outcome['ada']!r}"
    assert desk.answered("bob"), f"ada gave up; bob, who waited, got {desk.outcome['bob']!r}"
    assert desk.peak == 1, (
        "ada gave up. Her handler, which takes half a second to clean up, and bob's were at work "
        "at once; there is one worker"
    )
    assert desk.began["bob"] < 2.5 + HAIR, (
        "ada gave up after 2 s of her 50, her handler cleaned up for half a second, and bob's turn "
        f"came at {desk.began['bob']:.1f} s"
    )


@pytest.mark.points(3)
@pytest.mark.hint("Under overload, who is still there when the answer is?")
@simulate(seeds=2, busy=10 * BUSY)
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
@simulate(seeds=1, busy=BUSY, at_every_await=True, ignore=frozenset({"leaked-task"}))
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
    assert "cem" in desk.began, mistake(
        "leaked-permit",
        "bob's submit was cancelled, and now the one worker is gone: cem's request "
        + ("never ends." if stuck else f"ended with {desk.outcome['cem']!r}."),
    )
    assert desk.answered("cem"), f"bob's submit was cancelled; cem got {desk.outcome['cem']!r}"
    assert desk.peak == 1, f"{desk.peak} requests were handled at once; there is one worker"


@pytest.mark.points(2)
@pytest.mark.hint("Given a worker, and cancelled before it could begin: whose is the worker now?")
@simulate(seeds=8, busy=BUSY)
async def test_gone_in_the_moment_of_its_turn(world, submission):
    """A request that ends just as its turn comes leaves the worker to another one."""
    await assert_that_it_answers(submission, world)
    how = world.seed % 4
    desk = Desk(submission, world, deadline=(100.0, 100.0, 1.0, 1.0)[how])
    if how == 0:
        desk.ask("ada", then=lambda: desk.tasks["cem"].cancel())
    elif how == 3:
        # In the turn of the loop in which ada's handler ends, behind it, cem's deadline is over.
        desk.seconds = 0.9995
        desk.ask("ada")
        asyncio.get_running_loop().call_later(0.9995, compute_for_a_millisecond, world)
    else:
        desk.ask("ada")
    desk.ask("bob")
    # bob came before cem, so cem's turn comes first: in the moment in which cem goes.
    desk.ask("cem", patience=1.0 if how == 1 else None)
    await asyncio.sleep(5)
    desk.ask("dia")
    stuck = await desk.settle()
    assert "dia" in desk.began, mistake(
        "lost-wakeup",
        "A request ended in the moment in which its turn came. The worker that was meant for it "
        "serves nobody any more.",
    )
    assert not stuck, f"{', '.join(stuck)} never ended"
    assert desk.answered("dia"), f"dia came when all was quiet, and got {desk.outcome['dia']!r}"
    if how < 2:
        assert desk.answered("bob"), f"cem went in the moment of its turn, bob: {desk.outcome}"
    assert desk.peak == 1, f"{desk.peak} requests were handled at once; there is one worker"


def compute_for_a_millisecond(world):
    """A callback that takes its time: the clock has moved when it returns."""
    world.loop.now += 0.001


@pytest.mark.points(2)
@pytest.mark.hint("Who makes a worker free, and who hands one on? Count for each way out.")
@simulate(seeds=2, busy=BUSY)
async def test_no_worker_is_gained(world, submission):
    """Whatever happens in the moment of a refusal or of a turn, no worker is gained."""
    await assert_that_it_answers(submission, world)
    desk = Desk(submission, world, capacity=5 if world.seed else 1)
    desk.ask("ada")
    desk.ask("bob")
    if world.seed:
        story = "ada was done, bob's turn came, and cem asked in the same moment"
        desk.last_act["ada"] = lambda: desk.ask("cem")
    else:
        story = "bob was refused, and cancelled in the same moment"
        await asyncio.sleep(0.1)
        desk.ask("cem")
        asyncio.get_running_loop().call_soon(desk.tasks["bob"].cancel)
    await asyncio.sleep(1.5)
    for request in ("dia", "eva", "fay"):
        desk.ask(request)
    await desk.settle()
    assert desk.peak == 1, (
        f"{story}; then {desk.peak} requests were handled at once, and there is one worker"
    )


@pytest.mark.points(1)
@pytest.mark.hint("A timer that is needed no more can be cancelled.")
@simulate(seeds=1, busy=BUSY)
async def test_nothing_is_left_running(world, submission):
    """When all requests have ended, no task and no timer of the Shedder is left."""
    await assert_that_it_answers(submission, world)
    usual = await callbacks_of_a_sleep(world, 200)
    desk = Desk(submission, world)
    for request in ("ada", "bob", "cem"):
        desk.ask(request)
    await asyncio.sleep(0.1)
    desk.tasks["bob"].cancel()
    stuck = await desk.settle()
    assert not stuck, f"{', '.join(stuck)} never ended"
    more = await callbacks_of_a_sleep(world, 200) - usual
    assert not more, (
        "bob was cancelled and cem answered, nobody waits any more, and the Shedder had the event "
        f"loop woken later, to run {more} callback(s)"
    )
