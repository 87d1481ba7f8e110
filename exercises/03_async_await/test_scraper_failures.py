"""Grades the scraping of scraper.py: failures, retries, waits, cancellation."""

import asyncio
import itertools

import pytest

from autograder.course.programs.scraper import markup
from autograder.course.programs.scraper.bench import (
    GOOD,
    HOST,
    STEPS,
    kettles,
    open_shop,
    paths,
    scrape,
    shop,
    why,
)
from autograder.course.programs.scraper.checks import (
    counted_sessions,
    heartbeat,
    pending_tasks,
    short,
)
from autograder.course.programs.scraper.shops import (
    cut_short,
    drop,
    in_turn,
    raw,
    status,
    trickle,
)
from autograder.grading import mistake
from autograder.simulation import simulate

DEEP = '<script type="application/ld+json">' + "[" * 100_000 + "</script>"
"""A page at which json gives up with a RecursionError, which nobody thinks of."""

# Failures, retries, waits


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_a_failure_costs_nothing_else(world, submission):
    """A page that fails is a Failure; the pages before it and beside it still count."""
    pages = {"/": kettles(next_url="/2"), "/2": status(404), "/sale": GOOD,
             "/odd": raw(b"<h1>K\xfcche</h1>"), "/deep": DEEP}  # fmt: skip
    await open_shop(world, pages)
    await open_shop(world, {"/fine": GOOD}, host="fine.example")
    shops = [
        shop(submission, "/", "/odd", "/deep", "/sale"),
        shop(submission, "/", host="nobody.example"),
        shop(submission, "/fine", host="fine.example"),
    ]
    report = await scrape(submission, shops, pause=0.1)
    found = paths(report.offers)
    assert found != ["/fine"], mistake(
        "one-failure-loses-all",
        "Two of a shop's pages failed, and the prices on its other pages were lost with them.",
    )
    assert found == ["/", "/sale", "/fine"], f"offers of {found}{why(report)}"
    failures = [failure.url for failure in report.failures]
    expected = [f"http://{HOST}{path}" for path in ("/2", "/odd", "/deep")]
    expected.append("http://nobody.example/")
    assert failures == expected, f"failures of {failures}, expected {expected}"


@pytest.mark.points(2)
@simulate(seeds=2, steps=STEPS)
async def test_what_may_go_better_is_repeated(world, submission):
    """A page is asked for again after 429, 5xx, a broken connection and a timeout."""
    # aiohttp itself repeats a GET once when the connection breaks before the answer.
    pages = {
        "/501": in_turn(status(501), GOOD),
        "/429": in_turn(status(429), GOOD),
        "/520": in_turn(status(520), GOOD),
        "/dropped": in_turn(drop, drop, GOOD),
        "/cut": in_turn(cut_short, GOOD),
        "/stalled": in_turn(trickle(GOOD, pause=500.0), GOOD),
    }
    await open_shop(world, pages)
    await open_shop(world, {"/": GOOD}, host="late.example")
    world.network.refuse("late.example")
    asyncio.get_running_loop().call_later(0.4, world.network.heal, "late.example")
    shops = [shop(submission, *pages), shop(submission, "/", host="late.example")]
    report = await scrape(submission, shops, attempts=2, per_host=6)
    assert not report.failures, f"a second attempt would have helped{why(report)}"
    assert len(report.offers) == 7, f"7 pages, but {len(report.offers)} offers"


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_what_stays_wrong_is_not_repeated(world, submission):
    """A page with any status of 400 to 499 but 429, or that is unreadable, is asked for once."""
    pages = {"/404": status(404), "/odd": raw(b"\xff"),
             "/words": markup.page("Radios", "call us"), "/408": status(408)}  # fmt: skip
    server = await open_shop(world, pages)
    report = await scrape(submission, [shop(submission, *pages)], pause=30.0)
    assert paths(report.failures) == list(pages), f"failures of {paths(report.failures)}"
    for path in ("/404", "/odd", "/words"):
        asked = server.paths().count(path)
        assert asked <= 1, mistake(
            "retries-everything",
            f"{path} was asked for {asked} times; it will be the same however often one asks.",
        )
    asked = server.paths().count("/408")
    assert asked <= 1, (
        f"a page with the status 408 was asked for {asked} times; of the statuses, only 429 and "
        "those of 500 and above are repeated"
    )
    assert world.time() < 20, (
        f"4 pages were asked for once each, and that took {world.time():.0f} s, with pause=30.0: "
        "there was nothing to wait for"
    )


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_it_gives_up_after_so_many_attempts(world, submission):
    """A page that keeps failing is asked for `attempts` times, and is then a Failure."""
    for attempts in (1, 4):
        server = await open_shop(world, {"/": status(500)}, port=8000 + attempts)
        where = shop(submission, "/", host=f"{HOST}:{8000 + attempts}")
        report = await scrape(submission, [where], attempts=attempts)
        assert len(server.visits) == attempts, (
            f"attempts={attempts}, but the page was asked for {len(server.visits)} times"
        )
        assert len(report.failures) == 1, f"1 page failed, but failures are {report.failures}"


@pytest.mark.points(1)
@pytest.mark.hint("What does your loop do after the last attempt?")
@simulate(seeds=1, steps=STEPS)
async def test_the_last_attempt_is_the_end(world, submission):
    """After the last attempt nothing is waited for, and its error is the one reported."""
    await open_shop(world, {"/": in_turn(status(503), status(500, Retry_After="3600"))})
    report = await scrape(submission, [shop(submission, "/")], attempts=2)
    assert world.time() < 60, (
        f"2 attempts took {world.time():.0f} s: after the last one it went on waiting, and there "
        "was no other attempt to wait for"
    )
    error = report.failures[0].error
    text = f"{error} {error!r}"
    assert "500" in text or "503" not in text, (
        f"the first answer had the status 503 and the last one 500, and the Failure says {error!r}"
    )


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_it_waits_before_it_asks_again(world, submission):
    """It waits as long as Retry-After says, else at least `pause` seconds."""
    answers = {
        "busy": (status(429, Retry_After="7"), 7),
        "closed": (status(503, Retry_After="120"), 120),
        "broken": (status(500, Retry_After="5"), 5, status(500, Retry_After="40"), 40),
        "silent": (status(500), 2, status(500), 2),
        "torn": (cut_short, 2),
    }
    # A shop, and a host, for each: who leaves a whole host in peace for so long is right, too.
    servers = {
        name: await open_shop(world, {"/": in_turn(*steps[::2], GOOD)}, host=f"{name}.example")
        for name, steps in answers.items()
    }
    shops = [shop(submission, "/", host=f"{name}.example", name=name) for name in answers]
    report = await scrape(submission, shops, pause=2.0)
    for name, steps in answers.items():
        visits, waits = servers[name].visits, steps[1::2]
        assert len(visits) == len(waits) + 1, (
            f"{name} was to be asked {len(waits) + 1} times, and was asked {len(visits)} times"
        )
        for (earlier, later), least in zip(itertools.pairwise(visits), waits, strict=True):
            gap = later.started - earlier.ended
            said = f"Retry-After: {least}" if least != 2 else "pause=2.0"
            assert gap >= least, f"{name} was asked again after {gap:.2f} s; {said}"
            assert gap < 2 * least + 10, f"{name} was asked again only after {gap:.1f} s; {said}"
    seconds = report.results[1].seconds
    assert seconds >= 120, f"`closed` took 120 s, its wait included; its seconds are {seconds:.2f}"


@pytest.mark.points(2)
@pytest.mark.hint("Does your timeout also run while the page waits for a place at its host?")
@simulate(seeds=1, steps=STEPS)
async def test_an_attempt_has_its_own_timeout(world, submission):
    """The timeout is for one attempt, body included; waiting for a place is no part of it."""
    await open_shop(world, {f"/{n}": GOOD for n in range(3)}, host="calm.example", delay=2.7)
    stuck = await open_shop(world, {"/": trickle(GOOD, pause=900.0)}, host="stuck.example")
    await open_shop(world, {"/": trickle(GOOD, pause=2.0)}, host="late.example", delay=2.0)
    await open_shop(world, {"/": GOOD}, host="silent.example", delay=900.0)
    shops = [
        shop(submission, *[f"/{n}" for n in range(3)], host="calm.example"),
        shop(submission, "/", host="stuck.example"),
        shop(submission, "/", host="late.example"),
        shop(submission, "/", host="silent.example"),
    ]
    report = await scrape(submission, shops, per_host=1, timeout=3.0, attempts=2, pause=0.0)
    assert len(report.results[0].offers) == 3, (
        "3 pages took 2.7 s each, one after another, and the timeout was 3 s for each; "
        f"not all were read{why(report)}"
    )
    assert len(report.results[1].failures) == 1, (
        "half a page is no page: stuck.example sent no more"
    )
    assert len(stuck.visits) == 2, f"2 attempts were allowed, {len(stuck.visits)} were made"
    assert len(report.results[2].failures) == 1, (
        "late.example begins its answer after 2 s and ends it 2 s later; the timeout of 3 s is "
        "for all of it"
    )
    assert len(report.results[3].failures) == 1, "silent.example never answered"
    # 2 attempts of 3 s, and a second for aiohttp's rounding of each; the calm shop takes 8.1 s.
    assert world.time() < 9.5, f"2 attempts of 3 s took {world.time():.1f} s"


# Being a good guest in the loop


@pytest.mark.points(2)
@simulate(seeds=3, steps=STEPS)
async def test_cancelling_it_ends_its_requests(world, submission):
    """If scrape is cancelled, every request in flight ends with it, and no other is sent."""
    server = await open_shop(world, {f"/{n}": GOOD for n in range(6)}, delay=4.0)
    await cancel(world, submission, server, [shop(submission, *[f"/{n}" for n in range(6)])])


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_cancelling_it_ends_its_waits(world, submission):
    """If scrape is cancelled while a page waits to be asked for again, the wait ends, too."""
    server = await open_shop(world, {"/": status(429, Retry_After="30")})
    await cancel(world, submission, server, [shop(submission, "/")])


async def cancel(world, submission, server, shops):
    """Cancel a scrape after some seconds, and see that nothing of it goes on."""
    pending = []

    async def caller():
        try:
            return await submission.scrape(shops)
        finally:
            await asyncio.sleep(0.1)  # what has been cancelled may need a turn or two to end
            pending.extend(pending_tasks())

    with counted_sessions() as sessions:
        task = asyncio.create_task(caller())
        await asyncio.sleep(2.0 + 3.0 * world.draw("when"))
        if task.done():
            raise AssertionError(
                f"scrape returned {short(task.result())} before it was cancelled, with a page "
                "still to be asked for"
            )
        answered = sum(visit.answered for visit in server.visits)
        stopped = asyncio.get_running_loop().time()
        task.cancel()
        await asyncio.wait([task], timeout=4)
    assert task.done(), mistake(
        "swallowed-cancellation", "scrape was cancelled, and 4 s later it was still running."
    )
    if not task.cancelled():
        returned = short(task.result())  # or its exception, which says by itself what is wrong
        raise AssertionError(
            mistake(
                "swallowed-cancellation",
                f"scrape was cancelled, and its caller was not told: it returned {returned}.",
            )
        )
    await asyncio.sleep(60)
    went_on = sum(visit.answered for visit in server.visits) - answered
    assert not went_on, mistake(
        "leaked-task", f"scrape was cancelled and ended, but {went_on} of its requests went on."
    )
    assert not pending, mistake(
        "leaked-task",
        f"scrape was cancelled and ended, and {len(pending)} of its tasks went on.",
    )
    # A request that was on its way already may arrive a moment later.
    later = [visit.path for visit in server.visits if visit.started > stopped + 1]
    assert not later, f"{later} were asked for after scrape had been cancelled"
    assert all(session.closed for session in sessions), (
        "scrape was cancelled and left its session open"
    )


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_the_loop_is_never_blocked(world, submission):
    """While the shops are scraped, other tasks go on running, waits and retries included."""
    pages = {"/": kettles(next_url="/2"), "/2": in_turn(status(503), GOOD)}
    await open_shop(world, pages, delay=0.5)
    async with heartbeat() as heart:
        await scrape(submission, [shop(submission, "/")])
    gap = heart.longest_gap()
    assert gap < 0.3, f"nothing else could run for {gap:.1f} s"
